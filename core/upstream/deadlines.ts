/** How often expiry is looked at. A timeout may come late by up to twice this, never early. */
const TICK_MS = 25
/** The clock of deadlines never jumps further than this: a busy event loop must not look like a slow upstream. */
const MAX_STEP_MS = 4 * TICK_MS

/** Something that ends by itself when nobody moves `dueAt` on. */
export interface Timed {
  /** On the clock of `Deadlines.now`. */
  readonly dueAt: number
  /** Where the Deadlines keep it; theirs to set, -1 before and after. */
  slot: number
  expire(): void
}

/**
 * One coarse timer for all that is under way: watching and moving on cost assignments, where a timer
 * per request would cost several allocations. Runs only while there is something to watch.
 */
export class Deadlines {
  /** Milliseconds on a clock of its own that only moves while the event loop turns. */
  now = 0
  readonly #watched: Timed[] = []
  #timer: NodeJS.Timeout | undefined
  #previous = 0

  /** When `ms` from now are over at the latest. */
  after(ms: number): number {
    // What is watched since the latest tick is older by up to a tick than `now` says.
    return this.now + ms + TICK_MS
  }

  watch(timed: Timed): void {
    timed.slot = this.#watched.push(timed) - 1
    if (this.#timer !== undefined) return
    this.#previous = performance.now()
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref()
  }

  forget(timed: Timed): void {
    if (timed.slot < 0) return
    // The last one takes the place, so that the list needs neither shifting nor rehashing.
    const last = this.#watched.pop()!
    if (last !== timed) {
      this.#watched[timed.slot] = last
      last.slot = timed.slot
    }
    timed.slot = -1
  }

  #tick(): void {
    const time = performance.now()
    this.now += Math.min(time - this.#previous, MAX_STEP_MS)
    this.#previous = time
    if (this.#watched.length === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
      return
    }
    // Expiring takes out of the list, here or anywhere, so what is due is gathered first.
    const due = this.#watched.filter(({ dueAt }) => dueAt <= this.now)
    for (const timed of due) if (timed.slot >= 0) timed.expire()
  }
}
