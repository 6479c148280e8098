import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerConfig } from '../config/model.ts'
import { http } from '../dialects/http.ts'
import { GatewayError } from '../errors.ts'
import type { Headers } from '../exchange.ts'
import type { Json, JsonObject } from '../kit/json.ts'
import { parsePathPattern, type PathPattern } from '../kit/path-pattern.ts'
import { maskSecrets, type Secret } from '../kit/secret.ts'
import type { AdminAnswer, AdminRoute, Logger } from '../sdk.ts'
import { parseJson, readBody } from './body.ts'
import { type Arrival, createListener, type Listener, type ListenerConfig } from './listener.ts'
import { refuseUpgrade } from './listener-refusal.ts'
import { parseQuery } from './normalise.ts'

/** What the admin listener needs from outside. */
export interface AdminServices {
  readonly log: Logger
  /** The answer to `/readyz`: false before the first generation is up and while the gateway drains. */
  readonly isReady: () => boolean
  /** Hears of each operation that may have changed something, and of each that was refused. */
  readonly onAction: (action: AdminAction) => void
}

/** What somebody did on the admin listener. */
export interface AdminAction extends JsonObject {
  id: string
  method: string
  path: string
  ip: string
  status: number
}

/** The operators' listener. */
export interface Admin extends Pick<Listener, 'listen' | 'close'> {
  /** Puts these in the place of all routes: the kernel's and the plugins', with their whole paths. First match wins. */
  setRoutes(routes: readonly AdminRoute[]): void
}

interface LiveRoute {
  readonly route: AdminRoute
  readonly pattern: PathPattern
}

/** Why a request is not an operator's, if it is not. */
type Guard = (headers: Headers) => GatewayError | undefined

/** What an operator may send. Bytes. */
const MAX_BODY = 1024 ** 2
const MAX_CONNECTIONS = 256

/**
 * Makes the admin listener of a config whose `server.admin` is set: `/livez` and `/readyz` for anybody, all else for
 * those who hold the token. Without a token only a loopback address is allowed (RangeError), and only requests that a
 * web page of another origin cannot have sent.
 */
export function createAdmin(
  config: ServerConfig,
  routes: readonly AdminRoute[],
  services: AdminServices,
): Admin {
  if (config.admin === undefined) throw new RangeError('server.admin is off')
  const { host, token } = config.admin
  if (token === undefined && !isLoopback(host)) {
    throw new RangeError(
      `server.admin: a token is needed on ${JSON.stringify(host)}, or a loopback address`,
    )
  }
  const guard = token === undefined ? originGuard : bearerGuard(token)
  let live = routes.map(compile)
  const listener = createListener(
    listenerConfig(config, config.admin),
    {
      request: (req, res, arrival) =>
        void operate(req, arrival, live, guard, services)
          .then((result) => write(res, result))
          .catch((error: unknown) => services.log.error('admin answer failed', { error })),
      upgrade(_req, socket, _head, { id, ip }) {
        const error = new GatewayError('BAD_REQUEST', 'the admin listener speaks no WebSocket')
        refuseUpgrade(socket, { id, ip, error })
      },
    },
    { log: services.log },
  )
  return {
    listen: () => listener.listen(),
    close: (graceMs) => listener.close(graceMs),
    setRoutes(changed) {
      live = changed.map(compile)
    },
  }
}

async function operate(
  req: IncomingMessage,
  arrival: Arrival,
  routes: readonly LiveRoute[],
  guard: Guard,
  services: AdminServices,
): Promise<AdminAnswer> {
  let result: AdminAnswer
  try {
    result = await answer(req, arrival, routes, guard, services)
  } catch (cause) {
    result = toAnswer(cause, arrival, services.log)
  }
  const { id, method, path, ip } = arrival
  const status = result.status ?? (result.body === undefined ? 204 : 200)
  const isReading = method === 'GET' || method === 'HEAD'
  const isRefused = status === 401 || status === 403
  if (!isReading || isRefused) services.onAction({ id, method, path, ip, status })
  return result
}

function compile(route: AdminRoute): LiveRoute {
  return { route, pattern: parsePathPattern(route.path) }
}

function listenerConfig(
  config: ServerConfig,
  { host, port }: { host: string; port: number },
): ListenerConfig {
  const limits = { ...config.limits, connections: MAX_CONNECTIONS }
  // Nobody stands between operators and this listener, so nobody is believed.
  return { ...config, host, port, trustProxy: [], allowEncodedSlashes: true, limits }
}

