import { createHmac, generateKeyPairSync, type KeyObject, sign as signBytes } from 'node:crypto'
import { exportJWK, type JWK } from 'jose'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { type TestedPlugin, testPlugin } from '#core/testing.ts'
import auth from '#plugins/auth/auth.ts'

export const ISSUER = 'https://login.test'
export const AUDIENCE = 'llm-gateway'
export const SECRET = 'a-shared-secret-of-forty-characters-here'

/** Key pairs of the tests: made once, for it takes a while. */
export const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 })
export const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' })
/** Somebody else's. */
export const STRANGER = generateKeyPairSync('rsa', { modulusLength: 2048 })

export async function jwkOf(key: KeyObject, kid: string, alg?: string): Promise<JWK> {
  return { ...(await exportJWK(key)), kid, use: 'sig', ...(alg !== undefined && { alg }) }
}

export function base64url(value: string | Buffer): string {
  return Buffer.from(value).toString('base64url')
}

type Sign = (input: string) => Buffer | string

export const byRsa =
  (key: KeyObject = RSA.privateKey): Sign =>
  (input) =>
    signBytes('sha256', Buffer.from(input), key)
export const byEc: Sign = (input) =>
  signBytes('sha256', Buffer.from(input), { key: EC.privateKey, dsaEncoding: 'ieee-p1363' })
export const byHmac =
  (secret: string | Buffer, digest = 'sha256'): Sign =>
  (input) =>
    createHmac(digest, secret).update(input).digest()

/** A token of whatever parts, signed in whatever way; a string or Buffer is taken as the JSON itself. */
export function tokenOf(header: Json, claims: Json | Buffer, sign: Sign): string {
  const text = (part: Json | Buffer) =>
    base64url(typeof part === 'string' || Buffer.isBuffer(part) ? part : JSON.stringify(part))
  const input = `${text(header)}.${text(claims)}`
  return `${input}.${base64url(sign(input) as Buffer)}`
}

/** Claims that are good at `now` (milliseconds since 1970). */
export function goodClaims(now: number): JsonObject {
  const seconds = Math.floor(now / 1_000)
  return { iss: ISSUER, sub: 'ada', aud: AUDIENCE, iat: seconds, exp: seconds + 300 }
}

export const RS256 = { alg: 'RS256', typ: 'JWT', kid: 'rsa' }

/** A step that knows three issuers: one with key pairs, one with a secret, and a second tenant. */
export async function verifier(more: JsonObject = {}): Promise<TestedPlugin> {
  const keys = [await jwkOf(RSA.publicKey, 'rsa'), await jwkOf(EC.publicKey, 'ec')] as Json[]
  const hmac = {
    issuer: 'https://hmac.test',
    audience: [AUDIENCE],
    secret: SECRET,
    idPrefix: 'hmac:',
  }
  const stranger = (await jwkOf(STRANGER.publicKey, 'rsa')) as Json
  const tenant = {
    issuer: 'https://tenant.test',
    audience: ['tenant'],
    keys: [stranger],
    idPrefix: 'tenant:',
  }
  return testPlugin(auth, {
    methods: ['jwt'],
    events: 'all',
    failures: { limit: 10_000 },
    jwt: { issuers: [{ issuer: ISSUER, audience: [AUDIENCE], keys, ...more }, hmac, tenant] },
  })
}

/** The status that a token gets, and what operators are told. */
export async function present(tested: TestedPlugin, token: string, name = 'authorization') {
  const value = name === 'authorization' ? `Bearer ${token}` : token
  const { status } = await tested.request({ path: '/v1/models', headers: { [name]: value } })
  return { status, told: tested.emitted.at(-1)!.data }
}
