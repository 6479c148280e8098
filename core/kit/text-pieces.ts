/** A piece of a text stream: as many whole UTF-8 characters as there were. */
export class TextPiece {
  readonly raw: Buffer
  readonly event = 'message'
  readonly isComment = false
  #data: string | undefined

  constructor(raw: Buffer) {
    this.raw = raw
  }

  get data(): string {
    this.#data ??= this.raw.toString()
    return this.#data
  }
}

/** Cuts a stream of text between two characters, never within one. The pieces and `end()` add up to what was pushed. */
export class TextParser {
  readonly #onPiece: (piece: TextPiece) => void
  /** The beginning of a character, three bytes at most. */
  #held: Buffer = EMPTY

  constructor(onPiece: (piece: TextPiece) => void) {
    this.#onPiece = onPiece
  }

  push(chunk: Buffer): void {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    const whole = wholeLength(bytes)
    this.#held = bytes.subarray(whole)
    if (whole > 0) this.#onPiece(new TextPiece(bytes.subarray(0, whole)))
  }

  /** The stream is over. Gives back the beginning of a character that has no end, usually nothing. */
  end(): Buffer {
    const rest = this.#held
    this.#held = EMPTY
    return rest
  }
}

/** RFC 3629 §3: how many of the bytes are whole characters; what is not UTF-8 counts as whole. */
function wholeLength(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!
    if (byte < 0x80) break
    // A continuation byte: its first byte stands before it.
    if (byte < 0xc0) continue
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
    return length > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}

const EMPTY = Buffer.alloc(0)
