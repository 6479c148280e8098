import { describe, expect, it } from 'vitest'
import { verifyJournal } from '#core/store/chain.ts'
import { openStore } from '#core/store/open.ts'
import type { LedgerRow } from '#core/sdk.ts'
import { startTestGateway } from '../support/gateway.ts'
import { temporaryFolder } from '../core/store/temporary.ts'

const YAML = (file: string, more = '') => `
store: sqlite:${file}
server: { admin: 127.0.0.1:0 }
upstreams: { demo: { dialect: demo } }
pipelines:
  chat:
    - logging: { destination: /dev/null, audit: { enabled: true } }
    - filter: { deny: { eq: [$req.body.model, secret] } }
  other:
    - logging: { destination: /dev/null, audit: { enabled: true, events: [config, admin] } }
routes:
  - { id: chat, match: { api: openai-chat }, pipeline: chat, upstream: demo }
  - { id: messages, match: { api: anthropic }, pipeline: other, upstream: demo }
${more}`

/** A gateway with an audit trail in a file, and its rows once it has stopped. */
async function startAudited() {
  const file = `${await temporaryFolder()}/audit.db`
  const gateway = await startTestGateway(YAML(file))
  return {
    gateway,
    file,
    async rows(): Promise<readonly LedgerRow[]> {
      await gateway.close({ delayMs: 0 })
      const store = await openStore(`sqlite:${file}`, { now: Date.now })
      const rows = await store.ledger.read('audit', { limit: 100 })
      expect((await verifyJournal(store.ledger, 'audit')).faults).toEqual([])
      await store.close()
      return rows
    },
  }
}

function ask(url: string, model: string) {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [] }),
  })
}

describe('the audit trail', () => {
  it('keeps refusals, with who and where', async () => {
    const { gateway, rows } = await startAudited()
    const refused = await ask(gateway.url, 'secret')
    await ask(gateway.url, 'gpt-4o')
    expect((await rows()).map(({ row }) => row)).toEqual([
      {
        event: 'auth',
        id: refused.headers.get('x-request-id'),
        route: 'chat',
        method: 'POST',
        path: '/v1/chat/completions',
        ip: '127.0.0.1',
        status: 403,
        code: 'DENIED',
        source: 'client',
      },
    ])
  })

  it('keeps what is done to the config and on the admin listener, once, however many steps listen', async () => {
    const { gateway, file, rows } = await startAudited()
    await gateway.change(
      YAML(file, '  - { id: more, match: { path: /more }, upstream: demo, dialect: openai-chat }'),
    )
    await gateway.change(YAML(file, '  - { id: broken }'))
    await fetch(`${gateway.adminUrl}/admin/config`, { method: 'PUT' })
    await fetch(`${gateway.adminUrl}/admin/config`)
    await fetch(`${gateway.adminUrl}/admin/config`, { headers: { origin: 'http://evil.example' } })
    expect((await rows()).map(({ row }) => row)).toMatchObject([
      { event: 'config', outcome: 'reloaded', generation: 2 },
      { event: 'config', outcome: 'refused', problems: [expect.stringContaining('broken')] },
      { event: 'config', outcome: 'refused' },
      { event: 'admin', method: 'PUT', path: '/admin/config', status: 422 },
      { event: 'admin', method: 'GET', path: '/admin/config', status: 403 },
    ])
  })

  it('is read on the admin listener, page by page', async () => {
    const { gateway } = await startAudited()
    for (let count = 0; count < 3; count++) await ask(gateway.url, 'secret')
    const read = async (query: string) => {
      const answer = await fetch(`${gateway.adminUrl}/admin/logging/audit${query}`)
      return (await answer.json()) as { rows: { sequence: number }[]; head: { sequence: number } }
    }
    await expect.poll(async () => (await read('')).head.sequence).toBe(3)
    expect((await read('?after=1&limit=1')).rows.map(({ sequence }) => sequence)).toEqual([2])
    const wrong = await fetch(`${gateway.adminUrl}/admin/logging/audit?limit=x`)
    expect(wrong.status).toBe(400)
  })
})
