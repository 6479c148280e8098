import { GatewayError } from '../errors.ts'

/** A request target in its one form, which routes, steps and the upstream all see. */
export interface NormalisedTarget {
  /** Begins with a slash; no dot segments, no empty ones; escapes only where needed, in upper case. */
  readonly path: string
  /** The query as it came, without `?`; empty where there is none. */
  readonly query: string
}

/** What an operator may permit in a path. */
export interface NormaliseOptions {
  /** Lets `%2F` and `%5C` stay as they are. */
  readonly allowEncodedSlashes: boolean
}

/** More parameters than any API has; without a bound one long URL makes a map of thousands. */
const MAX_PARAMETERS = 256

/** Where a path stops being plain: what is not here is decoded, resolved, encoded or refused below. */
const PLAIN = new Uint8Array(128)
for (const char of "/-._~!$&'()*+,;=:@") PLAIN[char.charCodeAt(0)] = 1
for (const [first, last] of ['09', 'AZ', 'az']) {
  for (let code = first!.charCodeAt(0); code <= last!.charCodeAt(0); code++) PLAIN[code] = 1
}
const SLASH = 0x2f
const DOT = 0x2e

/**
 * Brings an origin-form target (RFC 9112 §3.2.1) into its normal form: unreserved escapes decoded once, dot segments
 * resolved (RFC 3986 §5.2.4, never above the root), slashes in a row made one. Idempotent. Throws BAD_REQUEST for
 * what two servers could read in two ways: broken escapes, `%00`, `%2F`, backslashes, control and non-ASCII bytes,
 * escapes that are not UTF-8.
 */
export function normalisePath(target: string, options: NormaliseOptions): NormalisedTarget {
  if (target.charCodeAt(0) !== SLASH) throw refuse('must begin with a slash')
  const end = target.indexOf('?')
  if (isNormal(target, end === -1 ? target.length : end)) {
    if (end === -1) return { path: target, query: '' }
    return { path: target.slice(0, end), query: checkQuery(target.slice(end + 1)) }
  }
  const path = end === -1 ? target : target.slice(0, end)
  const query = end === -1 ? '' : checkQuery(target.slice(end + 1))
  return { path: resolveSegments(decodeUnreserved(path, options)), query }
}

/** True where the path up to `end` is in normal form as it stands, as nearly every path is. */
function isNormal(target: string, end: number): boolean {
  let previous = 0
  for (let at = 0; at < end; at++) {
    const code = target.charCodeAt(at)
    if (code > 127 || PLAIN[code] === 0) return false
    if (previous === SLASH && (code === SLASH || code === DOT)) return false
    previous = code
  }
  return true
}

function decodeUnreserved(path: string, { allowEncodedSlashes }: NormaliseOptions): string {
  const bad = /[^\x21-\x7e]|[\\#?]/.exec(path)
  if (bad !== null) throw refuse(`holds ${JSON.stringify(bad[0])}, which must be escaped`)
  let hasHighBytes = false
  const decoded = path.replaceAll(/%(.{0,2})|["<>^`{|}]|\[|\]/g, (found, hex: string) => {
    if (found[0] !== '%') return encodeURIComponent(found)
    if (!/^[\da-f]{2}$/i.test(hex)) throw refuse(`holds the broken escape ${JSON.stringify(found)}`)
    const code = Number.parseInt(hex, 16)
    if (code === 0 || code === 10 || code === 13) throw refuse(`holds ${found}`)
    if ((code === SLASH || code === 0x5c) && !allowEncodedSlashes) {
      throw refuse(`holds ${found}; allowEncodedSlashes would let it through`)
    }
    if (code > 127) hasHighBytes = true
    return isUnreserved(code) ? String.fromCharCode(code) : found.toUpperCase()
  })
  // An overlong or broken sequence is one that lenient decoders turn into a dot or a slash.
  if (hasHighBytes && !isUtf8(decoded)) throw refuse('holds escapes that are not UTF-8')
  return decoded
}

/** RFC 3986 §2.3. */
function isUnreserved(code: number): boolean {
  return code < 128 && /[\w.~-]/.test(String.fromCharCode(code))
}

function isUtf8(path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}

function resolveSegments(path: string): string {
  const kept: string[] = []
  // What a trailing slash, `.` or `..` leaves open: `/a/.` is `/a/`.
  let isOpen = true
  for (const segment of path.split('/')) {
    isOpen = segment === '' || segment === '.' || segment === '..'
    if (segment === '..') kept.pop()
    else if (/^\.\.?;/.test(segment)) {
      throw refuse(`holds ${JSON.stringify(segment)}, a dot segment with parameters`)
    } else if (!isOpen) kept.push(segment)
  }
  return `/${kept.join('/')}${isOpen && kept.length > 0 ? '/' : ''}`
}

/** Queries stay as they came; an upstream must only not see what splits a request line or hides a fragment. */
function checkQuery(query: string): string {
  const bad = /[^\x21-\x7e]|#/.exec(query)
  if (bad === null) return query
  throw refuse(`holds ${JSON.stringify(bad[0])} in its query, which must be escaped`)
}

function refuse(what: string): GatewayError {
  return new GatewayError('BAD_REQUEST', `the request target ${what}`, {
    headers: { connection: 'close' },
  })
}

/**
 * The first value of each parameter, decoded; an escape that is broken stays as it is. A null-prototype map.
 * Throws BAD_REQUEST above 256 parameters, rather than hide the rest from rules that look at them.
 */
export function parseQuery(query: string): Record<string, string> {
  const values = Object.create(null) as Record<string, string>
  if (query === '') return values
  let count = 0
  for (let start = 0; start <= query.length;) {
    const and = query.indexOf('&', start)
    const end = and === -1 ? query.length : and
    if (end > start) {
      if (++count > MAX_PARAMETERS) {
        throw refuse(`has more than ${MAX_PARAMETERS} query parameters`)
      }
      const equals = query.indexOf('=', start)
      const split = equals === -1 || equals > end ? end : equals
      const name = decodeParameter(query.slice(start, split))
      values[name] ??= decodeParameter(query.slice(split + 1, end))
    }
    start = end + 1
  }
  return values
}

function decodeParameter(text: string): string {
  if (!/[%+]/.test(text)) return text
  const spaced = text.replaceAll('+', ' ')
  try {
    return decodeURIComponent(spaced)
  } catch {
    return spaced
  }
}

/** The path without what the route takes off. */
export function strippedPath(path: string, prefix: string): string {
  if (prefix === '' || !path.startsWith(prefix)) return path
  const rest = path.slice(prefix.length)
  return rest.startsWith('/') ? rest : `/${rest}`
}
