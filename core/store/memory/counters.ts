import { checkLimit, counterName } from '../counters/checks.ts'
import {
  idleAt,
  read,
  reserve,
  settle,
  type Counter,
  type CounterRows,
  type Hold,
  type NamedCounter,
} from '../counters/counting.ts'
import { tallyOf } from '../counters/tally.ts'
import type { Charge, Counters, Limit, LimitState, Reservation } from '../store.ts'
import { StoreUnavailable } from '../unavailable.ts'
import { Bounded } from './bounded.ts'

/** How many counters and holds are kept at once. */
export interface CounterBounds {
  readonly counters: number
  readonly holds: number
}

/**
 * Counters of one process, gone with it. Each operation is one synchronous function, so nothing comes between.
 * Counters and holds have a bound each; when it is reached and none is spent, `reserve` rejects: to forget a counter
 * that is in use would lift its limit.
 */
export class MemoryCounters implements Counters {
  readonly #rows: MemoryRows
  readonly #now: () => number

  constructor(now: () => number, bounds: CounterBounds) {
    this.#rows = new MemoryRows(bounds)
    this.#now = now
  }

  readonly atOnce = {
    reserve: (id: string, charges: readonly Charge[], ttlMs: number): Reservation =>
      reserve(this.#rows, id, charges, ttlMs, this.#now()),
    settle: (id: string, amounts: readonly number[]): boolean =>
      settle(this.#rows, id, amounts, this.#now()),
  }

  async reserve(id: string, charges: readonly Charge[], ttlMs: number): Promise<Reservation> {
    return reserve(this.#rows, id, charges, ttlMs, this.#now())
  }

  async settle(id: string, amounts: readonly number[]): Promise<boolean> {
    return settle(this.#rows, id, amounts, this.#now())
  }

  async release(id: string): Promise<boolean> {
    return settle(this.#rows, id, undefined, this.#now())
  }

  async read(limits: readonly Limit[]): Promise<readonly LimitState[]> {
    limits.forEach(checkLimit)
    return limits.map((limit) => read(this.#rows, limit, this.#now()))
  }

  async reset(limits: readonly Limit[]): Promise<void> {
    limits.forEach(checkLimit)
    for (const limit of limits) this.#rows.remove(counterName(limit))
  }
}

/** Live objects: what is found is changed in place, so there is nothing to save. */
class MemoryRows implements CounterRows {
  readonly #bounds: CounterBounds
  readonly #counters: Bounded<Counter>
  readonly #holds: Bounded<Hold>

  constructor(bounds: CounterBounds) {
    this.#bounds = bounds
    this.#counters = new Bounded(bounds.counters, (counter, now) => {
      counter.tally.advance(now)
      return idleAt(counter) <= now
    })
    this.#holds = new Bounded(bounds.holds, (hold, now) => hold.expires <= now)
  }

  find(name: string, limit: Limit): Counter {
    return this.#counters.get(name) ?? { tally: tallyOf(limit), heldUntil: 0 }
  }

  makeRoom(id: string, counters: readonly NamedCounter[], now: number): void {
    if (!this.#holds.hasRoom([id], now)) throw full('holds', this.#bounds.holds)
    const names = counters.map(({ name }) => name)
    if (!this.#counters.hasRoom(names, now)) throw full('counters', this.#bounds.counters)
    // Also those that were in the map: making room may just have dropped them as spent.
    for (const { name, counter } of counters) this.#counters.set(name, counter)
  }

  save(): void {}

  remove(name: string): void {
    this.#counters.delete(name)
  }

  findHold(id: string): Hold | undefined {
    return this.#holds.get(id)
  }

  saveHold(id: string, hold: Hold): void {
    this.#holds.set(id, hold)
  }

  removeHold(id: string): void {
    this.#holds.delete(id)
  }
}

function full(what: string, most: number): Error {
  return new StoreUnavailable(
    `memory: all ${most} ${what} are in use\n  hint: use a store on disk, such as sqlite:./data/sluice.db`,
  )
}
