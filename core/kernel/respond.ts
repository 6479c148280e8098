import type { ServerResponse } from 'node:http'
import type { PublicError } from '../dialects/dialect.ts'
import { DIALECTS, endpointOf } from '../dialects/index.ts'
import { endsByEvent } from '../dialects/operations.ts'
import { GatewayError } from '../errors.ts'
import type { ByteSink, ByteSource } from '../kit/byte-source.ts'
import { isText, streamedTextOf } from '../kit/media-types.ts'
import { maskSecrets } from '../kit/secret.ts'
import type { Framing } from './chunks.ts'
import { EventPipe } from './events.ts'
import type { LiveExchange } from './exchange.ts'
import type { LiveStep } from './step.ts'
import { tapUsage } from './usage-tap.ts'
import { showWhole } from './whole.ts'

/** How an answer is written. */
export interface RespondOptions {
  /** Steps whose `chunk` and `flush` the answer passes, innermost first. */
  readonly hooks: readonly LiveStep[]
  /** True where a step will ask for the usage of a stream. */
  readonly readsUsage: boolean
  /** Bytes of the answer that may wait for a slow client before the upstream is made to wait. */
  readonly bufferedBytes: number
  /** Hears of an error that cut the answer after it had begun. */
  readonly onCut: (error: GatewayError) => void
  /** Hears of a hook that broke or refused before the answer has begun. */
  readonly onFailed: (cause: unknown) => void
}

/** Writes the answer that the chain has left on the exchange. */
export function respond(exchange: LiveExchange, options: RespondOptions): void {
  setRequestId(exchange)
  if (exchange.res.isStream) return writeStream(exchange, options)
  if (options.hooks.length === 0) return writeWhole(exchange)
  void writeShown(exchange, options)
}

/** Writes what the hooks have made of a plain answer. Never rejects. */
async function writeShown(exchange: LiveExchange, options: RespondOptions): Promise<void> {
  try {
    await showWhole(exchange, options.hooks)
    if (!isOver(exchange)) writeWhole(exchange)
  } catch (cause) {
    options.onFailed(cause)
  }
}

/** True where the client is gone, or has been answered already. */
export function isOver({ res: { raw } }: LiveExchange): boolean {
  return raw.destroyed || raw.writableEnded
}

function writeWhole(exchange: LiveExchange): void {
  const { res } = exchange
  const bytes = res.bytes ?? Buffer.alloc(0)
  exchange.firstByteAt = performance.now()
  if (exchange.req.method === 'HEAD' || !mayHaveBody(res.status)) return endWithoutBody(exchange)
  exchange.responseBytes = bytes.length
  res.set('content-length', String(bytes.length))
  res.raw.end(bytes)
}

/**
 * Turns any error into the answer of the client's dialect: a GatewayError as it says, all else as INTERNAL without
 * detail. What the upstream or a step had put on the answer is gone. After the answer has begun, the stream is
 * ended as a broken one.
 */
export function respondError(exchange: LiveExchange, error: GatewayError): void {
  const { res } = exchange
  if (res.raw.headersSent) return breakOff(exchange, error)
  exchange.firstByteAt = performance.now()
  const name = exchange.req.dialect
  const answer = DIALECTS[name].renderError(publicError(error, exchange.id))
  res.status = answer.status
  const body = Buffer.from(maskSecrets(answer.body))
  for (const field of res.raw.getHeaderNames()) res.remove(field)
  // A dialect's own fields come last: the content type is the body's.
  const fields = { ...error.headers, ...answer.headers }
  for (const [field, value] of Object.entries(fields)) res.set(field, value)
  res.bytes = body
  setRequestId(exchange)
  // What is left of the request would be read as the next one.
  if (!exchange.req.raw.complete) res.set('connection', 'close')
  exchange.responseBytes = body.length
  res.set('content-length', String(body.length))
  res.raw.end(exchange.req.method === 'HEAD' ? undefined : body)
}

/** What the client may know of an error. */
export function publicError(error: GatewayError, requestId: string): PublicError {
  const { status, code, title, message, param, headers } = error
  const seconds = Number(headers['retry-after'])
  const retryAfterMs = seconds > 0 ? seconds * 1_000 : undefined
  return { status, code, title, detail: message, param, retryAfterMs, requestId }
}

/** Takes any error for what it is to the client; the second is true where it is a bug, to be logged with its stack. */
export function toGatewayError(cause: unknown): [error: GatewayError, isBug: boolean] {
  if (cause instanceof GatewayError) return [cause, cause.code === 'PLUGIN_FAILED']
  return [new GatewayError('INTERNAL', 'the gateway failed to handle the request', { cause }), true]
}

function setRequestId({ id, req, res }: LiveExchange): void {
  res.set('x-request-id', id)
  const { requestIdHeader } = DIALECTS[req.dialect]
  if (requestIdHeader !== 'x-request-id' && !res.raw.hasHeader(requestIdHeader)) {
    res.set(requestIdHeader, id)
  }
}

/** RFC 9110 §6.4.1. */
function mayHaveBody(status: number): boolean {
  return status >= 200 && status !== 204 && status !== 205 && status !== 304
}

function endWithoutBody({ res }: LiveExchange): void {
  // RFC 9110 §8.6: no content-length with 204; HEAD and 304 may state the one that GET would have; 205 is empty.
  if (res.status === 204) res.remove('content-length')
  if (res.status === 205) res.set('content-length', '0')
  res.raw.end()
}

