/** What a frame between the gateway and a worker says. */
export const FRAME = {
  /** To the worker: a program, as JSON; it goes by `subject` from now on. */
  load: 1,
  /** To the worker: a call `id` of the program `subject`. */
  call: 2,
  /** To the worker: the program `subject` is not needed any more. */
  forget: 3,
  /** To the gateway: the program `subject` can be called; an empty text, or why it cannot. */
  loaded: 4,
  /** To the gateway: the result of call `id`. */
  result: 5,
  /** To the gateway: why call `id` has none, as JSON. */
  failed: 6,
  /** To the gateway: call `id` cannot be stopped, so the worker has to be ended. JSON, as `failed`. */
  lost: 7,
} as const

/** One message. */
export interface Frame {
  readonly kind: number
  readonly id: number
  readonly subject: number
  readonly text: string
}

/** Size of what follows, kind, id, subject. */
const HEAD = 13

/** A frame as bytes. */
export function encodeFrame(kind: number, id: number, subject: number, text: string): Buffer {
  const size = Buffer.byteLength(text)
  const frame = Buffer.allocUnsafe(HEAD + size)
  frame.writeUInt32LE(HEAD - 4 + size, 0)
  frame.writeUInt8(kind, 4)
  frame.writeUInt32LE(id, 5)
  frame.writeUInt32LE(subject, 9)
  frame.write(text, HEAD)
  return frame
}

/** Cuts what arrives into frames, wherever its pieces begin and end. */
export class FrameReader {
  readonly #onFrame: (frame: Frame) => void
  #pieces: Buffer[] = []
  #size = 0
  #wanted = 4

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame
  }

  push(piece: Buffer): void {
    this.#pieces.push(piece)
    this.#size += piece.length
    // Joined only once a frame is there as a whole: a large one comes in many pieces.
    if (this.#size < this.#wanted) return
    const bytes = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces, this.#size)
    let at = 0
    this.#wanted = 4
    while (bytes.length - at >= 4) {
      const end = at + 4 + bytes.readUInt32LE(at)
      if (end > bytes.length) {
        this.#wanted = end - at
        break
      }
      const kind = bytes.readUInt8(at + 4)
      const id = bytes.readUInt32LE(at + 5)
      const subject = bytes.readUInt32LE(at + 9)
      this.#onFrame({ kind, id, subject, text: bytes.toString('utf8', at + HEAD, end) })
      at = end
    }
    this.#pieces = at === bytes.length ? [] : [bytes.subarray(at)]
    this.#size = bytes.length - at
  }
}

/** Gathers the frames of one turn and writes them as one piece. */
export class FrameWriter {
  readonly #write: (bytes: Buffer) => void
  #frames: Buffer[] = []

  constructor(write: (bytes: Buffer) => void) {
    this.#write = write
  }

  send(kind: number, id: number, subject: number, text: string): void {
    this.#frames.push(encodeFrame(kind, id, subject, text))
    if (this.#frames.length === 1) setImmediate(() => this.flush())
  }

  flush(): void {
    const frames = this.#frames
    if (frames.length === 0) return
    this.#frames = []
    this.#write(frames.length === 1 ? frames[0]! : Buffer.concat(frames))
  }
}
