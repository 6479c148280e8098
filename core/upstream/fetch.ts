import { GatewayError } from '../errors.ts'
import type { FetchAnswer } from '../sdk.ts'
import { HttpAttempt } from './attempt.ts'
import { createDial } from './connect.ts'
import { Connections } from './connections.ts'
import { Deadlines } from './deadlines.ts'
import { createGuard, type Guard } from './guard.ts'
import { isHopByHop } from './hop-by-hop.ts'
import type { UpstreamRequest } from './upstream.ts'

/** What a step may say of a request; see `host.fetch`. */
export interface FetchOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  /** Default 10 s, over all of it. */
  readonly timeoutMs?: number
  /** Default 1 MiB. */
  readonly limitBytes?: number
}

/** Whom to trust. */
export interface FetchTrust {
  /** True for hosts (lower case, no port) that stand in the operator's config: their addresses may be private. */
  readonly isTrusted: (host: string) => boolean
  /** Default: public addresses only. */
  readonly guard?: Guard
}

const CONNECT_MS = 5_000
const deadlines = new Deadlines()

/**
 * One request on a connection of its own, answered whole. Redirects are not followed, proxies from the environment
 * not used. Throws a GatewayError: UPSTREAM_REFUSED for what the guard refuses, ANSWER_TOO_LARGE, UPSTREAM_TIMEOUT,
 * UPSTREAM_UNREACHABLE, UPSTREAM_PROTOCOL, UPSTREAM_CUT.
 */
export async function guardedFetch(
  url: string,
  { method = 'GET', headers = {}, body, timeoutMs = 10_000, limitBytes = 1_048_576 }: FetchOptions,
  { isTrusted, guard = createGuard() }: FetchTrust,
): Promise<FetchAnswer> {
  const target = parseTarget(url)
  const connections = new Connections({
    origin: target.origin,
    dial: createDial({
      timeoutMs: Math.min(CONNECT_MS, timeoutMs),
      tls: undefined,
      guard: isTrusted(target.hostname) ? undefined : guard,
    }),
    maxConnections: 1,
    warn: () => {},
  })
  const attempt = new HttpAttempt({
    request: {
      ...NO_CLIENT,
      method: method.toUpperCase(),
      path: target.pathname,
      body: typeof body === 'string' ? Buffer.from(body) : body,
      bufferUpTo: limitBytes,
    },
    head: { path: target.pathname + target.search, headers: fields(headers) },
    connections,
    deadlines,
    timeouts: { firstByteMs: timeoutMs, idleMs: timeoutMs },
    totalMs: timeoutMs,
    endpoint: 0,
    key: undefined,
    isHttpDialect: true,
  })
  try {
    const { status, headers: received, body: bytes } = await attempt.answer
    if (Buffer.isBuffer(bytes)) return { status, headers: received, body: bytes }
    throw new GatewayError('UPSTREAM_PROTOCOL', 'the answer is an event stream, which has no end')
  } finally {
    attempt.abort(new Error('not read'))
    void connections.close()
  }
}

/** What an attempt knows of the request that it is made for; here there is none. */
const NO_CLIENT: UpstreamRequest = {
  id: '',
  method: 'GET',
  dialect: 'http',
  path: '/',
  query: '',
  headers: {},
  body: undefined,
  client: { ip: '', host: '', protocol: 'http' },
  deadline: 0,
  bufferUpTo: 0,
  mustBuffer: true,
  endpoint: undefined,
  key: undefined,
}

function parseTarget(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    const found = JSON.stringify(text.slice(0, 200))
    throw new GatewayError('UPSTREAM_REFUSED', `${found} is not an http or https URL`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new GatewayError('UPSTREAM_REFUSED', 'a URL with a user or password may not be called')
  }
  return url
}

function fields(headers: Readonly<Record<string, string>>): string[] {
  const list: string[] = []
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    if (lower === 'host' || lower === 'content-length' || isHopByHop(lower)) continue
    list.push(name, value)
  }
  return list
}
