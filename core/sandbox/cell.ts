import { dirname, resolve } from 'node:path'
import type ivm from 'isolated-vm'
import { loadIsolatedVm } from './isolated-vm.ts'
import { SDK_MODULE } from './sdk-module.ts'
import {
  type AnyProgram,
  GUEST,
  HARDEN,
  PLUGIN_GUEST,
  type PluginProgram,
  type Program,
} from './program.ts'
import { isolatesMeter, threadMeter } from './worked.ts'

/** How a call can end without a result. Its cell is to be thrown away. */
export class CellError extends Error {
  override readonly name = 'CellError'
  readonly kind: CellFailure['kind']
  readonly trace: string
  readonly tookProcess: boolean

  constructor({ kind, message, trace, tookProcess = false }: CellFailure) {
    super(message)
    this.kind = kind
    this.trace = trace
    this.tookProcess = tookProcess
  }
}

/** The same as plain data. */
export interface CellFailure {
  readonly kind: 'timeout' | 'starved' | 'memory' | 'broken'
  readonly message: string
  /** Where the script was, as V8 tells it. */
  readonly trace: string
  /** True where its process had to be ended for it. */
  readonly tookProcess?: boolean
}

/** How many times its time a call may take by the clock, once others have kept it from a processor. */
export const PATIENCE = 4
/** The same at the last try of all: each is given so many times what the one before had. */
export const MOST_PATIENCE = PATIENCE ** 2

const MEGABYTE = 1024 ** 2
/** The least memory that isolated-vm takes. */
const LEAST_MEGABYTES = 8
/** Milliseconds for each part of making an isolate ready; and how many times the time of a call a plugin's setup may take. */
const PART_MS = 1_000
const SETUP_PATIENCE = 20
/**
 * A script that had less than this share of its time on a processor was kept from it by others. Most need a twentieth; one
 * that loops is not to have four times as long on any machine that has other things to do as well.
 */
const STARVED = 0.25

/** How many calls of this process run apart from its main thread, and how many have ended. */
let underWay = 0
let ended = 0

/** One isolate with one script in it. Calls come one after another. */
export class Cell {
  readonly #isolate: ivm.Isolate
  readonly #timeout: number
  /** For each part of making it ready. */
  readonly #part: { readonly timeout: number }
  #run!: ivm.Reference<(text: string) => string>

