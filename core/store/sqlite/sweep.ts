import type { DatabaseSync, StatementSync } from 'node:sqlite'

/** Rows of one table that one sweep deletes, and how often there is one. */
const SWEEP_ROWS = 200
const SWEEP_EVERY_MS = 1_000

/**
 * Deletes what has expired, a bounded batch at a time, within transactions that write anyway: at most once a second,
 * or with each of them while there is more. Nothing depends on it but the size of the file: an expired value is not
 * read, an expired hold is not settled, and its charge was counted when it was reserved.
 */
export class Sweep {
  readonly #now: () => number
  readonly #deletions: readonly StatementSync[]
  #nextAt = -Infinity
  #lastAt = 0

  constructor(db: DatabaseSync, now: () => number) {
    this.#now = now
    this.#deletions = [
      `DELETE FROM value WHERE rowid IN
        (SELECT rowid FROM value WHERE expires <= ? LIMIT ${SWEEP_ROWS})`,
      `DELETE FROM hold WHERE id IN
        (SELECT id FROM hold WHERE expires <= ? LIMIT ${SWEEP_ROWS})`,
      `DELETE FROM counter WHERE id IN
        (SELECT id FROM counter WHERE idle_at <= ? LIMIT ${SWEEP_ROWS})`,
      `DELETE FROM message WHERE id IN
        (SELECT id FROM message WHERE expires <= ? LIMIT ${SWEEP_ROWS})`,
    ].map((sql) => db.prepare(sql))
  }

  /** Within a transaction. */
  run(): void {
    const now = this.#now()
    const steppedBack = now < this.#lastAt
    if (now < this.#nextAt && !steppedBack) return
    this.#lastAt = now
    const deleted = this.#deletions.map((deletion) => Number(deletion.run(now).changes))
    this.#nextAt = deleted.some((count) => count === SWEEP_ROWS) ? now : now + SWEEP_EVERY_MS
  }
}
