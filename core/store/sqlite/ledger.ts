import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { JsonObject } from '../../kit/json.ts'
import { checkJournal, checkRead, rowText } from '../journal.ts'
import { chainHash } from '../chain.ts'
import type { Ledger, LedgerHead, LedgerRow } from '../store.ts'
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
  readonly #chain: StatementSync
  readonly #head: StatementSync
  readonly #anchor: StatementSync

  constructor(db: DatabaseSync, writer: Writer, url: string, now: () => number) {
    this.#writer = writer
    this.#url = url
    this.#now = now
    this.#number = db.prepare(`
      INSERT INTO journal (name, last, last_time) VALUES (?, 1, ?)
      ON CONFLICT (name) DO UPDATE
      SET last = last + 1, last_time = max(last_time, excluded.last_time)
      RETURNING id, last, last_time, hash`)
    this.#insert = db.prepare(
      'INSERT INTO ledger (journal, sequence, time, row, hash) VALUES (?, ?, ?, ?, ?)',
    )
    this.#chain = db.prepare('UPDATE journal SET hash = ? WHERE id = ?')
    this.#head = db.prepare('SELECT last, hash, anchor, anchor_hash FROM journal WHERE name = ?')
    this.#select = db.prepare(`
      SELECT sequence, time, row, hash FROM ledger
      WHERE journal = (SELECT id FROM journal WHERE name = ?) AND sequence > ?
      ORDER BY sequence LIMIT ?`)
    // Times never decrease within a journal, so what is too old stands at its beginning.
    this.#prune = db.prepare(`
      DELETE FROM ledger
      WHERE journal = (SELECT id FROM journal WHERE name = :name) AND time < :before
      AND sequence <= ${PRUNE_ROWS} - 1 + (
        SELECT min(sequence) FROM ledger
        WHERE journal = (SELECT id FROM journal WHERE name = :name))
      RETURNING sequence, hash`)
    this.#anchor = db.prepare(
      'UPDATE journal SET anchor = ?1, anchor_hash = ?2 WHERE name = ?3 AND anchor < ?1',
    )
  }

  async append(journal: string, row: JsonObject): Promise<number> {
    const text = rowText(journal, row)
    return this.#writer.run(() => {
      const { id, last, last_time, hash: previous } = this.#number.get(journal, this.#now())!
      const hash = chainHash(previous as string, last as number, last_time as number, text)
      this.#insert.run(id!, last!, last_time!, text, hash)
      this.#chain.run(hash, id!)
      return last as number
    })
  }

  async read(
    journal: string,
    { after = 0, limit }: { readonly after?: number; readonly limit: number },
  ): Promise<readonly LedgerRow[]> {
    checkRead(journal, after, limit)
    try {
      return this.#select.all(journal, after, limit).map(({ sequence, time, row, hash }) => ({
        sequence: sequence as number,
        time: time as number,
        row: JSON.parse(row as string) as JsonObject,
        hash: hash as string,
      }))
    } catch (cause) {
      throw storeError(this.#url, cause)
    }
  }

  async head(journal: string): Promise<LedgerHead> {
    checkJournal(journal)
    try {
      const found = this.#head.get(journal)
      if (found === undefined) return { sequence: 0, hash: '', anchor: { sequence: 0, hash: '' } }
      const { last, hash, anchor, anchor_hash } = found
      return {
        sequence: last as number,
        hash: hash as string,
        anchor: { sequence: anchor as number, hash: anchor_hash as string },
      }
    } catch (cause) {
      throw storeError(this.#url, cause)
    }
  }

  async prune(journal: string, before: number): Promise<number> {
    checkJournal(journal)
    let count = 0
    for (;;) {
      const deleted = await this.#writer.run(() => this.#pruneSome(journal, before))
      count += deleted
      if (deleted < PRUNE_ROWS) return count
    }
  }

  /** Deletes the oldest rows, and remembers what the first that is left is chained to. */
  #pruneSome(journal: string, before: number): number {
    const deleted = this.#prune.all({ name: journal, before })
    let last = deleted[0]
    for (const row of deleted) if ((row.sequence as number) > (last!.sequence as number)) last = row
    if (last !== undefined) this.#anchor.run(last.sequence!, last.hash!, journal)
    return deleted.length
  }
}
