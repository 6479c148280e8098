import { DenseMap } from '../kit/dense-map.ts'
import type { CellError } from './cell.ts'
import type { Subject } from './subject.ts'
import type { WorkerProcess } from './worker-process.ts'

/** A call that waits for its result. */
export interface PendingCall {
  readonly id: number
  readonly subject: Subject
  readonly text: string
  readonly resolve: (result: string) => void
  readonly reject: (cause: CellError) => void
  /** Where it runs; undefined while there is no process for it. */
  worker: WorkerProcess | undefined
  /** How often it was sent again because its process ended. */
  resent: number
}

/** The calls that wait for their results. */
export class PendingCalls {
  readonly #calls = new DenseMap<number, PendingCall>()
  #ids = 0

  get size(): number {
    return this.#calls.size
  }

  add(
    subject: Subject,
    text: string,
    resolve: (result: string) => void,
    reject: (cause: CellError) => void,
  ): PendingCall {
    this.#ids = this.#ids === 0xffffffff ? 1 : this.#ids + 1
    const call = {
      id: this.#ids,
      subject,
      text,
      resolve,
      reject,
      worker: undefined,
      resent: 0,
    }
    this.#calls.set(call.id, call)
    return call
  }

  /** Puts one back that was taken out. */
  put(call: PendingCall): void {
    this.#calls.set(call.id, call)
  }

  has(call: PendingCall): boolean {
    return this.#calls.has(call.id)
  }

  /** Takes one out, to be answered; undefined where it was answered already. */
  take(id: number): PendingCall | undefined {
    const call = this.#calls.get(id)
    if (call !== undefined) this.#calls.delete(id)
    return call
  }

  all(): readonly PendingCall[] {
    return this.#calls.values()
  }

  in(worker: WorkerProcess | undefined): PendingCall[] {
    return this.all().filter((call) => call.worker === worker)
  }
}