  private constructor(program: AnyProgram, onLost: () => void, patience: number) {
    const { Isolate } = loadIsolatedVm()
    this.#part = { timeout: PART_MS * patience }
    const { memoryBytes, timeoutMs } = program.limits
    this.#timeout = Math.max(1, Math.ceil(timeoutMs))
    this.#isolate = new Isolate({
      memoryLimit: Math.max(LEAST_MEGABYTES, Math.ceil(memoryBytes / MEGABYTE)),
      onCatastrophicError: onLost,
    })
  }

  /**
   * Makes an isolate for a script. Throws where a unit does not compile. `onLost` is called when V8 has lost control of
   * it: the process is to end then. Where others keep it from a processor, it takes up to `MOST_PATIENCE` times its time.
   */
  static async open(program: AnyProgram, onLost: () => void, patience = 1): Promise<Cell> {
    const before = mark()
    const cell = new Cell(program, onLost, patience)
    try {
      const context = await cell.#harden()
      if ('plugin' in program) await cell.#openPlugin(program, context)
      else await cell.#openScript(program, context)
      return cell
    } catch (cause) {
      cell.dispose()
      const isStarved =
        cause instanceof CellError
          ? cause.kind === 'starved'
          : cellError(cause).kind === 'timeout' && hadLess(PART_MS * patience, before)
      if (isStarved && patience < MOST_PATIENCE) {
        return Cell.open(program, onLost, patience * PATIENCE)
      }
      throw cause
    }
  }

  async #harden(): Promise<ivm.Context> {
    const context = await this.#isolate.createContext()
    const script = await this.#isolate.compileScript(HARDEN, { filename: 'harden' })
    await script.run(context, this.#part)
    return context
  }

  async #openScript({ units, imports, limits }: Program, context: ivm.Context): Promise<void> {
    const isolate = this.#isolate
    const functions: ivm.Reference[] = []
    for (const { name, text } of units) {
      const script = await isolate.compileScript(text, { filename: name })
      functions.push(await script.run(context, { ...this.#part, reference: true }))
    }
    const guest = await isolate.compileScript(GUEST, { filename: 'guest' })
    const make = await guest.run(context, { ...this.#part, reference: true })
    const list = await context.evalClosure(
      'return [...arguments]',
      functions.map((one) => one.derefInto()),
      { ...this.#part, result: { reference: true } },
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
      { ...this.#part, result: { reference: true } },
    )) as ivm.Reference<(text: string) => string>
  }

  /** A plugin of somebody else's keeps what its `setup` has made, for as long as its isolate lives. */
  async #openPlugin({ plugin }: PluginProgram, context: ivm.Context): Promise<void> {
    const { entry, files, settings, options } = plugin
    const paths = new Map<ivm.Module, string>()
    const modules = new Map<string, ivm.Module>()
    for (const [path, text] of [...Object.entries(files), ['sluice', SDK_MODULE] as const]) {
      const module = await this.#isolate.compileModule(text, { filename: path })
      paths.set(module, path)
      modules.set(path, module)
    }
    const main = modules.get(entry)!
    await main.instantiate(context, (specifier, referrer) => {
      const path = /^\.{1,2}\//.test(specifier)
        ? resolve(dirname(paths.get(referrer)!), specifier)
        : specifier
      const found = modules.get(path)
      if (found !== undefined) return found
      throw new Error(
        `it imports ${specifier}: a sandboxed plugin has "sluice" and files of its own`,
      )
    })
    await main.evaluate(this.#part)
    const { ExternalCopy } = loadIsolatedVm()
    const script = await this.#isolate.compileScript(PLUGIN_GUEST, { filename: 'guest' })
    const make = await script.run(context, { ...this.#part, reference: true })
    const given = [
      new ExternalCopy(settings).copyInto({ release: true }),
      main.namespace.derefInto(),
    ]
    this.#run = (await make.apply(undefined, given, {
      ...this.#part,
      result: { reference: true },
    })) as ivm.Reference<(text: string) => string>
    if (options === undefined) return
    const order = { op: 'setup', options, now: Date.now() }
    const { failed, waits } = JSON.parse(await this.run(JSON.stringify(order), SETUP_PATIENCE)) as {
      failed?: { message: string }
      waits?: number
    }
    if (waits !== undefined)
      throw new Error('its setup waits for the host, which only trust: full allows')
    if (failed !== undefined) throw new Error(failed.message)
  }

  /**
   * Runs one call apart from this thread. Rejects with a CellError; one of the kind `starved` had its time by the clock,
   * but not on a processor. `patience` is how many times its time it may take.
   */
  async run(text: string, patience: number): Promise<string> {
    const before = mark()
    const timeout = this.#timeout * patience
    underWay++
    try {
      const result = (await this.#run.apply(undefined, [text], { timeout })) as string
      // A hook that waits: what it waits for inside has come by now.
      if (!result.startsWith('P')) return result
      const again = JSON.stringify({ op: 'poll', id: Number(result.slice(1)) })
      return (await this.#run.apply(undefined, [again], { timeout })) as string
    } catch (cause) {
      throw judged(cellError(cause), hadLess(this.#timeout, before))
    } finally {
      underWay--
      ended++
    }
  }

  /** Runs one call on this thread, which waits for it. Throws a CellError, as `run` rejects. */
  runHere(text: string, patience: number): string {
    const before = threadMeter.recently()
    const timeout = this.#timeout * patience
    try {
      return this.#run.applySync(undefined, [text], { timeout }) as string
    } catch (cause) {
      const worked = threadMeter.now() - before
      throw judged(cellError(cause), worked < this.#timeout * STARVED)
    }
  }

  dispose(): void {
    if (!this.#isolate.isDisposed) this.#isolate.dispose()
  }
}

/** Where a call begins. */
interface Mark {
  readonly worked: number
  readonly ended: number
}

function mark(): Mark {
  return { worked: isolatesMeter.recently(), ended }
}

/**
 * True where who began at `before` has had much less than `ms` on a processor. Threads are not told apart: what they have
 * worked is divided by the calls that they have worked on.
 */
function hadLess(ms: number, before: Mark): boolean {
  const calls = Math.max(1, ended - before.ended + underWay)
  return (isolatesMeter.now() - before.worked) / calls < ms * STARVED
}

/** Says of a call that ran out of time whether it had it. */
function judged(error: CellError, isStarved: boolean): CellError {
  const { kind, message, trace } = error
  return kind === 'timeout' && isStarved
    ? new CellError({ kind: 'starved', message, trace })
    : error
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
