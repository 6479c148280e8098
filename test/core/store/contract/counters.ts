import { describe, expect, test } from 'vitest'
import type { Limit } from '#core/store/store.ts'
import type { Open } from './store.ts'

const TTL = 60_000

function total(limit: number, key = 'k'): Limit {
  return { key, algorithm: 'total', limit }
}

/** What every backend promises of reserving and settling, whatever the algorithm. */
export function testCounters(open: Open): void {
  describe('counters', () => {
    test('take all charges or none', async () => {
      const { counters } = (await open()).store
      const charges = [
        { limit: total(10, 'a'), amount: 4 },
        { limit: total(3, 'b'), amount: 4 },
        { limit: total(10, 'c'), amount: 11 },
      ]
      expect(await counters.reserve('x', charges, TTL)).toEqual({
        ok: false,
        refused: [1, 2],
        retryAfterMs: Infinity,
        states: [
          { remaining: 10, resetMs: 0 },
          { remaining: 3, resetMs: 0 },
          { remaining: 10, resetMs: 0 },
        ],
      })
      expect(await counters.settle('x', [1, 1, 1])).toBe(false)
      expect(await counters.reserve('x', charges.slice(0, 1), TTL)).toMatchObject({
        ok: true,
        states: [{ remaining: 6 }],
      })
    })

    test('refuse what would go one over, and take what fits exactly', async () => {
      const { counters } = (await open()).store
      const limit = total(10)
      expect((await counters.reserve('a', [{ limit, amount: 7 }], TTL)).ok).toBe(true)
      expect((await counters.reserve('b', [{ limit, amount: 4 }], TTL)).ok).toBe(false)
      expect((await counters.reserve('b', [{ limit, amount: 3 }], TTL)).ok).toBe(true)
      expect((await counters.reserve('c', [{ limit, amount: 0 }], TTL)).ok).toBe(true)
    })

    test('add up several charges on one counter', async () => {
      const { counters } = (await open()).store
      const charge = { limit: total(10), amount: 4 }
      expect(await counters.reserve('a', [charge, charge, charge], TTL)).toMatchObject({
        ok: false,
        refused: [2],
        states: [{ remaining: 10 }, { remaining: 10 }, { remaining: 10 }],
      })
      expect(await counters.reserve('a', [charge, charge], TTL)).toMatchObject({
        ok: true,
        states: [{ remaining: 2 }, { remaining: 2 }],
      })
      expect(await counters.settle('a', [1, 2])).toBe(true)
      expect(await counters.read([charge.limit])).toMatchObject([{ remaining: 7 }])
    })

    test('give back what was not used, once', async () => {
      const { counters } = (await open()).store
      const limit = total(10)
      await counters.reserve('a', [{ limit, amount: 8 }], TTL)
      expect(await counters.settle('a', [3])).toBe(true)
      expect(await counters.settle('a', [0])).toBe(false)
      expect(await counters.release('a')).toBe(false)
      expect(await counters.read([limit])).toMatchObject([{ remaining: 7 }])
    })

    test('record more than was reserved, over the limit too', async () => {
      const { counters } = (await open()).store
      const limit = total(10)
      await counters.reserve('a', [{ limit, amount: 1 }], TTL)
      expect(await counters.settle('a', [25])).toBe(true)
      expect(await counters.read([limit])).toEqual([{ remaining: 0, resetMs: Infinity }])
      expect(await counters.read([total(30)])).toMatchObject([{ remaining: 5 }])
    })

    test('record what a hold of nothing came to', async () => {
      const { counters } = (await open()).store
      const limit = total(10)
      await counters.reserve('a', [{ limit, amount: 0 }], TTL)
      expect(await counters.settle('a', [4])).toBe(true)
      expect(await counters.read([limit])).toMatchObject([{ remaining: 6 }])
    })

    test('give all back on release', async () => {
      const { counters } = (await open()).store
      const limit = total(10)
      await counters.reserve('a', [{ limit, amount: 8 }], TTL)
      expect(await counters.release('a')).toBe(true)
      expect(await counters.read([limit])).toEqual([{ remaining: 10, resetMs: 0 }])
    })

    test('charge a hold that expires as it was reserved', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      const limit = total(10)
      await store.counters.reserve('a', [{ limit, amount: 8 }], 1_000)
      await store.counters.reserve('b', [{ limit, amount: 1 }], 1_001)
      clock.advance(1_000)
      expect(await store.counters.settle('a', [1])).toBe(false)
      expect(await store.counters.settle('b', [0])).toBe(true)
      expect(await store.counters.read([limit])).toMatchObject([{ remaining: 2 }])
      expect((await store.counters.reserve('a', [{ limit, amount: 2 }], 1_000)).ok).toBe(true)
    })

    test('reject an id that is still held, and change nothing', async () => {
      const { counters } = (await open()).store
      const limit = total(10)
      await counters.reserve('a', [{ limit, amount: 1 }], TTL)
      await expect(counters.reserve('a', [{ limit, amount: 1 }], TTL)).rejects.toThrow(
        /"a" holds a reservation already/,
      )
      expect(await counters.read([limit])).toMatchObject([{ remaining: 9 }])
      await counters.settle('a', [1])
      expect((await counters.reserve('a', [{ limit, amount: 1 }], TTL)).ok).toBe(true)
    })

    test('are another counter for another key, algorithm or window', async () => {
      const { counters } = (await open()).store
      const limits: Limit[] = [
        total(10),
        total(10, 'other'),
        { key: 'k', algorithm: 'concurrency', limit: 10 },
        { key: 'k', algorithm: 'fixed-window', limit: 10, windowMs: 1e9 },
        { key: 'k', algorithm: 'fixed-window', limit: 10, windowMs: 2e9 },
        { key: 'k', algorithm: 'sliding-window', limit: 10, windowMs: 1e9 },
        { key: 'k', algorithm: 'token-bucket', limit: 10, windowMs: 1e9 },
      ]
      const charges = limits.map((limit, at) => ({ limit, amount: at + 1 }))
      await counters.reserve('a', charges, TTL)
      const states = await counters.read(limits)
      expect(states.map(({ remaining }) => remaining)).toEqual([9, 8, 7, 6, 5, 4, 3])
    })

    test('keep what was counted when the limit changes', async () => {
      const { counters } = (await open()).store
      await counters.reserve('a', [{ limit: total(10), amount: 8 }], TTL)
      expect(await counters.read([total(5), total(20)])).toMatchObject([
        { remaining: 0 },
        { remaining: 12 },
      ])
      expect((await counters.reserve('b', [{ limit: total(7), amount: 0 }], TTL)).ok).toBe(false)
      expect((await counters.reserve('b', [{ limit: total(9), amount: 1 }], TTL)).ok).toBe(true)
    })

    test('forget on reset, with what is held', async () => {
      const { counters } = (await open()).store
      const limit = total(10)
      const slots: Limit = { key: 'k', algorithm: 'concurrency', limit: 10 }
      const charges = [
        { limit, amount: 8 },
        { limit: slots, amount: 1 },
      ]
      await counters.reserve('a', charges, TTL)
      await counters.reset([limit, slots, total(1, 'never seen')])
      expect(await counters.read([limit, slots])).toMatchObject([
        { remaining: 10 },
        { remaining: 10 },
      ])
      await counters.reserve('b', charges, TTL)
      expect(await counters.settle('a', [0, 0])).toBe(true)
      expect(await counters.read([limit, slots])).toMatchObject([
        { remaining: 2 },
        { remaining: 9 },
      ])
    })

    test('never overshoot under 800 concurrent reservations', async () => {
      const { counters } = (await open()).store
      const limits: Limit[] = [
        { key: 'k', algorithm: 'sliding-window', limit: 1_000, windowMs: 86_400_000 },
        { key: 'k', algorithm: 'token-bucket', limit: 1_000, windowMs: 86_400_000 },
        { key: 'k', algorithm: 'concurrency', limit: 1_000 },
        total(1_000),
      ]
      const charges = limits.map((limit) => ({ limit, amount: 7 }))
      const results = await Promise.all(
        Array.from({ length: 800 }, (_, n) => counters.reserve(`hold ${n}`, charges, TTL)),
      )
      expect(results.filter(({ ok }) => ok)).toHaveLength(Math.floor(1_000 / 7))
      const states = await counters.read(limits)
      expect(states.map(({ remaining }) => remaining)).toEqual([6, 6, 6, 6])
    })

    test('keep counts and holds over a restart', async ({ skip }) => {
      const { store, reopen = skip() } = await open()
      const limits: Limit[] = [
        { key: 'k', algorithm: 'fixed-window', limit: 10, windowMs: 86_400_000 },
        { key: 'k', algorithm: 'sliding-window', limit: 10, windowMs: 86_400_000 },
        { key: 'k', algorithm: 'token-bucket', limit: 10, windowMs: 86_400_000 },
        { key: 'k', algorithm: 'concurrency', limit: 10 },
        total(10),
      ]
      const charges = limits.map((limit) => ({ limit, amount: 6 }))
      await store.counters.reserve('a', charges, TTL)
      const { counters } = await reopen()
      expect((await counters.reserve('b', charges, TTL)).ok).toBe(false)
      expect(await counters.settle('a', [1, 1, 1, 1, 1])).toBe(true)
      const states = await counters.read(limits)
      expect(states.map(({ remaining }) => remaining)).toEqual([9, 9, 9, 10, 9])
    })

    test('say what is wrong with a charge, and change nothing', async () => {
      const { counters } = (await open()).store
      const reserve = (limit: object, amount = 1, ttlMs = TTL) =>
        counters.reserve(
          'a',
          [
            { limit: total(5), amount: 1 },
            { limit: limit as Limit, amount },
          ],
          ttlMs,
        )
      const windowed = { key: 'k', algorithm: 'token-bucket', limit: 1, windowMs: 1 }
      await expect(reserve(total(-1))).rejects.toThrow('at least 0 as limit, got -1')
      await expect(reserve(total(1.5))).rejects.toThrow('as limit, got 1.5')
      await expect(reserve(total(1), -1)).rejects.toThrow('as amount, got -1')
      await expect(reserve(total(1), Number.NaN)).rejects.toThrow('as amount, got NaN')
      await expect(reserve(total(1), 1, 0)).rejects.toThrow('at least 1 as ttlMs, got 0')
      await expect(reserve(total(1, ''))).rejects.toThrow(
        'a limit key of 1 to 1024 characters, got ""',
      )
      await expect(reserve({ ...windowed, windowMs: 0 })).rejects.toThrow(
        'as windowMs of a token-bucket, got 0',
      )
      await expect(reserve({ ...windowed, burst: -2 })).rejects.toThrow('as burst, got -2')
      await expect(reserve({ ...windowed, algorithm: 'leaky' })).rejects.toThrow(
        'unknown algorithm "leaky", expected one of fixed-window',
      )
      const many = Array.from({ length: 65 }, () => ({ limit: total(5), amount: 0 }))
      await expect(counters.reserve('a', many, TTL)).rejects.toThrow('65 charges')
      await counters.reserve('a', [{ limit: total(5), amount: 1 }], TTL)
      await expect(counters.settle('a', [1, 2])).rejects.toThrow('2 amounts for the 1 charges')
      await expect(counters.settle('a', [-2])).rejects.toThrow('as amount, got -2')
      expect(await counters.settle('a', [1])).toBe(true)
      expect(await counters.read([total(5)])).toMatchObject([{ remaining: 4 }])
    })
  })
}
