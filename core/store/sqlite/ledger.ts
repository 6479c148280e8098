import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { JsonObject } from '../../kit/json.ts'
import { checkJournal, checkRead, rowText } from '../journal.ts'
import type { Ledger, LedgerRow } from '../store.ts'
import { storeError } from './failure.ts'
import type { Writer } from './writer.ts'

/** Rows deleted in one transaction: a long prune lets others in between. */
const PRUNE_ROWS = 500

/** Rows in the file, numbered within their journal; a pruned row's number is never used again. */
export class SqliteLedger implements Ledger {
  readonly #writer: Writer
  readonly #url: string
  readonly #now: () => number
  readonly #number: StatementSync
  readonly #insert: StatementSync
  readonly #select: StatementSync
  readonly #prune: StatementSync

  constructor(db: DatabaseSync, writer: Writer, url: string, now: () => number) {
    this.#writer = writer
    this.#url = url
    this.#now = now
    this.#number = db.prepare(`
      INSERT INTO journal (name, last, last_time) VALUES (?, 1, ?)
      ON CONFLICT (name) DO UPDATE
      SET last = last + 1, last_time = max(last_time, excluded.last_time)
      RETURNING id, last, last_time`)
    this.#insert = db.prepare(
      'INSERT INTO ledger (journal, sequence, time, row) VALUES (?, ?, ?, ?)',
    )
    this.#select = db.prepare(`
      SELECT sequence, time, row FROM ledger
      WHERE journal = (SELECT id FROM journal WHERE name = ?) AND sequence > ?
      ORDER BY sequence LIMIT ?`)
    // Times never decrease within a journal, so what is too old stands at its beginning.
    this.#prune = db.prepare(`
      DELETE FROM ledger
      WHERE journal = (SELECT id FROM journal WHERE name = :name) AND time < :before
      AND sequence <= ${PRUNE_ROWS} - 1 + (
        SELECT min(sequence) FROM ledger
        WHERE journal = (SELECT id FROM journal WHERE name = :name))`)
  }

  async append(journal: string, row: JsonObject): Promise<number> {
    const text = rowText(journal, row)
    return this.#writer.run(() => {
      const { id, last, last_time } = this.#number.get(journal, this.#now())!
      this.#insert.run(id!, last!, last_time!, text)
      return last as number
    })
  }

  async read(
    journal: string,
    { after = 0, limit }: { readonly after?: number; readonly limit: number },
  ): Promise<readonly LedgerRow[]> {
    checkRead(journal, after, limit)
    try {
      return this.#select.all(journal, after, limit).map(({ sequence, time, row }) => ({
        sequence: sequence as number,
        time: time as number,
        row: JSON.parse(row as string) as JsonObject,
      }))
    } catch (cause) {
      throw storeError(this.#url, cause)
    }
  }

  async prune(journal: string, before: number): Promise<number> {
    checkJournal(journal)
    let count = 0
    for (;;) {
      const deleted = await this.#writer.run(() =>
        Number(this.#prune.run({ name: journal, before }).changes),
      )
      count += deleted
      if (deleted < PRUNE_ROWS) return count
    }
  }
}
