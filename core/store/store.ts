import type { Json, JsonObject } from '../kit/json.ts'

/**
 * Values with an age: caches, sessions. Losing one costs time, never money. Keyv underneath.
 * A key is 1 to 1,024 characters, a value at most 16 MB of JSON; anything else is rejected with a RangeError.
 */
export interface KeyValue {
  get(key: string): Promise<Json | undefined>
  getMany(keys: readonly string[]): Promise<(Json | undefined)[]>
  /** Replaces; forgotten after `ttlMs`, which is more than 0; Infinity keeps it for as long as there is room. */
  set(key: string, value: Json, ttlMs: number): Promise<void>
  /** True where there was one. */
  delete(key: string): Promise<boolean>
}

/**
 * One limit that a charge is checked against. `windowMs` is counted by the store's clock.
 * - `fixed-window`: at most `limit` in each period of `windowMs` since 1970
 * - `sliding-window`: at most `limit` in any `windowMs`; up to 0.8 % of it may stay unused
 * - `token-bucket`: refills `limit` per `windowMs`, holds at most `burst` (default `limit`)
 * - `total`: at most `limit`, for ever
 * - `concurrency`: at most `limit` held at once; settling, releasing and expiry give it back
 */
export interface Limit {
  /** Names the counter; the same key with another algorithm or window is another counter. */
  readonly key: string
  readonly algorithm: 'fixed-window' | 'sliding-window' | 'token-bucket' | 'total' | 'concurrency'
  /** A whole number, at least 0. It may change from call to call: what was counted stays counted. */
  readonly limit: number
  /** A whole number, at least 1. Absent for `total` and `concurrency`. */
  readonly windowMs?: number
  /** Only for `token-bucket`. */
  readonly burst?: number
}

/** What is asked of one limit: a whole number, at least 0. */
export interface Charge {
  readonly limit: Limit
  readonly amount: number
}

/** Where a limit stands. */
export interface LimitState {
  /** What may still be reserved now; never negative. */
  readonly remaining: number
  /** Milliseconds until all of the limit is free again, if nothing more is charged; Infinity for a `total` in use. */
  readonly resetMs: number
}

/** What `reserve` answers. `states` are in the order of the charges. */
export type Reservation =
  | { readonly ok: true; readonly states: readonly LimitState[] }
  | {
      readonly ok: false
      readonly states: readonly LimitState[]
      /** The charges that did not fit, by position. */
      readonly refused: readonly number[]
      /**
       * Milliseconds until all charges would fit if nothing more is charged, or Infinity where time alone never makes
       * them fit. For `concurrency` this is when holds expire: they may well be settled before.
       */
      readonly retryAfterMs: number
    }

/**
 * Limits that never overshoot: what a request may cost is reserved before it runs and settled with what it did cost.
 * All charges of a request are taken together or not at all, in one atomic operation of the store.
 */
export interface Counters {
  /** Where the counters are in this process: the same two without a promise. They throw what those reject with. */
  readonly atOnce?: {
    reserve(id: string, charges: readonly Charge[], ttlMs: number): Reservation
    settle(id: string, amounts: readonly number[]): boolean
  }
  /**
   * Holds the charges under `id` for `ttlMs`; a hold that expires is charged as it was reserved. An id names one hold
   * of the whole store: rejects where it is still held, so that two steps never settle each other's. Of a refused
   * reservation nothing is kept. At most 64 charges; several on one counter are added up.
   */
  reserve(id: string, charges: readonly Charge[], ttlMs: number): Promise<Reservation>
  /**
   * Replaces what is held under `id` by what it came to, in the order of the charges; false where nothing is held any
   * more. A charge belongs to the time at which it was reserved. More than was reserved is recorded, over the limit
   * if need be; less gives the difference back.
   */
  settle(id: string, amounts: readonly number[]): Promise<boolean>
  /** Gives all of it back: the request never reached an upstream. */
  release(id: string): Promise<boolean>
  /** Where the limits stand, without charging. */
  read(limits: readonly Limit[]): Promise<readonly LimitState[]>
  /** Forgets what the limits have counted, and what is held of them. For operators. */
  reset(limits: readonly Limit[]): Promise<void>
}

/** One row of the ledger. */
export interface LedgerRow {
  /** Counted from 1 within its journal, without gaps. */
  readonly sequence: number
  /** Milliseconds since 1970; never before the row that precedes it, also where the clock stepped back. */
  readonly time: number
  readonly row: JsonObject
  /** Chains the row to the one before it: see `chain.ts`. Hexadecimal. */
  readonly hash: string
}

/** Where a journal ends, and what its oldest row is chained to. */
export interface LedgerHead {
  /** Of the newest row; 0 where there never was one. */
  readonly sequence: number
  readonly hash: string
  /** Of the last row that was pruned; empty where none was. */
  readonly anchor: { readonly sequence: number; readonly hash: string }
}

/** Durable rows that are only ever appended: usage, audit, dead letters. */
export interface Ledger {
  /** Resolves with the row's sequence once it would survive a kill -9. At most 16 MB of JSON. */
  append(journal: string, row: JsonObject): Promise<number>
  /** Rows after `after` (default 0), oldest first, at most `limit`, which is 1 to 10,000. */
  read(
    journal: string,
    options: { readonly after?: number; readonly limit: number },
  ): Promise<readonly LedgerRow[]>
  /** What `verifyJournal` holds the rows against. */
  head(journal: string): Promise<LedgerHead>
  /** Deletes rows older than `before` (milliseconds since 1970); resolves with how many. */
  prune(journal: string, before: number): Promise<number>
}

/**
 * Messages to all who share the store, the sender included: that a key was revoked, that a breaker opened. A message
 * says that something changed; the state itself belongs into key-value or a table, since a message may be lost with
 * a connection. At most 64 K characters of JSON.
 */
export interface Channel {
  /** Resolves once those who listen will hear it, all within a second, in the order in which it was published. */
  publish(message: Json): Promise<void>
  /**
   * `listener` must not throw. `refresh` is called once messages are heard, and again whenever some may have been missed (the
   * connection was lost, the process stood still): time to read what they are about. Returns a function that stops both.
   */
  subscribe(listener: (message: Json) => void, refresh?: () => void): () => void
}

/**
 * Shared state behind one URL. An operation sees what was acknowledged before it was called; what goes wrong in the
 * backend (disk full, file gone, connection lost) rejects the promise with a StoreUnavailable that says where and why.
 */
export interface Store {
  readonly url: string
  /** False where each process counts for itself. */
  readonly isShared: boolean
  /** Why it cannot be used now; undefined while it can. Only a server can be away. */
  readonly problem: string | undefined
  /** Values of one user of the store, kept apart from all others'. */
  keyValue(namespace: string): KeyValue
  readonly counters: Counters
  readonly ledger: Ledger
  /** Messages under one name, to all processes that share the store. */
  channel(name: string): Channel
  /** Finishes what was begun and gives back files and connections. The last call. */
  close(): Promise<void>
}
