import { StepFailure } from '../errors.ts'
import { formatDuration } from '../kit/duration.ts'
import type { Logger } from '../sdk.ts'
import { Breaker, type BreakerLimits } from './breaker.ts'
import type { CellError } from './cell.ts'

/** Failures that a call counts as for which a process had to be ended: others may have waited for the next one. */
const PROCESS_WEIGHT = 5

/** How the calls of sandboxed code ended, as metrics have it. */
export type CallOutcome = 'ok' | 'failed' | 'timeout' | 'memory' | 'off'

/** What is told of sandboxed code while it runs. */
export interface SandboxListener {
  readonly log: Logger
  readonly now: () => number
  called(outcome: CallOutcome): void
  switched(isOff: boolean): void
}

/** What the log says of it. */
const OF_SCRIPTS = {
  off: 'script switched off',
  on: 'script switched on again',
  apart: 'script runs apart from others',
}
const OF_PLUGINS = {
  off: 'plugin switched off',
  on: 'plugin switched on again',
  apart: 'plugin runs apart from others',
}

/** How a script or plugin has done lately; one that keeps failing is switched off. */
export class Health {
  readonly #words: typeof OF_SCRIPTS
  readonly #limits: BreakerLimits
  readonly #listener: SandboxListener
  readonly #breaker: Breaker
  #isApart = false

  constructor(limits: BreakerLimits, listener: SandboxListener, isPlugin = false) {
    this.#words = isPlugin ? OF_PLUGINS : OF_SCRIPTS
    this.#limits = limits
    this.#listener = listener
    this.#breaker = new Breaker(limits, listener.now, (isOff) => this.#switch(isOff))
  }

  /** For operators; see `SandboxState`. */
  get state(): {
    readonly isOff: boolean
    readonly isApart: boolean
    readonly failures: number
  } {
    const { isOff, failures } = this.#breaker
    return { isOff, isApart: this.#isApart, failures }
  }

  /** Before a call. Throws a StepFailure while it is switched off. */
  admit(): void {
    if (this.#breaker.admits()) return
    this.#listener.called('off')
    const { failures } = this.#limits
    const message = `it failed ${failures} times in a row and is switched off for a while`
    throw new StepFailure('SCRIPT_FAILED', message)
  }

  succeeded(): void {
    this.#breaker.succeeded()
    this.#listener.called('ok')
  }

  /** After a call in which it threw. */
  threw(): void {
    this.#breaker.failed()
    this.#listener.called('failed')
  }

  /** After a call that was ended. */
  broke({ kind, message, tookProcess }: CellError): void {
    if (tookProcess && !this.#isApart) {
      this.#isApart = true
      this.#listener.log.warn(this.#words.apart, { reason: message })
    }
    this.#breaker.failed(tookProcess ? PROCESS_WEIGHT : 1)
    const isLate = kind === 'timeout' || kind === 'starved'
    this.#listener.called(isLate ? 'timeout' : kind === 'memory' ? 'memory' : 'failed')
  }

  #switch(isOff: boolean): void {
    const { log } = this.#listener
    const { failures, pauseMs } = this.#limits
    if (isOff) log.error(this.#words.off, { failures, pause: formatDuration(pauseMs) })
    else log.info(this.#words.on)
    this.#listener.switched(isOff)
  }
}
