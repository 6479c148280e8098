import { FrameTooLargeError, HeldBytes } from './held-bytes.ts'

const LF = 10
const CR = 13
const COLON = 58
const SPACE = 32

/**
 * One frame of a `text/event-stream`: everything up to and including the blank line. Nothing is decoded until it is
 * asked for.
 */
export class Frame {
  /** The bytes as they came, blank line included. */
  readonly raw: Buffer
  readonly #start: number
  #fields: Fields | undefined
  #data: string | undefined

  /** `start`: where the first line begins, after a byte order mark. */
  constructor(raw: Buffer, start = 0) {
    this.raw = raw
    this.#start = start
  }

  /** The event name; `message` where the frame has none. */
  get event(): string {
    this.#fields ??= parseFields(this.raw, this.#start)
    return this.#fields.event
  }

  /** The data lines, joined by line feeds; empty where there are none. */
  get data(): string {
    this.#fields ??= parseFields(this.raw, this.#start)
    this.#data ??= decode(this.raw, this.#fields.data)
    return this.#data
  }

  /** True for a frame without a data line, of which clients hear nothing: comments, keep-alives, a lone id or retry. */
  get isComment(): boolean {
    this.#fields ??= parseFields(this.raw, this.#start)
    return this.#fields.data.length === 0
  }
}

/**
 * Cuts a byte stream into SSE frames, wherever its chunks begin and end (WHATWG HTML §9.2.6: LF, CR and CRLF). The
 * frames' bytes, and `end()`, add up to the bytes that were pushed. A blank line that ends in CR at the very end of a
 * chunk is held until the next byte tells whether an LF belongs to it.
 */
export class SseParser {
  readonly #onFrame: (frame: Frame) => void
  /** The beginning of a frame, from earlier chunks. */
  readonly #held: HeldBytes
  #isFirst = true
  #isLineEmpty = true
  /** What the last byte left open: a CR that an LF may follow, after a line or after the blank line. */
  #open: 'none' | 'line' | 'frame' = 'none'

  constructor(onFrame: (frame: Frame) => void, limitBytes?: number) {
    this.#onFrame = onFrame
    this.#held = new HeldBytes(limitBytes)
  }

  /** Calls back for each frame that this chunk completes; a frame may share the chunk's memory. Throws a FrameTooLargeError. */
  push(chunk: Buffer): void {
    const { length } = chunk
    let start = 0
    let position = 0
    // Each is searched anew only once it was passed, so that a chunk of many lines stays linear.
    let lf = chunk.indexOf(LF)
    let cr = chunk.indexOf(CR)
    while (position < length) {
      if (this.#open !== 'none') {
        const endsFrame = this.#open === 'frame'
        this.#open = 'none'
        if (chunk[position] === LF) position++
        if (endsFrame) {
          this.#emit(chunk, start, position)
          start = position
        }
        continue
      }
      if (lf !== -1 && lf < position) lf = chunk.indexOf(LF, position)
      if (cr !== -1 && cr < position) cr = chunk.indexOf(CR, position)
      const end = lf === -1 || (cr !== -1 && cr < lf) ? cr : lf
      if (end === -1) {
        this.#isLineEmpty = false
        break
      }
      const isBlank = this.#isLineEmpty && end === position
      this.#isLineEmpty = true
      position = end + 1
      if (end === cr) this.#open = isBlank ? 'frame' : 'line'
      else if (isBlank) {
        this.#emit(chunk, start, position)
        start = position
      }
    }
    if (start < length) this.#held.push(chunk, start, length)
  }

  /** The stream is over. Gives back what is left of a frame that was not completed, usually nothing. */
  end(): Buffer {
    if (this.#open === 'frame') this.#emit(EMPTY, 0, 0)
    this.#open = 'none'
    this.#isLineEmpty = true
    return this.#held.take()
  }

  #emit(chunk: Buffer, start: number, end: number): void {
    const held = this.#held
    if (held.length === 0) {
      if (end - start > held.limitBytes) throw new FrameTooLargeError(held.limitBytes)
      this.#tell(chunk.subarray(start, end))
      return
    }
    held.push(chunk, start, end)
    this.#tell(held.take())
  }

  #tell(raw: Buffer): void {
    const start = this.#isFirst && startsWithBom(raw) ? 3 : 0
    this.#isFirst = false
    this.#onFrame(new Frame(raw, start))
  }
}

/** One event, ready to be sent; without an `event:` line where the name is undefined. */
export function formatEvent(event: string | undefined, data: string): string {
  const name = event === undefined ? '' : `event: ${event.replaceAll(/[\r\n]/g, ' ')}\n`
  // JSON has no line ends, so nearly all data is a single line.
  const lines = /[\r\n]/.test(data) ? data.split(/\r\n|\r|\n/).join('\ndata: ') : data
  return `${name}data: ${lines}\n\n`
}

const EMPTY = Buffer.alloc(0)

interface Fields {
  readonly event: string
  /** Start and end of each data line's value, in a row. */
  readonly data: readonly number[]
}

function parseFields(raw: Buffer, start: number): Fields {
  let event = ''
  const data: number[] = []
  let position = start
  // Hardly any stream has a CR; without one the native search is several times faster.
  const hasCr = raw.includes(CR)
  while (position < raw.length) {
    const end = hasCr ? lineEnd(raw, position) : lineFeed(raw, position)
    const value = valueStart(raw, position, end)
    if (isField(raw, position, end, DATA)) data.push(value, end)
    else if (isField(raw, position, end, EVENT)) event = raw.toString('utf8', value, end)
    position = end + (raw[end] === CR && raw[end + 1] === LF ? 2 : 1)
  }
  return { event: event === '' ? 'message' : event, data }
}

const DATA = Buffer.from('data')
const EVENT = Buffer.from('event')

function startsWithBom(raw: Buffer): boolean {
  return raw[0] === 0xef && raw[1] === 0xbb && raw[2] === 0xbf
}

function lineFeed(raw: Buffer, start: number): number {
  const end = raw.indexOf(LF, start)
  return end === -1 ? raw.length : end
}

function lineEnd(raw: Buffer, start: number): number {
  let end = start
  while (end < raw.length && raw[end] !== LF && raw[end] !== CR) end++
  return end
}

function isField(raw: Buffer, start: number, end: number, name: Buffer): boolean {
  const after = start + name.length
  if (after > end || (after < end && raw[after] !== COLON)) return false
  for (let index = 0; index < name.length; index++) {
    if (raw[start + index] !== name[index]) return false
  }
  return true
}

/** After the first colon and one space, if there is one; the line's end where it has no colon. */
function valueStart(raw: Buffer, start: number, end: number): number {
  let colon = start
  while (colon < end && raw[colon] !== COLON) colon++
  if (colon === end) return end
  return raw[colon + 1] === SPACE ? colon + 2 : colon + 1
}

function decode(raw: Buffer, ranges: readonly number[]): string {
  if (ranges.length === 2) return raw.toString('utf8', ranges[0], ranges[1])
  const lines: string[] = []
  for (let index = 0; index < ranges.length; index += 2) {
    lines.push(raw.toString('utf8', ranges[index], ranges[index + 1]))
  }
  return lines.join('\n')
}
