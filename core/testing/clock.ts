interface Timer {
  at: number
  /** Zero for a timer that runs once. */
  readonly everyMs: number
  readonly run: () => void | Promise<void>
}

/** A clock that only moves when it is told to, and the timers that hang on it. */
export class TestClock {
  #now: number
  readonly #timers = new Set<Timer>()

  constructor(now: number) {
    this.#now = now
  }

  /** Milliseconds since 1970. */
  get now(): number {
    return this.#now
  }

  /** Timers that have not run yet, or will run again. */
  get pending(): number {
    return this.#timers.size
  }

  /** Returns a function that takes the timer back. */
  start(ms: number, everyMs: number, run: () => void | Promise<void>): () => void {
    const timer: Timer = { at: this.#now + ms, everyMs, run }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  /** Moves on, and runs what falls due on the way in its order, waiting for each. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    for (let due = this.#next(end); due !== undefined; due = this.#next(end)) {
      this.#now = due.at
      if (due.everyMs === 0) this.#timers.delete(due)
      else due.at += due.everyMs
      await due.run()
    }
    this.#now = end
  }

  #next(end: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.at <= end && (next === undefined || timer.at < next.at)) next = timer
    }
    return next
  }
}
