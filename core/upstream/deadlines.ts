import { DenseSet, type Slotted } from '../kit/dense-set.ts'

/** How often expiry is looked at. A timeout may come late by up to twice this, never early. */
const TICK_MS = 25
/** The clock of deadlines never jumps further than this: a busy event loop must not look like a slow upstream. */
const MAX_STEP_MS = 4 * TICK_MS

/** Something that ends by itself when nobody moves `dueAt` on. */
export interface Timed extends Slotted {
  /** On the clock of `Deadlines.now`. */
  readonly dueAt: number
  expire(): void
}

/**
 * One coarse timer for all that is under way: watching and moving on cost assignments, where a timer
 * per request would cost several allocations. Runs only while there is something to watch.
 */
export class Deadlines {
  /** Milliseconds on a clock of its own that only moves while the event loop turns. */
  now = 0
  readonly #watched = new DenseSet<Timed>()
  #timer: NodeJS.Timeout | undefined
  #previous = 0

  /** When `ms` from now are over at the latest. */
  after(ms: number): number {
    // What is watched since the latest tick is older by up to a tick than `now` says.
    return this.now + ms + TICK_MS
  }

  watch(timed: Timed): void {
    this.#watched.add(timed)
    if (this.#timer !== undefined) return
    this.#previous = performance.now()
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref()
  }

  forget(timed: Timed): void {
    this.#watched.delete(timed)
  }

  #tick(): void {
    const time = performance.now()
    this.now += Math.min(time - this.#previous, MAX_STEP_MS)
    this.#previous = time
    if (this.#watched.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
      return
    }
    for (const timed of this.#watched) {
      // Whoever expired before may have ended this one too.
      if (timed.dueAt <= this.now && timed.slot >= 0) timed.expire()
    }
  }
}
