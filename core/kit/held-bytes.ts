/** Unless said otherwise, no frame may be larger: room for a generated image, and a bound for a hostile stream. */
export const FRAME_LIMIT_BYTES = 16 * 1024 * 1024

/** A frame that grew past the limit; the stream cannot be followed any further. */
export class FrameTooLargeError extends Error {
  override readonly name = 'FrameTooLargeError'

  constructor(limitBytes: number) {
    super(`an event of the stream is larger than ${limitBytes} bytes`)
  }
}

const EMPTY = Buffer.alloc(0)

/**
 * The beginning of a frame whose end is still to come. Copies, growing by doubling: a frame that arrives byte by byte
 * costs neither quadratic time nor a list of slices.
 */
export class HeldBytes {
  readonly limitBytes: number
  #bytes: Buffer = EMPTY
  #length = 0

  constructor(limitBytes = FRAME_LIMIT_BYTES) {
    this.limitBytes = limitBytes
  }

  get length(): number {
    return this.#length
  }

  /** What is held, sharing the memory: good until the next call. */
  get view(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Holds a piece of a chunk too. Throws a FrameTooLargeError. */
  push(chunk: Buffer, start: number, end: number): void {
    const needed = this.#length + end - start
    if (needed > this.limitBytes) throw new FrameTooLargeError(this.limitBytes)
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(1024, needed * 2))
      this.#bytes.copy(larger, 0, 0, this.#length)
      this.#bytes = larger
    }
    chunk.copy(this.#bytes, this.#length, start, end)
    this.#length = needed
  }

  /** Gives away what is held. */
  take(): Buffer {
    const taken = this.view
    this.#bytes = EMPTY
    this.#length = 0
    return taken
  }
}
