import type { JsonObject } from '../kit/json.ts'

/** Largest row of a ledger, in characters of JSON. */
const MOST_ROW_CHARACTERS = 16 * 1024 ** 2

/** Most rows of one read. */
const MOST_ROWS = 10_000

/** The text of a row, taken at once: what the caller does to it afterwards changes nothing. Throws a RangeError. */
export function rowText(journal: string, row: JsonObject): string {
  checkJournal(journal)
  const text = JSON.stringify(row)
  if (text.length <= MOST_ROW_CHARACTERS) return text
  throw new RangeError(
    `a row of ${text.length} characters is too large for journal ${JSON.stringify(journal)}, at most ${MOST_ROW_CHARACTERS} are kept`,
  )
}

/** Throws a RangeError where a read asks for nothing, or for more than is handed out at once. */
export function checkRead(journal: string, after: number, limit: number): void {
  checkJournal(journal)
  if (!Number.isSafeInteger(after) || after < 0) {
    throw new RangeError(`expected a sequence of at least 0 as after, got ${after}`)
  }
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > MOST_ROWS) {
    throw new RangeError(`expected a limit of 1 to ${MOST_ROWS} rows, got ${limit}`)
  }
}

/** Throws a RangeError where the name is empty or longer than 256 characters. */
export function checkJournal(journal: string): void {
  if (journal !== '' && journal.length <= 256) return
  throw new RangeError(
    `expected a journal's name of 1 to 256 characters, got one of ${journal.length}`,
  )
}
