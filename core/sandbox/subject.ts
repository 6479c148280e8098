import type { AnyProgram } from './program.ts'

/** After how many calls in a row that kept their limits a script is trusted. */
export const TRUST_AFTER = 50

/** A program that the processes have, and what is known of how it behaves. */
export class Subject {
  readonly id: number
  readonly program: AnyProgram
  /** Settled once a process has loaded it, or cannot. */
  readonly ready = Promise.withResolvers<void>()
  /** True once it has cost a process, and for good. */
  isSuspect = false
  #kept = 0

  constructor(id: number, program: AnyProgram) {
    this.id = id
    this.program = program
    // What a plugin keeps is in one process, and would be lost on the way to another.
    if ('plugin' in program) this.#kept = TRUST_AFTER
  }

  /** True while it is new, or has lately met a limit. */
  get isWatched(): boolean {
    return this.#kept < TRUST_AFTER
  }

  keptLimits(): void {
    if (this.#kept < TRUST_AFTER) this.#kept++
  }

  metLimit(): void {
    if (!('plugin' in this.program)) this.#kept = 0
  }
}
