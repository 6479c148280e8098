import { dirname, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { loadConfig } from '../config/load.ts'
import { sourceOf } from '../config/store.ts'
import type { Config, PluginCatalog, ServerConfig } from '../config/model.ts'
import { ConfigError, formatProblem, type Problem } from '../config/problems.ts'
import { GatewayError } from '../errors.ts'
import type { Logger } from '../sdk.ts'
import { openLocalCounters, openStore } from '../store/open.ts'
import { Sandboxes } from '../sandbox/sandbox.ts'
import type { Store } from '../store/store.ts'
import { guardedFetch } from '../upstream/fetch.ts'
import { openUpstream, warmUp } from '../upstream/upstreams.ts'
import { type Admin, createAdmin } from './admin.ts'
import { adminRoutes } from './admin-routes.ts'
import { type Generation, GenerationFactory } from './generation.ts'
import { EventBus } from './host.ts'
import { createListener, type Listener, type ListenerHandlers } from './listener.ts'
import { MetricRegistry } from './metrics.ts'
import { createOverload, type Overload } from './overload.ts'
import { serve } from './serve.ts'
import { serveUpgrade } from './upgrade.ts'
import { type Watch, watchFiles } from './watch.ts'

/** How to start a gateway. */
export interface GatewayOptions {
  /** The config file, as the user named it. */
  readonly file: string
  readonly cwd?: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly catalog: PluginCatalog
  /** Takes the place of the config's ports. */
  readonly port?: number | undefined
  readonly adminPort?: number | undefined
  readonly log: Logger
  readonly now?: () => number
  readonly random?: () => number
  /** Called with a config that is right, before anything of it is opened. */
  readonly onConfig?: (config: Config) => void
}

/** What a reload came to. */
export type ReloadResult =
  | {
      readonly ok: true
      readonly generation: number
      readonly changed: boolean
      readonly warnings: readonly Problem[]
    }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** A running gateway. */
export interface Gateway {
  readonly url: string
  readonly adminUrl: string | undefined
  readonly generation: Generation
  readonly sandboxes: Sandboxes
  readonly store: Store
  /** Problems of the running config that did not keep it from loading. */
  readonly warnings: readonly Problem[]
  reload(): Promise<ReloadResult>
  /**
   * Turns readiness off, goes on serving for `delayMs` (default: the config's), stops taking requests, waits for those under way within the config's
   * limits, and lets everything go.
   */
  close(options?: { delayMs?: number }): Promise<void>
}

/** Starts a gateway. Throws a ConfigError for a config that cannot be loaded; nothing is left behind then. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const loaded = await load(options)
  if (loaded.config === undefined) throw new ConfigError(loaded.problems)
  options.onConfig?.(loaded.config)
  const gateway = new LiveGateway(options, loaded.config, loaded.problems)
  try {
    await gateway.start()
  } catch (cause) {
    await gateway.abandon()
    throw cause
  }
  return gateway
}

function load({ file, env, catalog, cwd = process.cwd(), port, adminPort }: GatewayOptions) {
  return loadConfig(file, { env, catalog, cwd, port, adminPort })
}

/** Generations that may wait for their exchanges at once; the oldest is cut for one more. */
const MAX_RETIRING = 64

/** How long clients may take to read why they are cut off. Milliseconds. */
const FAREWELL_MS = 3_000

class LiveGateway implements Gateway {
  url = ''
  adminUrl: string | undefined
  warnings: readonly Problem[]
  readonly #options: GatewayOptions
  readonly #log: Logger
  readonly #now: () => number
  readonly sandboxes: Sandboxes
  readonly #metrics = new MetricRegistry()
  readonly #retiring = new Set<{ done: Promise<void>; cut: () => void }>()
  #config: Config
  #store: Store | undefined
  #factory: GenerationFactory | undefined
  #events: EventBus | undefined
  #generation: Generation | undefined
  #overload: Overload | undefined
  #listener: Listener | undefined
  #admin: Admin | undefined
  #watch: Watch | undefined
  #reloading: Promise<unknown> = Promise.resolve()
  #state: 'starting' | 'ready' | 'stopping' = 'starting'
  #closed: Promise<void> | undefined

  constructor(options: GatewayOptions, config: Config, warnings: readonly Problem[]) {
    this.#options = options
    this.#config = config
    this.#log = options.log
    this.#now = options.now ?? Date.now
    this.sandboxes = new Sandboxes(options.log, this.#metrics.open().metrics)
    this.warnings = warnings
  }

  get generation(): Generation {
    return this.#generation!
  }

  get store(): Store {
    return this.#store!
  }

  /** In the order that a start needs: store, steps, listeners, watch. */
  async start(): Promise<void> {
    const log = this.#log
    const now = this.#now
    const { server } = this.#config
    const cwd = this.#options.cwd ?? process.cwd()
    const metrics = this.#metrics
    this.#store = await this.#openStore()
    const events = new EventBus(log)
    this.#events = events
    this.#factory = new GenerationFactory(
      {
        now,
        random: this.#options.random ?? Math.random,
        log,
        metrics,
        events,
        store: this.#store,
        localCounters: openLocalCounters(now),
        sandboxes: this.sandboxes,
        fetch: (url, request, trusted) =>
          guardedFetch(url, request ?? {}, { isTrusted: (host) => trusted.has(host) }),
        folder: dirname(resolve(cwd, this.#options.file)),
      },
      (upstream) => openUpstream(upstream, { now, log }),
    )
    this.#generation = await this.#factory.make(this.#config)
    this.#overload = createOverload(server.overload)
    this.#listener = createListener(server, this.#handlers(), { log, overload: this.#overload })
    const { host, port } = await this.#listener.listen()
    this.url = httpUrl(host, port)
    await this.#startAdmin(server)
    if (this.#config.reload.watch) await this.#startWatch()
    this.#state = 'ready'
    // Those who wait for the ready line come first.
    setImmediate(warmUp)
  }

  /** A store that goes away is told of once, and once that it is back; what a step does meanwhile is its own affair. */
  #openStore(): Promise<Store> {
    const up = this.#metrics.open().metrics.gauge('store_up', '1 while the store can be used.')
    up.set(1)
    return openStore(sourceOf(this.#config.store), {
      now: this.#now,
      onChange: (problem) => {
        up.set(problem === undefined ? 1 : 0)
        if (problem === undefined) this.#log.info('store is up')
        else this.#log.error('store is down', { problem })
      },
      onWarning: (warning) => this.#log.warn('store is at risk', { warning }),
    })
  }

  #handlers(): ListenerHandlers {
    const options = { log: this.#log, now: this.#now }
    return {
      request: (req, res, arrival) => serve(this.#generation!, arrival, res, options),
      upgrade: (req, socket, head, arrival) =>
        serveUpgrade(this.#generation!, arrival, socket, head, options),
    }
  }

  reload(): Promise<ReloadResult> {
    // One after another: each sees what the one before it has left.
    const result = this.#reloading.then(() => this.#reload())
    this.#reloading = result.catch(() => undefined)
    return result
  }

  async #reload(): Promise<ReloadResult> {
    if (this.#state === 'stopping')
      throw new GatewayError('SHUTTING_DOWN', 'the gateway is stopping')
    const { config, problems, files } = await load(this.#options)
    await this.#watch?.set(files)
    if (config === undefined) return this.#refuse(problems)
    const fixed = this.#fixedProblems(config)
    if (fixed.length > 0) return this.#refuse(fixed)
    const old = this.#generation!
    if (config.fingerprint === old.config.fingerprint) {
      this.warnings = problems
      this.#log.info('config unchanged', { generation: old.number })
      return { ok: true, generation: old.number, changed: false, warnings: problems }
    }
    try {
      this.#generation = await this.#factory!.make(config)
    } catch (cause) {
      if (cause instanceof ConfigError) return this.#refuse(cause.problems)
      throw cause
    }
    this.#config = config
    this.warnings = problems
    this.#listener!.update(config.server)
    this.#overload!.update(config.server.overload)
    this.#admin?.setRoutes(adminRoutes(this))
    this.#retire(old)
    const { number } = this.#generation
    this.#log.info('config reloaded', { generation: number })
    const { fingerprint } = config
    this.#events!.emit('config', { outcome: 'reloaded', generation: number, fingerprint })
    return { ok: true, generation: number, changed: true, warnings: problems }
  }

  #refuse(problems: readonly Problem[]): ReloadResult {
    const told = problems.map(formatProblem)
    this.#log.error('config refused', { problems: told })
    this.#events!.emit('config', { outcome: 'refused', problems: told })
    return { ok: false, problems }
  }

  /** What cannot change while the gateway runs. */
  #fixedProblems(config: Config): Problem[] {
    const old = this.#config
    const position = { file: config.file, line: 1, column: 1 }
    const fixed: [path: string, old: unknown, now: unknown][] = [
      ['server.host', old.server.host, config.server.host],
      ['server.port', old.server.port, config.server.port],
      ['server.admin', addressOf(old.server), addressOf(config.server)],
      ['server.admin.token', tokenOf(old.server), tokenOf(config.server)],
      ['store', storeKey(old), storeKey(config)],
    ]
    return fixed
      .filter(([, before, after]) => before !== after)
      .map(([path]) => ({
        severity: 'error',
        position,
        path,
        message: 'cannot change while the gateway runs',
        hint: 'restart the gateway',
      }))
  }

  /** Lets an old generation go once its exchanges are over, or have had their time. */
  #retire(old: Generation): void {
    this.#generation!.adopt(old)
    const cut = () => old.cut(new GatewayError('SHUTTING_DOWN', 'the configuration has changed'))
    const timer = setTimeout(cut, this.#config.reload.drainMs)
    const done = old
      .retire()
      .catch((err: unknown) => this.#log.error('generation failed to close', { err }))
      .finally(() => {
        clearTimeout(timer)
        this.#retiring.delete(entry)
      })
    const entry = { done, cut }
    this.#retiring.add(entry)
    if (this.#retiring.size > MAX_RETIRING) this.#retiring.values().next().value!.cut()
  }

  async #startWatch(): Promise<void> {
    this.#watch = await watchFiles(
      this.#config.files,
      () => void this.reload().catch((err: unknown) => this.#log.error('reload failed', { err })),
      (err) => this.#log.warn('config cannot be watched', { err }),
    )
  }

  async #startAdmin(server: ServerConfig): Promise<void> {
    if (server.admin === undefined) return
    this.#admin = createAdmin(server, adminRoutes(this), {
      log: this.#log,
      isReady: () => this.#state === 'ready',
      onAction: (action) => this.#events!.emit('admin', action),
    })
    const { host, port } = await this.#admin.listen()
    this.adminUrl = httpUrl(host, port)
  }

  close(options: { delayMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(options.delayMs ?? this.#config.server.timeouts.shutdownDelayMs)
    return this.#closed
  }

  async #close(delayMs: number): Promise<void> {
    this.#state = 'stopping'
    this.#watch?.close()
    this.#listener!.drain()
    await delay(delayMs)
    const { drainMs } = this.#config.server.timeouts
    // What is left is told why, each in the way of its protocol, before its connection is cut.
    const cutting = setTimeout(() => this.#cut(), drainMs)
    await this.#listener!.close(drainMs + FAREWELL_MS)
    clearTimeout(cutting)
    await this.abandon()
  }

  #cut(): void {
    this.#generation?.cut(new GatewayError('SHUTTING_DOWN', 'the gateway is shutting down'))
    for (const { cut } of this.#retiring) cut()
  }

  /** Lets go of everything without waiting for clients. */
  async abandon(): Promise<void> {
    this.#state = 'stopping'
    this.#watch?.close()
    await this.#listener?.close(0)
    await this.#reloading
    this.#cut()
    await this.#generation?.retire()
    await Promise.all([...this.#retiring].map(({ done }) => done))
    this.#overload?.close()
    await this.#admin?.close(0)
    await this.sandboxes.close()
    await this.#store?.close()
  }
}

function addressOf({ admin }: ServerConfig): string {
  return admin === undefined ? '' : `${admin.host}:${admin.port}`
}

function storeKey({ store }: Config): string {
  return JSON.stringify(sourceOf(store))
}

function tokenOf({ admin }: ServerConfig): string | undefined {
  return admin?.token?.reveal()
}

function httpUrl(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
