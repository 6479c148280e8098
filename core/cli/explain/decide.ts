import { needsModel } from '../../config/by-model.ts'
import type { Config, RouteConfig } from '../../config/model.ts'
import { formatPosition } from '../../config/problems.ts'
import { SECRET_NAME } from '../../config/validate.ts'
import { DIALECTS } from '../../dialects/index.ts'
import { GatewayError } from '../../errors.ts'
import type { Consumer } from '../../exchange.ts'
import { assertAnswered, compileChain } from '../../kernel/chain.ts'
import type { LiveUpstream } from '../../kernel/ask.ts'
import { createDeliver } from '../../kernel/deliver.ts'
import type { LiveExchange, LiveRequest } from '../../kernel/exchange.ts'
import { planRoute } from '../../kernel/plan.ts'
import { readJsonBody } from '../../kernel/request-body.ts'
import { checkBody } from '../../kernel/serve.ts'
import { isObject, type Json } from '../../kit/json.ts'
import { MASK } from '../../kit/secret.ts'
import type { UpstreamRequest } from '../../upstream/upstream.ts'
import { chooseRoute, type ExplainOptions, refusalOf } from './choose.ts'
import type {
  Decision,
  Explanation,
  StepAnswer,
  TracedExpression,
  UpstreamAnswer,
} from './explanation.ts'
import { offlineUpstream, openOfflineWorld, type OfflineWorld } from './offline.ts'
import { type Mask, recorded, recordingStep, type StepRecord, traced } from './record.ts'
import { type DescribedRequest, liveExchange, liveRequest } from './request.ts'

/**
 * Takes a described request through the gateway's own routes and steps, up to where it would be sent. Uses no network;
 * what counts requests finds an empty store. Throws a RangeError for a route that there is not.
 */
export async function explainRequest(
  config: Config,
  described: DescribedRequest,
  options: ExplainOptions,
): Promise<Explanation> {
  const mask = maskOf(config.env)
  let req: LiveRequest
  try {
    req = liveRequest(described, config)
  } catch (cause) {
    return unread(described, cause)
  }
  const { routes, found, refusal } = chooseRoute(config, req, options, mask)
  if (found === undefined) {
    const request = requestOf(req, described.body)
    return { request, routes, steps: [], buffers: [], ...(refusal && { refusal }) }
  }
  // Kept before the walk: an alias, or a step, may put another model in its place.
  const request = requestOf(req, described.body)
  const world = await openOfflineWorld(config, options.cwd)
  try {
    const { consumer } = described
    const walk = await walkRoute(config, found, req, world, mask, options.now, consumer)
    return { request, routes, route: found.id, ...walk }
  } finally {
    await world.close()
  }
}

type Walk = Pick<Explanation, 'steps' | 'rule' | 'upstream' | 'refusal' | 'buffers'>

/** Runs the real chain over steps that write down what they do, to upstreams that are never asked. */
async function walkRoute(
  config: Config,
  route: RouteConfig,
  req: LiveRequest,
  world: OfflineWorld,
  mask: Mask,
  now: number,
  consumer: Consumer | undefined,
): Promise<Walk> {
  const records = await openSteps(route, world)
  const enabled = [...records.values()]
  const exchange = liveExchange(req, route.id, config.env, now)
  exchange.consumer = consumer
  let rule: TracedExpression | undefined
  let upstream: UpstreamAnswer | undefined
  const upstreams = liveUpstreams(config, (name, { method, model }, urls) => {
    const by = exchange.chosen === undefined ? 'rule' : 'step'
    upstream = { name, by, method, urls, ...(model !== undefined && { model }) }
  })
  const watched = watchRule(route, (scope) => {
    rule = traced('upstream', route.upstream!, scope, mask)
  })
  const plan = planRoute(route, enabled, goesByModel(route, config))
  const steps = enabled.map((record) => recordingStep(record, mask, consumer !== undefined))
  const chain = compileChain(steps, {
    bodyAt: plan.bodyAt,
    readBody: (one) => readJsonBody(one, route.bodyBytes, config.server.limits.jsonDepth),
    deliver: createDeliver({
      ...plan,
      route: watched,
      upstreams,
      answerBytes: config.server.limits.bodyBytes,
      jsonDepth: config.server.limits.jsonDepth,
    }),
    context: noContext,
  })
  let refusal: Explanation['refusal']
  try {
    checkBody(exchange, { config: route })
    await chain(exchange)
    assertAnswered(exchange)
  } catch (cause) {
    // The answer of an upstream that was not asked cannot be converted; all that is told here was before it.
    if (upstream === undefined) refusal = refusalOf(cause)
  }
  if (upstream !== undefined) upstream = { ...upstream, ...conversionOf(exchange) }
  return {
    steps: route.steps.map((step) => stepAnswer(step, records.get(step), exchange, refusal)),
    ...(rule && { rule }),
    ...(upstream && { upstream }),
    ...(refusal && { refusal }),
    buffers: [...plan.reasons, ...conversionReasons(upstream)],
  }
}

/** What was done to the request for an upstream of another dialect. */
function conversionOf({ req, upstream }: LiveExchange): Pick<UpstreamAnswer, 'converted'> {
  const { dialect: to, dropped = [], emulated = [] } = upstream ?? {}
  return to === undefined ? {} : { converted: { from: req.dialect, to, dropped, emulated } }
}

function conversionReasons(upstream: UpstreamAnswer | undefined): string[] {
  const { converted, name = '' } = upstream ?? {}
  if (converted === undefined) return []
  const { from, to } = converted
  return [`request and answer are converted between ${from} and ${to}, which ${name} speaks`]
}

