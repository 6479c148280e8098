import type { Logger } from '../sdk.ts'
import { CellError, type CellFailure } from './cell.ts'
import { FRAME, type Frame } from './frames.ts'
import { type PendingCall, PendingCalls } from './pending-calls.ts'
import type { AnyProgram } from './program.ts'
import { SILENCE_MS, SilenceWatch } from './silence.ts'
import { Subject } from './subject.ts'
import { type WorkerEnd, WorkerProcess } from './worker-process.ts'

/** How often a call is sent again whose worker ended for another's sake. */
const MAX_RESENT = 2
/** Workers that may end one after another before they are replaced ever more slowly. Milliseconds. */
const QUICK_RESTARTS = 3
const MAX_DELAY_MS = 10_000

/** How long workers are kept for whom nobody has a script: a reload may bring the next. Milliseconds. */
const IDLE_MS = 5_000

interface ProcessOptions {
  readonly hasSpare?: boolean
  /** Not called for those that are not needed any more. */
  readonly onEnd?: ((reason: WorkerEnd) => void) | undefined
}

/**
 * The worker processes: one that works, and a spare that has everything loaded and takes over when that one ends. Until
 * then the spare runs the scripts that are new or have lately met a limit, so that they are nobody else's loss. A call
 * that cannot be stopped costs its worker. Its script is a suspect from then on, and runs in a third worker. Scripts are
 * pure, so calls of others in a worker that ends are simply sent again.
 */
