import { isObject } from '#core/kit/json.ts'
import { hasDuplicateMembers } from './json-members.ts'

/** A JWT in its parts. Nothing of it is believed yet. */
export interface JwtText {
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
}

/** Three parts in strict base64url: no padding, no spaces, which lenient decoders skip. */
const FORM = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Takes a token apart. Undefined for what is no JWT at all, `malformed` for what begins like one and cannot be one:
 * unsigned, encrypted, with characters that do not belong, with a member named twice.
 */
export function readJwt(token: string): JwtText | 'malformed' | undefined {
  const dot = token.indexOf('.')
  if (dot <= 0 || objectIn(token.slice(0, dot)) === undefined) return undefined
  if (!FORM.test(token)) return 'malformed'
  const [head = '', body = ''] = token.split('.')
  const header = objectIn(head)
  const claims = objectIn(body)
  if (header === undefined || claims === undefined) return 'malformed'
  return header.isTwofold || claims.isTwofold
    ? 'malformed'
    : { header: header.value, claims: claims.value }
}

function objectIn(
  part: string,
): { value: Record<string, unknown>; isTwofold: boolean } | undefined {
  try {
    const text = utf8.decode(Buffer.from(part, 'base64url'))
    const value: unknown = JSON.parse(text)
    return isObject(value) ? { value, isTwofold: hasDuplicateMembers(text) } : undefined
  } catch {
    return undefined
  }
}
