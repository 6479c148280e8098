import { CODECS, upstreamCodec } from '../dialects/codecs/index.ts'
import { answerHeaders } from '../dialects/foreign-headers.ts'
import { kindOfStatus, type HubError } from '../dialects/hub/answer.ts'
import { eventsOf } from '../dialects/hub/answer-events.ts'
import { CUT } from '../dialects/hub/stream.ts'
import type { Report } from '../dialects/hub/report.ts'
import { type Framing, StreamConverter } from '../dialects/hub/stream-converter.ts'
import { refusedField } from '../dialects/hub/refused-field.ts'
import { UPSTREAM_SIDES } from '../dialects/providers.ts'
import { retryHeaders, retryHint } from '../dialects/retry-hint.ts'
import { GatewayError } from '../errors.ts'
import type { ByteSink, ByteSource } from '../kit/byte-source.ts'
import { headerList } from '../kit/header-list.ts'
import { isObject, type Json, jsonOf } from '../kit/json.ts'
import { FrameTooLargeError } from '../kit/held-bytes.ts'
import type { UpstreamAnswer } from '../upstream/upstream.ts'
import { type LiveUpstream, showUpstream } from './ask.ts'
import type { ConvertedRequest } from './converted-request.ts'
import type { LiveExchange } from './exchange.ts'

/**
 * Puts an upstream's answer on the exchange in the client's dialect, and tells the exchange its usage. Throws
 * UPSTREAM_PROTOCOL for an answer that the upstream's dialect does not have.
 */
export function applyConverted(
  exchange: LiveExchange,
  converted: ConvertedRequest,
  answer: UpstreamAnswer,
): void {
  const { res } = exchange
  const { status, body } = answer
  exchange.upstreamBytes = undefined
  exchange.upstreamUsage = () => undefined
  exchange.follower = undefined
  for (const [name, value] of Object.entries(answerHeaders(answer.headers))) res.set(name, value)
  if (!Buffer.isBuffer(body)) return applySource(exchange, converted, answer, body)
  const json = jsonOf(body)
  if (status >= 400) return applyError(exchange, converted, answer, json)
  if (status < 200 || status > 299) throw foreign(converted, `an answer of status ${status}`)
  applyWhole(exchange, converted, answer, json)
}

/** The field for which the upstream has refused the whole request, where an answer without it is still an answer. */
export function refusalOf(
  { to, body, ownFields }: ConvertedRequest,
  answer: UpstreamAnswer,
): string | undefined {
  if (answer.status < 400 || answer.status > 422 || !Buffer.isBuffer(answer.body)) return undefined
  const error = upstreamCodec(to).decodeError(answer.status, jsonOf(answer.body))
  const field = refusedField(error, to, body)
  return field === undefined || ownFields.has(field.split('.')[0]!) ? undefined : field
}

function applySource(
  exchange: LiveExchange,
  converted: ConvertedRequest,
  answer: UpstreamAnswer,
  source: ByteSource,
): void {
  const { wants } = converted
  if (answer.status >= 200 && answer.status <= 299 && typeof wants === 'object') {
    return applyStream(exchange, converted, wants, source)
  }
  const error = foreign(
    converted,
    `an event stream of status ${answer.status} that nobody asked for`,
  )
  source.abort(error)
  if (answer.status < 400) throw error
  applyError(exchange, converted, answer, undefined)
}

function applyStream(
  exchange: LiveExchange,
  converted: ConvertedRequest,
  framing: Framing,
  source: ByteSource,
): void {
  const { res } = exchange
  const converter = converterOf(converted, framing)
  const stream = new ConvertedSource(source, converter)
  exchange.upstreamUsage = () => converter.usage
  exchange.follower = {
    usage: () => converter.usage,
    deliveredBytes: () => converter.deliveredBytes,
    isComplete: () => converter.isComplete || hasFailed(converter),
  }
  exchange.cutText = (error) => converter.fail(stream.failureOf(error))
  res.status = 200
  res.set('content-type', framing.contentType)
  if (!res.raw.hasHeader('cache-control')) res.set('cache-control', 'no-cache')
  res.stream = stream
}

/** True where the upstream itself has told of a failure; a stream that just ends has told nothing. */
function hasFailed({ failure }: StreamConverter): boolean {
  return failure !== undefined && failure !== CUT
}

function converterOf({ from, to, crossing }: ConvertedRequest, framing: Framing): StreamConverter {
  const decoder = upstreamCodec(to).streamDecoder(crossing)
  const encoder = CODECS[from].streamEncoder(crossing)
  return new StreamConverter(UPSTREAM_SIDES[to].framing, decoder, encoder, framing)
}

function applyWhole(
  exchange: LiveExchange,
  converted: ConvertedRequest,
  answer: UpstreamAnswer,
  json: Json | undefined,
): void {
  const { from, to, crossing, wants } = converted
  const decoded = json === undefined ? undefined : upstreamCodec(to).decodeAnswer(json, crossing)
  if (decoded === undefined) {
    // Some servers tell an error with the status of a success.
    if (isObject(json) && json['error'] !== undefined) {
      return applyError(exchange, converted, answer, json)
    }
    throw foreign(converted, 'a body that is no answer')
  }
  const { usage } = decoded
  exchange.upstreamUsage = () => usage
  const { res } = exchange
  res.status = 200
  if (typeof wants !== 'object') {
    const encoded = CODECS[from].encodeAnswer(decoded, crossing)
    res.set('content-type', 'application/json')
    res.body = wants === 'list' ? [encoded] : encoded
    return
  }
  crossing.report.note('emulated', 'stream', 'the upstream answered whole')
  const encoder = CODECS[from].streamEncoder(crossing)
  const told = [...eventsOf(decoded)].flatMap((event) => [...encoder.push(event)])
  res.set('content-type', wants.contentType)
  res.bytes = Buffer.from(told.map((event) => wants.frame(event)).join('') + wants.end())
}

