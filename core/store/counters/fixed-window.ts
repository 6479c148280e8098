import type { Tally } from './tally.ts'

/** Counts within periods of `windowMs` since 1970. A settlement after its period has ended changes nothing. */
export class FixedWindow implements Tally {
  readonly #windowMs: number
  #period: number
  used: number

  constructor(windowMs: number, [period = 0, used = 0]: readonly number[]) {
    this.#windowMs = windowMs
    this.#period = period
    this.used = used
  }

  advance(now: number): void {
    const period = Math.floor(now / this.#windowMs)
    if (period <= this.#period) return
    this.#period = period
    this.used = 0
  }

  charge(amount: number): number {
    this.used += amount
    return this.#period
  }

  correct(mark: number, reserved: number, actual: number): void {
    if (mark === this.#period) this.used += actual - reserved
  }

  freeAt(): number {
    return (this.#period + 1) * this.#windowMs
  }

  save(): number[] {
    return [this.#period, this.used]
  }
}
