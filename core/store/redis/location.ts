import { parseDuration } from '../../kit/duration.ts'
import { MASK } from '../../kit/secret.ts'
import { suggest } from '../../kit/suggest.ts'

/** One server, or one sentinel. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** What a URL of Redis says. */
export interface Location {
  /** The server, or the sentinels that know it. */
  readonly addresses: readonly Address[]
  /** What the sentinels call the server; undefined where there are none. */
  readonly sentinelName: string | undefined
  readonly isTls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
  /** In front of all keys and channels. */
  readonly prefix: string
  /** A server that says nothing for so long, while it is asked, is away. */
  readonly timeoutMs: number
  /** The URL as it may be shown: without its password. */
  readonly shown: string
}

/** A location, with what no URL says. */
export interface Server extends Location {
  readonly sentinelPassword: string | undefined
}

const SCHEME = /^(redis|rediss|valkey|valkeys)(\+sentinel)?:\/\//
const OPTIONS = ['prefix', 'database', 'timeout']

/** Operations are rejected within half a second of silence; what is left of it is the event loop's. */
const TIMEOUT_MS = 400
const PORT = 6379
const SENTINEL_PORT = 26379

/** True for a URL that `parseRedisUrl` is to read. */
export function isRedisUrl(url: string): boolean {
  return /^(redis|rediss|valkey|valkeys)(\+sentinel)?:/.test(url)
}

/**
 * Reads `redis://[user:password@]host[:port][/database][?prefix=NAME&timeout=400ms]` and
 * `redis+sentinel://[user:password@]host[:port],host[:port]/name[?database=N]`; `rediss` for TLS, `valkey`
 * for `redis`. What may stand in a URL only encoded stands so here too. Throws a RangeError that says what is accepted.
 */
export function parseRedisUrl(url: string): Location {
  const shown = maskRedisUrl(url)
  const scheme = SCHEME.exec(url)
  if (scheme === null) throw badUrl(shown, 'expected // after the scheme', 'redis://127.0.0.1:6379')
  const [, name, sentinel] = scheme
  const { credentials, hosts, path, query } = split(url.slice(scheme[0].length))
  const hasSentinels = sentinel !== undefined
  const options = optionsOf(query, shown)
  const [username, password] = credentialsOf(credentials, shown)
  const addresses = hosts
    .split(',')
    .map((host) => addressOf(host, hasSentinels ? SENTINEL_PORT : PORT, shown))
  if (!hasSentinels && addresses.length > 1) {
    throw badUrl(shown, 'it names several servers', 'redis+sentinel://host,host/name for sentinels')
  }
  if (hasSentinels && path === '') {
    throw badUrl(shown, 'the name that the sentinels know is missing', `${shown}/mymaster`)
  }
  return {
    addresses,
    sentinelName: hasSentinels ? decode(path, shown) : undefined,
    isTls: name!.endsWith('s') && name !== 'redis',
    username,
    password,
    database: databaseOf(options.get('database') ?? (hasSentinels ? '' : path), shown),
    timeoutMs: timeoutOf(options.get('timeout'), shown),
    prefix: prefixOf(options.get('prefix') ?? 'sluice', shown),
    shown,
  }
}

/** The URL with `•••` for its password; up to the last @, since the password may hold one where it should not. */
export function maskRedisUrl(url: string): string {
  return url.replace(/^([\w+-]+:(?:\/\/)?[^:@]*:).*@/s, `$1${MASK}@`)
}

function split(rest: string): Record<'credentials' | 'hosts' | 'path' | 'query', string> {
  const [beforeQuery = '', query = ''] = splitAt(rest, rest.indexOf('?'))
  const at = beforeQuery.lastIndexOf('@')
  const authority = beforeQuery.slice(at + 1)
  const [hosts = '', path = ''] = splitAt(authority, authority.indexOf('/'))
  return { credentials: at < 0 ? '' : beforeQuery.slice(0, at), hosts, path, query }
}

function splitAt(text: string, at: number): string[] {
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

function credentialsOf(text: string, shown: string): [string | undefined, string | undefined] {
  const [username = '', password] = splitAt(text, text.indexOf(':'))
  return [
    username === '' ? undefined : decode(username, shown),
    password === undefined || password === '' ? undefined : decode(password, shown),
  ]
}

function decode(text: string, shown: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw badUrl(shown, 'a % in it encodes nothing', '%25 for %, %40 for @, %2F for /')
  }
}

function addressOf(text: string, defaultPort: number, shown: string): Address {
  const found = /^(\[[\da-fA-F:.]+\]|[^\s:[\]]+)(?::(\d{1,5}))?$/.exec(text)
  const port = Number(found?.[2] ?? defaultPort)
  if (found === null || port < 1 || port > 65_535) {
    // Neither the text nor the URL is shown: where the @ is forgotten, this is a password.
    const scheme = shown.slice(0, shown.indexOf(':'))
    throw badUrl(`${scheme}:`, 'expected host or host:port', `${scheme}://127.0.0.1:${defaultPort}`)
  }
  return { host: found[1]!.replace(/^\[|\]$/g, ''), port }
}

function databaseOf(text: string, shown: string): number {
  if (/^\d{0,6}$/.test(text)) return Number(text)
  throw badUrl(shown, `the database is ${JSON.stringify(text)}`, 'a number: redis://host:6379/0')
}

function timeoutOf(text: string | null, shown: string): number {
  if (text === null) return TIMEOUT_MS
  try {
    return Math.max(1, parseDuration(text))
  } catch (cause) {
    throw badUrl(shown, `timeout: ${(cause as Error).message}`, 'timeout=400ms')
  }
}

function prefixOf(text: string, shown: string): string {
  if (/^[\w.-]{1,64}$/.test(text)) return text
  throw badUrl(shown, `the prefix is ${JSON.stringify(text)}`, 'letters, digits, _, . and -')
}

function optionsOf(query: string, shown: string): URLSearchParams {
  const options = new URLSearchParams(query)
  for (const name of options.keys()) {
    if (OPTIONS.includes(name)) continue
    throw badUrl(
      shown,
      `unknown option ${JSON.stringify(name)}`,
      suggest(name, OPTIONS) ?? 'prefix',
    )
  }
  return options
}

function badUrl(shown: string, problem: string, example: string): RangeError {
  return new RangeError(`store ${JSON.stringify(shown)}: ${problem}\n  hint: write ${example}`)
}
