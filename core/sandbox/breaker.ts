/** When a script is switched off. */
export interface BreakerLimits {
  /** Failures in a row. */
  readonly failures: number
  readonly pauseMs: number
}

/** Switches a script off that keeps failing. After a pause one call is let through, and decides. */
export class Breaker {
  readonly #limits: BreakerLimits
  readonly #now: () => number
  readonly #onChange: (isOff: boolean) => void
  #failures = 0
  #offSince: number | undefined
  #isTrying = false

  constructor(limits: BreakerLimits, now: () => number, onChange: (isOff: boolean) => void) {
    this.#limits = limits
    this.#now = now
    this.#onChange = onChange
  }

  get isOff(): boolean {
    return this.#offSince !== undefined
  }

  get failures(): number {
    return this.#failures
  }

  /** True where a call may go on. */
  admits(): boolean {
    if (this.#offSince === undefined) return true
    if (this.#isTrying || this.#now() - this.#offSince < this.#limits.pauseMs) return false
    this.#isTrying = true
    return true
  }

  succeeded(): void {
    this.#failures = 0
    this.#isTrying = false
    if (this.#offSince === undefined) return
    this.#offSince = undefined
    this.#onChange(false)
  }

  /** `weight` is how many failures it counts as. */
  failed(weight = 1): void {
    this.#failures += weight
    const isFirst = this.#offSince === undefined
    if (isFirst && this.#failures < this.#limits.failures) return
    // A call from before it was switched off says nothing new.
    if (!isFirst && !this.#isTrying) return
    this.#isTrying = false
    this.#offSince = this.#now()
    if (isFirst) this.#onChange(true)
  }
}
