import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { openStore } from '#core/store/open.ts'
import type { Counters, Limit } from '#core/store/store.ts'
import { testAgainstOracle } from './contract/oracle.ts'
import { Clock, testStore, type Opened } from './contract/store.ts'
import { temporaryFolder } from './temporary.ts'

async function openFile(): Promise<Opened & { path: string; clock: Clock }> {
  const path = join(await temporaryFolder(), 'store.db')
  const clock = new Clock()
  const open = async () => {
    const store = await openStore(`sqlite:${path}`, { now: clock.now })
    onTestFinished(() => store.close())
    return store
  }
  const store = await open()
  const reopen = async () => {
    await store.close()
    return open()
  }
  return { store, clock, reopen, another: open, path }
}

testStore('sqlite:', openFile, { rounds: 60 })

testStore(
  'sqlite:, closed and opened again',
  async () => {
    const opened = await openFile()
    await opened.store.ledger.append('other', { n: 1 })
    return { store: await opened.reopen!(), clock: opened.clock }
  },
  { rounds: 20 },
)

describe('sqlite:, two stores on one file', () => {
  test('tell a listener who was too slow that it may have missed messages', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const { store, clock, another } = await openFile()
    const other = await another!()
    const heard: unknown[] = []
    let refreshed = 0
    other.channel('a').subscribe(
      (message) => heard.push(message),
      () => void refreshed++,
    )
    await store.channel('a').publish('early')
    clock.advance(60_000)
    await store.channel('a').publish('late')
    vi.advanceTimersByTime(100)
    expect(heard).toEqual(['late'])
    expect(refreshed).toBe(2)
    await store.channel('a').publish('later')
    vi.advanceTimersByTime(100)
    expect(heard).toEqual(['late', 'later'])
    expect(refreshed).toBe(2)
  })

  testAgainstOracle(async () => {
    const { store, clock, path } = await openFile()
    const other = await openStore(`sqlite:${path}`, { now: clock.now })
    onTestFinished(() => other.close())
    return { store: { ...store, counters: inTurns(store.counters, other.counters) }, clock }
  }, 40)
})

/** Each call goes to the other one. */
function inTurns(first: Counters, second: Counters): Counters {
  let turn = 0
  const next = () => (turn++ % 2 === 0 ? first : second)
  return {
    reserve: (...args) => next().reserve(...args),
    settle: (...args) => next().settle(...args),
    release: (...args) => next().release(...args),
    read: (...args) => next().read(...args),
    reset: (...args) => next().reset(...args),
  }
}

/** Takes over the monotonic clock of the machine, by which the writer waits for locks. */
function onMachineTime(told: (now: number) => number): void {
  const now = performance.now.bind(performance)
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => told(now()))
  onTestFinished(() => spy.mockRestore())
}

