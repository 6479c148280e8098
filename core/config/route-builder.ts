import { isObject, type Json, type JsonObject } from '../kit/json.ts'
import type { ExtraOperator } from '../expressions/compile.ts'
import type { Compiler } from './compiler.ts'
import { printSteps } from './effective.ts'
import type { Expander, WrittenStep } from './expand.ts'
import { fingerprint } from './fingerprint.ts'
import type { GATEWAY } from './gateway-schema.ts'
import type { RouteConfig, UpstreamConfig } from './model.ts'
import { applyOverride } from './override.ts'
import type { ProblemList } from './problem-list.ts'
import { buildMatch, buildRouting, checkDialects, clientSpeech, dialectOf } from './routes.ts'
import type { Infer } from './schema.ts'
import type { CheckedStep, StepChecker } from './steps.ts'
import type { Segments } from './tree.ts'
import { unknownHint } from './wording.ts'

type Options = Infer<typeof GATEWAY.properties.routes.items>

/** A route, its steps with what they declare, and how it prints. */
export interface BuiltRoute {
  readonly config: RouteConfig
  readonly steps: readonly CheckedStep[]
  readonly printed: JsonObject
  readonly at: Segments
}

/** What routes are built from. */
export interface RouteParts {
  readonly problems: ProblemList
  readonly compiler: Compiler
  readonly checker: StepChecker
  readonly upstreams: ReadonlyMap<string, UpstreamConfig>
  readonly byModel: ExtraOperator
  /** Bytes of a request body, where a route has no limit of its own. */
  readonly bodyBytes: number
}

/** The steps that a route's `pipeline` names or lists. */
export function stepsOf(route: Json, at: Segments, expander: Expander): readonly WrittenStep[] {
  if (!isObject(route)) return []
  const { pipeline = [] } = route
  const place = [...at, 'pipeline']
  if (typeof pipeline === 'string') return expander.named(pipeline, place) ?? []
  const id = typeof route['id'] === 'string' ? route['id'] : String(at.at(-1))
  return expander.list(pipeline, place, `routes.${id}`)
}

/** Puts a route together whose own options are sound, and tells what is wrong with it. */
export function buildRoute(
  options: Options,
  printed: JsonObject,
  written: readonly WrittenStep[],
  at: Segments,
  { problems, compiler, checker, upstreams, byModel, bodyBytes }: RouteParts,
): BuiltRoute {
  const { id } = options
  const checked = written.flatMap((step) => checker.check(step) ?? [])
  checkIds(checked, problems)
  const override = options.override as JsonObject
  const place = [...at, 'override']
  const steps = applyOverride(checked, written, override, place, id, checker, problems)
  const match = buildMatch(options, at, problems)
  const routing = buildRouting(options.upstream, at, upstreams, byModel, compiler, problems)
  const named = namedUpstreams(steps, upstreams, problems)
  const names = [...new Set([...routing.names, ...named])]
  const dialect = dialectOf(options.dialect, match, { ...routing, names }, upstreams)
  checkDialects(clientSpeech(dialect, match), routing, upstreams, at, problems)
  // A step whose plugin could not be loaded may be the one that answers.
  const answers = checked.length < written.length || steps.some(({ declared }) => declared.ends)
  if (options.upstream === undefined && !answers) {
    const message = `the route ${id} has no upstream, and no step that answers by itself`
    problems.add(at, { message, hint: 'upstream: NAME' })
  }
  const { override: _applied, ...shown } = printed
  const effective = { ...shown, pipeline: printSteps(steps) } as JsonObject
  const prints = steps.map(({ config }) => [config.identity, config.fingerprint])
  return {
    at,
    steps,
    printed: effective,
    config: {
      id,
      position: problems.locate(at),
      match,
      dialect,
      steps: steps.map(({ config }) => config),
      upstream: routing.rule,
      upstreams: names,
      stripPrefix: options.stripPrefix,
      timeoutMs: options.timeout,
      bodyBytes: options.maxBody ?? bodyBytes,
      allowBody: options.allowBody,
      strict: options.strict,
      origins: options.origins,
      fingerprint: fingerprint([effective, prints, names, compiler.definitionsIn(effective)]),
    },
  }
}

/** The upstreams that steps name in their options; an unknown one is told at its place. */
function namedUpstreams(
  steps: readonly CheckedStep[],
  upstreams: ReadonlyMap<string, UpstreamConfig>,
  problems: ProblemList,
): string[] {
  return steps.flatMap(({ declared, config, written, plugin }) =>
    declared.upstreams.flatMap(({ name, path }) => {
      if (upstreams.has(name)) return config.isEnabled ? [name] : []
      problems.add([...written.segments, plugin.name, ...path], {
        message: `there is no upstream ${JSON.stringify(name)}`,
        hint: unknownHint(name, [...upstreams.keys()]),
      })
      return []
    }),
  )
}

/** An id that stands twice would leave override, logs and explain in the dark. */
function checkIds(steps: readonly CheckedStep[], problems: ProblemList): void {
  const places = new Map<string, string>()
  for (const { printed, config, written, plugin } of steps) {
    const { id } = printed
    if (typeof id !== 'string') continue
    const first = places.get(id)
    if (first === undefined) places.set(id, config.place)
    else if (first !== config.place) {
      const message = `the id ${JSON.stringify(id)} is taken by ${first}`
      problems.add([...written.segments, plugin.name, 'id'], { message })
    }
  }
}
