import { capabilitiesOf } from '../dialects/capabilities.ts'
import { CODECS, upstreamCodec } from '../dialects/codecs/index.ts'
import { ListFraming } from '../dialects/codecs/gemini-stream-encoder.ts'
import type { LlmDialect } from '../dialects/dialect.ts'
import { headersFor, presentedKey } from '../dialects/foreign-headers.ts'
import type { Crossing, Destination } from '../dialects/hub/codec.ts'
import type { TargetName } from '../dialects/hub/conversation.ts'
import { newCrossing } from '../dialects/hub/crossing.ts'
import { mergeProviderOptions, splitProviderOptions } from '../dialects/hub/provider-options.ts'
import { clientsName, isLost, withoutField } from '../dialects/hub/refused-field.ts'
import type { Report } from '../dialects/hub/report.ts'
import type { HubRequest } from '../dialects/hub/request.ts'
import { EVENTS, type Framing } from '../dialects/hub/stream-converter.ts'
import { DIALECTS } from '../dialects/index.ts'
import { sidesOf } from '../dialects/providers.ts'
import type { UpstreamConfig } from '../config/model.ts'
import { GatewayError } from '../errors.ts'
import type { Headers } from '../exchange.ts'
import type { Json, JsonObject } from '../kit/json.ts'
import type { LiveExchange, LiveRequest } from './exchange.ts'

/** A request as it goes to an upstream that does not speak the client's dialect, and what its answer is read with. */
export interface ConvertedRequest {
  readonly from: LlmDialect
  readonly to: TargetName
  readonly crossing: Crossing
  readonly destination: Destination
  readonly headers: Headers
  readonly body: JsonObject
  /** Top-level fields that the client has put into the body in the upstream's own words. */
  readonly ownFields: ReadonlySet<string>
  /** How the client wants the answer: whole, as a stream of events, or as a list that grows. */
  readonly wants: 'whole' | 'list' | Framing
}

/** What a conversion needs to know beside the exchange. */
export interface ConvertOptions {
  readonly upstream: UpstreamConfig
  readonly to: TargetName
  /** The client's path as the upstream would see it. */
  readonly path: string
  /** The upstream's own name for the model, where it has one. */
  readonly alias: string | undefined
  /** True where fields that would be dropped are refused. */
  readonly isStrict: boolean
  /** True where a step reads the answer, so that it must not pass piece by piece unseen. */
  readonly readsAnswer: boolean
  /** In place of the client's body, where that only wraps a conversation. */
  readonly body?: Json
}

/**
 * Writes the client's request, as the steps have left it, in the upstream's dialect. The body must have been read.
 * Throws SCHEMA_INVALID for a body that is no request, and UNSUPPORTED_PARAMETER for what the upstream cannot be asked
 * for, each with the field.
 */
export function convertRequest(exchange: LiveExchange, options: ConvertOptions): ConvertedRequest {
  const { req, id, now } = exchange
  const { to, path, upstream, alias } = options
  const from = req.dialect as LlmDialect
  const dialect = DIALECTS[from]
  const split = splitProviderOptions(options.body ?? bodyOf(req), to, upstream.name)
  const isStream = dialect.isStreaming(path, req.search, split.body)
  const wants = wantsOf(req, isStream, options)
  const asked = dialect.modelOf(path, split.body)
  const decoded = decode(from, split.body, { path, asked, stream: isStream })
  const request: HubRequest = {
    ...decoded,
    model: alias ?? decoded.model,
    stream: isStream && wants !== 'list',
  }
  const crossing = newCrossing(request, to, {
    requestId: id,
    created: Math.floor(now / 1000),
    capabilities: capabilitiesOf(request.model, upstream.capabilities),
    ...(asked === undefined ? {} : { modelName: asked }),
  })
  const codec = upstreamCodec(to)
  const encoded = codec.encodeRequest(request, crossing)
  const merged = mergeProviderOptions(encoded, split.options, crossing.report)
  refuse(crossing.report, options)
  const destination = codec.destination(request, crossing)
  const accept = request.stream ? 'text/event-stream' : 'application/json'
  const headers = headersOf(req, options, { accept, ...destination.headers })
  const ownFields = new Set(split.options.flatMap(({ fields }) => Object.keys(fields ?? {})))
  return { from, to, crossing, destination, headers, body: merged, ownFields, wants }
}

