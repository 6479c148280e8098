import type { UpstreamConfig } from '../config/model.ts'
import { CREDENTIAL_HEADERS, withoutKeyProtocol } from '../dialects/credentials.ts'
import { sidesOf, UPSTREAM_SIDES, type UpstreamSide } from '../dialects/providers.ts'
import { GatewayError } from '../errors.ts'
import { Secret } from '../kit/secret.ts'
import { connectionOptions, isHopByHop } from './hop-by-hop.ts'
import type { UpstreamRequest } from './upstream.ts'

/** What goes over the wire before the body; header fields as undici likes them best: name, value, name, value. */
export interface RequestHead {
  readonly path: string
  readonly headers: string[]
}

/** How the gateway names itself in `Via` (RFC 9110 §7.6.3). */
const VIA = '1.1 sluice'
/** A request that has come by so often goes in a circle. */
const MAX_PASSES = 8

/** What a WebSocket client offers to speak, and how a browser presents a key. */
const PROTOCOLS = 'sec-websocket-protocol'

/** Set by undici, by the gateway itself, or meant for the gateway; the protocols by `pushProtocols`. */
const NEVER_FORWARDED = [
  PROTOCOLS,
  'host',
  'content-length',
  'expect',
  'via',
  'forwarded',
  'x-real-ip',
  'proxy-authorization',
]

/** Makes the head of a request to one upstream. What doesn't change from request to request is prepared here. */
export function createRequestHead(
  config: Pick<UpstreamConfig, 'headers' | 'forwardCredentials' | 'dialects' | 'apiVersion'>,
): (request: UpstreamRequest, basePath: string, key: string | undefined) => RequestHead {
  const dropped = new Set(NEVER_FORWARDED)
  const { forwardCredentials } = config
  if (!forwardCredentials) for (const name of CREDENTIAL_HEADERS) dropped.add(name)
  const fixed: string[] = []
  const passesProtocols = !Object.keys(config.headers).some(
    (name) => name.toLowerCase() === PROTOCOLS,
  )
  for (const [name, value] of Object.entries(config.headers)) {
    dropped.add(name.toLowerCase())
    if (value !== null) fixed.push(name, value instanceof Secret ? value.reveal() : value)
  }
  const sides = sidesOf(config.dialects)
  const [own = UPSTREAM_SIDES.http] = sides.values()

  return (request, basePath, key) => {
    // A path outside of the known APIs is asked for in the upstream's own way: its key, its base.
    const side = sides.get(request.dialect) ?? own
    const headers = fixed.slice()
    const presented = key === undefined ? undefined : side.authorize(key, request.headers)
    if (presented !== undefined) {
      for (const name of Object.keys(presented)) headers.push(name, presented[name]!)
    }
    headers.push('via', viaOf(request.headers['via']))
    // Who their users are is none of the model providers' business.
    if (side === UPSTREAM_SIDES.http) pushForwarded(headers, request.client)
    pushClientHeaders(headers, request, dropped, presented)
    const offered = request.headers[PROTOCOLS]
    if (offered !== undefined && passesProtocols) {
      pushProtocols(headers, offered, forwardCredentials)
    }
    return { path: pathOf(request, side, basePath, config), headers }
  }
}

function pushClientHeaders(
  headers: string[],
  { headers: sent, body, mustBuffer }: UpstreamRequest,
  dropped: ReadonlySet<string>,
  presented: Readonly<Record<string, string>> | undefined,
): void {
  const named = connectionOptions(sent['connection'])
  for (const name of Object.keys(sent)) {
    if (dropped.has(name) || isHopByHop(name) || named?.has(name)) continue
    if (name.startsWith('x-sluice-') || name.startsWith('x-forwarded-')) continue
    if (presented !== undefined && name in presented) continue
    // What a step reads should come plain: undoing a compression costs more than it saved.
    if (mustBuffer && name === 'accept-encoding') continue
    const value = sent[name]!
    if (typeof value === 'string') headers.push(name, value)
    else for (const item of value) headers.push(name, item)
  }
  if (mustBuffer) headers.push('accept-encoding', 'identity')
  // undici counts a Buffer itself; of a stream only the client knows the length.
  const length = sent['content-length']
  if (typeof length === 'string' && body !== undefined && !Buffer.isBuffer(body)) {
    headers.push('content-length', length)
  }
}

/** RFC 6455 §4.1: what the client offers, save for a key that it could not present otherwise. */
function pushProtocols(
  headers: string[],
  offered: string | string[],
  forwardCredentials: boolean,
): void {
  const all = typeof offered === 'string' ? offered : offered.join(', ')
  const kept = forwardCredentials ? all : withoutKeyProtocol(all)
  if (kept !== '') headers.push(PROTOCOLS, kept)
}

function pushForwarded(headers: string[], { ip, protocol, host }: UpstreamRequest['client']): void {
  headers.push('x-forwarded-for', ip, 'x-forwarded-proto', protocol)
  if (host !== '') headers.push('x-forwarded-host', host)
}

function viaOf(received: string | string[] | undefined): string {
  if (received === undefined) return VIA
  const path = typeof received === 'string' ? received : received.join(', ')
  if (path.split(VIA).length > MAX_PASSES) {
    throw new GatewayError(
      'UPSTREAM_REFUSED',
      `the request has passed through a gateway ${MAX_PASSES} times: an upstream leads back here`,
    )
  }
  return `${path}, ${VIA}`
}

function pathOf(
  { path, query, model }: UpstreamRequest,
  { credentialQuery: names, target: targetOf }: UpstreamSide,
  basePath: string,
  { apiVersion, forwardCredentials }: Pick<UpstreamConfig, 'apiVersion' | 'forwardCredentials'>,
): string {
  const target = targetOf(basePath, { path, model, apiVersion })
  if (query === '') return target
  const kept = forwardCredentials || names.length === 0 ? query : withoutParameters(query, names)
  if (kept === '') return target
  return `${target}${target.includes('?') ? '&' : '?'}${kept}`
}

/** Takes parameters out and leaves every other byte as it came. */
function withoutParameters(query: string, names: readonly string[]): string {
  return query
    .split('&')
    .filter((parameter) => !names.includes(parameterName(parameter)))
    .join('&')
}

function parameterName(parameter: string): string {
  const name = parameter.split('=', 1)[0]!.replaceAll('+', ' ')
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
