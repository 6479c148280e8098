import type { WireDialect } from '../dialects/dialect.ts'
import type { Headers } from '../exchange.ts'
import type { JsonObject } from '../kit/json.ts'
import type { UpstreamAnswer } from '../upstream/upstream.ts'
import { ask, deadlineOf, type DeliverOptions, type LiveUpstream, triedOf } from './ask.ts'
import type { LiveExchange } from './exchange.ts'

/** A request of the gateway's own making, in the upstream's dialect. */
export interface OwnRequest {
  readonly dialect: WireDialect
  readonly method?: 'GET' | 'POST'
  readonly model: string | undefined
  readonly path: string
  readonly query?: string
  readonly headers: Headers
  /** Absent where it has none. */
  readonly body?: JsonObject
}

/** One attempt with another request than the client's. What is no stream of events is gathered whole. */
export function askAs(
  exchange: LiveExchange,
  live: LiveUpstream,
  options: DeliverOptions,
  { dialect, method = 'POST', model, path, query = '', headers, body }: OwnRequest,
): Promise<UpstreamAnswer> {
  const { req } = exchange
  const { route, answerBytes } = options
  exchange.attempts++
  return ask(exchange, live, {
    id: exchange.id,
    method,
    dialect,
    model,
    path,
    query,
    headers,
    body: body === undefined ? undefined : Buffer.from(JSON.stringify(body)),
    client: { ip: req.ip, host: req.authority, protocol: req.scheme },
    deadline: deadlineOf(exchange, live, route),
    bufferUpTo: answerBytes,
    mustBuffer: true,
    endpoint: undefined,
    key: undefined,
    tried: triedOf(exchange, live, options),
    firstByteMs: exchange.firstByteMs,
  })
}
