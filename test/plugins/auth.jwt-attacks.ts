import { gzipSync } from 'node:zlib'
import type { JsonObject } from '#core/kit/json.ts'
import {
  base64url,
  byEc,
  byHmac,
  byRsa,
  goodClaims,
  RS256,
  RSA,
  SECRET,
  STRANGER,
  tokenOf,
} from './auth.jwt-fixture.ts'

/** One attack: its name, and the token as it would be made at `now`. */
type Attack = readonly [name: string, token: (now: number) => string]

const PUBLIC = {
  pem: RSA.publicKey.export({ type: 'spki', format: 'pem' }) as string,
  pkcs1: RSA.publicKey.export({ type: 'pkcs1', format: 'pem' }) as string,
  der: RSA.publicKey.export({ type: 'spki', format: 'der' }),
  jwk: JSON.stringify(RSA.publicKey.export({ format: 'jwk' })),
}
const EC_HEADER = { alg: 'ES256', typ: 'JWT', kid: 'ec' }
const NOTHING = () => ''

/** Another header, signed with the right key. */
const header =
  (more: JsonObject) =>
  (now: number): string =>
    tokenOf({ ...RS256, ...more }, goodClaims(now), byRsa())

/** Other claims, signed with the right key; undefined takes one away. */
const claims =
  (more: Record<string, unknown> | ((seconds: number) => Record<string, unknown>)) =>
  (now: number): string => {
    const changed = typeof more === 'function' ? more(Math.floor(now / 1_000)) : more
    return tokenOf(RS256, { ...goodClaims(now), ...changed } as JsonObject, byRsa())
  }

/** The public key taken for a secret (RFC 8725 §2.1). */
const confused =
  (secret: string | Buffer, alg = 'HS256') =>
  (now: number): string =>
    tokenOf({ alg, typ: 'JWT', kid: 'rsa' }, goodClaims(now), byHmac(secret, `sha${alg.slice(2)}`))

/** A good token, spoilt. */
const spoilt =
  (spoil: (parts: string[]) => string) =>
  (now: number): string =>
    spoil(tokenOf(RS256, goodClaims(now), byRsa()).split('.'))

/** The claims as text, for JSON that no serializer writes. */
const rawClaims =
  (text: (good: string) => string) =>
  (now: number): string =>
    tokenOf(RS256, text(JSON.stringify(goodClaims(now))), byRsa())