/** Recording steps wrap nothing, so that none of them needs Koa's context. */
function noContext(): never {
  throw new Error('a recording step has no handle')
}

async function openSteps(route: RouteConfig, world: OfflineWorld) {
  const records = new Map<RouteConfig['steps'][number], StepRecord>()
  for (const config of route.steps) {
    if (!config.isEnabled) continue
    try {
      const hooks = await world.open(config)
      records.set(config, { config, hooks, setupError: undefined, wasReached: false })
    } catch (cause) {
      const setupError = cause instanceof Error ? cause.message : String(cause)
      records.set(config, { config, hooks: {}, setupError, wasReached: false })
    }
  }
  return records
}

function liveUpstreams(
  config: Config,
  onAsked: (name: string, request: UpstreamRequest, urls: readonly string[]) => void,
): ReadonlyMap<string, LiveUpstream> {
  return new Map(
    [...config.upstreams].map(([name, upstream]): [string, LiveUpstream] => [
      name,
      {
        config: upstream,
        upstream: offlineUpstream(upstream, (request, urls) => onAsked(name, request, urls)),
      },
    ]),
  )
}

function watchRule(route: RouteConfig, onAsked: Parameters<typeof recorded>[1]): RouteConfig {
  return route.upstream === undefined
    ? route
    : { ...route, upstream: recorded(route.upstream, onAsked) }
}

function goesByModel(route: RouteConfig, { upstreams }: Config): boolean {
  return route.upstreams.some((name) => {
    const upstream = upstreams.get(name)
    return upstream !== undefined && needsModel(upstream)
  })
}

function stepAnswer(
  config: RouteConfig['steps'][number],
  record: StepRecord | undefined,
  exchange: LiveExchange,
  refusal: Explanation['refusal'],
): StepAnswer {
  const { plugin, id, position, place, origin } = config
  const hooks = Object.keys(record?.hooks ?? {}).filter((name) => !NO_HOOKS.has(name))
  return {
    plugin: plugin.name,
    id,
    stage: plugin.stage,
    position: formatPosition(position),
    place,
    use: origin.use,
    ...(origin.override && { override: formatPosition(origin.override) }),
    hooks,
    ...decide(record, exchange, refusal),
    ...(record?.notes && { notes: record.notes }),
    ...(record?.when && { when: record.when }),
    expressions: record?.expressions ?? [],
  }
}

/** What a step has beside hooks that requests pass. */
const NO_HOOKS = new Set(['admin', 'close', 'explain'])

function decide(
  record: StepRecord | undefined,
  exchange: LiveExchange,
  refusal: Explanation['refusal'],
): { decision: Decision; detail?: string } {
  if (record === undefined) return { decision: 'disabled' }
  const { hooks, patch, failure, setupError, when } = record
  if (!record.wasReached) {
    if (when?.error !== undefined) return { decision: 'unknown', detail: '`when` failed' }
    return { decision: when === undefined ? 'not reached' : 'skipped' }
  }
  if (setupError !== undefined) {
    return { decision: 'unknown', detail: `it cannot be set up here: ${setupError}` }
  }
  if (failure !== undefined && !(failure instanceof GatewayError)) {
    const message = failure instanceof Error ? failure.message : JSON.stringify(failure)
    return { decision: 'unknown', detail: `it cannot be tried here: ${message}` }
  }
  if ((failure !== undefined || patch?.deny) && refusal) {
    return { decision: 'denies', detail: `${refusal.status} ${refusal.code}: ${refusal.message}` }
  }
  if (patch?.answer) return { decision: 'answers', detail: `status ${exchange.res.status}` }
  const changed = Object.keys(patch ?? {})
  if (changed.length > 0) return { decision: 'passes', detail: `sets ${changed.join(', ')}` }
  if (hooks.handle) return { decision: 'wraps' }
  return { decision: hooks.request ? 'passes' : 'watches' }
}

function requestOf(req: LiveRequest, body: Buffer | undefined): Explanation['request'] {
  const { method, path, search: query, authority: host, protocol, dialect } = req
  const model = DIALECTS[dialect].modelOf(path, parsed(body))
  const common = { method, path, query, host, protocol, dialect }
  return model === undefined ? common : { ...common, model }
}

function parsed(body: Buffer | undefined): Json | undefined {
  try {
    return body && (JSON.parse(body.toString()) as Json)
  } catch {
    return undefined
  }
}

/** A target that the listener refuses before any route is asked. */
function unread({ method, target, isWebSocket }: DescribedRequest, cause: unknown): Explanation {
  const protocol = isWebSocket ? 'websocket' : 'http'
  const request = { method, path: target, query: '', host: '', protocol, dialect: 'http' }
  return { request, routes: [], steps: [], buffers: [], refusal: refusalOf(cause) }
}

/** Values of variables that are named like a secret are masked, in longer texts too. */
function maskOf(env: Config['env']): Mask {
  const secrets = Object.entries(env)
    .filter(([name, value]) => SECRET_NAME.test(name) && value !== '')
    .map(([, value]) => value)
  const mask: Mask = (value) => {
    if (typeof value === 'string') {
      return secrets.reduce((text, secret) => text.replaceAll(secret, MASK), value)
    }
    if (Array.isArray(value)) return value.map(mask)
    if (!isObject(value)) return value
    const entries = Object.entries(value as Record<string, Json>)
    return Object.fromEntries(entries.map(([key, below]) => [key, mask(below)]))
  }
  return mask
}