export class ScriptProcesses {
  readonly #log: Logger
  readonly #hasSpare: boolean
  readonly #onEnd: (reason: WorkerEnd) => void
  readonly #subjects = new Map<number, Subject>()
  readonly #calls = new PendingCalls()
  readonly #silence = new SilenceWatch({
    calls: this.#calls,
    workers: () => this.#workers(),
    longestMs: () =>
      Math.max(0, ...this.#subjects.values().map((one) => one.program.limits.timeoutMs)),
  })
  #active: WorkerProcess | undefined
  #spare: WorkerProcess | undefined
  #apart: WorkerProcess | undefined
  #ids = 0
  #deaths = 0
  #retry: NodeJS.Timeout | undefined
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

  /** True while the spare could take over, and nobody is loading anything. */
  get isSettled(): boolean {
    return this.#active?.isReady === true && this.#spare?.isReady === true
  }

  #workers(): WorkerProcess[] {
    return [this.#active, this.#spare, this.#apart].filter((worker) => worker !== undefined)
  }

  /** Loads a script where its first calls are to run. Rejects where it does not compile there. */
  async load(program: AnyProgram): Promise<number> {
    const subject = new Subject(++this.#ids, program)
    this.#subjects.set(subject.id, subject)
    if (this.#spare?.isReady !== true) this.#active?.load(subject)
    this.#spare?.load(subject)
    this.#fill()
    // The workers keep no process alive, and this may be all that it waits for. The spare may be a stopped one.
    const waiting = setInterval(() => this.#active?.load(subject), SILENCE_MS)
    try {
      await subject.ready.promise
      return subject.id
    } catch (cause) {
      this.forget(subject.id)
      throw cause
    } finally {
      clearInterval(waiting)
    }
  }

  forget(id: number): void {
    const subject = this.#subjects.get(id)
    if (subject === undefined) return
    this.#subjects.delete(id)
    for (const worker of this.#workers()) worker.forget(subject)
    if (subject.isSuspect && !this.#hasSuspects()) {
      void this.#apart?.kill()
      this.#apart = undefined
    }
    if (this.#subjects.size > 0) return
    this.#idle ??= setTimeout(() => void this.#stop(), IDLE_MS).unref()
  }

  /** Runs one call. Rejects with a CellError. */
  run(id: number, text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const subject = this.#subjects.get(id)
      if (subject === undefined) return reject(lostWith('it is not loaded'))
      this.#send(this.#calls.add(subject, text, resolve, reject))
      this.#silence.begin()
    })
  }

  #send(call: PendingCall): void {
    call.worker = this.#workerFor(call.subject)
    call.worker?.run(call)
  }

  #workerFor(subject: Subject): WorkerProcess | undefined {
    if (subject.isSuspect) return this.#apart
    if (this.#spare?.has(subject) !== true) return this.#active
    if (subject.isWatched) return this.#spare
    if (this.#active?.has(subject) === true) return this.#active
    this.#active?.load(subject)
    return this.#spare
  }

  #hasSuspects(): boolean {
    return this.#subjects.values().some(({ isSuspect }) => isSuspect)
  }

  /** Ends the workers; calls that are under way fail. */
  async close(): Promise<void> {
    this.#isClosed = true
    const stopped = this.#stop()
    for (const { id } of this.#calls.all()) {
      this.#take(id)?.reject(lostWith('the sandbox was closed'))
    }
    await stopped
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#retry)
    this.#silence.end()
    this.#idle = clear(this.#idle)
    const workers = this.#workers()
    this.#active = undefined
    this.#spare = undefined
    this.#apart = undefined
    await Promise.all(workers.map((worker) => worker.kill()))
  }

  /** Starts the workers that are needed: the spare only once there is one to stand by for. */
  #fill(): void {
    if (this.#isClosed || this.#subjects.size === 0) return
    this.#idle = clear(this.#idle)
    if (this.#hasSuspects()) this.#apart ??= this.#start(true)
    if (this.#active === undefined) this.#active = this.#start(false)
    else if (this.#hasSpare && this.#active.isReady) this.#spare ??= this.#start(false)
  }

  #start(isApart: boolean): WorkerProcess {
    const worker = new WorkerProcess({
      frame: (from, frame) => this.#hear(from, frame),
      ended: (from, said) => this.#ended(from, said),
    })
    if (isApart) worker.yieldForGood()
    else if (this.#active !== undefined) worker.yieldAWhile()
    for (const subject of this.#subjects.values()) {
      if (subject.isSuspect === isApart) worker.load(subject)
    }
    return worker
  }

  #hear(worker: WorkerProcess, { kind, id, subject, text }: Frame): void {
    switch (kind) {
      case FRAME.result: {
        const call = this.#take(id)
        call?.subject.keptLimits()
        return call?.resolve(text)
      }
      case FRAME.failed:
        return this.#failed(worker, id, JSON.parse(text) as CellFailure)
      case FRAME.lost:
        return this.#lost(worker, id, JSON.parse(text) as CellFailure)
      case FRAME.loaded: {
        this.#deaths = 0
        const ready = this.#subjects.get(subject)?.ready
        if (text === '') ready?.resolve()
        else ready?.reject(new Error(text))
        this.#fill()
        this.#relieve()
      }
    }
  }

  #take(id: number): PendingCall | undefined {
    const call = this.#calls.take(id)
    if (this.#calls.size === 0) this.#silence.end()
    return call
  }

  #failed(worker: WorkerProcess, id: number, failure: CellFailure): void {
    const call = this.#take(id)
    if (call === undefined) return
    const { kind } = failure
    if (kind !== 'broken') call.subject.metLimit()
    // The spare gave way to others all the while: it is nobody's fault, and the working process does not.
    if (kind === 'starved' && worker === this.#spare && this.#active !== undefined) {
      this.#calls.put(call)
      this.#silence.begin()
      call.worker = this.#active
      call.worker.run(call)
    } else call.reject(new CellError(failure))
  }

  /** A call in a worker cannot be stopped. It is over for who waits; its worker is, once another can take over. */
  #lost(worker: WorkerProcess, id: number, failure: CellFailure): void {
    const call = this.#take(id)
    const kind = failure.kind === 'memory' ? 'memory' : 'timeout'
    worker.failure = { kind, message: failure.message }
    call?.reject(new CellError(failure))
    if (call !== undefined && worker !== this.#apart) this.#setApart(call.subject)
    if (worker === this.#active && this.#hasSpare) this.#relieve()
    else void worker.kill()
  }

  #setApart(subject: Subject): void {
    if (!this.#subjects.has(subject.id) || !this.#hasSpare || subject.isSuspect) return
    subject.isSuspect = true
    for (const worker of [this.#active, this.#spare]) {
      // Where more of its calls run, they are looked after to their end.
      if (!this.#calls.in(worker).some((call) => call.subject === subject)) worker?.forget(subject)
    }
    this.#apart?.load(subject)
    this.#fill()
    for (const call of this.#calls.all()) if (call.subject === subject) this.#send(call)
  }

  /** The spare takes over from a worker that is to end. Until it can, that one goes on with the calls of others. */
  #relieve(): void {
    const worker = this.#active
    if (worker?.failure === undefined) return
    this.#spare?.hurry()
    if (this.#spare?.isReady !== true) return
    this.#active = this.#spare
    this.#spare = undefined
    for (const call of this.#calls.in(worker)) this.#send(call)
    void worker.kill()
    this.#fill()
  }

  #ended(worker: WorkerProcess, said: string): void {
    const { failure, pid } = worker
    const isNeeded = this.#workers().includes(worker)
    // One that was stopped because nobody needs it.
    if (failure === undefined && !isNeeded) return
    this.#onEnd(failure?.kind ?? 'ended')
    this.#log.warn('script worker ended', {
      pid,
      ...(failure === undefined ? {} : { reason: failure.message }),
      ...(said === '' ? {} : { said }),
    })
    if (!isNeeded) return
    if (worker === this.#active) {
      this.#active = this.#spare
      this.#spare = undefined
      this.#active?.hurry()
    } else if (worker === this.#spare) this.#spare = undefined
    else this.#apart = undefined
    this.#replace()
    this.#resend(this.#calls.in(worker))
  }

  /** Workers that cannot live are not started over and over. */
  #replace(): void {
    this.#deaths++
    if (this.#deaths <= QUICK_RESTARTS) return this.#fill()
    const delayMs = Math.min(MAX_DELAY_MS, 100 * 2 ** (this.#deaths - QUICK_RESTARTS))
    this.#retry = setTimeout(() => {
      const waiting = this.#calls.in(undefined)
      this.#fill()
      this.#resend(waiting)
    }, delayMs).unref()
    if (this.#active !== undefined) return
    for (const { ready } of this.#subjects.values()) {
      ready.reject(new Error('the process for scripts does not start'))
    }
    for (const { id } of this.#calls.all()) {
      this.#take(id)?.reject(lostWith('there is no process for scripts'))
    }
  }

  #resend(calls: readonly PendingCall[]): void {
    for (const call of calls) {
      if (!this.#calls.has(call)) continue
      call.worker = undefined
      if (this.#workerFor(call.subject) === undefined) continue
      if (++call.resent > MAX_RESENT) this.#take(call.id)?.reject(lostWith('its process ended'))
      else this.#send(call)
    }
  }
}

function clear(timer: NodeJS.Timeout | undefined): undefined {
  clearTimeout(timer)
}

function lostWith(message: string): CellError {
  return new CellError({ kind: 'broken', message, trace: '' })
}