describe('a store in a file', () => {
  const limit: Limit = { key: 'k', algorithm: 'fixed-window', limit: 10, windowMs: 60_000 }
  const rowsOf = (path: string, table: string): number => {
    const db = new DatabaseSync(path, { readOnly: true })
    try {
      return db.prepare(`SELECT count(*) AS count FROM ${table}`).get()!.count as number
    } finally {
      db.close()
    }
  }

  test('is shared', async () => {
    expect((await openFile()).store.isShared).toBe(true)
  })

  test('sweeps what has expired, in batches, while it writes', async () => {
    const { store, clock, path } = await openFile()
    const values = store.keyValue('a')
    const holds = Array.from({ length: 450 }, (_, n) => [
      values.set(`key ${n}`, n, 1_000),
      store.counters.reserve(`${n}`, [{ limit: { ...limit, key: `${n}` }, amount: 1 }], 1_000),
    ])
    await Promise.all(holds.flat())
    clock.advance(60_000)
    const left: number[][] = []
    for (let writes = 0; writes < 3; writes++) {
      await store.ledger.append('usage', {})
      left.push(['value', 'hold', 'counter'].map((table) => rowsOf(path, table)))
    }
    expect(left).toEqual([
      [250, 250, 250],
      [50, 50, 50],
      [0, 0, 0],
    ])
  })

  test('sweeps no counter that a hold may still settle', async () => {
    const { store, clock } = await openFile()
    await store.counters.reserve('a', [{ limit, amount: 0 }], 5_000)
    clock.advance(4_999)
    await store.ledger.append('usage', {})
    expect(await store.counters.settle('a', [4])).toBe(true)
    expect(await store.counters.read([limit])).toMatchObject([{ remaining: 6 }])
  })

  test('rejects only the operation at fault of those that share a transaction', async () => {
    const { store } = await openFile()
    const charges = [{ limit, amount: 1 }]
    const results = await Promise.allSettled([
      store.ledger.append('usage', { n: 1 }),
      store.counters.reserve('a', charges, 1_000),
      store.counters.reserve('a', charges, 1_000),
      store.ledger.append('usage', { n: 2 }),
    ])
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    const rows = await store.ledger.read('usage', { limit: 10 })
    expect(rows.map(({ row }) => row.n)).toEqual([1, 2])
    expect(await store.counters.read([limit])).toMatchObject([{ remaining: 9 }])
  })

  test('finishes what was begun when it is closed, and refuses what comes later', async () => {
    const { store, reopen } = await openFile()
    const appended = store.ledger.append('usage', {})
    const again = await reopen!()
    expect(await appended).toBe(1)
    expect(await again.ledger.read('usage', { limit: 10 })).toHaveLength(1)
    await expect(store.ledger.append('usage', {})).rejects.toThrow(/is closed/)
    await expect(store.keyValue('a').get('key')).rejects.toThrow(/not open|finalized/)
    await expect(store.close()).resolves.toBeUndefined()
  })

  test('refuses what comes faster than it can write', async () => {
    const { store } = await openFile()
    const appends = Array.from({ length: 10_001 }, () => store.ledger.append('usage', {}))
    const results = await Promise.allSettled(appends)
    const refused = results.filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(1)
    expect(String((refused[0] as PromiseRejectedResult).reason)).toMatch(/cannot keep up: 10000/)
  })

  test('waits for the write lock of another process, without standing still', async () => {
    const { store, path } = await openFile()
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    let tries = 0
    const triedTwice = new Promise<void>((resolve) => {
      onMachineTime((now) => {
        if (++tries === 2) resolve()
        return now
      })
    })
    const appended = store.ledger.append('usage', {})
    await triedTwice
    expect(await store.ledger.read('usage', { limit: 1 })).toEqual([])
    other.exec('COMMIT')
    other.close()
    expect(await appended).toBe(1)
  })

  test('gives up on a lock that is held for too long', async () => {
    const { store, path } = await openFile()
    const other = new DatabaseSync(path)
    onTestFinished(() => other.close())
    other.exec('BEGIN IMMEDIATE')
    let waited = 0
    onMachineTime(() => (waited += 1_000))
    const appended = store.ledger.append('usage', {})
    await expect(appended).rejects.toThrow(/another process held the write lock for too long/)
    other.exec('COMMIT')
    expect(await store.ledger.append('usage', {})).toBe(1)
  })

  test('says that the file has reached its size, keeps what it has, and still reads', async () => {
    const path = join(await temporaryFolder(), 'small.db')
    const store = await openStore(`sqlite:${path}?maxSize=128kb`, new Clock())
    onTestFinished(() => store.close())
    let last = 0
    const fill = async () => {
      for (;;) last = await store.ledger.append('usage', { text: 'x'.repeat(5_000) })
    }
    await expect(fill()).rejects.toThrow(
      `store "sqlite:${path}?maxSize=128kb": the disk is full, or the file has reached its maxSize`,
    )
    const set = store.keyValue('a').set('key', 'x'.repeat(50_000), 1_000)
    await expect(set).rejects.toThrow(/has reached its maxSize/)
    expect(await store.ledger.read('usage', { limit: 100 })).toHaveLength(last)
    expect(await store.ledger.prune('usage', Infinity)).toBe(last)
    expect(await store.ledger.append('usage', {})).toBe(last + 1)
  })
})
