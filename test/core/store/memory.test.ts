import { describe, expect, test } from 'vitest'
import { StoreUnavailable } from '#core/sdk.ts'
import { openStore } from '#core/store/open.ts'
import type { Limit } from '#core/store/store.ts'
import { Clock, testStore } from './contract/store.ts'

testStore(
  'memory:',
  async () => {
    const clock = new Clock()
    return { store: await openStore('memory:', { now: clock.now }), clock }
  },
  { rounds: 400 },
)

describe('a store in memory', () => {
  test('is not shared', async () => {
    expect((await openStore('memory:', new Clock())).isShared).toBe(false)
  })

  test('forgets the values that were used longest ago', async () => {
    const bounds = { values: { entries: 2, characters: 1_000 } }
    const store = await openStore('memory:', { now: new Clock().now, bounds })
    const values = store.keyValue('a')
    await values.set('one', 1, 1_000)
    await values.set('two', 2, 1_000)
    await values.get('one')
    await values.set('three', 3, 1_000)
    expect(await values.getMany(['one', 'two', 'three'])).toEqual([1, undefined, 3])
  })

  test('bounds the size of its values too, and lets go of them when they are replaced', async () => {
    const bounds = { values: { entries: 100, characters: 300 } }
    const store = await openStore('memory:', { now: new Clock().now, bounds })
    const values = store.keyValue('a')
    for (let n = 0; n < 10; n++) await values.set('big', 'x'.repeat(100), 1_000)
    await values.set('other', 'x'.repeat(100), 1_000)
    expect((await values.getMany(['big', 'other'])).every(Boolean)).toBe(true)
    await values.set('third', 'x'.repeat(100), 1_000)
    expect(await values.get('big')).toBeUndefined()
  })

  test('drops the oldest rows of a journal, and keeps counting', async () => {
    const bounds = { rows: { entries: 3, characters: 1_000 } }
    const { ledger } = await openStore('memory:', { now: new Clock().now, bounds })
    for (let n = 1; n <= 5; n++) expect(await ledger.append('usage', { n })).toBe(n)
    const rows = await ledger.read('usage', { limit: 10 })
    expect(rows.map(({ sequence, row }) => [sequence, row.n])).toEqual([
      [3, 3],
      [4, 4],
      [5, 5],
    ])
  })

  test('opens a bounded number of journals', async () => {
    const { ledger } = await openStore('memory:', new Clock())
    for (let n = 0; n < 1_000; n++) await ledger.append(`journal ${n}`, {})
    await expect(ledger.append('one more', {})).rejects.toThrow(/there are 1000 already/)
  })
})

describe('counters in memory', () => {
  const limit = (key: string): Limit => ({
    key,
    algorithm: 'fixed-window',
    limit: 5,
    windowMs: 60_000,
  })
  const open = async (counters: number, holds = 100) => {
    const clock = new Clock()
    const store = await openStore('memory:', { now: clock.now, bounds: { counters, holds } })
    const take = async (key: string, ttlMs = 1) => {
      await store.counters.reserve(`hold ${key}`, [{ limit: limit(key), amount: 4 }], ttlMs)
    }
    return { clock, counters: store.counters, take }
  }

  test('are refused when all are in use, rather than lifting a limit', async () => {
    const { clock, counters, take } = await open(3)
    for (const key of ['a', 'b', 'c']) await take(key)
    clock.advance(1_000)
    await expect(take('d')).rejects.toThrow(StoreUnavailable)
    await expect(take('d')).rejects.toThrow(
      /all 3 counters are in use\n {2}hint: use a store on disk/,
    )
    expect(await counters.read([limit('a'), limit('d')])).toMatchObject([
      { remaining: 1 },
      { remaining: 5 },
    ])
    await expect(take('a')).resolves.toBeUndefined()
  })

  test('make room for new ones once their window is over', async () => {
    const { clock, counters, take } = await open(3)
    for (const key of ['a', 'b', 'c']) await take(key)
    clock.advance(60_000)
    for (const key of ['d', 'e', 'f']) await take(key)
    expect(await counters.read([limit('a'), limit('f')])).toMatchObject([
      { remaining: 5 },
      { remaining: 1 },
    ])
  })

  test('are searched for one that is spent when all seem in use, at most once a second', async () => {
    const { clock, counters, take } = await open(7)
    for (const key of ['a', 'b', 'c', 'd', 'e']) await take(key)
    const brief = (key: string) => ({ ...limit(key), windowMs: 500 })
    const takeBriefly = (key: string) =>
      counters.reserve(key, [{ limit: brief(key), amount: 1 }], 1)
    await takeBriefly('f')
    await takeBriefly('g')
    clock.advance(1_000)
    await take('h')
    await take('i')
    await expect(take('j')).rejects.toThrow(/all 7 counters are in use/)
    await counters.reset([limit('a')])
    await expect(takeBriefly('k')).resolves.toMatchObject({ ok: true })
    clock.advance(999)
    await expect(take('j')).rejects.toThrow(/all 7 counters are in use/)
    clock.advance(1)
    await expect(take('j')).resolves.toBeUndefined()
  })

  test('are kept while a hold may still be settled', async () => {
    const { clock, counters, take } = await open(1)
    await counters.reserve('x', [{ limit: limit('a'), amount: 0 }], 5_000)
    clock.advance(4_999)
    await expect(take('b')).rejects.toThrow(/in use/)
    await counters.settle('x', [3])
    expect(await counters.read([limit('a')])).toMatchObject([{ remaining: 2 }])
  })

  test('are not lost when room is made in the very call that charges them', async () => {
    const { clock, counters, take } = await open(2)
    await take('a')
    await take('b')
    clock.advance(60_000)
    await take('a', 1_000)
    expect(await counters.read([limit('a')])).toMatchObject([{ remaining: 1 }])
  })

  test('bound the number of holds, counting only those that are alive', async () => {
    const { clock, counters } = await open(100, 2)
    await counters.reserve('a', [], 1_000)
    await counters.reserve('b', [], 5_000)
    await expect(counters.reserve('c', [], 1_000)).rejects.toThrow(/all 2 holds are in use/)
    clock.advance(1_000)
    expect((await counters.reserve('c', [], 1_000)).ok).toBe(true)
    expect(await counters.release('b')).toBe(true)
  })
})
