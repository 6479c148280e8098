import { createRequire } from 'node:module'
import type * as Smithy from '@smithy/eventstream-codec'
import { GatewayError } from '../errors.ts'
import { FrameTooLargeError, HeldBytes } from '../kit/held-bytes.ts'
import { isObject, type Json, jsonOf } from '../kit/json.ts'

const require = createRequire(import.meta.url)

let loaded: Smithy.EventStreamCodec | undefined

/** Loaded when first used: it takes as long as the rest of a start. */
function codec(): Smithy.EventStreamCodec {
  if (loaded !== undefined) return loaded
  const library = require('@smithy/eventstream-codec') as typeof Smithy
  loaded = new library.EventStreamCodec(
    (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
    (text) => Buffer.from(text, 'utf8'),
  )
  return loaded
}

/** Each frame begins with its length. */
const LENGTH_BYTES = 4
/** Length, length of the header fields, two checksums. */
const LEAST_FRAME_BYTES = 16

/**
 * Cuts a byte stream into the frames of `application/vnd.amazon.eventstream`, and reads each:
 * https://smithy.io/2.0/aws/amazon-eventstream.html. An event becomes `{ [its type]: payload }`; an exception, which
 * ends the stream, becomes `{ exception: { type, message } }`.
 */
export class EventStreamParser {
  readonly #onEvent: (event: Json) => void
  readonly #held: HeldBytes

  constructor(onEvent: (event: Json) => void, limitBytes?: number) {
    this.#onEvent = onEvent
    this.#held = new HeldBytes(limitBytes)
  }

  push(chunk: Buffer): void {
    let start = 0
    while (start < chunk.length) {
      const left = chunk.length - start
      if (this.#held.length > 0) start += this.#complete(chunk, start)
      else if (left < LENGTH_BYTES || this.#lengthOf(chunk, start) > left) {
        this.#held.push(chunk, start, chunk.length)
        return
      } else {
        const end = start + this.#lengthOf(chunk, start)
        this.#onEvent(eventOf(chunk.subarray(start, end)))
        start = end
      }
    }
  }

  /** A frame that was begun is no event: whoever reads them knows that the last one is missing. */
  end(): void {
    this.#held.take()
  }

  /** Adds to the frame that is held what belongs to it; gives back how much that was. */
  #complete(chunk: Buffer, start: number): number {
    const held = this.#held
    const isKnown = held.length >= LENGTH_BYTES
    const wanted = (isKnown ? this.#lengthOf(held.view, 0) : LENGTH_BYTES) - held.length
    const taken = Math.min(wanted, chunk.length - start)
    held.push(chunk, start, start + taken)
    if (isKnown && taken === wanted) this.#onEvent(eventOf(held.take()))
    return taken
  }

  #lengthOf(bytes: Buffer, start: number): number {
    const length = bytes.readUInt32BE(start)
    if (length < LEAST_FRAME_BYTES) throw broken()
    if (length > this.#held.limitBytes) throw new FrameTooLargeError(this.#held.limitBytes)
    return length
  }
}

function eventOf(frame: Buffer): Json {
  const { body, headers } = decoded(frame)
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')
  const payload = jsonOf(text)
  if (field(headers, ':message-type') === 'event') {
    if (payload === undefined) throw broken()
    return { [field(headers, ':event-type')]: payload }
  }
  const type = field(headers, ':exception-type') || field(headers, ':error-code')
  const said = isObject(payload) ? (payload['message'] ?? payload['Message']) : undefined
  const message = typeof said === 'string' ? said : field(headers, ':error-message')
  return { exception: { type, message } }
}

function decoded(frame: Buffer) {
  try {
    return codec().decode(frame)
  } catch (cause) {
    throw broken(cause)
  }
}

function field(headers: Smithy.MessageHeaders, name: string): string {
  const value = headers[name]?.value
  return typeof value === 'string' ? value : ''
}

function broken(cause?: unknown): GatewayError {
  return new GatewayError('UPSTREAM_PROTOCOL', 'a frame of the event stream is broken', { cause })
}
