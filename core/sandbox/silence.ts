import type { PendingCalls } from './pending-calls.ts'
import type { WorkerProcess } from './worker-process.ts'

/** A worker that does not answer this long after a call's time is killed. Milliseconds. */
export const SILENCE_MS = 2_000

interface Watched {
  readonly calls: PendingCalls
  workers(): readonly WorkerProcess[]
  /** The longest time of a call. */
  longestMs(): number
}

/** A worker looks after its calls itself. One that says nothing at all, such as a stopped one, is killed. */
export class SilenceWatch {
  readonly #watched: Watched
  #timer: NodeJS.Timeout | undefined

  constructor(watched: Watched) {
    this.#watched = watched
  }

  /** Until there are no calls. Keeps the process alive, too, which the workers do not. */
  begin(): void {
    this.#timer ??= setTimeout(() => this.#look(), SILENCE_MS)
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    const { calls, workers, longestMs } = this.#watched
    const before = workers().map((worker) => ({ worker, heard: worker.heard }))
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      for (const { worker, heard } of before) {
        if (worker.isStarting || worker.heard !== heard) continue
        if (calls.in(worker).length > 0) silence(worker)
      }
      if (calls.size > 0) this.#look()
    }, longestMs() + SILENCE_MS)
  }
}

function silence(worker: WorkerProcess): void {
  worker.failure = { kind: 'silent', message: 'it said nothing any more' }
  void worker.kill()
}