function decode(
  from: LlmDialect,
  body: Json,
  envelope: { path: string; asked: string | undefined; stream: boolean },
): HubRequest {
  const { asked, stream } = envelope
  const request = CODECS[from].decodeRequest(body, {
    stream,
    ...(asked === undefined ? {} : { model: asked }),
  })
  if (request === undefined) {
    const param = CONVERSATION[from]
    throw new GatewayError('SCHEMA_INVALID', `the body has no ${param}`, { param })
  }
  if (request.model === '') {
    throw new GatewayError('SCHEMA_INVALID', 'the request names no model', { param: 'model' })
  }
  return request
}

/**
 * Leaves out of the body what the upstream has refused for this model, and reports it. Not what the client has said in
 * the upstream's own words.
 */
export function leaveOut(
  converted: ConvertedRequest,
  fields: ReadonlySet<string>,
): ConvertedRequest {
  if (fields.size === 0) return converted
  const { crossing, to, ownFields } = converted
  let { body } = converted
  for (const field of fields) {
    if (ownFields.has(field.split('.')[0]!)) continue
    const shorter = withoutField(body, field)
    if (shorter === body) continue
    body = shorter
    if (!isLost(field)) continue
    const reason = 'the upstream refuses it for this model'
    crossing.report.note('dropped', clientsName(field, to, crossing.request), reason)
  }
  return body === converted.body ? converted : { ...converted, body }
}

/** The field that makes a body a request. */
const CONVERSATION: Readonly<Record<LlmDialect, string>> = {
  'openai-chat': 'messages',
  'openai-responses': 'input',
  anthropic: 'messages',
  gemini: 'contents',
}

/** The body to be converted. Throws INVALID_JSON where it is none. */
export function bodyOf({ body }: LiveRequest): Json {
  if (body !== undefined) return body
  throw new GatewayError('INVALID_JSON', 'the body is no JSON, so it cannot be converted')
}

/** Gemini streams a JSON list where `alt=sse` is not asked for. Steps would not see its items, so they get it whole. */
function wantsOf(
  { dialect, query }: LiveRequest,
  isStream: boolean,
  { readsAnswer }: ConvertOptions,
): ConvertedRequest['wants'] {
  if (!isStream) return 'whole'
  if (dialect !== 'gemini' || query['alt'] === 'sse') return EVENTS
  return readsAnswer ? 'list' : new ListFraming()
}

/** Throws UNSUPPORTED_PARAMETER for what the upstream cannot be asked for. */
export function refuse(report: Report, { isStrict: strict, upstream, to }: ConvertOptions): void {
  const refusals = report.refusals(strict)
  const [first] = refusals
  if (first === undefined) return
  const told = refusals.slice(0, MAX_TOLD).map(({ field, reason }) => `${field}: ${reason}`)
  const more = refusals.length > MAX_TOLD ? `; and ${refusals.length - MAX_TOLD} more` : ''
  throw new GatewayError(
    'UNSUPPORTED_PARAMETER',
    `the upstream ${upstream.name} (${to}) cannot be asked for this. ${told.join('; ')}${more}`,
    { param: first.field },
  )
}

const MAX_TOLD = 5

/** The client's header fields as far as the upstream should see them, its own key included where the route lets it through. */
export function headersOf(
  req: LiveRequest,
  { upstream: { dialects, forwardCredentials, keys }, to }: Pick<ConvertOptions, 'upstream' | 'to'>,
  more: Readonly<Record<string, string>>,
): Headers {
  const headers: Headers = {
    ...headersFor(to, req.headers),
    'content-type': 'application/json',
    ...more,
  }
  if (!forwardCredentials || keys.length > 0) return headers
  const key = presentedKey(req.headers, req.search)
  if (key === undefined) return headers
  return { ...headers, ...sidesOf(dialects).get(to)?.authorize(key, headers) }
}
