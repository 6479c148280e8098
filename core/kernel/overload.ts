import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { ServerConfig } from '../config/model.ts'

/** How much more the process can bear: `pressed` sends clients elsewhere, `shedding` refuses new work. */
export type LoadLevel = 'ok' | 'pressed' | 'shedding'

/** One look at the process. */
export interface LoadSample {
  /** 99th percentile of the event loop's delay since the last look. */
  readonly delayMs: number
  /** The larger of: heap in use of the heap's limit, resident memory of the container's limit. */
  readonly heapShare: number
}

/** Takes samples until it is closed. */
export interface LoadGauge {
  read(): LoadSample
  close(): void
}

/** Watches the load of the process. */
export interface Overload {
  /** The level now: one field read. */
  level(): LoadLevel
  /** The latest sample, for the admin listener and metrics. */
  sample(): LoadSample
  /** Takes over new limits. */
  update(limits: ServerConfig['overload']): void
  close(): void
}

/** How often the process is looked at. Milliseconds. */
const PERIOD = 250
/** Share of a limit from which clients are sent elsewhere. */
const PRESSED = 0.85
/** Share of a level's limit below which it is left: without a gap the level would flap. */
const RELIEF = 0.8
/** Looks in a row that it takes to go up, so that one long collection of garbage refuses nobody, and to come down. */
const LOOKS_UP = 2
const LOOKS_DOWN = 4
/** The delay is measured by a timer of this period. Milliseconds. */
const RESOLUTION = 20

/** Begins to watch; the gauge is the world, to be replaced in tests. */
export function createOverload(
  limits: ServerConfig['overload'],
  gauge: LoadGauge = createGauge(),
): Overload {
  const state = new LoadState()
  let current = limits
  let sample: LoadSample = { delayMs: 0, heapShare: 0 }
  const timer = setInterval(() => {
    sample = gauge.read()
    const { eventLoopDelayMs, heapShare } = current
    state.look(Math.max(sample.delayMs / eventLoopDelayMs, sample.heapShare / heapShare))
  }, PERIOD)
  timer.unref()
  return {
    level: () => state.level,
    sample: () => sample,
    update(changed) {
      current = changed
    },
    close() {
      clearInterval(timer)
      gauge.close()
    },
  }
}

/** The level, with its inertia. Load is a share of the limit: 1 is the limit itself. */
class LoadState {
  level: LoadLevel = 'ok'
  #highs = 0
  #lows = 0

  look(load: number): void {
    const reached: LoadLevel = load > 1 ? 'shedding' : load > PRESSED ? 'pressed' : 'ok'
    if (RANK[reached] > RANK[this.level]) {
      this.#lows = 0
      if (++this.#highs >= LOOKS_UP) this.#enter(reached)
    } else {
      this.#highs = 0
      const limit = this.level === 'shedding' ? 1 : PRESSED
      if (this.level === 'ok' || load > limit * RELIEF) this.#lows = 0
      else if (++this.#lows >= LOOKS_DOWN) this.#enter(reached)
    }
  }

  #enter(level: LoadLevel): void {
    this.level = level
    this.#highs = 0
    this.#lows = 0
  }
}

const RANK: Record<LoadLevel, number> = { ok: 0, pressed: 1, shedding: 2 }

function createGauge(): LoadGauge {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION })
  delay.enable()
  const container = process.constrainedMemory()
  return {
    read() {
      // Node counts the timer's own period as delay.
      const delayMs = Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION)
      delay.reset()
      const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics()
      const resident = container > 0 ? process.memoryUsage.rss() / container : 0
      return { delayMs, heapShare: Math.max(used / limit, resident) }
    },
    close: () => void delay.disable(),
  }
}
