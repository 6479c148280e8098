import { describe, expect, it } from 'vitest'
import {
  type Charge,
  type Counters,
  type OnStoreError,
  type Outcome,
  Reservations,
  StoreUnavailable,
  tokensUsed,
} from '#core/sdk.ts'
import type { Usage } from '#core/dialects/dialect.ts'
import { openStore } from '#core/store/open.ts'
import { TestClock } from '#core/testing/clock.ts'
import { openTestHost } from '#core/testing/host.ts'

const TEN: Charge = {
  limit: { key: 'k', algorithm: 'fixed-window', limit: 10, windowMs: 60_000 },
  amount: 1,
}
const TTL = 60_000

/** A store whose counters can be told to fail, and reservations on it. */
async function openOn(isHere: boolean, onStoreError: OnStoreError, localFraction = 0.5) {
  const clock = new TestClock(1_767_225_600_000)
  const store = await openStore('memory:', { now: () => clock.now })
  let isDown = false
  let asked = 0
  const flaky =
    <A extends unknown[], R>(operation: (...args: A) => R) =>
    (...args: A): R => {
      asked++
      if (isDown) throw new StoreUnavailable('connection refused')
      return operation(...args)
    }
  const { reserve, settle } = store.counters.atOnce!
  const atOnce = { reserve: flaky(reserve), settle: flaky(settle) }
  const counters = new Proxy(store.counters, {
    get(target, name: keyof Counters) {
      if (name === 'atOnce') return isHere ? atOnce : undefined
      const operation = target[name] as (...args: never[]) => Promise<unknown>
      return async (...args: never[]) => flaky(operation.bind(target))(...args)
    },
  })
  const testHost = openTestHost({
    plugin: 'test',
    clock,
    store: {
      ...store,
      keyValue: (name) => store.keyValue(name),
      counters,
      close: () => store.close(),
    },
    random: () => 0.5,
    upstreams: [],
    fetch: () => Promise.reject(new Error('no network')),
    load: () => undefined,
  })
  const reservations = new Reservations(testHost.host, { onStoreError, localFraction })
  const take = async (amount = 1) => (await reservations.reserve([{ ...TEN, amount }], TTL)).hold
  return {
    clock,
    reservations,
    testHost,
    take,
    breakDown: () => (isDown = true),
    repair: () => (isDown = false),
    asked: () => asked,
    metric: (name: string) => testHost.metric(name, { plugin: 'test', step: 'test' }),
  }
}

async function count(take: () => Promise<unknown>): Promise<number> {
  let taken = 0
  while (taken < 100 && (await take()) !== undefined) taken++
  return taken
}

describe.each([
  { where: 'in this process', isHere: true },
  { where: 'elsewhere', isHere: false },
])('reservations on counters $where', ({ isHere }) => {
  const open = (onStoreError: OnStoreError, localFraction?: number) =>
    openOn(isHere, onStoreError, localFraction)

  it('take all charges or none, and settle with what it came to', async () => {
    const { reservations, take } = await open('closed')
    const hold = await take(10)
    expect(await take()).toBeUndefined()
    await reservations.settle(hold!, [3])
    expect(await count(take)).toBe(7)
  })

  it('count a share in this process while the store is down, if they are local', async () => {
    const { take, breakDown, metric, testHost, reservations } = await open('local', 0.3)
    breakDown()
    expect(await count(take)).toBe(3)
    expect(reservations.isDegraded).toBe(true)
    expect(metric('counters_degraded')).toBe(1)
    expect(testHost.log.map(({ level, message }) => [level, message])).toEqual([
      ['info', 'limits are counted in this process alone'],
      ['warn', 'store does not count'],
    ])
  })

  it('settle locally what was reserved locally', async () => {
    const { reservations, take, breakDown, repair, clock } = await open('local', 1)
    breakDown()
    const hold = await take(10)
    expect(hold?.by).toBe('local')
    await reservations.settle(hold!, [4])
    expect(await count(take)).toBe(6)
    repair()
    await clock.advance(1_000)
    // What was counted meanwhile is not the store's.
    expect(await count(take)).toBe(10)
  })

  it('fit a large charge into the share where the whole limit had room for it', async () => {
    const { take, breakDown } = await open('local', 0.5)
    breakDown()
    expect(await take(11)).toBeUndefined()
    expect(await take(8)).toBeDefined()
    expect(await take()).toBeUndefined()
  })

  it('let everything pass uncounted, if they are open', async () => {
    const { take, breakDown } = await open('open')
    breakDown()
    expect(await count(take)).toBe(100)
    expect((await take())?.by).toBe('nobody')
  })

  it('refuse with a reason, if they are closed', async () => {
    const { take, breakDown } = await open('closed')
    breakDown()
    await expect(take()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', status: 503 })
  })

  it('leave a store alone that is down, and find it again within a second', async () => {
    const { take, breakDown, repair, asked, clock, metric, testHost } = await open('local')
    breakDown()
    for (let times = 0; times < 5; times++) await take()
    expect(asked()).toBe(1)
    await clock.advance(1_000)
    await Promise.all([take(), take(), take()])
    expect(asked()).toBe(2)
    repair()
    await clock.advance(1_000)
    expect((await take())?.by).toBe('store')
    expect(metric('counters_degraded')).toBe(0)
    expect(metric('counters_errors_total')).toBe(2)
    expect(testHost.log.at(-1)?.message).toBe('store counts again')
  })

  it('keep what cannot be settled as it was reserved', async () => {
    const { reservations, take, breakDown, repair, clock } = await open('local')
    const hold = await take(10)
    breakDown()
    await reservations.settle(hold!, [0])
    repair()
    await clock.advance(1_000)
    expect(await take()).toBeUndefined()
  })

  it("are not to blame for a step's mistake", async () => {
    const { take } = await open('open')
    await expect(take(-1)).rejects.toThrow(RangeError)
  })
})

describe('the tokens of an exchange', () => {
  const ESTIMATE = { inputTokens: 100, outputTokens: 1_000 }
  const tokens = (outcome: Partial<Outcome>, usage?: Usage) =>
    tokensUsed(
      { usage },
      {
        end: 'completed',
        status: 200,
        error: undefined,
        attempts: 1,
        earlierTokens: 0,
        durationMs: 9,
        firstByteMs: 5,
        requestBytes: 10,
        responseBytes: 600,
        ...outcome,
      },
      ESTIMATE,
    )

  it('are what the upstream reports', () => {
    expect(tokens({}, { inputTokens: 3, outputTokens: 4, totalTokens: 7 })).toBe(7)
  })

  it('are none where no upstream was asked, or none accepted', () => {
    expect(tokens({ attempts: 0 })).toBe(0)
    expect(tokens({ status: 429 })).toBe(0)
    expect(tokens({ status: 502, end: 'error' })).toBe(0)
    expect(tokens({ firstByteMs: undefined, end: 'timeout' })).toBe(0)
  })

  it('are all that was estimated where the client left before its answer began', () => {
    expect(tokens({ end: 'client-closed', firstByteMs: undefined })).toBe(1_100)
    expect(tokens({ end: 'client-closed', firstByteMs: undefined, attempts: 0 })).toBe(0)
  })

  it('go by what was delivered where nobody has counted, up to the bound', () => {
    expect(tokens({})).toBe(400)
    expect(tokens({ responseBytes: 1e6 })).toBe(1_100)
  })
})
