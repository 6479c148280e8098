import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { openStore } from '#core/store/open.ts'
import { openRedis } from '#core/store/redis/redis.ts'
import { hasRedis, TestRedis } from '../../support/redis.ts'
import { testAtOnce } from './contract/at-once.ts'
import { testAgainstOracle } from './contract/oracle.ts'
import { testCounters } from './contract/counters.ts'
import { Clock, testStore, type Opened } from './contract/store.ts'
import { testWindows } from './contract/windows.ts'

describe.skipIf(!hasRedis)('redis', () => {
  let server: TestRedis
  beforeAll(async () => void (server = await TestRedis.start()))
  afterAll(() => server.stop())

  /** A store of its own for each test: databases cost nothing, and neither do prefixes. */
  let stores = 0
  // A machine that is busy with other tests is not to be taken for a server that is away.
  const url = () => `${server.url}?prefix=test-${stores}&timeout=20s`

  async function open(): Promise<Opened> {
    stores++
    const another = async () => {
      const store = await openStore(url(), { now: Date.now })
      onTestFinished(() => store.close())
      return store
    }
    return { store: await another(), another }
  }

  async function openWithClock(): Promise<Opened> {
    stores++
    const clock = new Clock()
    const again = async () => {
      const store = await openRedis(url(), { now: Date.now, clock: clock.now })
      onTestFinished(() => store.close())
      return store
    }
    const store = await again()
    const reopen = async () => {
      await store.close()
      return again()
    }
    return { store, clock, reopen, another: again }
  }

  testStore('redis:', open, { rounds: 0 })

  describe('counters by a clock that the test moves', () => {
    testCounters(openWithClock)
    testWindows(openWithClock)
    testAgainstOracle(openWithClock, 150)
    testAtOnce(openWithClock, 60)

    test('answer as those in memory do, to the last digit of large numbers', async () => {
      const { store, clock } = await openWithClock()
      const memory = await openStore('memory:', { now: clock!.now })
      let round = 0
      const property = fc.asyncProperty(historyOfLarge, async (history) => {
        const key = `round ${round++}`
        for (const [at, { limit, amount, settled, ms }] of history.entries()) {
          const charges = limit.map((one) => ({ limit: { ...one, key }, amount }))
          const limits = charges.map((charge) => charge.limit)
          const [answer, expected] = await Promise.all(
            [store, memory].map(({ counters }) => counters.reserve(`${key}/${at}`, charges, DAY)),
          )
          assert.deepEqual(exact(answer), exact(expected))
          clock!.advance(ms)
          if (expected!.ok && settled !== undefined) {
            const amounts = charges.map(() => settled)
            await store.counters.settle(`${key}/${at}`, amounts)
            await memory.counters.settle(`${key}/${at}`, amounts)
          }
          const [states, others] = await Promise.all([
            store.counters.read(limits),
            memory.counters.read(limits),
          ])
          assert.deepEqual(exact(states), exact(others))
        }
      })
      await expect(fc.assert(property, { numRuns: 150 })).resolves.toBeUndefined()
    })
  })
})

const DAY = 86_400_000

/** A copy in which numbers that a double cannot hold exactly are all the same. */
function exact(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(answer), (_, value: unknown) =>
    typeof value === 'number' && value > Number.MAX_SAFE_INTEGER ? 'beyond' : value,
  )
}

const large = fc.oneof(fc.integer({ min: 1, max: 1e12 }), fc.integer({ min: 1, max: 1_000 }))
const historyOfLarge = fc.array(
  fc.record({
    limit: fc.array(
      fc.record({
        algorithm: fc.constantFrom('token-bucket', 'sliding-window', 'fixed-window'),
        limit: large,
        burst: large,
        windowMs: fc.constantFrom(1_000_003, 30 * DAY, 7),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    amount: large,
    settled: fc.option(large, { nil: undefined }),
    ms: fc.nat({ max: 2 * DAY }),
  }),
  { maxLength: 12 },
)
