import type { Logger } from '../sdk.ts'
import { CellError, type CellFailure } from './cell.ts'
import { FRAME, type Frame } from './frames.ts'
import type { AnyProgram } from './program.ts'
import { WorkerProcess } from './worker-process.ts'

/** How often a call is sent again whose worker ended for another's sake. */
const MAX_RESENT = 2
/** A worker that does not answer this long after a call's time is killed. Milliseconds. */
const SILENCE_MS = 2_000
/** Workers that may end one after another before they are replaced ever more slowly. Milliseconds. */
const QUICK_RESTARTS = 3
const MAX_DELAY_MS = 10_000

/** How long workers are kept for whom nobody has a script: a reload may bring the next. Milliseconds. */
const IDLE_MS = 5_000

interface Call {
  readonly id: number
  readonly subject: number
  readonly text: string
  readonly resolve: (result: string) => void
  readonly reject: (cause: CellError) => void
  resent: number
}

interface Loaded {
  readonly program: AnyProgram
  readonly ready: PromiseWithResolvers<void>
}

/**
 * The worker processes: one that works, and a spare that has everything loaded and takes over when that one ends. A
 * worker that ends takes the call at fault with it; scripts are pure, so the others in it are simply sent again.
 */
export class ScriptProcesses {
  readonly #log: Logger
  readonly #hasSpare: boolean
  readonly #programs = new Map<number, Loaded>()
  readonly #calls = new Map<number, Call>()
  readonly #culprits = new Map<WorkerProcess, { id: number; failure: CellFailure }>()
  #active: WorkerProcess | undefined
  #spare: WorkerProcess | undefined
  #subjects = 0
  #ids = 0
  #deaths = 0
  #retry: NodeJS.Timeout | undefined
  #watching: NodeJS.Timeout | undefined
  #idle: NodeJS.Timeout | undefined
  #progress = 0
  #isClosed = false

  constructor(log: Logger, { hasSpare = true }: { readonly hasSpare?: boolean } = {}) {
    this.#log = log
    this.#hasSpare = hasSpare
  }

