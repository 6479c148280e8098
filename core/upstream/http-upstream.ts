import { spokenBy } from '../dialects/providers.ts'
import type { EndpointConfig, UpstreamConfig } from '../config/model.ts'
import { GatewayError } from '../errors.ts'
import { HttpAttempt } from './attempt.ts'
import { Authorized } from './auth/authorized.ts'
import type { Authorizer, Presented } from './auth/authorizer.ts'
import { createAuthorizer } from './auth/create-authorizer.ts'
import { createDial, type Dial, type Target } from './connect.ts'
import { Connections } from './connections.ts'
import { Deadlines } from './deadlines.ts'
import { createGuard, type Guard } from './guard.ts'
import { createRequestHead } from './request-head.ts'
import { inTurn } from './turns.ts'
import { type Handshake, type HandshakeAnswer, shakeHands } from './websocket.ts'
import type { Attempt, Upstream, UpstreamAnswer, UpstreamRequest } from './upstream.ts'

/** What an upstream needs from outside. */
export interface UpstreamContext {
  /** Milliseconds since 1970: the clock of `UpstreamRequest.deadline`. */
  readonly now: () => number
  readonly log?: { warn(message: string, fields?: object): void }
  /** For hosts that the operator did not write down; the default allows public addresses only. */
  readonly guard?: Guard
}

/** One timer for all attempts of all upstreams. */
const deadlines = new Deadlines()

/** A service behind HTTP/1.1, in clear or over TLS. Connects when it is first asked. */
export function createHttpUpstream(config: UpstreamConfig, context: UpstreamContext): Upstream {
  const { endpoints, keys, timeouts } = config
  const dialects = spokenBy(config.dialects)
  const live = endpoints.map((endpoint) => openEndpoint(endpoint, config, context))
  const revealed = keys.map((key) => key.reveal())
  const headOf = createRequestHead(config)
  const nextEndpoint = inTurn(endpoints.map(({ weight }) => weight))
  const nextKey = inTurn(keys.map(() => 1))
  const authorizer =
    config.auth &&
    createAuthorizer(config.auth, {
      now: context.now,
      warn: (message, cause) => context.log?.warn(message, { upstream: config.name, cause }),
    })
  let isClosed = false

  type Prepared = ReturnType<typeof prepare>

  /** What an attempt and a WebSocket handshake have in common. */
  function prepare(request: UpstreamRequest) {
    if (isClosed) throw new GatewayError('SHUTTING_DOWN', 'the upstream is being closed')
    const leftMs = request.deadline - context.now()
    if (leftMs <= 0) {
      const detail = 'the deadline had passed before the attempt began (total)'
      throw new GatewayError('UPSTREAM_TIMEOUT', detail)
    }
    const { tried } = request
    const endpoint = request.endpoint ?? nextEndpoint(tried?.endpoints)
    const chosen = live[endpoint]
    if (chosen === undefined) throw new RangeError(`${config.name} has no endpoint ${endpoint}`)
    const key = request.key ?? (keys.length === 0 ? undefined : nextKey(tried?.keys))
    const secret = key === undefined ? undefined : revealed[key]
    if (key !== undefined && secret === undefined) {
      throw new RangeError(`${config.name} has no key ${key}`)
    }
    const head = headOf(request, chosen.basePath, secret)
    tried?.endpoints.add(endpoint)
    if (key !== undefined) tried?.keys.add(key)
    return { chosen, endpoint, key, head, leftMs, isHttpDialect: request.dialect === 'http' }
  }

  function begin(request: UpstreamRequest, prepared: Prepared): HttpAttempt {
    const { chosen, endpoint, key, head, leftMs, isHttpDialect } = prepared
    return new HttpAttempt({
      request,
      head,
      connections: chosen.connections,
      deadlines,
      timeouts: patience(timeouts, request.firstByteMs),
      totalMs: Math.min(timeouts.totalMs, leftMs),
      endpoint,
      key,
      isHttpDialect,
    })
  }

  function shake(prepared: Prepared): Handshake {
    const { chosen, endpoint, key, head, leftMs, isHttpDialect } = prepared
    const { dial, target } = chosen
    const timeoutMs = Math.min(timeouts.connectMs + timeouts.firstByteMs, leftMs)
    return shakeHands({ dial, target, head, isHttpDialect, timeoutMs, endpoint, key })
  }

  /** What a try needs to know that gets its credential first. */
  function authorizedBy(authorizer: Authorizer, request: UpstreamRequest, prepared: Prepared) {
    const { method, body, deadline } = request
    const leftMs = () => Math.max(0, Math.min(prepared.leftMs, deadline - context.now()))
    const url = prepared.chosen.origin + prepared.head.path
    return { authorizer, request: { method, url, body }, leftMs }
  }

  /** The same with the credential's header fields, and the time that is left. */
  function presenting(prepared: Prepared, presented: Presented, leftMs: number): Prepared {
    const { path, headers } = prepared.head
    return { ...prepared, leftMs, head: { path, headers: [...headers, ...presented] } }
  }

  function send(request: UpstreamRequest): Attempt {
    try {
      const prepared = prepare(request)
      if (authorizer === undefined) return begin(request, prepared)
      const plan = authorizedBy(authorizer, request, prepared)
      return new Authorized<UpstreamAnswer>({
        ...plan,
        open: (presented, body) =>
          begin({ ...request, body }, presenting(prepared, presented, plan.leftMs())),
        discard({ body }, reason) {
          if (!Buffer.isBuffer(body)) body.abort(reason)
        },
      })
    } catch (error) {
      return { answer: Promise.reject(error), abort: () => {} }
    }
  }

  function connect(request: UpstreamRequest): Handshake {
    try {
      const prepared = prepare(request)
      if (authorizer === undefined) return shake(prepared)
      const plan = authorizedBy(authorizer, request, prepared)
      return new Authorized<HandshakeAnswer>({
        ...plan,
        open: (presented) => shake(presenting(prepared, presented, plan.leftMs())),
        discard: () => {},
      })
    } catch (error) {
      return { answer: Promise.reject(error), abort: () => {} }
    }
  }

  return {
    name: config.name,
    dialects,
    endpoints: endpoints.map(({ url }) => url),
    send,
    connect,
    async close() {
      isClosed = true
      await Promise.all(live.map(({ connections }) => connections.close()))
    },
  }
}

