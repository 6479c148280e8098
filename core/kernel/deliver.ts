import { GatewayError } from '../errors.ts'
import type { Headers } from '../exchange.ts'
import { withStreamUsage } from '../dialects/same-dialect.ts'
import { isObject, type Json, type JsonObject } from '../kit/json.ts'
import type { UpstreamAnswer, UpstreamRequest } from '../upstream/upstream.ts'
import {
  aliasOf,
  ask,
  assertWanted,
  deadlineOf,
  type DeliverOptions,
  type LiveUpstream,
  showUpstream,
  triedOf,
} from './ask.ts'
import { limitBody, readBody } from './body.ts'
import { conversionFor, conversions, deliverConverted } from './crossing.ts'
import type { LiveExchange, LiveRequest } from './exchange.ts'
import { withOwnOptions } from './own-options.ts'
import { isJson } from './request-body.ts'
import { makerOf, mayBeStored, respondersOf } from './affinity.ts'
import { deliverByResponses, hasBothApis } from './by-responses.ts'
import { mixDialects, withoutSeals } from './seals.ts'
import { applyTouch, touchOf } from './touch.ts'

/** Bodies up to this size are gathered: one buffer costs less than a stream. Bytes. */
const GATHER = 64 * 1024

/** Bodies that are announced to be larger are not kept for another attempt. */
const REPLAY = 1024 * 1024

/** Makes one attempt per call: chooses the upstream, sends, and puts the answer's head on the exchange. */
export function createDeliver(options: DeliverOptions): (exchange: LiveExchange) => Promise<void> {
  const { route } = options
  const mayHoldSeals = mixDialects(options.upstreams)
  const serving = servingOf(options)
  const responders = respondersOf(options)
  return async (exchange) => {
    if (route.upstream === undefined && exchange.chosen === undefined) return
    assertWanted(exchange)
    if (serving !== undefined && asksForModels(exchange)) {
      const { deliverModels } = await conversions()
      return deliverModels(exchange, serving, options)
    }
    // What a response goes on from says who is asked.
    if (responders.length > 1 && exchange.req.dialect === 'openai-responses') {
      await requestBody(exchange, options, true)
    }
    const live = makerOf(exchange, options, responders) ?? chooseUpstream(exchange, options)
    if (!live.upstream.dialects.includes(exchange.req.dialect)) {
      return deliverConverted(exchange, live, options)
    }
    const hasBoth = hasBothApis(exchange, live)
    const asked = requestBody(exchange, options, mayHoldSeals || hasBoth)
    const body = asked instanceof Promise ? await asked : asked
    assertWanted(exchange)
    if (hasBoth && (await deliverByResponses(exchange, live, options))) return
    exchange.attempts++
    const { req } = exchange
    const alias = aliasOf(exchange, live)
    const path = aliasedPath(req, alias)
    const isStored = mayBeStored(exchange, responders)
    const isTouched = alias !== undefined || options.needsUsage || isStored
    const touch = isTouched
      ? touchOf(exchange, path, { alias, isStored }, options, live)
      : undefined
    const ours = mayHoldSeals
      ? await ownBody(exchange, live, path, alias ?? req.model, options)
      : undefined
    const isWritten =
      alias !== undefined || req.isReplaced || touch?.asksUsage === true || ours !== undefined
    const sent = isWritten ? writtenBody(req, alias, touch?.asksUsage, ours) : body
    // Tokens cannot be counted in what is compressed.
    if (options.readsUsage && req.dialect !== 'http' && 'accept-encoding' in req.headers) {
      req.headers['accept-encoding'] = 'identity'
    }
    const mustBuffer = options.readsAnswer || touch?.shownModel !== undefined || isStored
    const request: UpstreamRequest = {
      id: exchange.id,
      method: req.method,
      dialect: req.dialect,
      model: alias ?? req.model,
      path,
      query: req.search,
      headers: sent === body ? req.headers : plainHeaders(req),
      body: sent,
      client: { ip: req.ip, host: req.authority, protocol: req.scheme },
      deadline: deadlineOf(exchange, live, route),
      bufferUpTo: mustBuffer ? options.answerBytes : GATHER,
      mustBuffer,
      readsPieces: options.readsAnswer,
      endpoint: undefined,
      key: undefined,
      tried: triedOf(exchange, live, options),
      firstByteMs: exchange.firstByteMs,
    }
    if (req.protocol === 'websocket') return connect(exchange, live, request)
    const answer = await ask(exchange, live, request)
    showUpstream(exchange, live, answer)
    applyAnswer(exchange, answer)
    if (touch !== undefined) applyTouch(exchange, touch)
  }
}

/** What takes the place of a body that other upstreams may have had a hand in; undefined where it may pass as it is. */
async function ownBody(
  exchange: LiveExchange,
  live: LiveUpstream,
  path: string,
  model: string | undefined,
  options: DeliverOptions,
): Promise<Json | undefined> {
  const unsealed = await withoutSeals(exchange, path, model, options)
  return withOwnOptions(exchange, live, unsealed, options)
}

/** The route's upstreams, where one of them says which models it serves: the gateway knows better than any of them. */
function servingOf({ route, upstreams }: DeliverOptions): readonly LiveUpstream[] | undefined {
  const all = route.upstreams.flatMap((name) => upstreams.get(name) ?? [])
  return all.some(({ config }) => config.models.length > 0) ? all : undefined
}

