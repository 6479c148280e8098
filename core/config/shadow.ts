import { DIALECTS } from '../dialects/index.ts'
import type { ClientDialect, Endpoint } from '../dialects/dialect.ts'
import {
  covers,
  parsePathPattern,
  PathPatternError,
  type PathPattern,
} from '../kit/path-pattern.ts'
import type { MatchConfig } from './model.ts'

/** One way in which a request can match: a method and a path, both known or both any. */
interface Way {
  readonly method: string | undefined
  readonly path: PathPattern | undefined
  /** The API whose endpoint it is. */
  readonly dialect: ClientDialect | undefined
  readonly headers: Readonly<Record<string, string>>
}

/**
 * The first of the earlier routes that take all that `match` would, or undefined where something is left for it.
 * Each of its ways (method and path, or endpoint of an API) must be taken as a whole by one earlier route.
 */
export function shadowOf<R extends { readonly match: MatchConfig }>(
  match: MatchConfig,
  earlier: readonly R[],
): R | undefined {
  const ways = waysOf(match)
  const takers = ways.map((way) => earlier.find((route) => takes(route.match, match, way)))
  return takers.every((taker) => taker !== undefined) ? takers[0] : undefined
}

function waysOf({ methods, paths, api, headers }: MatchConfig): readonly Way[] {
  const anyMethod = methods.length === 0 ? [undefined] : methods
  if (paths.length > 0) {
    return paths.flatMap((source) => {
      const path = patternOf(source)
      return anyMethod.map((method) => ({ method, path, dialect: undefined, headers }))
    })
  }
  if (api.length === 0) {
    return anyMethod.map((method) => ({ method, path: undefined, dialect: undefined, headers }))
  }
  return api.flatMap((dialect) =>
    DIALECTS[dialect].endpoints
      .filter(({ method }) => methods.length === 0 || methods.includes(method))
      .map(({ method, path, header }) => ({
        method,
        path: patternOf(path),
        dialect,
        headers: header === undefined ? headers : { ...headers, [header]: '*' },
      })),
  )
}

/** True where `taker` matches every request that comes to `taken` by this way. */
function takes(taker: MatchConfig, taken: MatchConfig, way: Way): boolean {
  return (
    taker.when === undefined &&
    taker.protocol === taken.protocol &&
    takesMethod(taker, way) &&
    takesPath(taker, way) &&
    takesApi(taker, taken, way) &&
    takesHosts(taker, taken) &&
    takesFields(taker.headers, way.headers) &&
    takesFields(taker.query, taken.query)
  )
}

function takesMethod({ methods }: MatchConfig, { method }: Way): boolean {
  return methods.length === 0 || (method !== undefined && methods.includes(method))
}

function takesPath({ paths }: MatchConfig, { path }: Way): boolean {
  return paths.length === 0 || paths.some((source) => coversPath(patternOf(source), path))
}

function coversPath(wide: PathPattern | undefined, narrow: PathPattern | undefined): boolean {
  if (wide === undefined) return false
  return narrow === undefined ? wide.source === '/*' : covers(wide, narrow)
}

function takesApi({ api }: MatchConfig, taken: MatchConfig, way: Way): boolean {
  if (api.length === 0) return true
  if (way.dialect !== undefined) return api.includes(way.dialect)
  if (taken.api.length > 0) return taken.api.every((dialect) => api.includes(dialect))
  return api.some((dialect) =>
    DIALECTS[dialect].endpoints.some(
      (endpoint) => isCertain(endpoint, api) && isThere(endpoint, way),
    ),
  )
}

function isThere({ method, path }: Endpoint, way: Way): boolean {
  return method === way.method && coversPath(patternOf(path), way.path)
}

/** False for an endpoint that a header field can give to an API which is not among `api`. */
function isCertain({ method, path, header }: Endpoint, api: readonly ClientDialect[]): boolean {
  if (header !== undefined) return false
  const pattern = patternOf(path)!
  return Object.values(DIALECTS).every(
    ({ name, endpoints }) =>
      api.includes(name) ||
      endpoints.every((other) => {
        if (other.header === undefined || other.method !== method) return true
        const contested = patternOf(other.path)!
        return !covers(contested, pattern) && !covers(pattern, contested)
      }),
  )
}

function takesHosts({ hosts }: MatchConfig, taken: MatchConfig): boolean {
  if (hosts.length === 0) return true
  return (
    taken.hosts.length > 0 &&
    taken.hosts.every((host) =>
      hosts.some(
        (wide) => wide === host || (wide.startsWith('*.') && host.endsWith(wide.slice(1))),
      ),
    )
  )
}

/** True where all that is wanted is known to be there. */
function takesFields(
  wanted: Readonly<Record<string, string>>,
  given: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(
    ([name, value]) => Object.hasOwn(given, name) && (value === '*' || given[name] === value),
  )
}

const patterns = new Map<string, PathPattern | undefined>()
const MAX_PATTERNS = 2_000

/** Undefined for a pattern that cannot be read, which is told elsewhere. */
function patternOf(source: string): PathPattern | undefined {
  if (patterns.has(source)) return patterns.get(source)
  // Kept across loads for the endpoints' sake, and emptied before it grows with the configs that come and go.
  if (patterns.size >= MAX_PATTERNS) patterns.clear()
  let pattern: PathPattern | undefined
  try {
    pattern = parsePathPattern(source)
  } catch (error) {
    if (!(error instanceof PathPatternError)) throw error
  }
  patterns.set(source, pattern)
  return pattern
}
