import { Amounts } from './amounts.ts'
import type { Tally } from './tally.ts'

/** Counts for ever. */
export class Total implements Tally {
  used: number

  constructor([used = 0]: readonly number[]) {
    this.used = used
  }

  advance(): void {}

  charge(amount: number): number {
    this.used += amount
    return 0
  }

  correct(_mark: number, reserved: number, actual: number): void {
    this.used += actual - reserved
  }

  freeAt(): number {
    return Infinity
  }

  save(): number[] {
    return [this.used]
  }
}

/** Counts what is held right now, by deadline: a hold that is never settled frees its place when it expires. */
export class Concurrency implements Tally {
  readonly #amounts: Amounts
  #at: number

  constructor([at = 0, ...amounts]: readonly number[]) {
    this.#at = at
    this.#amounts = new Amounts(amounts)
  }

  get used(): number {
    return this.#amounts.total
  }

  advance(now: number): void {
    if (now <= this.#at) return
    this.#at = now
    this.#amounts.dropThrough(now)
  }

  charge(amount: number, expires: number): number {
    this.#amounts.add(expires, amount)
    return expires
  }

  correct(mark: number, reserved: number): void {
    if (mark > this.#at) this.#amounts.add(mark, -reserved)
  }

  freeAt(amount: number): number {
    return this.#amounts.keyFreeing(amount)
  }

  save(): number[] {
    return [this.#at, ...this.#amounts.save()]
  }
}
