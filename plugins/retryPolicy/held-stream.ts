import type { ByteSink, ByteSource } from '#core/sdk.ts'

/** Looks at what comes, until it knows enough; `undefined` asks for more. */
export interface Watch<T> {
  data(chunk: Buffer): T | undefined
  /** The body is complete. */
  end(): T
  /** It broke off. */
  error(cause: Error): T
  /** It has come to nothing within the bounds of size and time. */
  giveUp(): T
}

/** What is held at most. Bytes. */
const MAX_HELD = 64 * 1024

/**
 * A body whose beginning is held back until something is known of it, so that an answer that turns out to be a
 * failure can still be tried again. From then on bytes pass as they come.
 */
export class HeldStream<T> implements ByteSource, ByteSink {
  /** What the watch has found out. Settles once, and never rejects. */
  readonly found: Promise<T>
  readonly #source: ByteSource
  readonly #settle: (found: T) => void
  #watch: Watch<T> | undefined
  #held: Buffer[] = []
  #size = 0
  #to: ByteSink | undefined
  #isPaused = false
  #end: 'end' | Error | undefined
  #isOver = false

  constructor(source: ByteSource, watch: Watch<T>) {
    const { promise, resolve } = Promise.withResolvers<T>()
    this.found = promise
    this.#settle = resolve
    this.#source = source
    this.#watch = watch
    source.pipe(this)
  }

  /** Holds nothing back any more, whatever is known. */
  giveUp(): void {
    this.#find(this.#watch?.giveUp())
  }

  data(chunk: Buffer): boolean {
    if (this.#to !== undefined && this.#held.length === 0 && !this.#isPaused) {
      return this.#to.data(chunk)
    }
    this.#held.push(chunk)
    this.#size += chunk.length
    this.#find(this.#watch?.data(chunk))
    if (this.#size > MAX_HELD) this.giveUp()
    return this.#watch !== undefined
  }

  end(): void {
    this.#end = 'end'
    this.#find(this.#watch?.end())
    this.#flush()
  }

  error(cause: Error): void {
    this.#end = cause
    this.#find(this.#watch?.error(cause))
    this.#flush()
  }

  pipe(sink: ByteSink): void {
    this.#to = sink
    this.giveUp()
    this.#flush()
    if (!this.#isPaused && this.#end === undefined) this.#source.resume()
  }

  resume(): void {
    this.#isPaused = false
    this.#flush()
    if (!this.#isPaused && this.#end === undefined) this.#source.resume()
  }

  abort(reason: Error): void {
    this.#source.abort(reason)
  }

  #find(found: T | undefined): void {
    if (found === undefined) return
    this.#watch = undefined
    this.#settle(found)
  }

  /** Passes on what is held while the sink takes it, then the end. */
  #flush(): void {
    if (this.#to === undefined || this.#isPaused) return
    while (this.#held.length > 0) {
      if (this.#to.data(this.#held.shift()!)) continue
      this.#isPaused = true
      return
    }
    const end = this.#end
    if (end === undefined || this.#isOver) return
    this.#isOver = true
    if (end === 'end') this.#to.end()
    else this.#to.error(end)
  }
}