async function answer(
  req: IncomingMessage,
  arrival: Arrival,
  routes: readonly LiveRoute[],
  guard: Guard,
  { isReady }: AdminServices,
): Promise<AdminAnswer> {
  const { path, headers } = arrival
  const method = arrival.method === 'HEAD' ? 'GET' : arrival.method
  if (path === '/livez') return { body: 'ok\n' }
  if (path === '/readyz')
    return isReady() ? { body: 'ready\n' } : { status: 503, body: 'not ready\n' }
  const refusal = guard(headers)
  if (refusal !== undefined) throw refusal
  const matches = routes.filter(({ pattern }) => pattern.match(path) !== undefined)
  const match = matches.find(({ route }) => route.method === method)
  if (match === undefined) throw notFound(path, matches)
  const body = arrival.hasBody ? await readOperatorBody(req, headers) : undefined
  const params = decodeParams(match.pattern.match(path)!)
  return match.route.handle({ params, query: parseQuery(arrival.search), body })
}

/** An operator addresses things by their names, so names come decoded. Paths are UTF-8 once they are normalised. */
function decodeParams(params: Readonly<Record<string, string>>): Record<string, string> {
  const decoded = Object.create(null) as Record<string, string>
  for (const name of Object.keys(params)) decoded[name] = decodeURIComponent(params[name]!)
  return decoded
}

/** JSON, or the text of a config as it is. A form, which any web page may send, is neither. */
async function readOperatorBody(req: IncomingMessage, headers: Headers): Promise<Json> {
  const type = (headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
  const isJson = type === 'application/json'
  if (!isJson && !/^(?:application|text)\/(?:x-)?yaml$/.test(type)) {
    throw new GatewayError(
      'UNSUPPORTED_ENCODING',
      `expected application/json or application/yaml in content-type, got ${JSON.stringify(type)}`,
    )
  }
  const bytes = await readBody(req, MAX_BODY)
  return isJson ? parseJson(bytes, 64) : bytes.toString()
}

function notFound(path: string, matches: readonly LiveRoute[]): GatewayError {
  if (matches.length === 0) {
    return new GatewayError('ROUTE_NOT_FOUND', `nothing is served at ${JSON.stringify(path)}`)
  }
  const allow = [...new Set(matches.map(({ route }) => route.method))].join(', ')
  return new GatewayError('METHOD_NOT_ALLOWED', `expected ${allow}`, { headers: { allow } })
}

/** Compares digests, which have one length, in constant time. */
function bearerGuard(token: Secret): Guard {
  const expected = digest(token.reveal())
  return ({ authorization }) => {
    const given = /^Bearer +([^ ]{1,4096}) *$/i.exec(authorization ?? '')?.[1]
    if (given !== undefined && timingSafeEqual(digest(given), expected)) return undefined
    return new GatewayError('UNAUTHENTICATED', 'expected authorization: Bearer TOKEN', {
      headers: { 'www-authenticate': 'Bearer' },
    })
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/**
 * Without a token, whoever reaches the port is an operator; a browser on the same machine reaches it for any page. A
 * foreign name in Host is a page that had its name point here (DNS rebinding), a foreign Origin one that just sends.
 */
function originGuard(headers: Headers): GatewayError | undefined {
  const { host = '', origin } = headers
  if (!isLoopback(host.replace(/:\d+$/, ''))) {
    return new GatewayError('DENIED', `without a token, host must be localhost, got "${host}"`)
  }
  const site = headers['sec-fetch-site']
  const isForeign = origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`
  if (isForeign || site === 'cross-site' || site === 'same-site') {
    return new GatewayError('DENIED', 'without a token, pages of other origins are not served')
  }
  return undefined
}

function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i.test(host)
}

function toAnswer(cause: unknown, { id }: Arrival, log: Logger): AdminAnswer {
  const isExpected = cause instanceof GatewayError
  if (!isExpected) log.error('admin route broke', { id, error: cause })
  const error = isExpected
    ? cause
    : new GatewayError('INTERNAL', 'the operation failed; the log says why', { cause })
  const { status, code, title, message, param } = error
  const shown = http.renderError({ status, code, title, detail: message, param, requestId: id })
  return { ...shown, headers: { ...error.headers, ...shown.headers } }
}

function write(res: ServerResponse, { status, headers, body }: AdminAnswer): void {
  const isText = typeof body === 'string'
  const plain = body === undefined ? '' : isText ? body : `${JSON.stringify(body, null, 2)}\n`
  const text = maskSecrets(plain)
  const fields: Record<string, string> = {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    ...headers,
  }
  if (body !== undefined) {
    fields['content-type'] ??= isText ? 'text/plain; charset=utf-8' : 'application/json'
    fields['content-length'] = String(Buffer.byteLength(text))
  }
  res.writeHead(status ?? (body === undefined ? 204 : 200), fields)
  res.end(res.req.method === 'HEAD' ? undefined : text)
}
