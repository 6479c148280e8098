import type { AnswerHeaders, NewChunk } from '../exchange.ts'
import { GatewayError } from '../errors.ts'
import type { ByteSource } from '../kit/byte-source.ts'
import type { Json } from '../kit/json.ts'
import { formatEvent } from '../kit/sse.ts'
import type { LiveExchange } from '../kernel/exchange.ts'

/** What the upstream is to answer: a body, the chunks of an event stream, or a failure. */
export interface TestAnswer {
  readonly status?: number
  readonly headers?: Readonly<AnswerHeaders>
  /** Sent as JSON; a string is sent as it is. */
  readonly body?: Json
  /** Sent as an event stream; a string is the data of one event. */
  readonly chunks?: readonly (string | NewChunk)[]
  /** The stream breaks off after its chunks. */
  readonly isCut?: boolean
  /** The attempt fails. */
  readonly error?: GatewayError
}

/** What the upstream got of one attempt. */
export interface SeenRequest {
  readonly upstream: string
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  /** Parsed, where it is JSON. */
  readonly body: Json | undefined
  /** False where the body is the client's, byte for byte. */
  readonly isReplaced: boolean
}

/** Answers an attempt, counted from 1. */
export type Upstream = TestAnswer | ((seen: SeenRequest, attempt: number) => TestAnswer)

/** What the upstream sees of an exchange as it stands. */
export function seenOf({ req, chosen }: LiveExchange): SeenRequest {
  const { method, path, query, headers } = req
  const body = req.isReplaced ? req.body : parsedOr(req.bytes?.toString())
  const upstream = chosen ?? 'upstream'
  const { isReplaced } = req
  return { upstream, method, path, query: { ...query }, headers: { ...headers }, body, isReplaced }
}

/** Puts an answer on the exchange, as an attempt does. */
export function answerWith(exchange: LiveExchange, answer: TestAnswer): void {
  if (answer.error) throw answer.error
  const { res } = exchange
  const { status = 200, headers = {}, body, chunks, isCut = false } = answer
  const isText = typeof body === 'string'
  res.status = status
  if (chunks) res.set('content-type', 'text/event-stream')
  else if (body !== undefined) res.set('content-type', isText ? 'text/plain' : 'application/json')
  for (const [name, value] of Object.entries(headers)) res.set(name.toLowerCase(), value)
  if (chunks) res.stream = sourceOf(chunks.map(eventText), isCut)
  else res.bytes = Buffer.from(body === undefined ? '' : isText ? body : JSON.stringify(body))
}

/** JSON, or the text itself. */
export function parsedOr(text: string | undefined): Json | undefined {
  if (text === undefined || text === '') return undefined
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}

function eventText(chunk: string | NewChunk): string {
  if (typeof chunk === 'string') return formatEvent(undefined, chunk)
  return formatEvent(chunk.event, chunk.data ?? JSON.stringify(chunk.json ?? null))
}

function sourceOf(events: readonly string[], isCut: boolean): ByteSource {
  return {
    pipe(sink) {
      for (const event of events) sink.data(Buffer.from(event))
      if (isCut) sink.error(new GatewayError('UPSTREAM_CUT', 'the upstream broke off its answer'))
      else sink.end()
    },
    resume: () => undefined,
    abort: () => undefined,
  }
}
