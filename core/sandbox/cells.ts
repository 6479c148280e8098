import { DenseSet, type Slotted } from '../kit/dense-set.ts'
import { Cell, CellError, type CellFailure, MOST_PATIENCE, PATIENCE } from './cell.ts'
import type { AnyProgram } from './program.ts'

/** Isolates of one script: one for calls that come after another, more where they wait for each other. */
const MAX_CELLS = 4
/** How long a call waits before another isolate is made. Milliseconds. */
const PATIENCE_MS = 5
/** Calls that may wait for the isolates of one script. */
const MAX_WAITING = 10_000

/** A call, and how to answer it. */
export interface CellCall {
  readonly text: string
  done(result: string): void
  failed(failure: CellFailure): void
}

interface Running extends Slotted {
  readonly cell: Cell
  readonly call: CellCall
  readonly since: number
  readonly until: number
  /** What all isolates had worked when its time was over. */
  overdueAt: number | undefined
  /** How often in a row it was looked at on time since. */
  looks: number
}

/** A call that goes on after its time. */
export interface Overdue {
  readonly until: number
  /** What all isolates have worked since. Milliseconds of CPU. */
  readonly worked: number
  /** How often in a row it was looked at on time. */
  readonly looks: number
  /** Has it told of as one that cannot be stopped. */
  readonly lose: () => void
}

interface Waiting {
  readonly call: CellCall
  readonly since: number
  readonly patience: number
}

/** The isolates of one script. A call that fails takes its isolate with it, and a new one is made. */
export class Cells {
  readonly #program: AnyProgram
  readonly #most: number
  readonly #onLost: (call: CellCall | undefined) => void
  readonly #idle: Cell[] = []
  readonly #running = new DenseSet<Running>()
  readonly #queue: Waiting[] = []
  #opening = 0
  #isClosed = false

  constructor(program: AnyProgram, onLost: (call: CellCall | undefined) => void) {
    this.#program = program
    // What a plugin keeps is in one isolate.
    this.#most = 'plugin' in program ? 1 : MAX_CELLS
    this.#onLost = onLost
  }

  /** Makes the first isolate. Rejects where the script does not compile in it. */
  async open(): Promise<void> {
    this.#idle.push(await this.#openCell())
  }

  /** How many calls run. */
  get running(): number {
    return this.#running.size
  }

  run(call: CellCall): void {
    if (this.#isClosed) return
    const cell = this.#idle.pop()
    if (cell !== undefined) return void this.#execute(cell, call, 1)
    if (this.#queue.length < MAX_WAITING) return this.#wait(call, 1)
    const message = `${MAX_WAITING} calls wait for it already`
    call.failed({ kind: 'broken', message, trace: '' })
  }

  /**
   * Sees to calls that have waited long enough for an isolate of their own. Returns the call whose time has been over for
   * the longest, of those that go on all the same; `cpu` is what all isolates have worked until now.
   */
  sweep(now: number, cpu: number, isOnTime: boolean): Overdue | undefined {
    if (this.#isClosed) return undefined
    const first = this.#queue[0]
    if (first !== undefined && now - first.since >= PATIENCE_MS) {
      if (this.#running.size + this.#opening < this.#most) void this.#more()
    }
    let longest: Running | undefined
    for (const one of this.#running) {
      if (now < one.until) continue
      one.overdueAt ??= cpu
      one.looks = isOnTime ? one.looks + 1 : 0
      if (longest === undefined || one.until < longest.until) longest = one
    }
    if (longest === undefined) return undefined
    const { call, until, overdueAt = cpu, looks } = longest
    return { until, worked: cpu - overdueAt, looks, lose: () => this.#lose(call) }
  }

  /** The call that has been running for the longest time, unless it was told of already. */
  get oldest(): { readonly call: CellCall; readonly since: number } | undefined {
    if (this.#isClosed) return undefined
    return [...this.#running].toSorted((a, b) => a.since - b.since)[0]
  }

  close(): void {
    this.#isClosed = true
    for (const { call } of this.#queue.splice(0)) {
      call.failed({ kind: 'broken', message: 'it was closed', trace: '' })
    }
    for (const cell of this.#idle.splice(0)) cell.dispose()
    for (const { cell } of this.#running) cell.dispose()
  }

  /** Nothing of this script runs here any more; whoever is told has the other calls run elsewhere. */
  #lose(call: CellCall | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#queue.splice(0)
    this.#onLost(call)
  }

  #wait(call: CellCall, patience: number): void {
    this.#queue.push({ call, since: performance.now(), patience })
    if (this.#running.size + this.#opening === 0) void this.#more()
  }

  async #execute(cell: Cell, call: CellCall, patience: number): Promise<void> {
    const { timeoutMs } = this.#program.limits
    const since = performance.now()
    const until = since + timeoutMs * patience
    const one: Running = { cell, call, since, until, overdueAt: undefined, looks: 0, slot: -1 }
    this.#running.add(one)
    try {
      const result = await cell.run(call.text, patience)
      this.#running.delete(one)
      call.done(result)
      this.#next(cell)
    } catch (cause) {
      this.#running.delete(one)
      cell.dispose()
      const failure = failureOf(cause)
      const isPatient = failure.kind === 'starved' && patience < MOST_PATIENCE
      if (isPatient) this.#wait(call, patience * PATIENCE)
      else call.failed(failure)
      // Made at once, so that the next call does not wait for it.
      if (this.#idle.length + this.#opening === 0) void this.#more()
    }
  }

  #next(cell: Cell): void {
    if (this.#isClosed) return cell.dispose()
    const next = this.#queue.shift()
    if (next === undefined) this.#idle.push(cell)
    else void this.#execute(cell, next.call, next.patience)
  }

  async #more(): Promise<void> {
    if (this.#isClosed) return
    this.#opening++
    try {
      const cell = await this.#openCell()
      this.#opening--
      this.#next(cell)
    } catch (cause) {
      this.#opening--
      for (const { call } of this.#queue.splice(0)) call.failed(failureOf(cause))
    }
  }

  #openCell(): Promise<Cell> {
    return Cell.open(this.#program, () => {
      const now = performance.now()
      const overdue = [...this.#running].find(({ until }) => now > until)
      this.#lose((overdue ?? this.oldest)?.call)
    })
  }
}

function failureOf(cause: unknown): CellFailure {
  if (cause instanceof CellError) {
    const { kind, message, trace } = cause
    return { kind, message, trace }
  }
  return { kind: 'broken', message: String(cause), trace: '' }
}
