/** Signatures with a key pair. */
export const ASYMMETRIC = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const

/** Signatures with a shared secret. */
export const HMAC = ['HS256', 'HS384', 'HS512'] as const

/** All that may be accepted (RFC 7518 §3.1, RFC 8037). */
export const ALGORITHMS = [...ASYMMETRIC, ...HMAC] as const

/** One of them. */
export type Algorithm = (typeof ALGORITHMS)[number]
