import type { RouteConfig, UpstreamConfig } from '../config/model.ts'
import { GatewayError } from '../errors.ts'
import { isObject } from '../kit/json.ts'
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '../upstream/upstream.ts'
import { limitBody, readBody } from './body.ts'
import type { LiveExchange } from './exchange.ts'

/** Bodies up to this size are gathered: one buffer costs less than a stream. Bytes. */
const GATHER = 64 * 1024

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
  /** True where a step may ask for a second attempt, so that the request body must be kept. */
  readonly replays: boolean
}

/** Makes one attempt per call: chooses the upstream, sends, and puts the answer's head on the exchange. */
export function createDeliver(options: DeliverOptions): (exchange: LiveExchange) => Promise<void> {
  const { route } = options
  return async (exchange) => {
    if (route.upstream === undefined && exchange.chosen === undefined) return
    if (exchange.ended) throw exchange.ended
    const live = chooseUpstream(exchange, options)
    const body = await requestBody(exchange, route.bodyBytes, options.replays)
    if (exchange.ended) throw exchange.ended
    applyAlias(exchange, live.config)
    exchange.attempts++
    const { req } = exchange
    const totalMs = route.timeoutMs ?? live.config.timeouts.totalMs
    const request: UpstreamRequest = {
      id: exchange.id,
      method: req.method,
      dialect: req.dialect,
      path: upstreamPath(req.path, route.stripPrefix),
      query: req.search,
      headers: req.headers,
      body: req.isReplaced ? replacedBody(exchange) : body,
      client: { ip: req.ip, host: req.authority, protocol: req.scheme },
      deadline: exchange.now + Math.max(totalMs, 0),
      bufferUpTo: options.readsAnswer ? options.answerBytes : GATHER,
      mustBuffer: options.readsAnswer,
      endpoint: undefined,
      key: undefined,
    }
    if (req.protocol === 'websocket') return connect(exchange, live, request)
    const attempt = live.upstream.send(request)
    exchange.cancel = (reason) => attempt.abort(reason)
    const answer = await attempt.answer
    if (exchange.ended) {
      attempt.abort(exchange.ended)
      throw exchange.ended
    }
    showUpstream(exchange, live, answer)
    applyAnswer(exchange, answer)
  }
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
  if (exchange.ended) {
    answer.session?.socket.destroy()
    throw exchange.ended
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
  if (replays || length <= GATHER) {
    const bytes = await readBody(req.raw, limit)
    exchange.requestBytes = bytes.length
    req.bytes = bytes
    return bytes
  }
  return limitBody(req.raw, limit)
}

function replacedBody({ req }: LiveExchange): Buffer | undefined {
  if (req.body === undefined) return undefined
  return Buffer.from(typeof req.body === 'string' ? req.body : JSON.stringify(req.body))
}

function upstreamPath(path: string, prefix: string): string {
  if (prefix === '' || !path.startsWith(prefix)) return path
  const rest = path.slice(prefix.length)
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** Puts the upstream's own name for a model in the place of its alias. */
function applyAlias(exchange: LiveExchange, { models }: UpstreamConfig): void {
  const { model } = exchange.req
  if (model === undefined) return
  const entry = models.find(({ pattern }) => pattern === model)
  if (entry?.as === undefined) return
  const { req } = exchange
  if (isObject(req.body)) req.body = { ...req.body, model: entry.as }
  else req.path = req.path.replace(`/models/${model}`, `/models/${entry.as}`)
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
  { res }: LiveExchange,
  answer: Pick<UpstreamAnswer, 'status' | 'headers' | 'body'>,
): void {
  res.status = answer.status
  for (const name in answer.headers) res.raw.setHeader(name, answer.headers[name]!)
  if (Buffer.isBuffer(answer.body)) res.bytes = answer.body
  else res.stream = answer.body
}
