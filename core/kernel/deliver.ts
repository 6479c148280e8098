import type { RouteConfig, UpstreamConfig } from '../config/model.ts'
import { GatewayError } from '../errors.ts'
import type { Headers } from '../exchange.ts'
import { isObject } from '../kit/json.ts'
import type { Tried, Upstream, UpstreamAnswer, UpstreamRequest } from '../upstream/upstream.ts'
import { limitBody, readBody } from './body.ts'
import type { LiveExchange, LiveRequest } from './exchange.ts'

/** Bodies up to this size are gathered: one buffer costs less than a stream. Bytes. */
const GATHER = 64 * 1024

/** Bodies that are announced to be larger are not kept for another attempt. */
const REPLAY = 1024 * 1024

/** An upstream of a generation, with its config. */
export interface LiveUpstream {
  readonly config: UpstreamConfig
  readonly upstream: Upstream
}

/** What a route's attempts need to know. */
export interface DeliverOptions {
  readonly route: RouteConfig
  readonly upstreams: ReadonlyMap<string, LiveUpstream>
  /** True where a step or an expression reads the answer's body. */
  readonly readsAnswer: boolean
  /** Bytes of an answer that may be read as a whole. */
  readonly answerBytes: number
  /** True where a step may ask for the token usage. */
  readonly readsUsage: boolean
  /** True where a step may ask for a second attempt, so that the request body must be kept. */
  readonly replays: boolean
}

/** Makes one attempt per call: chooses the upstream, sends, and puts the answer's head on the exchange. */
export function createDeliver(options: DeliverOptions): (exchange: LiveExchange) => Promise<void> {
  const { route } = options
  return async (exchange) => {
    if (route.upstream === undefined && exchange.chosen === undefined) return
    assertWanted(exchange)
    const live = chooseUpstream(exchange, options)
    const body = await requestBody(exchange, route.bodyBytes, options.replays)
    assertWanted(exchange)
    exchange.attempts++
    const { req } = exchange
    const alias = exchange.chosenModel ?? aliasOf(exchange, live.config)
    const sent = alias === undefined && !req.isReplaced ? body : writtenBody(req, alias)
    // Tokens cannot be counted in what is compressed.
    if (options.readsUsage && req.dialect !== 'http' && 'accept-encoding' in req.headers) {
      req.headers['accept-encoding'] = 'identity'
    }
    const totalMs = route.timeoutMs ?? live.config.timeouts.totalMs
    const request: UpstreamRequest = {
      id: exchange.id,
      method: req.method,
      dialect: req.dialect,
      model: alias ?? req.model,
      path: upstreamPath(aliasedPath(req, alias), route.stripPrefix),
      query: req.search,
      headers: sent === body ? req.headers : plainHeaders(req),
      body: sent,
      client: { ip: req.ip, host: req.authority, protocol: req.scheme },
      deadline: exchange.now + Math.max(totalMs, 0),
      bufferUpTo: options.readsAnswer ? options.answerBytes : GATHER,
      mustBuffer: options.readsAnswer,
      readsPieces: options.readsAnswer,
      endpoint: undefined,
      key: undefined,
      tried: options.replays ? triedOf(exchange, live) : undefined,
      firstByteMs: exchange.firstByteMs,
    }
    if (req.protocol === 'websocket') return connect(exchange, live, request)
    const attempt = live.upstream.send(request)
    exchange.cancel = (reason) => attempt.abort(reason)
    let answer: UpstreamAnswer
    try {
      answer = await attempt.answer
      assertWanted(exchange)
    } catch (cause) {
      attempt.abort(cause as Error)
      showFailure(exchange, live)
      throw cause
    }
    showUpstream(exchange, live, answer)
    applyAnswer(exchange, answer)
  }
}

/** What the exchange has tried of an upstream; on routes where a step may ask for another attempt. */
function triedOf(exchange: LiveExchange, { config }: LiveUpstream): Tried {
  exchange.tried ??= new Map()
  let tried = exchange.tried.get(config.name)
  if (tried === undefined) {
    tried = { endpoints: new Set(), keys: new Set() }
    exchange.tried.set(config.name, tried)
  }
  return tried
}

