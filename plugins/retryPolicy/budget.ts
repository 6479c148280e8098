/** How much of the load may be retries. */
export interface BudgetOptions {
  /** Retries per request: 0.2 lets one in five requests be tried again. */
  readonly share: number
  /** Retries in a window that are always allowed, so that a quiet gateway retries at all. */
  readonly min: number
  readonly windowMs: number
}

/** The window moves on in so many steps. */
const SLOTS = 10

/**
 * Keeps retries from multiplying an outage: within any window, no more of them than a share of the requests that
 * began in it. Counted over a window rather than at one moment, so that a share that holds on average is not
 * exceeded by chance.
 */
export class RetryBudget {
  readonly #options: BudgetOptions
  readonly #slotMs: number
  readonly #requests: number[] = Array.from({ length: SLOTS }, () => 0)
  readonly #retries: number[] = Array.from({ length: SLOTS }, () => 0)
  #requestSum = 0
  #retrySum = 0
  #slot = 0

  constructor(options: BudgetOptions, now: number) {
    this.#options = options
    this.#slotMs = options.windowMs / SLOTS
    this.#slot = Math.floor(now / this.#slotMs)
  }

  /** A request began. */
  deposit(now: number): void {
    this.#advance(now)
    this.#requests[this.#slot % SLOTS]!++
    this.#requestSum++
  }

  /** True where one more retry fits; it is counted. */
  take(now: number): boolean {
    this.#advance(now)
    const { share, min } = this.#options
    if (this.#retrySum >= Math.max(min, share * this.#requestSum)) return false
    this.#retries[this.#slot % SLOTS]!++
    this.#retrySum++
    return true
  }

  #advance(now: number): void {
    const slot = Math.floor(now / this.#slotMs)
    const steps = Math.min(slot - this.#slot, SLOTS)
    for (let step = 1; step <= steps; step++) {
      const at = (this.#slot + step) % SLOTS
      this.#requestSum -= this.#requests[at]!
      this.#retrySum -= this.#retries[at]!
      this.#requests[at] = 0
      this.#retries[at] = 0
    }
    if (slot > this.#slot) this.#slot = slot
  }
}