  /** Processes that live, the working one first. */
  get pids(): readonly number[] {
    return [this.#active, this.#spare].flatMap((worker) => worker?.pid ?? [])
  }

  /** Loads a script into both workers. Rejects where it does not compile there. */
  async load(program: AnyProgram): Promise<number> {
    const subject = ++this.#subjects
    const loaded: Loaded = { program, ready: Promise.withResolvers() }
    this.#programs.set(subject, loaded)
    const text = JSON.stringify(program)
    for (const worker of [this.#active, this.#spare]) worker?.send(FRAME.load, 0, subject, text)
    this.#fill()
    // The workers keep no process alive, and this may be all that it waits for.
    const waiting = setInterval(() => undefined, SILENCE_MS)
    try {
      await loaded.ready.promise
      return subject
    } catch (cause) {
      this.forget(subject)
      throw cause
    } finally {
      clearInterval(waiting)
    }
  }

  forget(subject: number): void {
    if (!this.#programs.delete(subject)) return
    for (const worker of [this.#active, this.#spare]) worker?.send(FRAME.forget, 0, subject, '')
    if (this.#programs.size > 0) return
    this.#idle ??= setTimeout(() => void this.#stop(), IDLE_MS).unref()
  }

  /** Runs one call. Rejects with a CellError. */
  run(subject: number, text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const call: Call = { id: this.#nextId(), subject, text, resolve, reject, resent: 0 }
      this.#calls.set(call.id, call)
      this.#active?.send(FRAME.call, call.id, subject, text)
      // Keeps the process alive, too, which the workers do not.
      this.#watching ??= setTimeout(() => this.#watch(), SILENCE_MS)
    })
  }

  /** Ends the workers; calls that are under way fail. */
  async close(): Promise<void> {
    this.#isClosed = true
    const stopped = this.#stop()
    for (const id of this.#calls.keys()) {
      this.#settle(id)?.reject(lostWith('the sandbox was closed'))
    }
    await stopped
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#retry)
    this.#watching = clear(this.#watching)
    this.#idle = clear(this.#idle)
    const workers = [this.#active, this.#spare]
    this.#active = undefined
    this.#spare = undefined
    for (const worker of workers) await worker?.kill()
  }

  /** Sees to it that there are two workers. */
  #fill(): void {
    if (this.#isClosed || this.#programs.size === 0) return
    this.#idle = clear(this.#idle)
    // The spare waits until there is something that it can stand in for: two starts at once take twice as long.
    if (this.#active === undefined) this.#active = this.#start()
    else if (this.#hasSpare) this.#spare ??= this.#start()
  }

  #start(): WorkerProcess {
    const worker = new WorkerProcess({
      frame: (from, frame) => this.#take(from, frame),
      ended: (from, said) => this.#ended(from, said),
    })
    for (const [subject, { program }] of this.#programs) {
      worker.send(FRAME.load, 0, subject, JSON.stringify(program))
    }
    return worker
  }

  #take(worker: WorkerProcess, { kind, id, subject, text }: Frame): void {
    this.#progress++
    switch (kind) {
      case FRAME.result:
        return this.#settle(id)?.resolve(text)
      case FRAME.failed:
        return this.#settle(id)?.reject(new CellError(JSON.parse(text) as CellFailure))
      case FRAME.lost:
        this.#culprits.set(worker, { id, failure: JSON.parse(text) as CellFailure })
        return
      case FRAME.loaded: {
        this.#deaths = 0
        if (worker !== this.#active) return
        this.#fill()
        const ready = this.#programs.get(subject)?.ready
        if (text === '') ready?.resolve()
        else ready?.reject(new Error(text))
      }
    }
  }

  #settle(id: number): Call | undefined {
    const call = this.#calls.get(id)
    this.#calls.delete(id)
    if (this.#calls.size === 0) this.#watching = clear(this.#watching)
    return call
  }

  #ended(worker: WorkerProcess, said: string): void {
    const culprit = this.#culprits.get(worker)
    this.#culprits.delete(worker)
    const wasActive = worker === this.#active
    if (!wasActive && worker !== this.#spare) return
    this.#log.warn('script worker ended', {
      pid: worker.pid,
      ...(culprit === undefined ? {} : { reason: culprit.failure.message }),
      ...(said === '' ? {} : { said }),
    })
    if (wasActive) {
      this.#active = this.#spare
      this.#spare = undefined
      if (culprit !== undefined) this.#settle(culprit.id)?.reject(new CellError(culprit.failure))
    } else this.#spare = undefined
    this.#replace()
    if (wasActive) this.#resend()
  }

  /** Workers that cannot live are not started over and over. */
  #replace(): void {
    this.#deaths++
    if (this.#deaths <= QUICK_RESTARTS) return this.#fill()
    const delayMs = Math.min(MAX_DELAY_MS, 100 * 2 ** (this.#deaths - QUICK_RESTARTS))
    this.#retry = setTimeout(() => {
      this.#fill()
      this.#resend()
    }, delayMs).unref()
    if (this.#active !== undefined) return
    for (const { ready } of this.#programs.values()) {
      ready.reject(new Error('the process for scripts does not start'))
    }
    for (const id of this.#calls.keys()) {
      this.#settle(id)?.reject(lostWith('there is no process for scripts'))
    }
  }

  #resend(): void {
    const worker = this.#active
    if (worker === undefined) return
    for (const call of this.#calls.values()) {
      if (++call.resent > MAX_RESENT) {
        this.#settle(call.id)?.reject(lostWith('its process ended'))
      } else worker.send(FRAME.call, call.id, call.subject, call.text)
    }
  }

  /** A worker looks after its calls itself. One that says nothing at all, such as a stopped one, is killed. */
  #watch(): void {
    const before = this.#progress
    const longest = Math.max(
      0,
      ...[...this.#programs.values()].map(({ program }) => program.limits.timeoutMs),
    )
    this.#watching = setTimeout(() => {
      this.#watching = undefined
      if (this.#progress === before && this.#calls.size > 0) void this.#active?.kill()
      else if (this.#calls.size > 0) this.#watch()
    }, longest + SILENCE_MS)
  }

  #nextId(): number {
    this.#ids = this.#ids === 0xffffffff ? 1 : this.#ids + 1
    return this.#ids
  }
}

function clear(timer: NodeJS.Timeout | undefined): undefined {
  clearTimeout(timer)
}

function lostWith(message: string): CellError {
  return new CellError({ kind: 'broken', message, trace: '' })
}
