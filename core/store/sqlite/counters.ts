import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { checkLimit, counterName } from '../counters/checks.ts'
import {
  idleAt,
  read,
  reserve,
  settle,
  type Counter,
  type CounterRows,
  type Hold,
} from '../counters/counting.ts'
import { tallyOf } from '../counters/tally.ts'
import type { Charge, Counters, Limit, LimitState, Reservation } from '../store.ts'
import type { Writer } from './writer.ts'

interface CounterRow {
  readonly id: number
  readonly name: string
  readonly state: string
  readonly held_until: number
}

/** A counter of this transaction. Only what was saved before has an id. */
interface LoadedCounter extends Counter {
  id: number | undefined
}

/** A held charge as it is stored: counter id, amount, mark. */
type StoredCharge = readonly [number, number, number]

/** Counters in the file: they survive restarts, and all processes that open the file share them. */
export class SqliteCounters implements Counters {
  readonly #rows: SqliteRows
  readonly #writer: Writer
  readonly #now: () => number

  constructor(rows: SqliteRows, writer: Writer, now: () => number) {
    this.#rows = rows
    this.#writer = writer
    this.#now = now
  }

  reserve(id: string, charges: readonly Charge[], ttlMs: number): Promise<Reservation> {
    return this.#writer.run(() => reserve(this.#rows, id, charges, ttlMs, this.#now()))
  }

  settle(id: string, amounts: readonly number[]): Promise<boolean> {
    return this.#writer.run(() => settle(this.#rows, id, amounts, this.#now()))
  }

  release(id: string): Promise<boolean> {
    return this.#writer.run(() => settle(this.#rows, id, undefined, this.#now()))
  }

  /** In a transaction like the others, so that the states are of one moment. */
  read(limits: readonly Limit[]): Promise<readonly LimitState[]> {
    return this.#writer.run(() => {
      limits.forEach(checkLimit)
      return limits.map((limit) => read(this.#rows, limit, this.#now()))
    })
  }

  reset(limits: readonly Limit[]): Promise<void> {
    return this.#writer.run(() => {
      limits.forEach(checkLimit)
      for (const limit of limits) this.#rows.remove(counterName(limit))
    })
  }
}

/**
 * Rows of the tables `counter` and `hold`. Within a transaction each counter is loaded once and written once, however
 * many of its operations touch it; between transactions nothing is remembered, since other processes write too.
 */
export class SqliteRows implements CounterRows {
  readonly #loaded = new Map<string, LoadedCounter>()
  readonly #changed = new Map<string, LoadedCounter>()
  readonly #byName: StatementSync
  readonly #byId: StatementSync
  readonly #write: StatementSync
  readonly #delete: StatementSync
  readonly #hold: StatementSync
  readonly #writeHold: StatementSync
  readonly #deleteHold: StatementSync

  constructor(db: DatabaseSync) {
    this.#byName = db.prepare('SELECT id, name, state, held_until FROM counter WHERE name = ?')
    this.#byId = db.prepare('SELECT id, name, state, held_until FROM counter WHERE id = ?')
    this.#write = db.prepare(`
      INSERT INTO counter (name, state, held_until, idle_at) VALUES (?, ?, ?, ?)
      ON CONFLICT (name) DO UPDATE
      SET state = excluded.state, held_until = excluded.held_until, idle_at = excluded.idle_at
      RETURNING id`)
    this.#delete = db.prepare('DELETE FROM counter WHERE name = ?')
    this.#hold = db.prepare('SELECT expires, charges FROM hold WHERE id = ?')
    this.#writeHold = db.prepare(
      'INSERT OR REPLACE INTO hold (id, expires, charges) VALUES (?, ?, ?)',
    )
    this.#deleteHold = db.prepare('DELETE FROM hold WHERE id = ?')
  }

  find(name: string, limit: Limit): Counter {
    const loaded = this.#loaded.get(name)
    if (loaded !== undefined) return loaded
    const row = this.#byName.get(name) as unknown as CounterRow | undefined
    if (row !== undefined) return this.#load(row)
    const counter = { id: undefined, tally: tallyOf(limit), heldUntil: 0 }
    this.#loaded.set(name, counter)
    return counter
  }

  makeRoom(): void {}

  save(name: string, counter: Counter): void {
    const loaded = counter as LoadedCounter
    this.#changed.set(name, loaded)
    // A hold refers to its counters by id, so a new one is written at once.
    if (loaded.id === undefined) this.#store(name, loaded)
  }

  remove(name: string): void {
    this.#loaded.delete(name)
    this.#changed.delete(name)
    this.#delete.run(name)
  }

  findHold(id: string): Hold | undefined {
    const row = this.#hold.get(id)
    if (row === undefined) return undefined
    const charges = JSON.parse(row.charges as string) as StoredCharge[]
    return {
      expires: row.expires as number,
      charges: charges.map(([counter, amount, mark]) => ({
        ...this.#findById(counter),
        amount,
        mark,
      })),
    }
  }

  saveHold(id: string, { expires, charges }: Hold): void {
    const stored = charges.map(({ counter, amount, mark }): StoredCharge => [
      (counter as LoadedCounter).id!,
      amount,
      mark,
    ])
    this.#writeHold.run(id, expires, JSON.stringify(stored))
  }

  removeHold(id: string): void {
    this.#deleteHold.run(id)
  }

  /** Writes what the transaction has changed. */
  flush(): void {
    for (const [name, counter] of this.#changed) this.#store(name, counter)
    this.#changed.clear()
  }

  /** Forgets what was loaded: the transaction is over. */
  forget(): void {
    this.#loaded.clear()
    this.#changed.clear()
  }

  #findById(id: number): { name: string; counter: Counter | undefined } {
    const row = this.#byId.get(id) as unknown as CounterRow | undefined
    if (row === undefined) return { name: '', counter: undefined }
    return { name: row.name, counter: this.#loaded.get(row.name) ?? this.#load(row) }
  }

  #load({ id, name, state, held_until }: CounterRow): LoadedCounter {
    const [algorithm, windowMs] = name.split('/', 2) as [Limit['algorithm'], string]
    const tally = tallyOf({ algorithm, windowMs: Number(windowMs) }, JSON.parse(state) as number[])
    const counter = { id, tally, heldUntil: held_until }
    this.#loaded.set(name, counter)
    return counter
  }

  #store(name: string, counter: LoadedCounter): void {
    const idle = idleAt(counter)
    const state = JSON.stringify(counter.tally.save())
    const row = this.#write.get(name, state, counter.heldUntil, idle === Infinity ? null : idle)
    counter.id = row!.id as number
  }
}
