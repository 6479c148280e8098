import { KEY_PROTOCOL } from '#core/dialects/credentials.ts'
import type { GatewayRequest } from '#core/sdk.ts'

/** What a client presents, wherever its API puts it. */
export interface Credential {
  /** `query` is a token that came in the query, where only API keys may. */
  readonly kind: 'token' | 'query' | 'basic'
  readonly value: string
}

/** Why what was presented cannot be anybody's. */
export type Misfit = 'ambiguous' | 'malformed'

/** The part of a request that credentials are found in. */
export type Presenting = Pick<GatewayRequest, 'headers' | 'query' | 'protocol'>

/** More than any token that is looked at; what is longer is not even hashed. */
const MAX_CHARACTERS = 8_192

/** Header fields that hold a bare key: Anthropic's, Azure's and Google's. */
const KEY_HEADERS = ['x-api-key', 'api-key', 'x-goog-api-key'] as const

/**
 * The credential of a request: `Authorization`, `x-api-key`, `api-key`, `x-goog-api-key`, the WebSocket protocol of
 * OpenAI's realtime API and, where it is accepted, `?key=`. Two that differ are refused (RFC 6750 §2): whoever looked
 * at the request before us may have looked at the other one.
 */
export function readCredential(
  request: Presenting,
  acceptsQuery: boolean,
): Credential | Misfit | undefined {
  const { headers } = request
  let found = fromAuthorization(headers['authorization'])
  if (found === 'malformed') return found
  for (const name of KEY_HEADERS) {
    const value = headers[name]
    if (value === undefined || value === '') continue
    if (found !== undefined && found.value !== value) return 'ambiguous'
    found ??= token(value)
  }
  if (request.protocol === 'websocket') {
    const value = fromProtocols(headers['sec-websocket-protocol'])
    if (value !== undefined && found !== undefined && found.value !== value) return 'ambiguous'
    if (value !== undefined) found ??= token(value)
  }
  const asked = acceptsQuery ? request.query['key'] : undefined
  if (asked !== undefined && asked !== '') {
    if (found !== undefined && found.value !== asked) return 'ambiguous'
    found ??= { kind: 'query', value: asked }
  }
  return found !== undefined && found.value.length > MAX_CHARACTERS ? 'malformed' : found
}

function fromAuthorization(value: string | undefined): Credential | 'malformed' | undefined {
  if (value === undefined || value === '') return undefined
  const space = value.indexOf(' ')
  // SDKs that were given no key send the scheme alone.
  if (space === -1) return /^(?:bearer|basic)$/i.test(value) ? undefined : 'malformed'
  const scheme = value.slice(0, space).toLowerCase()
  const rest = value.slice(space + 1).trim()
  if (scheme === 'bearer') return token(rest)
  return scheme === 'basic' ? { kind: 'basic', value: rest } : 'malformed'
}

function fromProtocols(protocols: string | undefined): string | undefined {
  const names = protocols?.split(',').map((name) => name.trim())
  return names?.find((name) => name.startsWith(KEY_PROTOCOL))?.slice(KEY_PROTOCOL.length)
}

function token(value: string): Credential {
  return { kind: 'token', value }
}
