import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { StoreUnavailable } from '#core/sdk.ts'
import { isBusy, storeError } from '#core/store/sqlite/failure.ts'

/** An error as node:sqlite throws it. */
function sqliteError(errcode: number): Error {
  return Object.assign(new Error('as SQLite says it'), { code: 'ERR_SQLITE_ERROR', errcode })
}

test.for([
  [3, /permission denied/],
  [8, /the file is read-only/],
  // SQLITE_READONLY_DIRECTORY: details stand above the low byte.
  [8 + 6 * 256, /the file is read-only/],
  [10, /the disk failed/],
  [11, /the file is damaged/],
  [13, /the disk is full/],
  [26, /not an SQLite database/],
  [1, /as SQLite says it/],
] as const)('SQLite result code %i is told in words, with the URL', ([errcode, message]) => {
  const cause = sqliteError(errcode)
  const told = storeError('sqlite:x.db', cause) as Error
  expect(told).toBeInstanceOf(StoreUnavailable)
  expect(told.message).toMatch(message)
  expect(told.message).toMatch(/^store "sqlite:x.db": /)
  expect(told.cause).toBe(cause)
})

test('an error that is not from SQLite stays as it is', () => {
  const cause = new RangeError('the caller is wrong')
  expect(storeError('sqlite:x.db', cause)).toBe(cause)
  expect(isBusy(cause)).toBe(false)
})

test('the shape of errors is that of node:sqlite', () => {
  const db = new DatabaseSync(':memory:')
  expect(() => db.exec('nonsense')).toThrow(expect.objectContaining({ errcode: 1 }))
  db.close()
})