/** Tells an upstream's error in the client's dialect, with how long to wait. */
export function applyError(
  exchange: LiveExchange,
  { from, to }: Pick<ConvertedRequest, 'from' | 'to'>,
  { status, headers }: UpstreamAnswer,
  json: Json | undefined,
): void {
  const { res, id } = exchange
  const told = upstreamCodec(to).decodeError(status, json)
  const retryAfterMs = retryHint(headers, exchange.now) ?? told.retryAfterMs
  const error: HubError = retryAfterMs === undefined ? told : { ...told, retryAfterMs }
  const encoded = CODECS[from].encodeError(error, id)
  res.status = encoded.status
  res.set('content-type', 'application/json')
  for (const [name, value] of Object.entries(retryHeaders(retryAfterMs))) res.set(name, value)
  res.body = encoded.body
}

function foreign({ to }: ConvertedRequest, what: string): GatewayError {
  return new GatewayError('UPSTREAM_PROTOCOL', `the upstream gave ${what} in ${to}`)
}

/** An upstream's stream in the client's dialect. */
class ConvertedSource implements ByteSource {
  readonly #source: ByteSource
  readonly #converter: StreamConverter
  #sink: ByteSink | undefined
  #isOver = false
  /** The error that this source itself has told, which stands for the converter's failure. */
  #told: Error | undefined

  constructor(source: ByteSource, converter: StreamConverter) {
    this.#source = source
    this.#converter = converter
  }

  pipe(sink: ByteSink): void {
    this.#sink = sink
    this.#source.pipe({
      data: (chunk) => this.#take(chunk),
      end: () => this.#end(),
      error: (cause) => this.#cut(cause),
    })
  }

  resume(): void {
    this.#source.resume()
  }

  abort(reason: Error): void {
    this.#source.abort(reason)
  }

  /** What the client is told of an error that ends this stream. */
  failureOf(error: GatewayError): HubError {
    const { failure } = this.#converter
    if (error === this.#told && failure !== undefined) return failure
    const { status, message, code, param } = error
    return {
      kind: kindOfStatus(status),
      status,
      message,
      code: code.toLowerCase(),
      ...(param === undefined ? {} : { param }),
    }
  }

  #take(chunk: Buffer): boolean {
    if (this.#isOver) return false
    try {
      const isReady = this.#send(this.#converter.push(chunk))
      if (this.#converter.failure !== undefined) return this.#fail()
      return isReady
    } catch (cause) {
      return this.#fail(cause as Error)
    }
  }

  #end(): void {
    if (this.#isOver) return
    try {
      this.#send(this.#converter.end())
    } catch (cause) {
      return void this.#fail(cause as Error)
    }
    if (this.#converter.failure !== undefined) return void this.#fail()
    this.#isOver = true
    this.#sink!.end()
  }

  /** A connection that breaks behind a complete answer has broken nothing. */
  #cut(cause: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#converter.isComplete) return this.#sink!.end()
    this.#converter.cut()
    this.#sink!.error(cause)
  }

  /** For what the upstream itself has told or, with a cause, for an event that could not be read. */
  #fail(cause?: Error): false {
    this.#isOver = true
    const { failure } = this.#converter
    const error = cause === undefined ? cutBy(failure!) : faultOf(cause)
    if (cause === undefined) this.#told = error
    this.#source.abort(error)
    this.#sink!.error(error)
    return false
  }

  #send(text: string): boolean {
    return text === '' || this.#sink!.data(Buffer.from(text))
  }
}

function cutBy(failure: HubError): GatewayError {
  return new GatewayError('UPSTREAM_CUT', failure.message, { cause: failure })
}

/** An event that is too large is the upstream's fault, all else a bug. */
function faultOf(cause: Error): Error {
  if (!(cause instanceof FrameTooLargeError)) return cause
  return new GatewayError('UPSTREAM_PROTOCOL', cause.message, { cause })
}

/** Tells client and steps what was done to the request, and which model was asked. */
export function showReport(
  exchange: LiveExchange,
  live: LiveUpstream,
  answer: Pick<UpstreamAnswer, 'endpoint' | 'key'>,
  { report, model }: { readonly report: Report; readonly model: string | undefined },
): void {
  const { res } = exchange
  const dropped = report.fields('dropped')
  const emulated = report.fields('emulated')
  showUpstream(exchange, live, answer, { dialect: report.target, dropped, emulated })
  if (model !== undefined) res.set('x-sluice-model', headerList([model]))
  if (dropped.length > 0) res.set('x-sluice-dropped-params', headerList(dropped))
  if (emulated.length > 0) res.set('x-sluice-emulated', headerList(emulated))
}