function patience(timeouts: UpstreamConfig['timeouts'], firstByteMs: number | undefined) {
  if (firstByteMs === undefined || firstByteMs >= timeouts.firstByteMs) return timeouts
  return { firstByteMs, idleMs: timeouts.idleMs }
}

interface LiveEndpoint {
  /** Scheme, host and port. */
  readonly origin: string
  readonly basePath: string
  readonly connections: Connections
  /** For WebSockets, each on a connection of its own. */
  readonly target: Target
  readonly dial: Dial
}

function openEndpoint(
  { url, isTrusted }: EndpointConfig,
  { name, maxConnections, timeouts, tls }: UpstreamConfig,
  { log, guard }: UpstreamContext,
): LiveEndpoint {
  // `ws:` and `wss:` name the same services as `http:` and `https:`.
  const base = new URL(url.replace(/^ws/, 'http'))
  const dial = createDial({
    timeoutMs: timeouts.connectMs,
    tls,
    guard: isTrusted ? undefined : (guard ?? createGuard()),
  })
  const connections = new Connections({
    origin: base.origin,
    dial,
    maxConnections,
    warn: (message, cause) => log?.warn(message, { upstream: name, cause }),
  })
  return {
    origin: base.origin,
    basePath: base.pathname,
    connections,
    target: {
      protocol: base.protocol,
      hostname: base.hostname.replace(/^\[|\]$/g, ''),
      port: base.port,
    },
    dial,
  }
}
