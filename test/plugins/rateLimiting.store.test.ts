import { describe, expect, it } from 'vitest'
import { StoreUnavailable, type Counters, type Json } from '#core/sdk.ts'
import { testPlugin } from '#core/testing.ts'
import rateLimiting from '#plugins/rateLimiting/rateLimiting.ts'

const ASK = { path: '/v1/chat/completions', body: { messages: [], max_tokens: 100 } }

/** The plugin on a store that can be told to be down. */
async function start(options: { [name: string]: Json }) {
  const limits = { perIP: { requests: 10, tokens: 20_000, window: '1h', strategy: 'fixed-window' } }
  let isDown = false
  const tested = await testPlugin(rateLimiting, { limits, ...options })
  const { counters } = tested.store
  Object.assign(counters, { atOnce: undefined })
  for (const name of ['reserve', 'settle', 'read'] as const) {
    const real = counters[name].bind(counters) as (...args: unknown[]) => Promise<never>
    const flaky: (...args: unknown[]) => Promise<never> = async (...args) => {
      if (isDown) throw new StoreUnavailable('redis: connection refused')
      return real(...args)
    }
    Object.assign(counters, { [name]: flaky } as unknown as Partial<Counters>)
  }
  return {
    tested,
    setDown: (value: boolean) => (isDown = value),
    passes: async () => {
      let passed = 0
      while (passed < 50 && (await tested.request(ASK)).status === 200) passed++
      return passed
    },
  }
}

describe('while the store is down', () => {
  it('a share of each limit is counted in this process, and said so', async () => {
    const { tested, setDown, passes } = await start({ localFraction: 0.3 })
    setDown(true)
    const first = await tested.request(ASK)
    expect(first.status).toBe(200)
    expect(first.headers['x-sluice-rate-limiting']).toBe('local')
    expect(first.headers['x-ratelimit-remaining-requests']).toBe('2')
    expect(await passes()).toBe(2)
    expect((await tested.admin('GET', '/limits/perIP?key=192.0.2.1')).body).toMatchObject({
      isDegraded: true,
      states: [{ remaining: 0 }, {}],
    })
    const own = { plugin: 'rateLimiting', step: 'rateLimiting' }
    expect(tested.metric('counters_degraded', own)).toBe(1)
  })

  it('everything passes where the step is open, without a word on where it stands', async () => {
    const { tested, setDown, passes } = await start({ onStoreError: 'open' })
    setDown(true)
    expect(await passes()).toBe(50)
    const { headers } = await tested.request(ASK)
    expect(headers['x-sluice-rate-limiting']).toBe('open')
    expect(headers).not.toHaveProperty('ratelimit')
  })

  it('everything is refused where the step is closed, and SDKs may try again', async () => {
    const { tested, setDown } = await start({ onStoreError: 'closed' })
    setDown(true)
    const answer = await tested.request(ASK)
    expect([answer.status, answer.error?.code]).toEqual([503, 'STORE_UNAVAILABLE'])
    expect(answer.headers['retry-after']).toBe('1')
    expect(answer.headers).not.toHaveProperty('x-should-retry')
  })

  it('what was counted before counts again when it is back', async () => {
    const { tested, setDown, passes } = await start({})
    for (let times = 0; times < 6; times++) await tested.request(ASK)
    setDown(true)
    expect(await passes()).toBe(5)
    setDown(false)
    await tested.clock.advance(1_000)
    expect(await passes()).toBe(4)
  })

  it('an answer that cannot be settled stays charged as it was reserved', async () => {
    const { tested, setDown } = await start({})
    await tested.request(ASK, () => {
      setDown(true)
      return { body: { usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } } }
    })
    setDown(false)
    await tested.clock.advance(1_000)
    const { headers } = await tested.request(ASK)
    expect(Number(headers['x-ratelimit-remaining-tokens'])).toBeLessThan(19_700)
  })
})
