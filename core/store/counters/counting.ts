import type { Charge, Limit, LimitState, Reservation } from '../store.ts'
import { checkAmounts, checkReserve, counterName, heldAlready } from './checks.ts'
import { capacityOf, tallyOf, type Tally } from './tally.ts'

/** One counter, as a backend keeps it. */
export interface Counter {
  readonly tally: Tally
  /** When the last of its holds expires: until then a settlement may still reach it, so it must be kept. */
  heldUntil: number
}

/** A counter under its name. */
export interface NamedCounter {
  readonly name: string
  readonly counter: Counter
}

/** One charge of a hold. `counter` is undefined once it was reset: the charge is forgotten with it. */
export interface HeldCharge {
  readonly name: string
  readonly counter: Counter | undefined
  readonly amount: number
  readonly mark: number
}

/** What one reservation holds. */
export interface Hold {
  readonly expires: number
  readonly charges: readonly HeldCharge[]
}

/**
 * Counters and holds as the operations below need them. One operation is atomic: memory runs it in one go, SQLite in
 * one transaction.
 */
export interface CounterRows {
  /** The counter of a limit, or a new one that nothing is counted on yet. */
  find(name: string, limit: Limit): Counter
  /** Throws where the counters and the hold cannot all be kept. Nothing has been changed yet. */
  makeRoom(id: string, counters: readonly NamedCounter[], now: number): void
  save(name: string, counter: Counter): void
  remove(name: string): void
  findHold(id: string): Hold | undefined
  saveHold(id: string, hold: Hold): void
  removeHold(id: string): void
}

/** When nothing is counted or held on a counter any more, so that it may be forgotten; Infinity where time alone doesn't do it. */
export function idleAt({ tally, heldUntil }: Counter): number {
  return tally.used === 0 ? heldUntil : Math.max(heldUntil, tally.freeAt(tally.used))
}

/** Takes all charges or none; see Counters.reserve. */
export function reserve(
  rows: CounterRows,
  id: string,
  charges: readonly Charge[],
  ttlMs: number,
  now: number,
): Reservation {
  checkReserve(id, charges, ttlMs)
  if ((rows.findHold(id)?.expires ?? 0) > now) throw heldAlready(id)
  const asked = load(rows, charges, now)
  const { refused, fitAt } = misfits(asked, now)
  if (refused.length === 0) take(rows, id, asked, ttlMs, now)
  const states = asked.map(({ limit, counter }) => stateOf(limit, counter.tally, now))
  return refused.length === 0
    ? { ok: true, states }
    : { ok: false, states, refused, retryAfterMs: fitAt - now }
}

/** Replaces what is held by what it came to, or by nothing where `amounts` is absent; see Counters.settle and release. */
export function settle(
  rows: CounterRows,
  id: string,
  amounts: readonly number[] | undefined,
  now: number,
): boolean {
  const hold = rows.findHold(id)
  if (hold === undefined || hold.expires <= now) return false
  checkAmounts(id, amounts, hold.charges.length)
  rows.removeHold(id)
  for (const [at, { name, counter, amount, mark }] of hold.charges.entries()) {
    if (counter === undefined) continue
    counter.tally.advance(now)
    counter.tally.correct(mark, amount, amounts?.[at] ?? 0)
    rows.save(name, counter)
  }
  return true
}

/** Where a limit stands; see Counters.read. */
export function read(rows: CounterRows, limit: Limit, now: number): LimitState {
  // A copy: that somebody looked must not change what is counted.
  const tally = tallyOf(limit, rows.find(counterName(limit), limit).tally.save())
  tally.advance(now)
  tally.setRate?.(limit.limit)
  return stateOf(limit, tally, now)
}

/** A charge with its counter; several charges may have the same one. */
interface Asked extends Charge, NamedCounter {}

/** The charges with their counters, each moved on to `now`. */
function load(rows: CounterRows, charges: readonly Charge[], now: number): readonly Asked[] {
  const asked: Asked[] = []
  for (const { limit, amount } of charges) {
    const name = counterName(limit)
    const counter = asked.find((one) => one.name === name)?.counter ?? rows.find(name, limit)
    const { tally } = counter
    tally.advance(now)
    // Saved also where the charge will be refused: else a bucket that had stopped would never begin to refill.
    if (tally.setRate?.(limit.limit) && tally.used > 0) rows.save(name, counter)
    asked.push({ limit, amount, name, counter })
  }
  return asked
}

/** Which charges do not fit, and when all would. Charges on the same counter add up in their order. */
function misfits(
  asked: readonly Asked[],
  now: number,
): { refused: readonly number[]; fitAt: number } {
  const refused: number[] = []
  let fitAt = now
  for (const [at, { limit, counter }] of asked.entries()) {
    let sum = 0
    for (let earlier = 0; earlier <= at; earlier++) {
      if (asked[earlier]!.counter === counter) sum += asked[earlier]!.amount
    }
    const capacity = capacityOf(limit)
    const excess = counter.tally.used + sum - capacity
    if (excess <= 0) continue
    refused.push(at)
    fitAt = Math.max(fitAt, sum > capacity ? Infinity : counter.tally.freeAt(excess))
  }
  return { refused, fitAt }
}

function take(
  rows: CounterRows,
  id: string,
  asked: readonly Asked[],
  ttlMs: number,
  now: number,
): void {
  rows.makeRoom(id, asked, now)
  const expires = now + ttlMs
  const charges = asked.map(({ name, counter, amount }) => {
    counter.heldUntil = Math.max(counter.heldUntil, expires)
    return { name, counter, amount, mark: counter.tally.charge(amount, expires) }
  })
  for (const { name, counter } of asked) rows.save(name, counter)
  rows.saveHold(id, { expires, charges })
}

function stateOf(limit: Limit, tally: Tally, now: number): LimitState {
  return {
    remaining: Math.max(0, capacityOf(limit) - tally.used),
    resetMs: tally.used === 0 ? 0 : Math.max(0, tally.freeAt(tally.used) - now),
  }
}
