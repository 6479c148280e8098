import { StoreUnavailable } from '../unavailable.ts'

/** What SQLite's primary result codes mean to an operator (https://sqlite.org/rescode.html), with what to do about it. */
const MEANINGS: Readonly<Record<number, string>> = {
  3: 'permission denied\n  hint: the gateway must be able to write the file and its folder',
  5: 'another process held the write lock for too long\n  hint: many processes writing at once need a store made for it, or a faster disk',
  8: 'the file is read-only\n  hint: the gateway must be able to write the file and its folder',
  10: 'the disk failed to read or write',
  11: 'the file is damaged\n  hint: move it away and restore a backup, or start with a new one',
  13: 'the disk is full, or the file has reached its maxSize',
  14: 'the file cannot be opened',
  26: 'it is not an SQLite database\n  hint: give Sluice a file of its own',
}

const BUSY = 5

/** SQLite's primary result code, or undefined for an error that isn't SQLite's. */
function codeOf(cause: unknown): number | undefined {
  const isOurs = cause instanceof Error && 'errcode' in cause && typeof cause.errcode === 'number'
  // The low byte: the rest are details of it.
  return isOurs ? (cause.errcode as number) & 0xff : undefined
}

/** True where another process holds the write lock. */
export function isBusy(cause: unknown): boolean {
  return codeOf(cause) === BUSY
}

/** Why SQLite failed, in words; undefined for an error that isn't SQLite's. */
export function sqliteReason(cause: unknown): string | undefined {
  const code = codeOf(cause)
  return code === undefined ? undefined : (MEANINGS[code] ?? (cause as Error).message)
}

/** An SQLite error in words, with the store's URL; any other error comes back as it is. */
export function storeError(url: string, cause: unknown): unknown {
  const reason = sqliteReason(cause)
  if (reason === undefined) return cause
  return new StoreUnavailable(`store ${JSON.stringify(url)}: ${reason}`, { cause })
}