function writeStream(exchange: LiveExchange, options: RespondOptions): void {
  const { hooks } = options
  const { res, req } = exchange
  const source = res.takeStream()
  if (req.method === 'HEAD' || !mayHaveBody(res.status)) {
    source.abort(new Error('this answer has no body'))
    return endWithoutBody(exchange)
  }
  const framing = framingOf(exchange, hooks)
  if (framing === 'whole') return gather(exchange, source, options)
  if (hooks.length > 0) res.remove('content-length')
  const out = new ClientSink(exchange, source, options)
  const sink =
    framing === 'bytes'
      ? tap(exchange, options, out)
      : pipe(exchange, framing, source, out, options)
  exchange.underWay = {
    abort(reason) {
      source.abort(reason)
      // The source may be through while a hook still thinks.
      sink.error(reason)
    },
  }
  exchange.firstByteAt = performance.now()
  res.raw.flushHeaders()
  source.pipe(sink)
  // Told to end while the steps were still at it.
  if (exchange.ended) source.abort(exchange.ended)
}

/**
 * How a stream is read: in events, lines or pieces of text; `whole` where hooks make sense only of all of it; or not
 * at all, because nobody looks or because it is no text.
 */
function framingOf(
  { req, res, upstreamUsage }: LiveExchange,
  hooks: readonly LiveStep[],
): Framing | 'whole' | 'bytes' {
  const type = res.header('content-type')
  const isEncoded = res.header('content-encoding') !== undefined
  // What was converted is whole events already; its usage and its end are known.
  const isConverted = upstreamUsage !== undefined
  if (res.isEventStream) {
    if (hooks.length > 0) return 'events'
    // Encoded though it was asked for plain, and nobody has to see it: there are no frames to be found in it.
    return req.dialect === 'http' || isEncoded || isConverted ? 'bytes' : 'events'
  }
  if (hooks.length === 0 || isEncoded || !isText(type)) return 'bytes'
  return streamedTextOf(type) ?? 'whole'
}

/** Other streams go as they come; of a JSON answer that did not say its length the tokens are counted. */
function tap(exchange: LiveExchange, { readsUsage }: RespondOptions, out: ByteSink): ByteSink {
  if (!readsUsage || exchange.req.dialect === 'http' || !exchange.res.isJson) return out
  if (exchange.upstreamUsage !== undefined) return out
  return tapUsage(exchange, out)
}

function pipe(
  exchange: LiveExchange,
  framing: Framing,
  source: ByteSource,
  to: ByteSink,
  { hooks, readsUsage }: RespondOptions,
): ByteSink {
  const isLlmStream = framing === 'events' && exchange.req.dialect !== 'http'
  const isRead = isLlmStream && exchange.upstreamUsage === undefined
  const reader = isRead ? exchange.dialect.usageReader() : undefined
  if (readsUsage && reader) exchange.follower = reader
  const mustComplete = isRead && mustEndByEvent(exchange)
  const edit = isRead ? exchange.editFrame : undefined
  return new EventPipe({ exchange, hooks, framing, reader, mustComplete, edit, source, to })
}

/** True for a stream whose dialect has an event for its end, so that one without it was cut. */
function mustEndByEvent({ req, res }: LiveExchange): boolean {
  return res.status < 300 && endsByEvent(endpointOf(req.method, req.apiPath, req.headers))
}

/** Collects a stream that a step has made of what is no stream by its type, such as JSON, for the hooks. */
function gather(exchange: LiveExchange, source: ByteSource, options: RespondOptions): void {
  const { res } = exchange
  let pieces: Buffer[] = []
  let size = 0
  exchange.underWay = source
  source.pipe({
    data(piece) {
      size += piece.length
      pieces.push(piece)
      if (size <= MAX_GATHERED) return true
      pieces = []
      source.abort(
        new GatewayError(
          'ANSWER_TOO_LARGE',
          `the answer is longer than the ${MAX_GATHERED} bytes that may be read as a whole`,
        ),
      )
      return false
    },
    end() {
      res.bytes = Buffer.concat(pieces, size)
      respond(exchange, options)
    },
    error: options.onFailed,
  })
  if (exchange.ended) source.abort(exchange.ended)
}

/** A stream of JSON or markup that a step has made is read up to this size. Bytes. */
const MAX_GATHERED = 16 * 1024 * 1024

/** The client's end of a stream: writes, and asks the source to wait while the client is slow. */
class ClientSink implements ByteSink {
  readonly #exchange: LiveExchange
  readonly #raw: ServerResponse
  readonly #source: ByteSource
  readonly #options: RespondOptions
  #isWaiting = false
  #isOver = false

  constructor(exchange: LiveExchange, source: ByteSource, options: RespondOptions) {
    this.#exchange = exchange
    this.#raw = exchange.res.raw
    this.#source = source
    this.#options = options
  }

  data(chunk: Buffer): boolean {
    if (this.#isOver) return false
    this.#exchange.responseBytes += chunk.length
    if (this.#raw.write(chunk) || this.#raw.writableLength < this.#options.bufferedBytes)
      return true
    if (!this.#isWaiting) {
      this.#isWaiting = true
      this.#raw.once('drain', () => {
        this.#isWaiting = false
        this.#source.resume()
      })
    }
    return false
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#raw.end()
  }

  error(cause: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    const [error] = toGatewayError(cause)
    this.#options.onCut(error)
    breakOff(this.#exchange, error)
  }
}

/**
 * Ends an answer that has begun so that nobody takes it for a whole one: by the dialect's error event where events
 * are sent, else by cutting the connection.
 */
function breakOff(exchange: LiveExchange, error: GatewayError): void {
  const { raw, isEventStream } = exchange.res
  if (raw.destroyed || raw.writableEnded) return
  if (isEventStream && exchange.req.dialect !== 'http') {
    raw.end(
      exchange.cutText?.(error) ??
        DIALECTS[exchange.req.dialect].renderStreamError(publicError(error, exchange.id)),
    )
  } else {
    raw.destroy()
  }
}
