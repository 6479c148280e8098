import type { Config, MatchConfig, RouteConfig } from '../config/model.ts'
import type { ClientDialect } from '../dialects/dialect.ts'
import { endpointOf } from '../dialects/index.ts'
import { GatewayError } from '../errors.ts'
import { parsePathPattern, type PathPattern } from '../kit/path-pattern.ts'
import type { LiveRequest } from './exchange.ts'

/** Why a route does not match a request, or undefined where it does. */
export type Mismatch = string | undefined

/** A request as far as routes look at it, and its dialect where its path is a known endpoint. */
interface Candidate {
  readonly req: LiveRequest
  readonly api: ClientDialect | undefined
  readonly env: Readonly<Record<string, string>>
  readonly now: number
}

/** A condition of a route, compiled; says what it wanted and what it found. */
type Condition = (candidate: Candidate) => Mismatch

/** A route that can be asked. */
export interface RouteMatcher {
  readonly config: RouteConfig
  /** All but the method, which decides between 404 and 405. */
  readonly conditions: readonly Condition[]
}

/** Compiles the conditions of the routes, cheapest first. */
export function compileRoutes(config: Config): readonly RouteMatcher[] {
  return config.routes.map((route) => ({ config: route, conditions: conditionsOf(route.match) }))
}

/**
 * Finds the first route that matches, and sets the request's `params`, `dialect` and `stripPrefix`.
 * Throws ROUTE_NOT_FOUND, or METHOD_NOT_ALLOWED with `allow` where only the method was wrong.
 */
export function findRoute<M extends RouteMatcher>(
  routes: readonly M[],
  req: LiveRequest,
  env: Readonly<Record<string, string>>,
  now: number,
): M {
  const api = endpointOf(req.method, req.path, req.headers)?.dialect
  const candidate: Candidate = { req, api, env, now }
  let allowed: Set<string> | undefined
  for (const route of routes) {
    if (mismatchOf(route, candidate) !== undefined) continue
    const { methods } = route.config.match
    if (methods.length === 0 || methods.includes(req.method)) {
      req.dialect = route.config.dialect ?? api ?? 'http'
      req.stripPrefix = route.config.stripPrefix
      return route
    }
    allowed ??= new Set()
    for (const method of methods) allowed.add(method)
  }
  req.params = NO_PARAMS
  req.dialect = api ?? 'http'
  if (allowed) {
    const allow = [...allowed].join(', ')
    throw new GatewayError(
      'METHOD_NOT_ALLOWED',
      `${req.method} is not allowed here, try ${allow}`,
      {
        headers: { allow },
      },
    )
  }
  throw new GatewayError('ROUTE_NOT_FOUND', `no route matches ${req.method} ${req.path}`)
}

/** Why a route does not match, method included: for `explain`. */
export function explainMatch(
  route: RouteMatcher,
  req: LiveRequest,
  env: Readonly<Record<string, string>>,
  now: number,
): Mismatch {
  const api = endpointOf(req.method, req.path, req.headers)?.dialect
  const { methods } = route.config.match
  return (
    mismatchOf(route, { req, api, env, now }) ??
    (methods.length === 0 || methods.includes(req.method)
      ? undefined
      : `method is ${req.method}, not ${methods.join(' or ')}`)
  )
}

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze(Object.create(null))

function mismatchOf(route: RouteMatcher, candidate: Candidate): Mismatch {
  // What the path of another route has said of this one is not true.
  candidate.req.params = NO_PARAMS
  for (const condition of route.conditions) {
    const mismatch = condition(candidate)
    if (mismatch !== undefined) return mismatch
  }
  return undefined
}

function conditionsOf(match: MatchConfig): Condition[] {
  const conditions: Condition[] = [protocolIs(match.protocol)]
  if (match.paths.length > 0) conditions.push(pathIs(match.paths.map(parsePathPattern)))
  if (match.api.length > 0) conditions.push(apiIs(match.api))
  if (match.hosts.length > 0) conditions.push(hostIs(match.hosts))
  for (const [name, value] of Object.entries(match.headers)) {
    conditions.push(fieldIs('header', name, value, (req) => req.headers[name]))
  }
  for (const [name, value] of Object.entries(match.query)) {
    conditions.push(fieldIs('query parameter', name, value, (req) => req.query[name]))
  }
  const { when } = match
  if (when) conditions.push((scope) => (when.test(scope) ? undefined : '`when` is false'))
  return conditions
}

function protocolIs(protocol: 'http' | 'websocket'): Condition {
  return ({ req }) => (req.protocol === protocol ? undefined : `protocol is ${req.protocol}`)
}

function pathIs(patterns: readonly PathPattern[]): Condition {
  return (candidate) => {
    for (const pattern of patterns) {
      const params = pattern.match(candidate.req.path)
      if (params === undefined) continue
      candidate.req.params = params
      return undefined
    }
    return `path ${candidate.req.path} is not ${patterns.map((pattern) => pattern.source).join(' or ')}`
  }
}

function apiIs(dialects: readonly ClientDialect[]): Condition {
  return ({ api, req }) => {
    if (api !== undefined && dialects.includes(api)) return undefined
    return `${req.method} ${req.path} is no endpoint of ${dialects.join(', ')}`
  }
}

function hostIs(hosts: readonly string[]): Condition {
  const exact = new Set(hosts.filter((host) => !host.startsWith('*.')))
  const suffixes = hosts.filter((host) => host.startsWith('*.')).map((host) => host.slice(1))
  return ({ req }) => {
    if (exact.has(req.host) || suffixes.some((suffix) => req.host.endsWith(suffix)))
      return undefined
    return `host is ${req.host}, not ${hosts.join(' or ')}`
  }
}

function fieldIs(
  kind: string,
  name: string,
  wanted: string,
  read: (req: LiveRequest) => string | undefined,
): Condition {
  return ({ req }) => {
    const found = read(req)
    if (found === wanted || (wanted === '*' && found !== undefined)) return undefined
    if (found === undefined) return `${kind} ${name} is missing`
    return `${kind} ${name} is not ${JSON.stringify(wanted)}`
  }
}
