import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { folderOf } from '../core/cli/command-line.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

/** In every place where a credential may be, one that is good and one that is not. */
const GOOD = 'canary-good-0123456789abcdef'
const BAD = 'canary-bad-0123456789abcdef'

/** The forms in which a secret may come out. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret)
  return [
    secret,
    bytes.toString('base64').slice(0, -4),
    bytes.toString('hex'),
    encodeURIComponent(secret),
  ]
}

it('no credential is in a log, an audit row, an admin answer, an error or what goes upstream', async () => {
  const seen: unknown[] = []
  const upstream = await startUpstream((req, res) => {
    req.resume()
    seen.push(req.url, req.rawHeaders)
    res.setHeader('content-type', 'application/json').end('{}')
  })
  const folder = await folderOf({})
  const log = join(folder, 'exchanges.log')
  const gateway = await startTestGateway(
    `
store: "sqlite:${folder}/sluice.db"
upstreams: { up: { dialect: http, url: "${upstream.url}" } }
pipelines:
  main:
    - logging:
        destination: ${log}
        requests: { logMetadata: true, logHeaders: true, logBody: true }
        responses: { logBody: true, logHeaders: true }
        audit: { enabled: true }
    - auth:
        methods: [api-key, bearer, jwt, oauth2, basic]
        events: all
        failures: { limit: 1000 }
        apiKeys: { query: true, pepper: "\${PEPPER}", static: [{ id: ci, key: "\${GOOD}", roles: [user] }] }
        bearer: { tokens: [{ id: cron, token: "\${GOOD}", roles: [user] }] }
        jwt: { issuers: [{ issuer: "https://a.test", audience: [x], secret: "\${GOOD}-\${GOOD}" }] }
        oauth2: { introspection: "http://127.0.0.1:9/i", clientId: a, clientSecret: "\${GOOD}" }
        basic: { users: [{ name: ada, password: "\${GOOD}", roles: [user] }] }
        rbac: { roles: { user: { permissions: [read] } } }
routes: [{ id: all, pipeline: main, upstream: up }]
`,
    { env: { GOOD, PEPPER: `${GOOD}-pepper` } },
  )
  const said: string[] = []
  for (const secret of [GOOD, BAD]) {
    const places: [path: string, headers: Record<string, string>][] = [
      ['/x', { authorization: `Bearer ${secret}` }],
      ['/x', { authorization: `Basic ${btoa(`ada:${secret}`)}` }],
      ['/x', { authorization: `Custom ${secret}` }],
      ['/x', { authorization: secret }],
      ['/x', { 'x-api-key': secret }],
      ['/x', { 'api-key': secret }],
      ['/x', { 'x-goog-api-key': secret }],
      ['/x', { authorization: `Bearer ${secret}`, 'x-api-key': `${secret}2` }],
      ['/x', { cookie: `session=${secret}` }],
      ['/x', { 'sec-websocket-protocol': `realtime, openai-insecure-api-key.${secret}` }],
      [`/x?key=${secret}`, {}],
      [`/x?a=1&key=${secret}`, { 'x-api-key': secret }],
      ['/x', { authorization: `Bearer eyJhbGciOiJub25lIn0.${btoa(secret).replaceAll('=', '')}.` }],
    ]
    for (const [path, headers] of places) {
      for (const method of ['GET', 'POST']) {
        const answer = await fetch(gateway.url + path, { method, headers })
        said.push(JSON.stringify([...answer.headers]), await answer.text())
      }
    }
  }
  const api = `${gateway.adminUrl}/admin/auth/keys`
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ name: 'a', roles: ['user'] })
  const made = (await (await fetch(api, { method: 'POST', headers, body })).json()) as {
    key: string
  }
  await fetch(`${gateway.url}/x`, { headers: { 'x-api-key': made.key } })
  for (const path of ['/admin/config', '/admin/routes', '/admin/auth/keys']) {
    said.push(await (await fetch(gateway.adminUrl + path)).text())
  }
  await vi.waitFor(async () =>
    expect((await readFile(log, 'utf8')).split('\n').length).toBeGreaterThan(52),
  )
  said.push(await readFile(log, 'utf8'), JSON.stringify(gateway.logs), JSON.stringify(seen))
  // The files of the store as they are, audit rows and all.
  const files = ['sluice.db', 'sluice.db-wal'].map((name) => readFile(join(folder, name), 'latin1'))
  said.push(...(await Promise.all(files)))
  const all = said.join('\n')
  for (const secret of [GOOD, BAD, made.key.slice(11)]) {
    for (const form of formsOf(secret)) expect(all.includes(form), form).toBe(false)
  }
  // It is no wonder that nothing is there where nothing came through.
  expect(seen.length).toBeGreaterThan(10)
  expect(all).toContain('UNAUTHENTICATED')
  expect(all).toContain('"event":"auth"')
})