/** Attacks on JWT: those of the checklist, RFC 8725 §2 and §3, and of published holes. None may be accepted. */
export const ATTACKS: readonly Attack[] = [
  // Unsigned
  ...['none', 'None', 'nOnE', 'NONE', '', ' none'].flatMap((alg): Attack[] => [
    [
      `alg ${JSON.stringify(alg)}, no signature`,
      (now) => tokenOf({ alg, typ: 'JWT' }, goodClaims(now), NOTHING),
    ],
    [
      `alg ${JSON.stringify(alg)}, a signature`,
      (now) => tokenOf({ alg, typ: 'JWT' }, goodClaims(now), byRsa()),
    ],
  ]),
  ['no alg', (now) => tokenOf({ typ: 'JWT', kid: 'rsa' }, goodClaims(now), byRsa())],
  ['alg null', header({ alg: null })],
  ['alg a list', header({ alg: ['RS256'] })],
  ['alg a list with none', header({ alg: ['RS256', 'none'] })],
  ['alg in lower case', header({ alg: 'rs256' })],
  ['an empty signature', spoilt(([head, body]) => `${head}.${body}.`)],
  ['no signature at all', spoilt(([head, body]) => `${head}.${body}`)],
  [
    'a signature of zeros',
    spoilt(([head, body]) => `${head}.${body}.${base64url(Buffer.alloc(256))}`),
  ],
  [
    'a signature cut short',
    spoilt(([head, body, sign]) => `${head}.${body}.${sign!.slice(0, -4)}`),
  ],
  ['a signature with more behind it', spoilt((parts) => `${parts.join('.')}AAAA`)],
  [
    'a signature of another token',
    (now) => {
      const [, , sign] = tokenOf(RS256, { ...goodClaims(now), sub: 'eve' }, byRsa()).split('.')
      return tokenOf(RS256, goodClaims(now), NOTHING) + sign!
    },
  ],
  [
    'the claims exchanged',
    spoilt(([head, , sign]) => `${head}.${base64url('{"iss":"https://login.test"}')}.${sign}`),
  ],

  // The wrong key, or the right one for the wrong thing
  ['RS256 to HS256 with the PEM', confused(PUBLIC.pem)],
  ['RS256 to HS256 with the PEM, no newline', confused(PUBLIC.pem.trimEnd())],
  ['RS256 to HS256 with the PKCS1 PEM', confused(PUBLIC.pkcs1)],
  ['RS256 to HS256 with the DER', confused(PUBLIC.der)],
  ['RS256 to HS256 with the JWK', confused(PUBLIC.jwk)],
  ['RS256 to HS256 with the JWK and a newline', confused(`${PUBLIC.jwk}\n`)],
  ['RS256 to HS384', confused(PUBLIC.pem, 'HS384')],
  ['RS256 to HS512', confused(PUBLIC.pem, 'HS512')],
  ['HS256 with an empty secret', confused('')],
  ['HS256 with the secret of another issuer', confused(SECRET)],
  [
    'an HMAC issuer, a key pair',
    (now) => tokenOf(RS256, { ...goodClaims(now), iss: 'https://hmac.test' }, byRsa()),
  ],
  [
    'an HMAC issuer, HS512 instead of HS256',
    (now) =>
      tokenOf(
        { alg: 'HS512' },
        { ...goodClaims(now), iss: 'https://hmac.test' },
        byHmac(SECRET, 'sha512'),
      ),
  ],
  [
    'an HMAC issuer, alg none',
    (now) => tokenOf({ alg: 'none' }, { ...goodClaims(now), iss: 'https://hmac.test' }, NOTHING),
  ],
  ["a stranger's key", (now) => tokenOf(RS256, goodClaims(now), byRsa(STRANGER.privateKey))],
  ["another tenant's key", (now) => tokenOf(RS256, goodClaims(now), byRsa(STRANGER.privateKey))],
  ["another tenant's issuer, our key", claims({ iss: 'https://tenant.test', aud: 'tenant' })],
  ['PS256 over a PKCS1 signature', header({ alg: 'PS256' })],
  ['ES256 over an RSA signature', header({ alg: 'ES256', kid: 'ec' })],
  ['RS512, which is not accepted', header({ alg: 'RS512' })],
  [
    'ES256 with r = s = 0 (CVE-2022-21449)',
    (now) => tokenOf(EC_HEADER, goodClaims(now), () => Buffer.alloc(64)),
  ],
  [
    'ES256 with r = s = n',
    (now) => {
      const n = Buffer.from(
        'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
        'hex',
      )
      return tokenOf(EC_HEADER, goodClaims(now), () => Buffer.concat([n, n]))
    },
  ],
  [
    'ES256 in DER',
    (now) =>
      tokenOf(EC_HEADER, goodClaims(now), (input) => {
        const raw = byEc(input) as Buffer
        const int = (part: Buffer) => Buffer.concat([Buffer.from([2, 33, 0]), part])
        return Buffer.concat([
          Buffer.from([0x30, 70]),
          int(raw.subarray(0, 32)),
          int(raw.subarray(32)),
        ])
      }),
  ],

  // A header that chooses its own key
  [
    'a jwk of its own (CVE-2018-0114)',
    (now) =>
      tokenOf(
        { ...RS256, jwk: STRANGER.publicKey.export({ format: 'jwk' }) as JsonObject },
        goodClaims(now),
        byRsa(STRANGER.privateKey),
      ),
  ],
  [
    'a jwk beside the right signature',
    header({ jwk: RSA.publicKey.export({ format: 'jwk' }) as JsonObject }),
  ],
  ['jku to loopback', header({ jku: 'http://127.0.0.1:9/keys' })],
  ['jku to the cloud', header({ jku: 'http://169.254.169.254/latest/meta-data' })],
  ['x5u', header({ x5u: 'http://127.0.0.1:9/chain' })],
  ['x5c', header({ x5c: ['MIIB'] })],
  ['kid that leaves the folder', header({ kid: '../../../../dev/null' })],
  ['kid with SQL', header({ kid: "x' UNION SELECT 'secret' --" })],
  ['kid with a command', header({ kid: '|id' })],
  ['kid with a NUL', header({ kid: 'rsa\0' })],
  ['kid a list', header({ kid: ['rsa'] })],
  ['kid a map', header({ kid: { rsa: 1 } })],
  ['kid a number', header({ kid: 0 })],
  ['kid null', header({ kid: null })],
  ['kid of 4 KiB', header({ kid: 'k'.repeat(4_096) })],
  ['kid of another key', header({ kid: 'ec' })],
  ['kid __proto__', header({ kid: '__proto__' })],
  ['kid constructor', header({ kid: 'constructor' })],
  ['crit unknown', header({ crit: ['exp2'], exp2: 1 })],
  ['crit empty', header({ crit: [] })],
  ['crit with what is known', header({ crit: ['alg'] })],
  ['b64 false', header({ b64: false, crit: ['b64'] })],
  ['b64 false, not critical', header({ b64: false })],
  ['typ of an id token', header({ typ: 'id_token+jwt' })],
  ['typ of a logout token', header({ typ: 'logout+jwt' })],
  ['typ of a DPoP proof', header({ typ: 'dpop+jwt' })],
  ['typ a list', header({ typ: ['JWT'] })],

  // Encrypted ones
  [
    'a nested JWE with a zip bomb',
    () =>
      `${base64url('{"alg":"RSA-OAEP","enc":"A256GCM","zip":"DEF","cty":"JWT"}')}.AAAA.AAAA.${base64url(gzipSync(Buffer.alloc(1_000_000)))}.AAAA`,
  ],
  [
    'PBES2 with a huge count',
    () =>
      `${base64url('{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AAAA"}')}.AAAA.AAAA.AAAA.AAAA`,
  ],
  ['a JWE header on a JWS', header({ enc: 'A128GCM' })],
  ['zip on a JWS', header({ zip: 'DEF' })],
  ['p2c on a JWS', header({ p2c: 2_147_483_647 })],

  // Text that two readers read in two ways
  [
    'a header member twice',
    (now) => tokenOf('{"alg":"none","alg":"RS256","kid":"rsa"}', goodClaims(now), byRsa()),
  ],
  [
    'a header member twice, escaped',
    (now) => tokenOf('{"alg":"RS256","\\u0061lg":"RS256","kid":"rsa"}', goodClaims(now), byRsa()),
  ],
  ['a claim twice', rawClaims((good) => good.replace('{', '{"sub":"eve",'))],
  ['a claim twice, nested', rawClaims((good) => good.replace('{', '{"a":[{"b":1,"b":2}],'))],
  ['padding', spoilt((parts) => `${parts.join('.')}=`)],
  [
    'plain base64',
    spoilt(
      ([head, body, sign]) => `${head}.${body}.${sign!.replaceAll('-', '+').replaceAll('_', '/')}+`,
    ),
  ],
  [
    'a space within',
    spoilt(([head, body, sign]) => `${head}.${body}.${sign!.slice(0, 9)} ${sign!.slice(9)}`),
  ],
  ['a dot more', spoilt((parts) => `${parts.join('.')}.`)],
  ['two payloads', spoilt(([head, body, sign]) => `${head}.${body}.${body}.${sign}`)],
  [
    'JSON instead of the compact form',
    (now) =>
      base64url(
        JSON.stringify({ payload: base64url(JSON.stringify(goodClaims(now))), signatures: [] }),
      ),
  ],
  ['claims that are a list', (now) => tokenOf(RS256, [goodClaims(now)], byRsa())],
  [
    'claims that are a string',
    (now) => tokenOf(RS256, JSON.stringify(JSON.stringify(goodClaims(now))), byRsa()),
  ],
  ['claims that are no JSON', () => tokenOf(RS256, '{"iss"', byRsa())],
  [
    'claims that are not UTF-8',
    (now) => {
      const bytes = Buffer.from(JSON.stringify(goodClaims(now)))
      bytes[bytes.indexOf('ada') + 1] = 0xff
      return tokenOf(RS256, bytes, byRsa())
    },
  ],
  ['a token of more than 8 KiB', claims({ pad: 'x'.repeat(8_192) })],

  // Times
  ['expired by a second', claims((now) => ({ exp: now - 31 }))],
  ['no exp', claims({ exp: undefined })],
  ['exp null', claims({ exp: null })],
  ['exp a string', claims((now) => ({ exp: String(now + 300) }))],
  ['exp a list', claims((now) => ({ exp: [now + 300] }))],
  ['exp true', claims({ exp: true })],
  ['exp negative', claims({ exp: -1 })],
  ['exp a fraction of the past', claims((now) => ({ exp: now - 31.5 }))],
  ['exp 10^18', claims({ exp: 1e18 })],
  ['exp in milliseconds', claims((now) => ({ exp: (now + 300) * 1_000 }))],
  ['exp infinite', rawClaims((good) => good.replace(/"exp":\d+/, '"exp":1e999'))],
  ['exp NaN', rawClaims((good) => good.replace(/"exp":\d+/, '"exp":NaN'))],
  ['nbf in the future', claims((now) => ({ nbf: now + 31 }))],
  ['nbf a string', claims((now) => ({ nbf: String(now) }))],
  ['iat in the future', claims((now) => ({ iat: now + 31 }))],
  ['iat a string', claims((now) => ({ iat: String(now) }))],

  // For somebody else
  ['another audience', claims({ aud: 'billing' })],
  ['other audiences', claims({ aud: ['billing', 'mail'] })],
  ['no audience', claims({ aud: undefined })],
  ['an audience that only begins so', claims({ aud: 'llm-gateway-2' })],
  ['an audience in other letters', claims({ aud: 'LLM-Gateway' })],
  ['an audience in a list in a list', claims({ aud: [['llm-gateway']] })],
  ['an audience as a map', claims({ aud: { 'llm-gateway': true } })],
  ['another issuer', claims({ iss: 'https://evil.test' })],
  ['no issuer', claims({ iss: undefined })],
  ['an issuer with a slash more', claims({ iss: 'https://login.test/' })],
  ['an issuer in a list', claims({ iss: ['https://login.test'] })],
  ['an issuer in other letters', claims({ iss: 'HTTPS://LOGIN.TEST' })],
  ['bound to a key of somebody (RFC 9449)', claims({ cnf: { jkt: 'x' } })],
  ['nobody', claims({ sub: undefined })],
  ['nobody by name', claims({ sub: '' })],
  ['a map by name', claims({ sub: { id: 'ada' } })],
  ['a name of 300 characters', claims({ sub: 'a'.repeat(300) })],
]
