import { describe, expect, it } from 'vitest'
import { testPlugin } from '#core/testing.ts'
import rateLimiting from '#plugins/rateLimiting/rateLimiting.ts'
import { startTestGateway } from '../support/gateway.ts'

const LIMITS = { perUser: { requests: 2, tokens: 9_000, window: '1h' } }
const ADA = {
  path: '/v1/chat/completions',
  body: { messages: [], max_tokens: 100 },
  consumer: { id: 'ada' },
}

describe('an operator', () => {
  it('sees what is limited, with and without a level', async () => {
    const tested = await testPlugin(rateLimiting, { limits: LIMITS })
    const { body } = await tested.admin('GET', '/limits')
    expect(body).toMatchObject({
      isDegraded: false,
      limits: [
        { limit: 'perUser', unit: 'requests', words: '2 requests per 1h', capacity: 2 },
        { limit: 'perUser', unit: 'tokens', words: '9000 tokens per 1h', capacity: 9_000 },
      ],
      levels: { unlimited: [], restricted: [{ words: '1 request per 1h' }, { capacity: 900 }] },
    })
  })

  it('sees where one key stands, and gives it a fresh start', async () => {
    const tested = await testPlugin(rateLimiting, { limits: LIMITS })
    for (let times = 0; times < 3; times++) await tested.request(ADA)
    expect((await tested.request(ADA)).status).toBe(429)
    const before = await tested.admin('GET', '/limits/perUser?key=ada')
    expect(before.body).toMatchObject({ states: [{ remaining: 0 }, { unit: 'tokens' }] })
    await tested.admin('DELETE', '/limits/perUser?key=ada')
    expect(tested.emitted.at(-1)).toEqual({
      name: 'admin',
      data: {
        plugin: 'rateLimiting',
        step: 'rateLimiting',
        action: 'reset',
        limit: 'perUser',
        key: 'ada',
      },
    })
    expect((await tested.request(ADA)).status).toBe(200)
  })

  it('is told of what there is not', async () => {
    const tested = await testPlugin(rateLimiting, { limits: LIMITS })
    expect(await tested.admin('GET', '/limits/perTeam?key=x')).toMatchObject({
      status: 404,
      body: { known: ['perUser'] },
    })
    expect(await tested.admin('GET', '/limits/perUser?key=x&level=gold')).toMatchObject({
      status: 404,
      body: { known: ['unlimited', 'standard', 'restricted'] },
    })
    expect(await tested.admin('GET', '/limits/perUser')).toMatchObject({ status: 400 })
  })

  it('says which step, where there are several', async () => {
    const { adminUrl } = await startTestGateway(`
upstreams: { demo: { dialect: demo } }
pipelines:
  one: [{ rateLimiting: { limits: { perIP: { requests: 1, window: 1s } } } }]
  two: [{ rateLimiting: { id: second, limits: { perIP: { requests: 2, window: 1s } } } }]
routes:
  - { id: a, match: { path: /a }, pipeline: one, upstream: demo }
  - { id: b, match: { path: /b }, pipeline: two, upstream: demo }
`)
    const ask = (query: string) => fetch(`${adminUrl}/admin/rateLimiting/limits${query}`)
    const vague = await ask('')
    expect(vague.status).toBe(400)
    expect(await vague.json()).toEqual({
      detail: 'there are several steps: say which by ?step=',
      steps: ['pipelines.one.rateLimiting', 'pipelines.two.second'],
    })
    expect(await (await ask('?step=third')).json()).toMatchObject({
      detail: 'no one step is called "third"',
    })
    for (const step of ['second', 'pipelines.two.second']) {
      expect(await (await ask(`?step=${step}`)).json()).toMatchObject({ limits: [{ capacity: 2 }] })
    }
  })
})
