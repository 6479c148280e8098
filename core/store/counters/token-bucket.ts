import type { Tally } from './tally.ts'

/**
 * A bucket that refills continuously, kept as what is missing from it, so that a change of burst needs no conversion.
 *
 * Two sums of whole tokens only ever grow: `charged`, and `paid` back by refilling; what is used is their difference.
 * `part` is the progress towards the next token, in units of 1/windowMs of a token: each millisecond pays `rate` of
 * them, and `windowMs` of them make a token. All are integers, so nothing is rounded and nothing drifts, however often
 * it is asked. Products beyond 2^53 are computed with BigInt.
 *
 * Refilling pays the oldest charges first. A settlement gives back only what has not been paid of its charge yet:
 * without that rule, tokens would return twice, once by time and once by settlement, and the limit would be exceeded.
 */
export class TokenBucket implements Tally {
  readonly #windowMs: number
  #charged: number
  #paid: number
  #part: number
  #at: number
  #rate: number

  constructor(
    windowMs: number,
    [charged = 0, paid = 0, part = 0, at = 0, rate = 0]: readonly number[],
  ) {
    this.#windowMs = windowMs
    this.#charged = charged
    this.#paid = paid
    this.#part = part
    this.#at = at
    this.#rate = rate
  }

  get used(): number {
    return this.#charged - this.#paid
  }

  advance(now: number): void {
    const elapsed = now - this.#at
    if (elapsed <= 0) return
    this.#at = now
    const [tokens, part] = divide(elapsed, this.#rate, this.#part, this.#windowMs)
    this.#pay(tokens)
    this.#part = this.used === 0 ? 0 : part
  }

  setRate(limit: number): boolean {
    if (limit === this.#rate) return false
    this.#rate = limit
    return true
  }

  charge(amount: number): number {
    this.#charged += amount
    return this.#charged
  }

  correct(mark: number, reserved: number, actual: number): void {
    if (actual >= reserved) {
      this.#charged += actual - reserved
      return
    }
    // A token that is partly paid counts as paid.
    const unpaid = mark - this.#paid - (this.#part > 0 ? 1 : 0)
    this.#pay(Math.min(reserved - actual, Math.max(0, unpaid)))
    if (this.used === 0) this.#part = 0
  }

  freeAt(amount: number): number {
    if (this.#rate === 0) return Infinity
    const [ms, rest] = divide(amount, this.#windowMs, -this.#part, this.#rate)
    return this.#at + ms + (rest > 0 ? 1 : 0)
  }

  save(): number[] {
    return [this.#charged, this.#paid, this.#part, this.#at, this.#rate]
  }

  #pay(tokens: number): void {
    this.#paid += Math.min(tokens, this.used)
  }
}

/** Quotient and rest of `(a * b + c) / d`, exactly, for whole numbers with a result of at least 0. */
function divide(a: number, b: number, c: number, d: number): [number, number] {
  const product = a * b
  if (Number.isSafeInteger(product) && Number.isSafeInteger(product + c)) {
    const rest = (product + c) % d
    return [(product + c - rest) / d, rest]
  }
  const exact = BigInt(a) * BigInt(b) + BigInt(c)
  return [Number(exact / BigInt(d)), Number(exact % BigInt(d))]
}
