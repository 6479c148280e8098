const LF = 10

/** A line that grew past the limit; the stream cannot be followed any further. */
export class LineTooLongError extends Error {
  override readonly name = 'LineTooLongError'

  constructor(limitBytes: number) {
    super(`a line of the stream is longer than ${limitBytes} bytes`)
  }
}

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
  readonly #limitBytes: number
  #held: Buffer[] = []
  #heldBytes = 0

  constructor(onLine: (line: Line) => void, limitBytes: number) {
    this.#onLine = onLine
    this.#limitBytes = limitBytes
  }

  /** Calls back for each line that this chunk completes. Throws a LineTooLongError. */
  push(chunk: Buffer): void {
    let start = 0
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      this.#hold(chunk.subarray(start, end + 1))
      start = end + 1
      this.#onLine(new Line(this.#take()))
    }
    if (start < chunk.length) this.#hold(chunk.subarray(start))
  }

  /** The stream is over. Gives back a last line without an end, usually nothing. */
  end(): Buffer {
    return this.#take()
  }

  #hold(piece: Buffer): void {
    this.#heldBytes += piece.length
    if (this.#heldBytes > this.#limitBytes) throw new LineTooLongError(this.#limitBytes)
    this.#held.push(piece)
  }

  #take(): Buffer {
    const [first = EMPTY, ...rest] = this.#held
    const taken = rest.length === 0 ? first : Buffer.concat(this.#held, this.#heldBytes)
    this.#held = []
    this.#heldBytes = 0
    return taken
  }
}

const EMPTY = Buffer.alloc(0)
