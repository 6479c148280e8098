import { describe, expect, test } from 'vitest'
import { verifyJournal } from '#core/store/chain.ts'
import type { Open } from './store.ts'

/** What every backend promises of the ledger. */
export function testLedger(open: Open): void {
  describe('ledger', () => {
    test('numbers the rows of each journal from 1 without gaps', async () => {
      const { ledger } = (await open()).store
      expect(await ledger.append('usage', { n: 1 })).toBe(1)
      expect(await ledger.append('audit', { n: 2 })).toBe(1)
      expect(await ledger.append('usage', { n: 3 })).toBe(2)
      const rows = await ledger.read('usage', { limit: 10 })
      expect(rows.map(({ sequence, row }) => [sequence, row])).toEqual([
        [1, { n: 1 }],
        [2, { n: 3 }],
      ])
    })

    test('numbers rows that are appended at once in the order of the calls', async () => {
      const { ledger } = (await open()).store
      const all = Array.from({ length: 1_000 }, (_, n) => ledger.append('usage', { n }))
      expect(await Promise.all(all)).toEqual(Array.from({ length: 1_000 }, (_, n) => n + 1))
      const rows = await ledger.read('usage', { limit: 1_000 })
      expect(rows.every(({ sequence, row }) => row.n === sequence - 1)).toBe(true)
    })

    test('reads on from where the reader was', async () => {
      const { ledger } = (await open()).store
      for (let n = 0; n < 5; n++) await ledger.append('usage', {})
      const read = async (after: number, limit: number) =>
        (await ledger.read('usage', { after, limit })).map(({ sequence }) => sequence)
      expect(await read(0, 2)).toEqual([1, 2])
      expect(await read(2, 2)).toEqual([3, 4])
      expect(await read(4, 2)).toEqual([5])
      expect(await read(5, 2)).toEqual([])
      expect(await ledger.read('unknown', { limit: 1 })).toEqual([])
    })

    test('keeps the row as it was when it was appended', async () => {
      const { ledger } = (await open()).store
      const row = { text: 'é\0', list: [1, { deep: null }] }
      const appended = ledger.append('usage', row)
      row.list.push(2)
      await appended
      const [read] = await ledger.read('usage', { limit: 1 })
      expect(read!.row).toEqual({ text: 'é\0', list: [1, { deep: null }] })
    })

    test('stamps rows with the time, which never runs backwards', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      const start = clock.now()
      for (const step of [0, 100, -50, 60]) {
        clock.advance(step)
        await store.ledger.append('usage', {})
      }
      const rows = await store.ledger.read('usage', { limit: 10 })
      expect(rows.map(({ time }) => time - start)).toEqual([0, 100, 100, 110])
    })

    test('prunes what is older, and never uses a number twice', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      await Promise.all(Array.from({ length: 1_200 }, () => store.ledger.append('usage', {})))
      await store.ledger.append('audit', {})
      clock.advance(1)
      const later = clock.now()
      await store.ledger.append('usage', {})
      expect(await store.ledger.prune('usage', later)).toBe(1_200)
      expect(await store.ledger.prune('usage', later)).toBe(0)
      const rows = await store.ledger.read('usage', { limit: 10 })
      expect(rows.map(({ sequence }) => sequence)).toEqual([1_201])
      expect(await store.ledger.prune('usage', later + 1)).toBe(1)
      expect(await store.ledger.append('usage', {})).toBe(1_202)
      expect(await store.ledger.read('audit', { limit: 10 })).toHaveLength(1)
    })

    test('refuses what it cannot keep or hand out', async () => {
      const { ledger } = (await open()).store
      await expect(ledger.append('', {})).rejects.toThrow(/name of 1 to 256 characters/)
      const large = { text: 'x'.repeat(17 * 1024 ** 2) }
      await expect(ledger.append('usage', large)).rejects.toThrow(/too large/)
      await expect(ledger.read('usage', { limit: 10_001 })).rejects.toThrow(/1 to 10000 rows/)
      await expect(ledger.read('usage', { limit: 1, after: -1 })).rejects.toThrow(/got -1/)
      expect(await ledger.append('usage', {})).toBe(1)
    })

    test('chains each row to the one before it, whatever is pruned', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      const { ledger } = store
      await Promise.all(Array.from({ length: 1_300 }, (_, n) => ledger.append('audit', { n })))
      expect(await verifyJournal(ledger, 'audit')).toMatchObject({ rows: 1_300, faults: [] })
      clock.advance(1)
      await ledger.append('audit', { n: 'last' })
      const noted = await ledger.head('audit')
      await ledger.prune('audit', clock.now())
      const report = await verifyJournal(ledger, 'audit', noted)
      expect(report).toMatchObject({ rows: 1, faults: [], head: { sequence: 1_301 } })
      const wrong = { ...noted, hash: '00' }
      expect((await verifyJournal(ledger, 'audit', wrong)).faults).toHaveLength(1)
      expect(await verifyJournal(ledger, 'never')).toMatchObject({ rows: 0, faults: [] })
    })

    test('keeps rows and numbers over a restart', async ({ skip }) => {
      const { store, reopen = skip() } = await open()
      await store.ledger.append('usage', { n: 1 })
      const again = await reopen()
      expect(await again.ledger.append('usage', { n: 2 })).toBe(2)
      const rows = await again.ledger.read('usage', { limit: 10 })
      expect(rows.map(({ row }) => row.n)).toEqual([1, 2])
    })
  })
}
