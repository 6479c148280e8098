import { setTimeout as delay } from 'node:timers/promises'
import type ivm from 'isolated-vm'
import { loadIsolatedVm } from './isolated-vm.ts'
import { GUEST, HARDEN, type Program } from './program.ts'

/** How a call can end without a result. Its cell is to be thrown away. */
export class CellError extends Error {
  override readonly name = 'CellError'
  readonly kind: CellFailure['kind']
  readonly trace: string

  constructor({ kind, message, trace }: CellFailure) {
    super(message)
    this.kind = kind
    this.trace = trace
  }
}

/** The same as plain data. */
export interface CellFailure {
  readonly kind: 'timeout' | 'starved' | 'memory' | 'broken'
  readonly message: string
  /** Where the script was, as V8 tells it. */
  readonly trace: string
}

const MEGABYTE = 1024 ** 2
/** How long that takes, generously. Milliseconds. */
const SETTLE_MS = 5
/** A share of its time that a script has had at least, or others have kept it from it. */
const STARVED = 0.7
/** Milliseconds to make an isolate ready, and the least memory that isolated-vm takes. */
const SETUP_MS = 1_000
const LEAST_MEGABYTES = 8

/** One isolate with one script in it. Calls come one after another. */
export class Cell {
  readonly #isolate: ivm.Isolate
  readonly #timeout: number
  #run!: ivm.Reference<(text: string) => string>

  private constructor(program: Program, onLost: () => void) {
    const { Isolate } = loadIsolatedVm()
    const { memoryBytes, timeoutMs } = program.limits
    this.#timeout = Math.max(1, Math.ceil(timeoutMs))
    this.#isolate = new Isolate({
      memoryLimit: Math.max(LEAST_MEGABYTES, Math.ceil(memoryBytes / MEGABYTE)),
      onCatastrophicError: onLost,
    })
  }

  /**
   * Makes an isolate for a script. Throws where a unit does not compile. `onLost` is called when V8 has lost control of
   * it: the process is to end then.
   */
  static async open(program: Program, onLost: () => void): Promise<Cell> {
    const cell = new Cell(program, onLost)
    try {
      await cell.#open(program)
      return cell
    } catch (cause) {
      cell.dispose()
      throw cause
    }
  }

  async #open({ units, imports, limits }: Program): Promise<void> {
    const isolate = this.#isolate
    const context = await isolate.createContext()
    const options = { timeout: SETUP_MS }
    await (await isolate.compileScript(HARDEN, { filename: 'harden' })).run(context, options)
    const functions: ivm.Reference[] = []
    for (const { name, text } of units) {
      const script = await isolate.compileScript(text, { filename: name })
      functions.push(await script.run(context, { ...options, reference: true }))
    }
    const make = await (
      await isolate.compileScript(GUEST, { filename: 'guest' })
    ).run(context, {
      ...options,
      reference: true,
    })
    const list = await context.evalClosure(
      'return [...arguments]',
      functions.map((one) => one.derefInto()),
      { ...options, result: { reference: true } },
    )
    const { ExternalCopy } = loadIsolatedVm()
    const { timeoutMs: _own, memoryBytes: _theirs, ...guestLimits } = limits
    this.#run = (await make.apply(
      undefined,
      [
        new ExternalCopy(guestLimits).copyInto({ release: true }),
        new ExternalCopy(imports).copyInto({ release: true }),
        list.derefInto(),
      ],
      { ...options, result: { reference: true } },
    )) as ivm.Reference<(text: string) => string>
  }

  /**
   * Runs one call apart from this thread. Rejects with a CellError; one of the kind `starved` had its time by the clock,
   * but not on a processor. `patience` is how many times its time it may take.
   */
  async run(text: string, patience: number): Promise<string> {
    const before = this.#isolate.cpuTime
    try {
      const timeout = this.#timeout * patience
      return (await this.#run.apply(undefined, [text], { timeout })) as string
    } catch (cause) {
      const error = cellError(cause)
      if (error.kind !== 'timeout' || this.#isolate.isDisposed) throw error
      // Counted once its thread has let go of it; until then, isolated-vm tells the time by the clock.
      await delay(SETTLE_MS)
      const usedMs = Number(this.#isolate.cpuTime - before) / 1e6
      const { message, trace } = error
      throw usedMs < this.#timeout * STARVED
        ? new CellError({ kind: 'starved', message, trace })
        : error
    }
  }

  /** Runs one call on this thread, which waits for it. Throws a CellError. */
  runHere(text: string): string {
    try {
      return this.#run.applySync(undefined, [text], { timeout: this.#timeout }) as string
    } catch (cause) {
      throw cellError(cause)
    }
  }

  dispose(): void {
    if (!this.#isolate.isDisposed) this.#isolate.dispose()
  }
}

/** What isolated-vm throws is told by its text; what a script throws never comes this far. */
function cellError(cause: unknown): CellError {
  const { message, stack: trace = '' } = cause as Error
  if (/timed out/.test(message)) {
    return new CellError({ kind: 'timeout', message: 'it ran out of time', trace })
  }
  if (/memory limit|disposed/.test(message)) {
    return new CellError({ kind: 'memory', message: 'it ran out of memory', trace })
  }
  return new CellError({ kind: 'broken', message, trace })
}