function asksForModels(exchange: LiveExchange): boolean {
  const { req } = exchange
  if (req.method !== 'GET' || exchange.chosen !== undefined) return false
  return conversionFor(exchange, req.apiPath) === 'models'
}

/** Opens a WebSocket to the upstream; the session waits on the exchange until the steps have agreed to it. */
async function connect(
  exchange: LiveExchange,
  live: LiveUpstream,
  request: UpstreamRequest,
): Promise<void> {
  const handshake = live.upstream.connect?.(request)
  if (handshake === undefined) {
    throw new GatewayError(
      'DIALECT_UNSUPPORTED',
      `the upstream ${live.config.name} does not speak WebSocket`,
    )
  }
  exchange.underWay = handshake
  const answer = await handshake.answer
  if (exchange.ended ?? exchange.givenUp) {
    answer.session?.socket.destroy()
    assertWanted(exchange)
  }
  showUpstream(exchange, live, answer)
  applyAnswer(exchange, answer)
  exchange.session = answer.session
}

function chooseUpstream(
  exchange: LiveExchange,
  { route, upstreams }: DeliverOptions,
): LiveUpstream {
  const name = exchange.chosen ?? route.upstream?.evaluate(exchange)
  const live = typeof name === 'string' ? upstreams.get(name) : undefined
  if (live === undefined) {
    const { model } = exchange.req
    // A rule that looks at the model and finds nobody: the client has named one that is not served here.
    if (name === null && model !== undefined && route.upstream?.reads.has('request.model')) {
      throw new GatewayError('MODEL_NOT_FOUND', `there is no model ${JSON.stringify(model)} here`)
    }
    throw new GatewayError('UPSTREAM_UNDEFINED', 'no upstream serves this request', {
      cause: `the routing rule of ${route.id} came to ${JSON.stringify(name)}`,
    })
  }
  return live
}

/** The client's body: gathered where it is small, read already or may be sent again, else a stream. */
function requestBody(
  exchange: LiveExchange,
  { route: { bodyBytes: limit }, replays }: DeliverOptions,
  isRead: boolean,
): UpstreamRequest['body'] | Promise<Buffer> {
  const { req } = exchange
  if (req.bytes !== undefined || !req.hasBody) return req.bytes
  const length = Number(req.headers['content-length'] ?? Infinity)
  // It may hold thoughts of another provider's model, or be for OpenAI's other API.
  const isSeen = isRead && req.dialect !== 'http' && isJson(req.headers['content-type'])
  const isKept = (replays && (length <= REPLAY || length === Infinity)) || isSeen
  if (isKept || length <= GATHER) return gather(exchange, limit)
  exchange.upload ??= limitBody(req.raw, limit)
  return exchange.upload
}

async function gather(exchange: LiveExchange, limit: number): Promise<Buffer> {
  const bytes = await readBody(exchange.req.raw, limit)
  exchange.requestBytes = bytes.length
  exchange.req.bytes = bytes
  return bytes
}

/** The body as the steps have left it, with the upstream's own name for the model. */
function writtenBody(
  req: LiveRequest,
  alias: string | undefined,
  asksUsage = false,
  unsealed?: Json,
): Buffer | undefined {
  const body = unsealed ?? req.body
  const isNamed = alias !== undefined && isObject(body) && body['model'] !== undefined
  const isWritten = req.isReplaced || isNamed || asksUsage || unsealed !== undefined
  if (!isWritten) return req.bytes
  if (body === undefined) return undefined
  if (typeof body === 'string') return Buffer.from(body)
  const named = isNamed ? { ...body, model: alias } : body
  return Buffer.from(JSON.stringify(asksUsage ? withStreamUsage(named as JsonObject) : named))
}

/** The request's fields without those that described the bytes that the client sent. */
function plainHeaders({ headers, body }: LiveRequest): Headers {
  const plain = Object.create(null) as Headers
  for (const name in headers) if (!REQUEST_BODY_FIELDS.has(name)) plain[name] = headers[name]!
  if (typeof body !== 'string') plain['content-type'] ??= 'application/json'
  return plain
}

const REQUEST_BODY_FIELDS = new Set([
  'content-encoding',
  'content-length',
  'content-md5',
  'digest',
  'repr-digest',
  'content-digest',
])

/** For the APIs that name the model in the path. The exchange keeps the client's: another attempt may go elsewhere. */
function aliasedPath({ apiPath, model }: LiveRequest, alias: string | undefined): string {
  if (alias === undefined) return apiPath
  return apiPath.replace(`/models/${model}`, () => `/models/${alias}`)
}

function applyAnswer(
  exchange: LiveExchange,
  answer: Pick<UpstreamAnswer, 'status' | 'headers' | 'body'>,
): void {
  const { res } = exchange
  res.status = answer.status
  for (const name in answer.headers) res.raw.setHeader(name, answer.headers[name]!)
  exchange.upstreamBytes = Buffer.isBuffer(answer.body) ? answer.body : undefined
  exchange.upstreamUsage = undefined
  exchange.follower = undefined
  exchange.cutText = undefined
  exchange.editFrame = undefined
  if (Buffer.isBuffer(answer.body)) res.bytes = answer.body
  else res.stream = answer.body
}
