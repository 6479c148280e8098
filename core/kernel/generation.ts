import { needsModel } from '../config/by-model.ts'
import type { Config, RouteConfig, StepConfig, UpstreamConfig } from '../config/model.ts'
import { ConfigError, type Problem } from '../config/problems.ts'
import { DenseSet } from '../kit/dense-set.ts'
import { formatDuration } from '../kit/duration.ts'
import type { AdminRoute } from '../sdk.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { type Chain, compileChain } from './chain.ts'
import type { LiveUpstream } from './ask.ts'
import { createDeliver } from './deliver.ts'
import { DEFAULT_TOTAL_MS, type LiveExchange } from './exchange.ts'
import { type HostServices, openHost } from './host.ts'
import { adminRoutes } from './step-admin.ts'
import { createContexts, type MakeContext } from './koa.ts'
import { withFields } from './log.ts'
import { type Plan, planRoute } from './plan.ts'
import { readJsonBody } from './request-body.ts'
import { compileRoutes, type RouteMatcher } from './routes.ts'
import { SharedPool } from './shared.ts'
import type { LiveStep } from './step.ts'

/** A route that serves. */
export interface LiveRoute extends RouteMatcher {
  /** Equal in two generations where route, steps and upstreams are the same live objects. */
  readonly key: string
  readonly steps: readonly LiveStep[]
  readonly plan: Plan
  readonly chain: Chain
  /** Positions of the steps with hooks for what follows the head: innermost first. */
  readonly chunkSteps: readonly number[]
  readonly messageSteps: readonly number[]
  readonly upstreams: ReadonlyMap<string, LiveUpstream>
  /** Bytes of an answer that may wait for a slow client. */
  readonly bufferedBytes: number
  /** How long an exchange may take: the route's timeout, or the longest of its upstreams'. */
  readonly totalMs: number
}

/** How long the last exchanges may take to end after they were cut. Milliseconds. */
const CUT_MS = 3_000

/** How long a step may take to start, and to close. Milliseconds. */
const SETUP_MS = 60_000
const CLOSE_MS = 10_000

/** One loaded config and its live plugin instances. */
export class Generation {
  readonly number: number
  readonly config: Config
  readonly routes: readonly LiveRoute[]
  /** Plugins' admin routes, by plugin. */
  readonly admin: ReadonlyMap<string, readonly AdminRoute[]>
  readonly upstreams: ReadonlyMap<string, LiveUpstream>
  readonly #release: () => Promise<void>
  readonly #exchanges = new DenseSet<LiveExchange>()
  readonly #drained = Promise.withResolvers<void>()
  #isRetired = false
  #cutting: NodeJS.Timeout | undefined

  constructor(init: {
    number: number
    config: Config
    routes: readonly LiveRoute[]
    admin: ReadonlyMap<string, readonly AdminRoute[]>
    upstreams: ReadonlyMap<string, LiveUpstream>
    release: () => Promise<void>
  }) {
    this.number = init.number
    this.config = init.config
    this.routes = init.routes
    this.admin = init.admin
    this.upstreams = init.upstreams
    this.#release = init.release
  }

  /** Exchanges that run on this generation and are not over. */
  get exchanges(): number {
    return this.#exchanges.size
  }

  enter(exchange: LiveExchange, route: Pick<LiveRoute, 'key'>): void {
    exchange.home = this
    exchange.routeKey = route.key
    this.#exchanges.add(exchange)
  }

