/** How old a reading may be that a call begins with: a new one costs more than some calls. Milliseconds. */
const FRESH_MS = 1

/**
 * What this process has worked, or this thread, by the system's account. `cpuTime` of an isolate would be the same, if
 * isolated-vm's builds did not take the clock for it.
 */
export class Meter {
  readonly #read: () => NodeJS.CpuUsage
  #at = -Infinity
  #last = 0

  constructor(read: () => NodeJS.CpuUsage) {
    this.#read = read
  }

  /** Milliseconds of CPU until now. */
  now(): number {
    const { user, system } = this.#read()
    return (user + system) / 1_000
  }

  /** The same as it was a moment ago at most. */
  recently(): number {
    const at = performance.now()
    if (at - this.#at > FRESH_MS) {
      this.#at = at
      this.#last = this.now()
    }
    return this.#last
  }
}

/** This thread alone. */
export const threadMeter = new Meter(() => process.threadCpuUsage())
/** All threads of this process but this one: where isolates run. */
export const isolatesMeter = new Meter(() => {
  const [all, own] = [process.cpuUsage(), process.threadCpuUsage()]
  return { user: all.user - own.user, system: all.system - own.system }
})
