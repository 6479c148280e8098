import { describe, expect, test } from 'vitest'
import type { Counters, Limit } from '#core/store/store.ts'
import type { Open } from './store.ts'

const DAY = 86_400_000

/** What every backend promises of time: each algorithm's window, and what is told of it. */
export function testWindows(open: Open): void {
  let holds = 0
  const reserve = async (counters: Counters, limit: Limit, amount: number, ttlMs = DAY) => {
    const id = `hold ${holds++}`
    return { id, ...(await counters.reserve(id, [{ limit, amount }], ttlMs)) }
  }

  describe('a fixed window', () => {
    const limit: Limit = { key: 'k', algorithm: 'fixed-window', limit: 10, windowMs: 60_000 }

    test('begins again at each multiple of its length', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      clock.advance(45_000)
      await reserve(store.counters, limit, 8)
      expect(await reserve(store.counters, limit, 3)).toMatchObject({
        ok: false,
        retryAfterMs: 15_000,
        states: [{ remaining: 2, resetMs: 15_000 }],
      })
      clock.advance(14_999)
      expect((await reserve(store.counters, limit, 3)).ok).toBe(false)
      clock.advance(1)
      expect(await reserve(store.counters, limit, 3)).toMatchObject({
        ok: true,
        states: [{ remaining: 7, resetMs: 60_000 }],
      })
      expect(await reserve(store.counters, limit, 11)).toMatchObject({ retryAfterMs: Infinity })
    })

    test('does not give a settlement to the window after', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      const early = await reserve(store.counters, limit, 8)
      clock.advance(60_000)
      await reserve(store.counters, limit, 4)
      expect(await store.counters.settle(early.id, [20])).toBe(true)
      expect(await store.counters.read([limit])).toMatchObject([{ remaining: 6 }])
    })

    test('stands still while the clock steps back', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      await reserve(store.counters, limit, 8)
      clock.advance(-1)
      expect(await reserve(store.counters, limit, 3)).toMatchObject({
        ok: false,
        retryAfterMs: 60_001,
      })
    })
  })

  describe('a sliding window', () => {
    const limit: Limit = { key: 'k', algorithm: 'sliding-window', limit: 10, windowMs: 12_800 }

    test('frees each charge one window after it, at most 1/128 later', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      const freed = 12_800 + 100
      await reserve(store.counters, limit, 4)
      clock.advance(1_000)
      await reserve(store.counters, limit, 6)
      expect(await reserve(store.counters, limit, 5)).toMatchObject({
        ok: false,
        retryAfterMs: freed,
        states: [{ remaining: 0, resetMs: freed }],
      })
      expect(await reserve(store.counters, limit, 4)).toMatchObject({ retryAfterMs: freed - 1_000 })
      clock.advance(freed - 1_001)
      expect((await reserve(store.counters, limit, 1)).ok).toBe(false)
      clock.advance(1)
      expect((await reserve(store.counters, limit, 4)).ok).toBe(true)
      expect((await reserve(store.counters, limit, 1)).ok).toBe(false)
    })

    test('settles into the time of the reservation', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      const zero = await reserve(store.counters, limit, 0)
      const early = await reserve(store.counters, limit, 8)
      clock.advance(6_400)
      await reserve(store.counters, limit, 1)
      await store.counters.settle(early.id, [3])
      await store.counters.settle(zero.id, [2])
      expect(await store.counters.read([limit])).toEqual([{ remaining: 4, resetMs: 12_900 }])
      clock.advance(6_500)
      expect(await store.counters.read([limit])).toEqual([{ remaining: 9, resetMs: 6_400 }])
    })

    test('leaves less than 1 % unused under a steady load', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      const steady: Limit = { key: 'k', algorithm: 'sliding-window', limit: 50, windowMs: 1_000 }
      let taken = 0
      for (let ms = 0; ms < 40_000; ms += 10) {
        const answers = [0, 1].map(() => reserve(store.counters, steady, 1, 1))
        taken += (await Promise.all(answers)).filter(({ ok }) => ok).length
        clock.advance(10)
      }
      // 40 windows, and one limit's worth to begin with.
      expect(taken).toBeLessThanOrEqual(50 * 41)
      expect(taken).toBeGreaterThan(50 * 40 * 0.99)
    })
  })

  describe('a token bucket', () => {
    const limit: Limit = {
      key: 'k',
      algorithm: 'token-bucket',
      limit: 7,
      windowMs: 1_000,
      burst: 10,
    }

    test('refills continuously up to its burst', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      await reserve(store.counters, limit, 10)
      // Three tokens at 7 per second: 428.57 ms.
      expect(await reserve(store.counters, limit, 3)).toMatchObject({
        ok: false,
        retryAfterMs: 429,
        states: [{ remaining: 0, resetMs: 1_429 }],
      })
      clock.advance(428)
      expect((await reserve(store.counters, limit, 3)).ok).toBe(false)
      clock.advance(1)
      expect((await reserve(store.counters, limit, 3)).ok).toBe(true)
      clock.advance(DAY)
      expect(await store.counters.read([limit])).toEqual([{ remaining: 10, resetMs: 0 }])
      expect(await reserve(store.counters, limit, 11)).toMatchObject({ retryAfterMs: Infinity })
    })

    test('does not drift, however often it is asked', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      const slow: Limit = { ...limit, limit: 1_001, windowMs: 1_000_003, burst: 2_000 }
      await reserve(store.counters, slow, 2_000)
      for (let ms = 0; ms < 1_003; ms++) {
        clock.advance(997)
        if (ms % 10 === 0) await reserve(store.counters, slow, 2_001)
      }
      const [state] = await store.counters.read([slow])
      expect(state!.remaining).toBe(Math.floor((1_003 * 997 * 1_001) / 1_000_003))
    })

    test('counts exactly where products exceed 2^53', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      const month = 30 * DAY
      const large: Limit = {
        ...limit,
        limit: 200_000_000_003,
        windowMs: month,
        burst: 200_000_000_003,
      }
      await reserve(store.counters, large, 200_000_000_003)
      clock.advance(month - 1)
      const [state] = await store.counters.read([large])
      // 200000000003 - ceil(200000000003 / 2592000000)
      expect(state).toEqual({ remaining: 199_999_999_925, resetMs: 1 })
    })

    test('gives nothing back that has refilled already', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      const early = await reserve(store.counters, limit, 7)
      clock.advance(1_000)
      await reserve(store.counters, limit, 10)
      expect(await store.counters.settle(early.id, [0])).toBe(true)
      expect(await store.counters.read([limit])).toMatchObject([{ remaining: 0 }])
    })

    test('gives nothing back of a token that has refilled in part', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      const early = await reserve(store.counters, limit, 1)
      // 0.7 of that token is back, so that giving it back now would make 1.7 of it.
      clock.advance(100)
      await reserve(store.counters, limit, 5)
      await store.counters.settle(early.id, [0])
      clock.advance(200)
      expect(await store.counters.read([limit])).toMatchObject([{ remaining: 6 }])
    })

    test('takes a new rate from the moment it is told', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      const stopped = { ...limit, limit: 0 }
      expect(await reserve(store.counters, stopped, 10)).toMatchObject({
        states: [{ remaining: 0, resetMs: Infinity }],
      })
      clock.advance(DAY)
      expect(await reserve(store.counters, stopped, 1)).toMatchObject({ retryAfterMs: Infinity })
      expect(await store.counters.read([limit])).toMatchObject([{ remaining: 0 }])
      expect(await reserve(store.counters, limit, 1)).toMatchObject({ retryAfterMs: 143 })
      clock.advance(1_000)
      expect(await store.counters.read([limit])).toMatchObject([{ remaining: 7 }])
    })

    test('is not changed by being looked at', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      await reserve(store.counters, limit, 10)
      await store.counters.read([{ ...limit, limit: 1_000 }])
      clock.advance(1_000)
      expect(await store.counters.read([limit])).toMatchObject([{ remaining: 7 }])
    })
  })

  describe('concurrency', () => {
    const limit: Limit = { key: 'k', algorithm: 'concurrency', limit: 2 }

    test('is given back by settling, releasing and expiry', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      const first = await reserve(store.counters, limit, 1, 5_000)
      const second = await reserve(store.counters, limit, 1, 3_000)
      expect(await reserve(store.counters, limit, 1)).toMatchObject({
        ok: false,
        retryAfterMs: 3_000,
        states: [{ remaining: 0, resetMs: 5_000 }],
      })
      await store.counters.settle(first.id, [1])
      expect(await store.counters.read([limit])).toEqual([{ remaining: 1, resetMs: 3_000 }])
      await store.counters.release(second.id)
      await reserve(store.counters, limit, 2, 1_000)
      clock.advance(999)
      expect((await reserve(store.counters, limit, 1)).ok).toBe(false)
      clock.advance(1)
      expect(await reserve(store.counters, limit, 2)).toMatchObject({ ok: true })
      expect(await reserve(store.counters, limit, 3)).toMatchObject({ retryAfterMs: Infinity })
    })

    test('is given back once, also when the clock steps back after expiry', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      // Two others, so that nothing has swept the one that expires.
      await reserve(store.counters, limit, 0)
      await reserve(store.counters, limit, 0)
      const early = await reserve(store.counters, limit, 1, 999)
      clock.advance(999)
      await reserve(store.counters, limit, 1)
      clock.advance(-1)
      expect(await store.counters.settle(early.id, [1])).toBe(true)
      expect(await store.counters.read([limit])).toMatchObject([{ remaining: 1 }])
    })
  })
}