/** Throws where nobody waits for the answer any more. */
function assertWanted({ ended, givenUp }: LiveExchange): void {
  const reason = ended ?? givenUp
  if (reason) throw reason
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
  exchange.cancel = (reason) => handshake.abort(reason)
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
    throw new GatewayError('UPSTREAM_UNDEFINED', 'no upstream serves this request', {
      cause: `the routing rule of ${route.id} came to ${JSON.stringify(name)}`,
    })
  }
  const { dialect } = exchange.req
  if (!live.upstream.dialects.includes(dialect)) {
    throw new GatewayError(
      'DIALECT_UNSUPPORTED',
      `the upstream ${live.config.name} does not speak ${dialect}`,
    )
  }
  return live
}

/** The client's body: gathered where it is small, read already or may be sent again, else a stream. */
async function requestBody(exchange: LiveExchange, limit: number, replays: boolean) {
  const { req } = exchange
  if (req.bytes !== undefined || !req.hasBody) return req.bytes
  const length = Number(req.headers['content-length'] ?? Infinity)
  const isKept = replays && (length <= REPLAY || length === Infinity)
  if (isKept || length <= GATHER) {
    const bytes = await readBody(req.raw, limit)
    exchange.requestBytes = bytes.length
    req.bytes = bytes
    return bytes
  }
  exchange.upload ??= limitBody(req.raw, limit)
  return exchange.upload
}

/** The body as the steps have left it, with the upstream's own name for the model. */
function writtenBody(
  { body, bytes, isReplaced }: LiveRequest,
  alias: string | undefined,
): Buffer | undefined {
  const isNamed = alias !== undefined && isObject(body) && body['model'] !== undefined
  if (!isReplaced && !isNamed) return bytes
  if (body === undefined) return undefined
  if (typeof body === 'string') return Buffer.from(body)
  return Buffer.from(JSON.stringify(isNamed ? { ...body, model: alias } : body))
}

/** The request's fields without those that described the bytes that the client sent. */
function plainHeaders({ headers, body }: LiveRequest): Headers {
  const plain: Headers = Object.assign(Object.create(null) as Headers, headers)
  for (const name of REQUEST_BODY_FIELDS) delete plain[name]
  if (typeof body !== 'string') plain['content-type'] ??= 'application/json'
  return plain
}

const REQUEST_BODY_FIELDS = [
  'content-encoding',
  'content-length',
  'content-md5',
  'digest',
  'repr-digest',
  'content-digest',
]

function upstreamPath(path: string, prefix: string): string {
  if (prefix === '' || !path.startsWith(prefix)) return path
  const rest = path.slice(prefix.length)
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** The upstream's own name for the model that the client has named, where it has one. */
function aliasOf({ req }: LiveExchange, { models }: UpstreamConfig): string | undefined {
  if (models.length === 0) return undefined
  const { model } = req
  const name = models.find(({ pattern }) => pattern === model)?.as
  return name === model ? undefined : name
}

/** For the APIs that name the model in the path. The exchange keeps the client's: another attempt may go elsewhere. */
function aliasedPath({ path, model }: LiveRequest, alias: string | undefined): string {
  if (alias === undefined) return path
  return path.replace(`/models/${model}`, () => `/models/${alias}`)
}

/** After an attempt without an answer; the endpoint is known where there is only one. */
function showFailure(exchange: LiveExchange, { config, upstream }: LiveUpstream): void {
  const { endpoints } = upstream
  const endpoint = endpoints.length === 1 ? endpoints[0]! : ''
  exchange.upstream = { name: config.name, endpoint, attempt: exchange.attempts }
}

function showUpstream(
  exchange: LiveExchange,
  live: LiveUpstream,
  answer: Pick<UpstreamAnswer, 'endpoint' | 'key'>,
): void {
  exchange.upstream = {
    name: live.config.name,
    endpoint: live.upstream.endpoints[answer.endpoint] ?? '',
    attempt: exchange.attempts,
    ...(answer.key === undefined ? {} : { key: answer.key }),
  }
}

function applyAnswer(
  exchange: LiveExchange,
  answer: Pick<UpstreamAnswer, 'status' | 'headers' | 'body'>,
): void {
  const { res } = exchange
  res.status = answer.status
  for (const name in answer.headers) res.raw.setHeader(name, answer.headers[name]!)
  exchange.upstreamBytes = Buffer.isBuffer(answer.body) ? answer.body : undefined
  if (Buffer.isBuffer(answer.body)) res.bytes = answer.body
  else res.stream = answer.body
}
