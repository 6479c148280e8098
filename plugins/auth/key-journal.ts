import type { Host, JsonObject, Limit } from '#core/sdk.ts'

/** One row, in the order in which all nodes see them. */
export interface JournalRow {
  /** Counted from 1. */
  readonly sequence: number
  readonly row: JsonObject
}

/** What is new in a journal. */
export interface JournalNews {
  /** True where all that was read before no longer counts: `rows` are all that there are. */
  readonly isAnew: boolean
  /** True where rows that were read before are there no more. */
  readonly isLoss: boolean
  readonly rows: readonly JournalRow[]
}

/** As large as the store counts. */
const END = 2 ** 52
/** Numbers the rows: what is missing from the limit was given out. */
const SEQUENCE: Limit = { key: 'auth/keys:sequence', algorithm: 'total', limit: END }

/** Rows read at once. */
const PAGE = 500

/** A writer that was given a number writes its row at once, or is dead. Milliseconds. */
const LATEST_MS = 3_600_000

/**
 * An append-only list that all nodes share, whatever the store: its counters number the rows, its values hold them,
 * for good. (The ledger is no place for it: with Redis each node has one of its own.)
 */
export class KeyJournal {
  readonly #host: Host
  readonly #values
  #last: JournalRow | undefined
  #end = 0
  /** Numbers that were given out and whose row is not there yet, and since when. */
  readonly #missing = new Map<number, number>()
  #count = 0

  constructor(host: Host) {
    this.#host = host
    this.#values = host.store.keyValue('keys')
  }

  /** Resolves once the row is as durable as the store is. */
  async append(row: JsonObject): Promise<void> {
    const host = this.#host
    const id = `auth/keys:${Math.floor(host.random() * 36 ** 8).toString(36)}:${this.#count++}:${host.now()}`
    const { states } = await host.store.counters.reserve(id, [{ limit: SEQUENCE, amount: 1 }], 1)
    const sequence = END - states[0]!.remaining
    await this.#values.set(String(sequence), row, Infinity)
  }

  /** Reads what has been added, or all of it where what was read before is not the beginning of it any more. */
  async news(): Promise<JournalNews> {
    const [state] = await this.#host.store.counters.read([SEQUENCE])
    const end = END - state!.remaining
    const isLoss = !(await this.#isContinued(end))
    const isAnew = isLoss || (await this.#isFilled())
    const from = isAnew ? 0 : this.#end
    const rows: JournalRow[] = []
    const missing: number[] = []
    for (let start = from + 1; start <= end; start += PAGE) {
      const size = Math.min(PAGE, end - start + 1)
      const numbers = Array.from({ length: size }, (_, at) => start + at)
      const values = await this.#values.getMany(numbers.map(String))
      numbers.forEach((sequence, at) => {
        const row = values[at]
        if (row === undefined) missing.push(sequence)
        else rows.push({ sequence, row: row as JsonObject })
      })
    }
    if (isAnew) this.#missing.clear()
    for (const sequence of missing) this.#missing.set(sequence, this.#host.now())
    this.#end = end
    this.#last = rows.at(-1) ?? (isAnew ? undefined : this.#last)
    return { isAnew, isLoss, rows }
  }

  /** False after a failover, or where the store came back without its data. */
  async #isContinued(end: number): Promise<boolean> {
    if (end < this.#end) return false
    if (this.#last === undefined) return true
    const [row] = await this.#values.getMany([String(this.#last.sequence)])
    return JSON.stringify(row) === JSON.stringify(this.#last.row)
  }

  /** True where a missing row has come after all: later ones may build on it, so that all are to be read again. */
  async #isFilled(): Promise<boolean> {
    if (this.#missing.size === 0) return false
    const before = this.#host.now() - LATEST_MS
    for (const [sequence, since] of this.#missing) {
      if (since < before) this.#missing.delete(sequence)
    }
    const values = await this.#values.getMany([...this.#missing.keys()].map(String))
    return values.some((row) => row !== undefined)
  }
}
