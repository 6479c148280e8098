import { MASK } from '#core/kit/secret.ts'

/** Header and parameter names that carry a credential, whole or as their last word. */
const CREDENTIAL =
  /^sec-websocket-protocol$|(?:^|[-_.])(?:authorization|auth|cookie2?|token|secret|api-?key|key|password|passwd|credentials?|signature|sig|assertion|session)$/i

/** Names that end like one and are none. */
const HARMLESS = new Set(['idempotency-key', 'x-idempotency-key', 'sec-websocket-key'])

/** Fields of a body whose value is never written, in lower case without dashes. */
const BODY_FIELDS = new Set([
  'password',
  'passwd',
  'secret',
  'clientsecret',
  'apikey',
  'accesstoken',
  'refreshtoken',
  'idtoken',
  'authorization',
  'authorizationtoken',
  'privatekey',
  'credentials',
])

/** Clients send the same few names over and over; the bound is for those that make some up. */
const MAX_NAMES = 1_000
const known = new Map<string, boolean>()

/** True for a header or query parameter that carries a credential. */
export function isCredential(name: string): boolean {
  let answer = known.get(name)
  if (answer === undefined) {
    answer = CREDENTIAL.test(name) && !HARMLESS.has(name)
    if (known.size < MAX_NAMES && name.length < 64) known.set(name, answer)
  }
  return answer
}

/** True for a field of a body that carries one. */
export function isCredentialField(name: string): boolean {
  return BODY_FIELDS.has(name.replaceAll(/[-_]/g, '').toLowerCase())
}

/** A copy of header fields or query parameters with the credentials masked, and the rest as `clean` leaves it. */
export function maskCredentials(
  fields: Readonly<Record<string, string | string[]>>,
  clean: (text: string) => string,
): Record<string, string | string[]> {
  const copy: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (isCredential(name)) copy[name] = MASK
    else copy[name] = Array.isArray(value) ? value.map(clean) : clean(value)
  }
  return copy
}
