import type { ClientDialect } from '../dialects/dialect.ts'
import { DIALECTS, endpointOf } from '../dialects/index.ts'
import { conversionOf, isLlmDialect, targetsOf } from '../dialects/operations.ts'
import { spokenBy } from '../dialects/providers.ts'
import type { Expression } from '../expressions/expression.ts'
import type { ExtraOperator } from '../expressions/compile.ts'
import { isObject, type Json } from '../kit/json.ts'
import { PathPatternError, parsePathPattern } from '../kit/path-pattern.ts'
import type { Compiler } from './compiler.ts'
import type { GATEWAY } from './gateway-schema.ts'
import type { MatchConfig, UpstreamConfig } from './model.ts'
import type { ProblemList } from './problem-list.ts'
import type { Infer } from './schema.ts'
import type { Segments } from './tree.ts'

type Options = Infer<typeof GATEWAY.properties.routes.items>

const LLM = Object.keys(DIALECTS).filter((name) => name !== 'http') as ClientDialect[]

/** Checks what the schema cannot say of a route's conditions, and gives them their form. */
export function buildMatch({ match }: Options, at: Segments, problems: ProblemList): MatchConfig {
  const place = [...at, 'match']
  const paths = asList(match.path)
  for (const [index, path] of paths.entries()) {
    checkPath(path, itemPlace([...place, 'path'], match.path, index), problems)
  }
  const api = new Set(asList(match.api).flatMap((name) => (name === 'llm' ? LLM : [name])))
  const built: MatchConfig = {
    methods: [...new Set(asList(match.method).map((method) => method.toUpperCase()))],
    paths,
    hosts: asList(match.host).map((host) => host.toLowerCase().replace(/^\[(.*)\]$/, '$1')),
    headers: lowerCaseKeys(match.headers),
    query: match.query,
    protocol: match.protocol,
    api: [...api] as ClientDialect[],
    when: match.when,
  }
  checkApi(built, place, problems)
  return built
}

function checkPath(path: string, at: Segments, problems: ProblemList): void {
  try {
    parsePathPattern(path)
  } catch (error) {
    if (!(error instanceof PathPatternError)) throw error
    const { message, hint, offset } = error
    // No column inside of the value: quotes, escapes and ${…} may stand before it.
    const shown =
      offset === 0 ? message : `${message}, at character ${offset + 1} of ${JSON.stringify(path)}`
    problems.add(at, { message: shown, hint })
  }
}

/** A value that stands alone where a list may stand has the list's own place. */
function itemPlace(at: Segments, written: unknown, index: number): Segments {
  return Array.isArray(written) ? [...at, index] : at
}

function checkApi(match: MatchConfig, at: Segments, problems: ProblemList): void {
  if (match.api.length === 0) return
  if (match.protocol === 'websocket') {
    const message = 'the endpoints of these APIs are plain requests, not WebSockets'
    problems.add([...at, 'api'], { message, hint: 'match a path instead' })
  }
  const methods = new Set<string>(
    match.api.flatMap((name) => DIALECTS[name].endpoints.map(({ method }) => method)),
  )
  const useless = match.methods.find((method) => !methods.has(method))
  if (useless === undefined) return
  const message = `no endpoint of ${match.api.join(', ')} takes ${useless}`
  problems.add([...at, 'method'], { message, hint: `they take ${[...methods].join(', ')}` })
}

/** The upstreams that a route can choose, and the rule that chooses. */
export interface Routing {
  readonly rule: Expression | undefined
  readonly names: readonly string[]
}

/** Compiles a route's `upstream`, which names one or is an expression that does. */
export function buildRouting(
  written: Json | undefined,
  at: Segments,
  upstreams: ReadonlyMap<string, UpstreamConfig>,
  byModel: ExtraOperator,
  compiler: Compiler,
  problems: ProblemList,
): Routing {
  if (written === undefined) return { rule: undefined, names: [] }
  const known = [...upstreams.keys()]
  const place = [...at, 'upstream']
  const { expression, faults } = compiler.compileRouting(written, known, byModel)
  problems.addFaults(place, faults)
  if (asksForModel(written) && byModel.results?.length === 0) {
    const message = 'byModel has nothing to choose from: no upstream lists its models'
    problems.add(place, { message, hint: 'upstreams: { openai: { models: ["gpt-*"], … } }' })
  }
  return { rule: expression, names: expression?.results() ?? known }
}

