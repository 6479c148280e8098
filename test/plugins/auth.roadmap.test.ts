import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import type { JsonObject } from '#core/kit/json.ts'
import { startTestGateway } from '../support/gateway.ts'
import { step } from '../support/step.ts'

const block = await readFile(new URL('../cases/roadmap/auth.json', import.meta.url), 'utf8')

it('the block of the roadmap does what it says', async () => {
  const levels: unknown[] = []
  const keep = step('keep', {
    request: ({ consumer }) => void levels.push(consumer?.['rateLimit']),
  })
  const gateway = await startTestGateway(
    `
upstreams: { demo: { dialect: demo } }
pipelines: { main: [ ${JSON.stringify(JSON.parse(block))}, keep ] }
routes: [{ id: all, pipeline: main, upstream: demo }]
`,
    { plugins: [keep] },
  )
  async function create(wish: JsonObject): Promise<string> {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ name: 'a', ...wish })
    const made = await fetch(`${gateway.adminUrl}/admin/auth/keys`, {
      method: 'POST',
      headers,
      body,
    })
    expect(made.status).toBe(201)
    return ((await made.json()) as { key: string }).key
  }
  async function ask(key: string, method: string): Promise<number> {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    const path = method === 'GET' ? '/v1/models' : '/v1/chat/completions'
    const body = method === 'GET' ? null : '{"model":"gpt-4o","max_tokens":10,"messages":[]}'
    const answer = await fetch(gateway.url + path, { method, headers, body })
    await answer.body?.cancel()
    return answer.status
  }
  const admin = await create({ roles: ['admin'] })
  const user = await create({ roles: ['user'], user: 'ada', quota: { day: { requests: 2 } } })
  const guest = await create({ roles: ['guest'] })
  const statuses = []
  for (const key of [admin, user, guest]) {
    statuses.push([await ask(key, 'GET'), await ask(key, 'POST')])
  }
  expect(statuses).toEqual([
    [200, 200],
    [200, 200],
    [200, 403],
  ])
  expect(levels).toEqual(['unlimited', 'unlimited', 'standard', 'standard', 'restricted'])
  // strict: what would go over is refused, whoever of the user's keys it comes with.
  expect(await ask(user, 'POST')).toBe(429)
  expect(
    await ask(
      await create({ roles: ['user'], user: 'ada', quota: { day: { requests: 2 } } }),
      'GET',
    ),
  ).toBe(429)
  expect(await ask('sk-made-up', 'GET')).toBe(401)
})
