import { HeldBytes } from './held-bytes.ts'

const LF = 10

/** One line of newline-delimited JSON, line end included in `raw`. */
export class Line {
  readonly raw: Buffer
  readonly event = 'message'
  #data: string | undefined

  constructor(raw: Buffer) {
    this.raw = raw
  }

  get data(): string {
    this.#data ??= this.raw.toString().trim()
    return this.#data
  }

  /** True for an empty line, which is a keep-alive. */
  get isComment(): boolean {
    return this.data === ''
  }
}

/** Cuts a byte stream into lines, wherever its chunks begin and end. The lines and `end()` add up to what was pushed. */
export class LineParser {
  readonly #onLine: (line: Line) => void
  readonly #held: HeldBytes

  constructor(onLine: (line: Line) => void, limitBytes?: number) {
    this.#onLine = onLine
    this.#held = new HeldBytes(limitBytes)
  }

  /** Calls back for each line that this chunk completes; a line may share the chunk's memory. Throws a FrameTooLargeError. */
  push(chunk: Buffer): void {
    let start = 0
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      this.#emit(chunk, start, end + 1)
      start = end + 1
    }
    if (start < chunk.length) this.#held.push(chunk, start, chunk.length)
  }

  /** The stream is over. Gives back a last line without an end, usually nothing. */
  end(): Buffer {
    return this.#held.take()
  }

  #emit(chunk: Buffer, start: number, end: number): void {
    const held = this.#held
    if (held.length === 0 && end - start <= held.limitBytes) {
      this.#onLine(new Line(chunk.subarray(start, end)))
      return
    }
    held.push(chunk, start, end)
    this.#onLine(new Line(held.take()))
  }
}