function asksForModel(rule: unknown): boolean {
  if (!isObject(rule) && !Array.isArray(rule)) return false
  return Object.entries(rule).some(([key, value]) => key === 'byModel' || asksForModel(value))
}

/** What a client may ask for on a route: in which dialect and, where the route says it, for which operation. */
export interface Spoken {
  readonly dialect: ClientDialect
  readonly operation: string | undefined
  /** How it is written: `POST /v1/audio/speech`. */
  readonly request: string | undefined
}

/**
 * What clients may speak on a route, as far as its conditions tell; undefined where each request decides.
 */
export function clientSpeech(
  named: ClientDialect | undefined,
  { api, paths, methods }: MatchConfig,
): readonly Spoken[] | undefined {
  if (named === 'http') return [anyOf(named)]
  if (api.length > 0 && named === undefined) return api.map(anyOf)
  const isKnown = paths.length > 0 && methods.length > 0 && !paths.some((path) => /[{*]/.test(path))
  if (!isKnown) return named === undefined ? undefined : [anyOf(named)]
  return paths.flatMap((path) =>
    methods.map((method): Spoken => {
      const known = endpointOf(method, path)
      if (known === undefined || (named !== undefined && known.dialect !== named)) {
        return anyOf(named ?? 'http')
      }
      const { operation } = known.endpoint
      return { dialect: known.dialect, operation, request: `${method} ${path}` }
    }),
  )
}

function anyOf(dialect: ClientDialect): Spoken {
  return { dialect, operation: undefined, request: undefined }
}

/**
 * The dialect that a route names, or `http` where every upstream of it speaks nothing else: a path that happens to
 * look like an LLM's is then a path like any other.
 */
export function dialectOf(
  named: ClientDialect | undefined,
  match: MatchConfig,
  { names }: Routing,
  upstreams: ReadonlyMap<string, UpstreamConfig>,
): ClientDialect | undefined {
  if (named !== undefined || match.api.length > 0 || names.length === 0) return named
  const isPlain = names.every((name) => {
    const dialects = upstreams.get(name)?.dialects ?? []
    return dialects.length === 1 && dialects[0] === 'http'
  })
  return isPlain ? 'http' : undefined
}

/** Tells of what clients speak on a route and none of its upstreams does, nor can it be converted for one. */
export function checkDialects(
  spoken: readonly Spoken[] | undefined,
  { names }: Routing,
  upstreams: ReadonlyMap<string, UpstreamConfig>,
  at: Segments,
  problems: ProblemList,
): void {
  const each = names.map((name) => upstreams.get(name)?.dialects ?? [])
  // An upstream that is wrong in itself speaks none, and has been told of.
  if (each.some((dialects) => dialects.length === 0 || dialects.includes('demo'))) return
  const understood = new Set(each.flatMap(spokenBy))
  const canConvert = each.some((dialects) => targetsOf(dialects).length > 0)
  const missing = (spoken ?? []).filter(
    ({ dialect, operation }) =>
      !understood.has(dialect) && !(canConvert && isConverted(dialect, operation)),
  )
  if (missing.length === 0 || names.length === 0) return
  const subject =
    names.length === 1 ? `the upstream ${names[0]} does` : `its upstreams ${names.join(', ')} do`
  const wanted = [...new Set(missing.map(({ dialect }) => dialect))].join(', ')
  const fixed = missing.filter(({ request }) => request !== undefined && canConvert)
  const requests = fixed.map(({ request }) => request).join(', ')
  problems.add([...at, 'upstream'], {
    message:
      `clients of this route speak ${wanted}, which ${subject} not` +
      (fixed.length === 0 ? '' : `, and ${requests} cannot be converted`),
    hint: `name the upstream's dialect if it speaks it, or choose an upstream that does; theirs: ${[...understood].join(', ')}`,
  })
}

/** True where some of what is asked in a dialect can be asked in another. */
function isConverted(dialect: ClientDialect, operation: string | undefined): boolean {
  if (!isLlmDialect(dialect)) return false
  return operation === undefined || conversionOf(operation) !== undefined
}

function asList<T extends string>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return []
  return typeof value === 'string' ? [value] : value
}

function lowerCaseKeys(map: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name.toLowerCase(), value]))
}
