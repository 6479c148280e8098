import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { verifyJournal } from '#core/store/chain.ts'
import { openStore } from '#core/store/open.ts'
import { temporaryFolder } from './temporary.ts'

/** What a check tells after somebody has had their hands on the file. */
async function checkedAfter(forgery: string, known?: { sequence: number; hash: string }) {
  const file = join(await temporaryFolder(), 'a.db')
  const store = await openStore(`sqlite:${file}`, { now: Date.now })
  for (let n = 1; n <= 5; n++) await store.ledger.append('audit', { n })
  await store.close()
  const db = new DatabaseSync(file)
  db.exec(forgery)
  db.close()
  const again = await openStore(`sqlite:${file}`, { now: Date.now })
  const { faults } = await verifyJournal(again.ledger, 'audit', known)
  await again.close()
  return faults
}

describe('the chain', () => {
  it('holds where nobody has changed anything', async () => {
    expect(await checkedAfter('')).toEqual([])
  })

  it.each([
    ['a row is changed', `UPDATE ledger SET row = '{"n":9}' WHERE sequence = 3`, 3, 'changed'],
    [
      'the time of a row is changed',
      `UPDATE ledger SET time = time - 1 WHERE sequence = 2`,
      2,
      'changed',
    ],
    ['the first row is changed', `UPDATE ledger SET row = '{}' WHERE sequence = 1`, 1, 'changed'],
    ['a row in the middle is gone', `DELETE FROM ledger WHERE sequence = 3`, 3, 'missing'],
    ['the first row is gone', `DELETE FROM ledger WHERE sequence = 1`, 1, 'missing'],
    ['the last rows are gone', `DELETE FROM ledger WHERE sequence > 3`, 4, 'tail'],
  ])('tells where %s', async (_, forgery, sequence, kind) => {
    expect(await checkedAfter(forgery)).toEqual([{ sequence, kind }])
  })

  it('tells where a hash was made up: the next row does not follow from it', async () => {
    const faults = await checkedAfter(`UPDATE ledger SET hash = 'ff' WHERE sequence = 2`)
    expect(faults.map(({ sequence }) => sequence)).toEqual([2, 3])
  })

  it('tells of a journal that was written anew, by an end that was noted elsewhere', async () => {
    const noted = { sequence: 5, hash: 'ab'.repeat(32) }
    expect(await checkedAfter('', noted)).toEqual([{ sequence: 5, kind: 'changed' }])
  })
})
