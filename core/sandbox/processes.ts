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

/** Why a worker ended, as metrics have it. `ended`: by itself, or by somebody else. */
export type WorkerEnd = 'timeout' | 'memory' | 'silent' | 'ended'

interface ProcessOptions {
  readonly hasSpare?: boolean
  /** Not called for those that are not needed any more. */
  readonly onEnd?: ((reason: WorkerEnd) => void) | undefined
}

/**
 * The worker processes: one that works, and a spare that has everything loaded and takes over when that one ends. A call
 * that cannot be stopped costs its worker. Its script is a suspect from then on, and runs in a third worker, apart from
 * those that behave. Scripts are pure, so calls of others in a worker that ends are simply sent again.
 */
export class ScriptProcesses {
  readonly #log: Logger
  readonly #hasSpare: boolean
  readonly #onEnd: (reason: WorkerEnd) => void
  readonly #programs = new Map<number, Loaded>()
  readonly #suspects = new Set<number>()
  readonly #calls = new Map<number, Call>()
  /** Why a worker is to end, or does. */
  readonly #failures = new Map<WorkerProcess, { kind: WorkerEnd; message: string }>()
  #active: WorkerProcess | undefined
  #spare: WorkerProcess | undefined
  #apart: WorkerProcess | undefined
  #subjects = 0
  #ids = 0
  #deaths = 0
  #retry: NodeJS.Timeout | undefined
  #watching: NodeJS.Timeout | undefined
  #idle: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(log: Logger, { hasSpare = true, onEnd = () => undefined }: ProcessOptions = {}) {
    this.#log = log
    this.#hasSpare = hasSpare
    this.#onEnd = onEnd
  }

  /** Processes that live: the working one, the spare, and the one for suspects. */
  get pids(): readonly number[] {
    return this.#workers().flatMap(({ pid }) => pid ?? [])
  }

  #workers(): WorkerProcess[] {
    return [this.#active, this.#spare, this.#apart].filter((worker) => worker !== undefined)
  }

  /** Loads a script into both workers. Rejects where it does not compile there. */
  async load(program: AnyProgram): Promise<number> {
    const subject = ++this.#subjects
    const loaded: Loaded = { program, ready: Promise.withResolvers() }
    this.#programs.set(subject, loaded)
    for (const worker of [this.#active, this.#spare]) worker?.load(subject, program)
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
    for (const worker of this.#workers()) worker.send(FRAME.forget, 0, subject, '')
    if (this.#suspects.delete(subject) && this.#suspects.size === 0) {
      void this.#apart?.kill()
      this.#apart = undefined
    }
    if (this.#programs.size > 0) return
    this.#idle ??= setTimeout(() => void this.#stop(), IDLE_MS).unref()
  }

  /** Runs one call. Rejects with a CellError. */
  run(subject: number, text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const call: Call = { id: this.#nextId(), subject, text, resolve, reject, resent: 0 }
      this.#calls.set(call.id, call)
      this.#send(call)
      // Keeps the process alive, too, which the workers do not.
      this.#watching ??= setTimeout(() => this.#watch(), SILENCE_MS)
    })
  }

  #send({ id, subject, text }: Call): void {
    this.#workerOf(subject)?.send(FRAME.call, id, subject, text)
  }

  #workerOf(subject: number): WorkerProcess | undefined {
    return this.#suspects.has(subject) ? this.#apart : this.#active
  }

  #callsOf(worker: WorkerProcess | undefined): Call[] {
    return [...this.#calls.values()].filter(({ subject }) => this.#workerOf(subject) === worker)
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
    const workers = this.#workers()
    this.#active = undefined
    this.#spare = undefined
    this.#apart = undefined
    await Promise.all(workers.map((worker) => worker.kill()))
  }

  /** Starts the next worker that is needed; once it is there, the one after it. */
  #fill(): void {
    if (this.#isClosed || this.#programs.size === 0) return
    this.#idle = clear(this.#idle)
    // One after another, whoever is waited for first: two starts at once take twice as long.
    if (this.#active === undefined) this.#active = this.#start(false)
    else if (this.#suspects.size > 0 && this.#apart === undefined) this.#apart = this.#start(true)
    else if (this.#hasSpare) this.#spare ??= this.#start(false)
  }

  #start(isApart: boolean): WorkerProcess {
    const worker = new WorkerProcess({
      frame: (from, frame) => this.#take(from, frame),
      ended: (from, said) => this.#ended(from, said),
    })
    if (isApart) worker.yieldToOthers()
    for (const [subject, { program }] of this.#programs) {
      if (this.#suspects.has(subject) === isApart) worker.load(subject, program)
    }
    return worker
  }

  #take(worker: WorkerProcess, { kind, id, subject, text }: Frame): void {
    switch (kind) {
      case FRAME.result:
        return this.#settle(id)?.resolve(text)
      case FRAME.failed:
        return this.#settle(id)?.reject(new CellError(JSON.parse(text) as CellFailure))
      case FRAME.lost:
        return this.#lost(worker, id, JSON.parse(text) as CellFailure)
      case FRAME.loaded: {
        this.#deaths = 0
        const ready = this.#programs.get(subject)?.ready
        if (text === '') ready?.resolve()
        else ready?.reject(new Error(text))
        this.#fill()
        this.#relieve()
      }
    }
  }

  #settle(id: number): Call | undefined {
    const call = this.#calls.get(id)
    this.#calls.delete(id)
    if (this.#calls.size === 0) this.#watching = clear(this.#watching)
    return call
  }

  /** A call in a worker cannot be stopped. It is over for who waits; its worker is, once another can take over. */
  #lost(worker: WorkerProcess, id: number, failure: CellFailure): void {
    const call = this.#settle(id)
    const kind = failure.kind === 'memory' ? 'memory' : 'timeout'
    this.#failures.set(worker, { kind, message: failure.message })
    call?.reject(new CellError(failure))
    if (call !== undefined && worker !== this.#apart) this.#setApart(call.subject)
    if (worker === this.#active && this.#hasSpare) this.#relieve()
    else void worker.kill()
  }

  #setApart(subject: number): void {
    const loaded = this.#programs.get(subject)
    if (loaded === undefined || !this.#hasSpare || this.#suspects.has(subject)) return
    this.#suspects.add(subject)
    this.#spare?.send(FRAME.forget, 0, subject, '')
    this.#apart?.load(subject, loaded.program)
    this.#fill()
    for (const call of this.#calls.values()) if (call.subject === subject) this.#send(call)
  }

  /** The spare takes over from a worker that is to end. Until it can, that one goes on with the calls of others. */
  #relieve(): void {
    const worker = this.#active
    if (worker === undefined || !this.#failures.has(worker) || this.#spare?.isReady !== true) return
    this.#active = this.#spare
    this.#spare = undefined
    for (const call of this.#callsOf(this.#active)) this.#send(call)
    void worker.kill()
    this.#fill()
  }

  #ended(worker: WorkerProcess, said: string): void {
    const failure = this.#failures.get(worker)
    this.#failures.delete(worker)
    const isNeeded = this.#workers().includes(worker)
    // One that was stopped because nobody needs it.
    if (failure === undefined && !isNeeded) return
    this.#onEnd(failure?.kind ?? 'ended')
    this.#log.warn('script worker ended', {
      pid: worker.pid,
      ...(failure === undefined ? {} : { reason: failure.message }),
      ...(said === '' ? {} : { said }),
    })
    if (!isNeeded) return
    const calls = this.#callsOf(worker)
    if (worker === this.#active) {
      this.#active = this.#spare
      this.#spare = undefined
    } else if (worker === this.#spare) this.#spare = undefined
    else this.#apart = undefined
    this.#replace()
    this.#resend(calls)
  }

  /** Workers that cannot live are not started over and over. */
  #replace(): void {
    this.#deaths++
    if (this.#deaths <= QUICK_RESTARTS) return this.#fill()
    const delayMs = Math.min(MAX_DELAY_MS, 100 * 2 ** (this.#deaths - QUICK_RESTARTS))
    this.#retry = setTimeout(() => {
      const waiting = this.#callsOf(undefined)
      this.#fill()
      this.#resend(waiting)
    }, delayMs).unref()
    if (this.#active !== undefined) return
    for (const { ready } of this.#programs.values()) {
      ready.reject(new Error('the process for scripts does not start'))
    }
    for (const id of this.#calls.keys()) {
      this.#settle(id)?.reject(lostWith('there is no process for scripts'))
    }
  }

  #resend(calls: readonly Call[]): void {
    for (const call of calls) {
      if (!this.#calls.has(call.id) || this.#workerOf(call.subject) === undefined) continue
      if (++call.resent > MAX_RESENT) this.#settle(call.id)?.reject(lostWith('its process ended'))
      else this.#send(call)
    }
  }

  /** A worker looks after its calls itself. One that says nothing at all, such as a stopped one, is killed. */
  #watch(): void {
    const limits = [...this.#programs.values()].map(({ program }) => program.limits.timeoutMs)
    const before = this.#workers().map((worker) => ({ worker, heard: worker.heard }))
    this.#watching = setTimeout(
      () => {
        this.#watching = undefined
        for (const { worker, heard } of before) {
          if (worker.heard === heard && this.#callsOf(worker).length > 0) this.#silence(worker)
        }
        if (this.#calls.size > 0) this.#watch()
      },
      Math.max(0, ...limits) + SILENCE_MS,
    )
  }

  #silence(worker: WorkerProcess): void {
    this.#failures.set(worker, { kind: 'silent', message: 'it said nothing any more' })
    void worker.kill()
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
