import { hash } from 'node:crypto'
import {
  allowInsecureRequests,
  ClientSecretBasic,
  ClientSecretPost,
  customFetch,
  introspectionRequest,
  processIntrospectionResponse,
} from 'oauth4webapi'
import type { Host, JsonObject, Secret } from '#core/sdk.ts'
import { type ClaimsOptions, claimsReader } from './claims.ts'
import type { Identify } from './gate.ts'
import type { Rejection, Verdict } from './identity.ts'
import { isFor, isTime } from './jwt-claims.ts'
import { unavailable } from './refusal.ts'

/** The option `oauth2`. */
export interface IntrospectionOptions extends ClaimsOptions {
  readonly introspection: string
  readonly issuer?: string
  readonly clientId: string
  readonly clientSecret: Secret
  readonly authentication: 'basic' | 'post'
  readonly audience?: readonly string[]
  readonly scopes: readonly string[]
}

/** How long a token is believed to be good, and to be bad, without asking again. Milliseconds. */
const GOOD_MS = 60_000
const BAD_MS = 5_000

/** Tokens remembered to be bad, and tokens asked about at once. */
const MAX_BAD = 10_000
const MAX_PENDING = 256

const TIMEOUT_MS = 5_000
const MAX_BYTES = 65_536

const INVALID: Rejection = { reason: 'invalid' }
const EXPIRED: Rejection = { reason: 'expired' }

/**
 * Asks the authorization server about tokens (RFC 7662). Each token once at a time; while the server is away nobody
 * new is let in.
 */
export function identifyIntrospected(options: IntrospectionOptions, host: Host): Identify {
  const ask = introspector(options, host)
  const read = claimsReader(options)
  const pending = new Map<string, Promise<Verdict>>()
  /** Until when a token is known to be bad, by its digest; the oldest first. */
  const bad = new Map<string, number>()

  async function decide(token: string, digest: string): Promise<Verdict> {
    const claims = await ask(token)
    const now = host.now()
    const rejection = faultOf(claims, options, now)
    if (rejection !== undefined) {
      bad.set(digest, now + BAD_MS)
      if (bad.size > MAX_BAD) bad.delete(bad.keys().next().value!)
      return rejection
    }
    const { exp } = claims
    const end = isTime(exp) ? exp * 1_000 : Infinity
    return read(named(claims), 'oauth2', Math.min(end, now + GOOD_MS)) ?? INVALID
  }

  return ({ kind, value }, now) => {
    if (kind !== 'token') return undefined
    const digest = hash('sha256', value, 'base64')
    const until = bad.get(digest)
    if (until !== undefined && until > now) return INVALID
    if (until !== undefined) bad.delete(digest)
    const known = pending.get(digest)
    if (known !== undefined) return known
    if (pending.size >= MAX_PENDING) throw unavailable()
    const verdict = decide(value, digest).finally(() => pending.delete(digest))
    pending.set(digest, verdict)
    return verdict
  }
}

/** Makes the one request that there is. Throws AUTH_UNAVAILABLE for any answer that is none. */
function introspector(
  {
    introspection,
    issuer = introspection,
    clientId,
    clientSecret,
    authentication,
  }: IntrospectionOptions,
  host: Host,
): (token: string) => Promise<JsonObject> {
  const server = { issuer, introspection_endpoint: introspection }
  const client = { client_id: clientId }
  const present = authentication === 'basic' ? ClientSecretBasic : ClientSecretPost
  const authenticate = present(clientSecret.reveal())
  const options = {
    additionalParameters: { token_type_hint: 'access_token' },
    // The config was warned of http; what is written there is what is asked.
    [allowInsecureRequests]: true,
    [customFetch]: (
      url: string,
      init: { method: string; headers: Record<string, string>; body: URLSearchParams },
    ) => fetchWith(host, url, init),
  }
  return async (token) => {
    try {
      const response = await introspectionRequest(server, client, authenticate, token, options)
      return (await processIntrospectionResponse(server, client, response)) as unknown as JsonObject
    } catch (err) {
      host.log.warn('token not introspected', { endpoint: introspection, err })
      throw unavailable(err)
    }
  }
}

async function fetchWith(
  host: Host,
  url: string,
  {
    method,
    headers,
    body,
  }: { method: string; headers: Record<string, string>; body: URLSearchParams },
): Promise<Response> {
  const answer = await host.fetch(url, {
    method,
    headers,
    body: body.toString(),
    timeoutMs: TIMEOUT_MS,
    limitBytes: MAX_BYTES,
  })
  const fields = new Headers()
  for (const [name, value] of Object.entries(answer.headers)) {
    for (const one of [value].flat()) fields.append(name, one)
  }
  return new Response(answer.body, { status: answer.status, headers: fields })
}

function faultOf(
  claims: JsonObject,
  { issuer, audience, scopes }: IntrospectionOptions,
  now: number,
): Rejection | undefined {
  if (claims['active'] !== true) return INVALID
  const { exp, iss, aud, scope, cnf } = claims
  if (exp !== undefined && (!isTime(exp) || exp * 1_000 <= now)) return EXPIRED
  if (issuer !== undefined && iss !== undefined && iss !== issuer) return INVALID
  if (audience !== undefined && !isFor(aud, audience)) return INVALID
  // Bound to a key of the client's (RFC 8705, RFC 9449), which a bearer does not prove to have.
  if (cnf !== undefined) return INVALID
  const granted = typeof scope === 'string' ? scope.split(' ') : []
  return scopes.every((one) => granted.includes(one)) ? undefined : INVALID
}

/** RFC 7662 §2.2 names `sub` only for tokens of somebody; a client's own is named after the client, and cannot be taken for a user's. */
function named(claims: JsonObject): JsonObject {
  const { sub, client_id: client } = claims
  return sub === undefined && typeof client === 'string'
    ? { ...claims, sub: `client:${client}` }
    : claims
}
