import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openStore } from '#core/store/open.ts'
import type { TestRequest } from '#core/testing/run.ts'
import { temporaryFolder } from '../core/store/temporary.ts'
import { hasRedis, TestRedis } from '../support/redis.ts'
import { startTestGateway } from '../support/gateway.ts'
import { openLimiter } from './rateLimiting.fixture.ts'

const STRATEGIES = ['fixed-window', 'sliding-window', 'token-bucket'] as const

/** A request that reserves some 220 tokens and takes 100. */
const ASK: TestRequest = {
  path: '/v1/chat/completions',
  body: { model: 'm', messages: [{ role: 'user', content: 'hi' }], max_tokens: 90 },
}
const TAKEN = 100

const STORES: readonly [name: string, limiters: number, open: () => Promise<string>][] = [
  ['memory', 1, async () => 'memory:'],
  [
    'SQLite, from four connections',
    4,
    async () => `sqlite:${join(await temporaryFolder(), 's.db')}`,
  ],
]
const REDIS: (typeof STORES)[number] = ['Redis, from four connections', 4, startRedis]

async function startRedis(): Promise<string> {
  const server = await TestRedis.start()
  onTestFinished(() => server.stop())
  // A machine that is busy with other tests must not look like a server that is down.
  return `${server.url}?timeout=20s`
}

/** Asks `count` times at once, through one limiter after another; all that pass take their tokens. */
async function open(limits: object, limiters: number, url: string) {
  const asks = await Promise.all(
    Array.from({ length: limiters }, async () => {
      const store = await openStore(url, { now: Date.now })
      onTestFinished(() => store.close())
      const options = { limits: { perIP: { window: '1h', ...limits } }, onStoreError: 'closed' }
      return openLimiter(options, store)
    }),
  )
  return async (count: number) => {
    const passed = await Promise.all(
      Array.from({ length: count }, (_, index) => asks[index % limiters]!(ASK)),
    )
    const taking = passed.filter((one) => one !== undefined)
    await Promise.all(taking.map((one) => one.end({}, TAKEN)))
    return taking.length
  }
}

describe.each(hasRedis ? [...STORES, REDIS] : STORES)('a limit on %s', (_, limiters, store) => {
  it.each([50, 200, 800, 2_000])(
    'in requests is never exceeded nor left unused by %i at once',
    { timeout: 30_000 },
    async (count) => {
      const url = await store()
      for (const strategy of STRATEGIES) {
        const ask = await open({ requests: count / 2, strategy }, limiters, url)
        const passed = await ask(count)
        // A bucket refills: one in 1.8 seconds at the most, of 2,000 in an hour.
        const refilled = strategy === 'token-bucket' ? 10 : 0
        expect(passed, strategy).toBeGreaterThanOrEqual(count / 2)
        expect(passed, strategy).toBeLessThanOrEqual(count / 2 + refilled)
      }
    },
  )

  it(
    'in tokens is never exceeded, and less than 1 % of it stays unused',
    { timeout: 30_000 },
    async () => {
      const url = await store()
      const limit = 30_000
      for (const strategy of ['fixed-window', 'sliding-window'] as const) {
        const ask = await open({ tokens: limit, strategy }, limiters, url)
        let taken = 0
        for (let last = -1; last !== taken;) {
          last = taken
          taken += (await ask(200)) * TAKEN
        }
        expect(taken, strategy).toBeLessThanOrEqual(limit)
        expect(taken, strategy).toBeGreaterThan(limit * 0.99)
      }
    },
  )
})

describe.skipIf(!hasRedis)('two gateways on one Redis', () => {
  it(
    'share a limit, count by themselves while it is away, and share again',
    { timeout: 30_000 },
    async () => {
      const server = await TestRedis.start()
      onTestFinished(() => server.stop())
      const yaml = `
store: ${server.url}
upstreams: { demo: { dialect: demo } }
pipelines:
  chat: [{ rateLimiting: { limits: { perIP: { requests: 20, window: 1d, strategy: fixed-window } }, localFraction: 0.5 } }]
routes: [{ id: chat, match: { api: llm }, pipeline: chat, upstream: demo }]
`
      const gateways = [await startTestGateway(yaml), await startTestGateway(yaml)]
      const ask = async (at: number) => {
        const answer = await fetch(`${gateways[at]!.url}/v1/models`)
        await answer.arrayBuffer()
        return {
          status: answer.status,
          mode: answer.headers.get('x-sluice-rate-limiting'),
        }
      }
      for (let count = 0; count < 10; count++) {
        expect((await ask(0)).status).toBe(200)
        expect((await ask(1)).status).toBe(200)
      }
      expect((await ask(0)).status).toBe(429)
      expect((await ask(1)).status).toBe(429)

      await server.kill()
      const alone = await ask(0)
      expect([alone.status, alone.mode]).toEqual([200, 'local'])
      for (let count = 1; count < 10; count++) expect((await ask(0)).status).toBe(200)
      const refused = await ask(0)
      expect([refused.status, refused.mode]).toEqual([429, 'local'])

      await server.start()
      // It comes back empty: the other gateway, too, has its whole share again.
      await expect.poll(async () => (await ask(1)).mode, { timeout: 5_000 }).toBeNull()
      await expect.poll(async () => (await ask(0)).mode, { timeout: 5_000 }).toBeNull()
      const metrics = await fetch(`${gateways[0]!.adminUrl}/admin/rateLimiting/limits`)
      expect(await metrics.json()).toMatchObject({ isDegraded: false })
    },
  )
})