  leave(exchange: LiveExchange): void {
    this.#exchanges.delete(exchange)
    if (this.#exchanges.size > 0) return
    clearTimeout(this.#cutting)
    if (this.#isRetired) this.#drained.resolve()
  }

  /**
   * Takes over the exchanges of the generation before this one whose route is the same in both, so that a WebSocket
   * or a long stream is not cut for a change elsewhere. All that they use is held by this generation too.
   */
  adopt(old: Generation): void {
    const routes = new Map(this.routes.map((route) => [route.config.id, route]))
    for (const exchange of old.#exchanges) {
      const route = routes.get(exchange.route)
      if (route === undefined || route.key !== exchange.routeKey) continue
      old.leave(exchange)
      this.enter(exchange, route)
    }
  }

  /** Waits until its last exchange is over, then lets go of what no other generation holds. */
  async retire(): Promise<void> {
    this.#isRetired = true
    if (this.#exchanges.size > 0) await this.#drained.promise
    await this.#release()
  }

  /** Ends what still runs, each in the way of its protocol. Steps that do not come to an end are not waited for. */
  cut(reason: Error): void {
    for (const exchange of this.#exchanges) exchange.end(reason)
    clearTimeout(this.#cutting)
    if (this.#exchanges.size > 0) this.#cutting = setTimeout(() => this.#drained.resolve(), CUT_MS)
  }
}

/** A live step, and how to end it. */
interface OpenStep extends Omit<LiveStep, 'config'> {
  close(): Promise<void>
}

/** Makes generations that share what did not change. */
export class GenerationFactory {
  readonly #services: Omit<HostServices, 'upstreams'>
  readonly #openUpstream: (config: UpstreamConfig) => Upstream
  readonly #steps = new SharedPool<OpenStep>((step) => step.close())
  readonly #upstreams = new SharedPool<Upstream>((upstream) => upstream.close())
  #contexts: Promise<MakeContext> | undefined
  #made = 0

  constructor(
    services: Omit<HostServices, 'upstreams'>,
    openUpstream: (config: UpstreamConfig) => Upstream,
  ) {
    this.#services = services
    this.#openUpstream = openUpstream
  }

  /**
   * Sets up what changed and takes over the rest. Throws a ConfigError that names every step whose setup failed; what
   * had been set up for it is closed again by then.
   */
  async make(config: Config): Promise<Generation> {
    const held = new Held(this.#steps, this.#upstreams)
    try {
      const upstreams = await this.#liveUpstreams(config, held)
      const steps = await this.#liveSteps(config, held)
      const context = await this.#contextFor(steps.values())
      const routes = compileRoutes(config).map((matcher) =>
        this.#route(matcher, steps, upstreams, config, context),
      )
      return new Generation({
        number: ++this.#made,
        config,
        routes,
        admin: adminRoutes(steps.values()),
        upstreams,
        release: () => held.release(),
      })
    } catch (cause) {
      await held.release()
      throw cause
    }
  }

  async #liveUpstreams(config: Config, held: Held): Promise<Map<string, LiveUpstream>> {
    const live = new Map<string, LiveUpstream>()
    for (const [name, upstream] of config.upstreams) {
      const opened = await held.upstream(`${name}\0${upstream.fingerprint}`, () =>
        this.#openUpstream(upstream),
      )
      live.set(name, { config: upstream, upstream: opened })
    }
    return live
  }

  /** The live steps by identity and fingerprint: those that several routes share are one. */
  async #liveSteps(config: Config, held: Held): Promise<Map<string, LiveStep>> {
    const services = { ...this.#services, upstreams: config.upstreams }
    const live = new Map<string, LiveStep>()
    const problems: Problem[] = []
    const tried = new Set<string>()
    for (const step of config.routes.flatMap((route) => route.steps)) {
      const key = keyOf(step)
      if (!step.isEnabled || tried.has(key)) continue
      tried.add(key)
      try {
        const { hooks, log } = await held.step(key, () => openStep(step, services))
        live.set(key, { config: step, hooks, log })
      } catch (cause) {
        problems.push(setupProblem(step, cause))
      }
    }
    if (problems.length > 0) throw new ConfigError(problems)
    return live
  }

  async #contextFor(steps: Iterable<LiveStep>): Promise<MakeContext | undefined> {
    if (![...steps].some(({ hooks }) => hooks.handle)) return undefined
    const { log } = this.#services
    this.#contexts ??= createContexts((err) => log.error('koa step failed', { err }))
    return this.#contexts
  }

  #route(
    matcher: RouteMatcher,
    live: ReadonlyMap<string, LiveStep>,
    upstreams: ReadonlyMap<string, LiveUpstream>,
    { server }: Config,
    context: MakeContext | undefined,
  ): LiveRoute {
    const route: RouteConfig = matcher.config
    const steps = route.steps
      .filter(({ isEnabled }) => isEnabled)
      .map((config) => ({ ...live.get(keyOf(config))!, config }))
    const goesByModel = route.upstreams.some((name) => {
      const upstream = upstreams.get(name)
      return upstream !== undefined && needsModel(upstream.config)
    })
    const plan = planRoute(route, steps, goesByModel)
    const chain = compileChain(steps, {
      bodyAt: plan.bodyAt,
      readBody: (exchange: LiveExchange) =>
        readJsonBody(exchange, route.bodyBytes, server.limits.jsonDepth, plan.parsesBody),
      deliver: createDeliver({
        route,
        upstreams,
        readsAnswer: plan.readsAnswer,
        answerBytes: server.limits.bodyBytes,
        jsonDepth: server.limits.jsonDepth,
        replays: plan.replays,
        readsUsage: plan.readsUsage,
        needsUsage: plan.needsUsage,
      }),
      context,
    })
    return {
      ...matcher,
      key: [
        route.fingerprint,
        ...steps.map(({ config }) => keyOf(config)),
        ...route.upstreams.map((name) => upstreams.get(name)?.config.fingerprint),
      ].join('\0'),
      steps,
      plan,
      chain,
      upstreams,
      totalMs: totalOf(route, upstreams),
      bufferedBytes: server.limits.bufferedBytes,
      chunkSteps: positions(steps, ({ hooks }) => Boolean(hooks.chunk ?? hooks.flush)),
      messageSteps: positions(steps, ({ hooks }) => Boolean(hooks.message)),
    }
  }
}

function totalOf(route: RouteConfig, upstreams: ReadonlyMap<string, LiveUpstream>): number {
  if (route.timeoutMs !== undefined) return route.timeoutMs
  const totals = route.upstreams.map((name) => upstreams.get(name)?.config.timeouts.totalMs ?? 0)
  return totals.length === 0 ? DEFAULT_TOTAL_MS : Math.max(...totals)
}

/** What a generation holds of the pools, so that it can be given back. */
class Held {
  readonly #steps: SharedPool<OpenStep>
  readonly #upstreams: SharedPool<Upstream>
  readonly #stepKeys: string[] = []
  readonly #upstreamKeys: string[] = []

  constructor(steps: SharedPool<OpenStep>, upstreams: SharedPool<Upstream>) {
    this.#steps = steps
    this.#upstreams = upstreams
  }

  step(key: string, make: () => Promise<OpenStep>): Promise<OpenStep> {
    this.#stepKeys.push(key)
    return this.#steps.acquire(key, make)
  }

  upstream(key: string, make: () => Upstream): Promise<Upstream> {
    this.#upstreamKeys.push(key)
    return this.#upstreams.acquire(key, make)
  }

  /** Steps close in reverse order, before the upstreams that they may still use. */
  async release(): Promise<void> {
    for (const key of this.#stepKeys.splice(0).toReversed()) await this.#steps.release(key)
    for (const key of this.#upstreamKeys.splice(0)) await this.#upstreams.release(key)
  }
}

async function openStep(step: StepConfig, services: HostServices): Promise<OpenStep> {
  const { host, revoke } = openHost(step, services)
  const log = withFields(services.log, { plugin: step.plugin.name })
  try {
    const hooks = await within(SETUP_MS, 'setup', () =>
      step.plugin.setup(step.options as never, host),
    )
    return {
      hooks,
      log,
      async close() {
        try {
          if (hooks.close) await within(CLOSE_MS, 'close', () => hooks.close!())
        } catch (err) {
          log.error('step failed to close', { step: step.id, err })
        } finally {
          revoke()
        }
      },
    }
  } catch (cause) {
    revoke()
    throw cause
  }
}

/** Waits for what a plugin does, but not for ever. What comes too late is of no use to anybody. */
async function within<T>(ms: number, what: string, act: () => T | Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => late.reject(new Error(`${what} took longer than ${formatDuration(ms)}`)),
    ms,
  )
  try {
    return await Promise.race([act(), late.promise])
  } finally {
    clearTimeout(timer)
  }
}

function setupProblem(step: StepConfig, cause: unknown): Problem {
  const message = cause instanceof Error ? cause.message : String(cause)
  return {
    severity: 'error',
    position: step.position,
    path: `${step.place}.${step.plugin.name}`,
    message: `setup failed: ${message}`,
  }
}

function keyOf(step: StepConfig): string {
  return `${step.identity}\0${step.fingerprint}`
}

/** Positions of the steps that have something, innermost first. */
function positions(steps: readonly LiveStep[], has: (step: LiveStep) => boolean): number[] {
  return steps.flatMap((step, index) => (has(step) ? [index] : [])).toReversed()
}
