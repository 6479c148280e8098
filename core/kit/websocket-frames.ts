import { randomBytes } from 'node:crypto'

/** WebSocket close codes that the gateway sends (RFC 6455 §7.4.1 and the IANA registry). */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  invalidText: 1007,
  policy: 1008,
  tooBig: 1009,
  internal: 1011,
  restart: 1012,
  badGateway: 1014,
} as const

const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 }

/** A frame that must not be passed on, with the close code to answer. */
export interface FrameViolation {
  readonly code: number
  readonly reason: string
}

/** What a scanner allows. */
export interface FrameLimits {
  /** Bytes of one message over all of its frames. */
  readonly maxPayloadBytes: number
  /** Frames of one message. */
  readonly maxFragments: number
  /** Frames from a client are masked, those from a server are not (RFC 6455 §5.1). */
  readonly isMasked: boolean
}

/**
 * Follows the frames in one direction of a WebSocket connection without touching or keeping their payload: enough to
 * hold limits, to count messages and to know where a frame ends. No extensions: a reserved bit is a violation.
 */
export class FrameScanner {
  readonly #limits: FrameLimits
  readonly #header = Buffer.alloc(14)
  #headerLength = 0
  #headerNeeded = 2
  #payloadLeft = 0
  #messageBytes = 0
  #fragments = 0
  #isInMessage = false
  #messages = 0
  #sawClose = false

  constructor(limits: FrameLimits) {
    this.#limits = limits
  }

  /** Complete messages so far, control frames not counted. */
  get messages(): number {
    return this.#messages
  }

  /** True once a close frame went by. */
  get sawClose(): boolean {
    return this.#sawClose
  }

  /** True between two frames, where another may be put in. */
  get isBetweenFrames(): boolean {
    return this.#headerLength === 0 && this.#payloadLeft === 0
  }

  /** Looks at the next bytes; says what is wrong with them, if anything. */
  scan(chunk: Buffer): FrameViolation | undefined {
    let position = 0
    const wasBetween = this.isBetweenFrames
    while (position < chunk.length) {
      if (this.#payloadLeft > 0) {
        const taken = Math.min(this.#payloadLeft, chunk.length - position)
        this.#payloadLeft -= taken
        position += taken
        continue
      }
      while (this.#headerLength < this.#headerNeeded && position < chunk.length) {
        this.#header[this.#headerLength++] = chunk[position++]!
        if (this.#headerLength === 2) this.#headerNeeded = headerSize(this.#header[1]!)
      }
      if (this.#headerLength < this.#headerNeeded) return undefined
      this.#headerLength = 0
      this.#headerNeeded = 2
      const violation = this.#takeFrame()
      if (violation) {
        // The chunk goes nowhere, so the receiver stands where it stood before.
        this.#payloadLeft = wasBetween ? 0 : Infinity
        return violation
      }
    }
    return undefined
  }

  #takeFrame(): FrameViolation | undefined {
    const [first, second] = this.#header as unknown as [number, number]
    const isFinal = (first & 0x80) !== 0
    const opcode = first & 0x0f
    const length = payloadLength(this.#header)
    if ((first & 0x70) !== 0) return protocolError('a reserved bit is set')
    if (((second & 0x80) !== 0) !== this.#limits.isMasked) {
      return protocolError(this.#limits.isMasked ? 'a frame is not masked' : 'a frame is masked')
    }
    this.#payloadLeft = length
    // RFC 6455 §5.5: at most 125 bytes, which leaves one way to write the length.
    if (opcode >= OPCODE.close) return this.#takeControl(opcode, isFinal, second & 0x7f)
    if (opcode > OPCODE.binary) return protocolError('unknown opcode')
    if ((opcode === OPCODE.continuation) !== this.#isInMessage) {
      return protocolError('a message is not continued, or none was begun')
    }
    this.#messageBytes += length
    this.#fragments++
    if (this.#messageBytes > this.#limits.maxPayloadBytes) {
      return { code: CLOSE.tooBig, reason: 'message too big' }
    }
    if (this.#fragments > this.#limits.maxFragments) {
      return { code: CLOSE.policy, reason: 'too many fragments' }
    }
    this.#isInMessage = !isFinal
    if (isFinal) {
      this.#messages++
      this.#messageBytes = 0
      this.#fragments = 0
    }
    return undefined
  }

  #takeControl(opcode: number, isFinal: boolean, length: number): FrameViolation | undefined {
    if (opcode > OPCODE.pong) return protocolError('unknown opcode')
    if (!isFinal || length > 125) return protocolError('a control frame is too long or fragmented')
    if (opcode === OPCODE.close) this.#sawClose = true
    return undefined
  }
}

/** A close frame; masked where it goes to a server. The reason is cut to what fits. */
export function closeFrame(code: number, reason: string, isMasked: boolean): Buffer {
  const text = fitting(Buffer.from(reason))
  const payload = Buffer.allocUnsafe(2 + text.length)
  payload.writeUInt16BE(code)
  text.copy(payload, 2)
  return controlFrame(OPCODE.close, payload, isMasked)
}

/** RFC 6455 §5.5.1: 123 bytes at most, and UTF-8, so no character is cut in two. */
function fitting(text: Buffer): Buffer {
  let end = Math.min(text.length, 123)
  while (end < text.length && (text[end]! & 0xc0) === 0x80) end--
  return text.subarray(0, end)
}

/** An empty ping. */
export function pingFrame(isMasked: boolean): Buffer {
  return controlFrame(OPCODE.ping, Buffer.alloc(0), isMasked)
}

function controlFrame(opcode: number, payload: Buffer, isMasked: boolean): Buffer {
  if (!isMasked) return Buffer.concat([Buffer.from([0x80 | opcode, payload.length]), payload])
  // RFC 6455 §5.3: a fresh, unpredictable mask for each frame.
  const mask = randomBytes(4)
  const masked = payload.map((byte, index) => byte ^ mask[index % 4]!)
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length]), mask, masked])
}

function headerSize(second: number): number {
  const length = second & 0x7f
  const extended = length === 126 ? 2 : length === 127 ? 8 : 0
  return 2 + extended + ((second & 0x80) === 0 ? 0 : 4)
}

/** Infinity for a length that no limit would allow. */
function payloadLength(header: Buffer): number {
  const length = header[1]! & 0x7f
  if (length < 126) return length
  if (length === 126) return header.readUInt16BE(2)
  const high = header.readUInt32BE(2)
  return high > 0x1f_ffff ? Infinity : high * 2 ** 32 + header.readUInt32BE(6)
}

function protocolError(reason: string): FrameViolation {
  return { code: CLOSE.protocolError, reason }
}
