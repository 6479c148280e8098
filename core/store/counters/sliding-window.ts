import { Amounts } from './amounts.ts'
import type { Tally } from './tally.ts'

/** Slots per window. 1 of 129 slots is the part of the limit that a steady load may leave unused: 0.8 %. */
const SLOTS = 128

/**
 * Counts in 128 slots per window, and forgets a slot only when its youngest charge could be no younger than one
 * window. So no window of `windowMs`, wherever it begins, ever holds more than the limit; the price is that a charge
 * counts for up to 1/128 of a window longer than it must.
 *
 * Chosen over the weighted mean of two windows (Cloudflare, "How we built rate limiting capable of scaling to
 * millions of domains", 2017), which assumes an even spread and overshoots when the load isn't; and over a log of all
 * charges, which has no bound. Slots with a stated error are "basic counting" (Datar, Gionis, Indyk, Motwani:
 * "Maintaining stream statistics over sliding windows", 2002), rounded to the safe side.
 */
export class SlidingWindow implements Tally {
  readonly #windowMs: number
  readonly #amounts: Amounts
  #slot: number

  constructor(windowMs: number, [slot = 0, ...amounts]: readonly number[]) {
    this.#windowMs = windowMs
    this.#slot = slot
    this.#amounts = new Amounts(amounts)
  }

  get used(): number {
    return this.#amounts.total
  }

  advance(now: number): void {
    const slot = Math.floor((now * SLOTS) / this.#windowMs)
    if (slot <= this.#slot) return
    this.#slot = slot
    this.#amounts.dropThrough(slot - SLOTS - 1)
  }

  charge(amount: number): number {
    this.#amounts.add(this.#slot, amount)
    return this.#slot
  }

  correct(mark: number, reserved: number, actual: number): void {
    if (mark + SLOTS >= this.#slot) this.#amounts.add(mark, actual - reserved)
  }

  freeAt(amount: number): number {
    const slot = this.#amounts.keyFreeing(amount)
    return Math.ceil(((slot + SLOTS + 1) * this.#windowMs) / SLOTS)
  }

  save(): number[] {
    return [this.#slot, ...this.#amounts.save()]
  }
}
