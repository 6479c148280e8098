import { compactVerify, type CryptoKey, errors } from 'jose'
import type { Host, Json, JsonObject, Secret } from '#core/sdk.ts'
import type { Algorithm } from './algorithms.ts'
import { type ClaimsOptions, type ClaimsReader, claimsReader } from './claims.ts'
import type { Credential } from './credentials.ts'
import type { Identify } from './gate.ts'
import type { Rejection, Verdict } from './identity.ts'
import { isFor, isTime } from './jwt-claims.ts'
import { type JwtText, readJwt } from './jwt-text.ts'
import { fixedKeys, type KeySet, type KeySource, RemoteKeys } from './key-set.ts'

/** One issuer in the config. */
export interface IssuerOptions extends ClaimsOptions {
  readonly issuer: string
  readonly jwks?: string
  readonly keys?: readonly Json[]
  readonly secret?: Secret
  readonly algorithms?: readonly Algorithm[]
  readonly audience: readonly string[] | false
  readonly type?: string
}

/** What is accepted where the config names no algorithms. */
const USUAL: readonly Algorithm[] = ['RS256', 'PS256', 'ES256', 'EdDSA']
const USUAL_HMAC: readonly Algorithm[] = ['HS256']

/** Clocks differ by so much. Seconds. */
const SKEW = 30

/** A token is verified again after so long, whatever its own end. Milliseconds. */
const TRUSTED_MS = 300_000

/** Header parameters that would have the token choose how it is verified (RFC 8725 §3.5, §3.10), or are for something else. */
const FORBIDDEN = ['crit', 'jku', 'jwk', 'x5u', 'x5c', 'b64', 'enc', 'zip', 'p2s', 'p2c', 'epk']

interface Issuer {
  readonly options: IssuerOptions
  readonly algorithms: readonly Algorithm[]
  /** The secret, or where the keys come from. */
  readonly keys: Uint8Array | KeySource
  readonly read: ClaimsReader
}

/** Verifies JWTs of the issuers in the config. Those of others are left to other methods. */
export function identifyJwt(
  issuers: readonly IssuerOptions[],
  host: Host,
  onChange: () => void,
): Identify {
  const known = new Map(
    issuers.map((options) => [options.issuer, issuerOf(options, host, onChange)]),
  )
  return ({ kind, value }: Credential, now) => {
    if (kind !== 'token') return undefined
    const jwt = readJwt(value)
    if (jwt === undefined) return undefined
    if (jwt === 'malformed') return MALFORMED
    const { iss } = jwt.claims
    const issuer = typeof iss === 'string' ? known.get(iss) : undefined
    if (issuer === undefined) return undefined
    // What costs nothing to find is found before a signature is computed.
    return faultOf(jwt, issuer, now) ?? verify(value, jwt, issuer, now)
  }
}

const MALFORMED: Rejection = { reason: 'malformed' }
const INVALID: Rejection = { reason: 'invalid' }
const EXPIRED: Rejection = { reason: 'expired' }

function issuerOf(options: IssuerOptions, host: Host, onChange: () => void): Issuer {
  const { issuer, jwks, keys, secret, algorithms } = options
  return {
    options,
    algorithms: algorithms ?? (secret === undefined ? USUAL : USUAL_HMAC),
    keys:
      secret !== undefined
        ? Buffer.from(secret.reveal())
        : keys !== undefined
          ? fixedKeys(keys)
          : new RemoteKeys({ jwks, issuer, host, onChange }),
    read: claimsReader(options),
  }
}

function faultOf({ header, claims }: JwtText, issuer: Issuer, now: number): Rejection | undefined {
  const { alg, kid, typ } = header
  if (!issuer.algorithms.some((one) => one === alg)) return INVALID
  if (FORBIDDEN.some((name) => Object.hasOwn(header, name))) return INVALID
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > 256)) return INVALID
  if (!isType(typ, issuer.options.type)) return INVALID
  // Bound to a key of the client's (RFC 8705, RFC 9449), which a bearer does not prove to have.
  if (claims['cnf'] !== undefined) return INVALID
  return (
    timeFault(claims, now / 1_000) ??
    (isFor(claims['aud'], issuer.options.audience) ? undefined : INVALID)
  )
}

/** RFC 8725 §3.11. An access token says `at+jwt` (RFC 9068), or `JWT`, or nothing; the config may ask for one of them. */
function isType(typ: unknown, wanted: string | undefined): boolean {
  if (typ !== undefined && typeof typ !== 'string') return false
  const type = typ?.toLowerCase().replace(/^application\//, '')
  if (wanted !== undefined) return type === wanted.toLowerCase()
  return type === undefined || type === 'jwt' || type === 'at+jwt'
}

function timeFault(claims: JwtText['claims'], now: number): Rejection | undefined {
  const { exp, nbf, iat } = claims
  if (!isTime(exp)) return INVALID
  if (exp + SKEW <= now) return EXPIRED
  for (const start of [nbf, iat]) {
    if (start === undefined) continue
    if (!isTime(start) || start - SKEW > now) return INVALID
  }
  return undefined
}

async function verify(token: string, jwt: JwtText, issuer: Issuer, now: number): Promise<Verdict> {
  if (!(await isSigned(token, issuer))) return INVALID
  const claims = jwt.claims as JsonObject
  const end = ((claims['exp'] as number) + SKEW) * 1_000
  return issuer.read(claims, 'jwt', Math.min(end, now + TRUSTED_MS)) ?? INVALID
}

async function isSigned(token: string, { keys, algorithms }: Issuer): Promise<boolean> {
  const options = { algorithms: [...algorithms] }
  if (keys instanceof Uint8Array) return (await outcomeOf(token, keys, options)) === 'good'
  const outcome = await outcomeOf(token, await keys.current(), options)
  if (outcome !== 'no key') return outcome === 'good'
  // The issuer may have a new one. A bad signature is no reason to ask: that would be an invitation.
  const renewed = await keys.renewed()
  return renewed !== undefined && (await outcomeOf(token, renewed, options)) === 'good'
}

async function outcomeOf(
  token: string,
  key: Uint8Array | CryptoKey | KeySet,
  options: { algorithms: Algorithm[] },
): Promise<'good' | 'bad' | 'no key'> {
  try {
    await compactVerify(token, key as KeySet, options)
    return 'good'
  } catch (cause) {
    if (cause instanceof errors.JWKSNoMatchingKey) return 'no key'
    if (cause instanceof errors.JWKSMultipleMatchingKeys) {
      for await (const one of cause) {
        if ((await outcomeOf(token, one, options)) === 'good') return 'good'
      }
      return 'bad'
    }
    if (cause instanceof errors.JOSEError) return 'bad'
    throw cause
  }
}
