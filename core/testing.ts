/**
 * For authors of plugins: runs one plugin without a gateway, with the loader's checks and the kernel's order of hooks.
 * In the published package this is the module `sluice/testing`.
 */
import type { StepConfig } from './config/model.ts'
import type { MessagePatch } from './exchange.ts'
import type { JsonObject, Json } from './kit/json.ts'
import { watched, messageOf } from './testing/views.ts'
import type { AdminAnswer, AdminRoute, FetchAnswer, Host, OptionsSchema, Plugin } from './sdk.ts'
import type { Hooks } from './sdk.ts'
import { openStore } from './store/open.ts'
import type { Store } from './store/store.ts'
import { TestClock } from './testing/clock.ts'
import { type LogLine, openTestHost, type TestHost } from './testing/host.ts'
import { type CheckedOptions, checkOptions } from './testing/options.ts'
import { makeExchange, type RunOptions, runRequest } from './testing/run.ts'
import type { TestRequest, TestResult } from './testing/run.ts'
import type { Upstream } from './testing/script.ts'

export { OptionsError } from './testing/options.ts'
export type { LogLine } from './testing/host.ts'
export type { TestRequest, TestResult } from './testing/run.ts'
export type { SeenRequest, TestAnswer, Upstream } from './testing/script.ts'

/** What the plugin is to find outside. */
export interface TestSettings {
  /** Where the clock begins, in milliseconds since 1970. */
  readonly now?: number
  /** From 0 up to 1; the same row of numbers in each run by default. */
  readonly random?: () => number
  readonly upstreams?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Answers `host.fetch`; by default it is refused. */
  readonly fetch?: (...request: Parameters<Host['fetch']>) => FetchAnswer | Promise<FetchAnswer>
  /** Answers `host.load`; by default it is refused. */
  readonly load?: (specifier: string) => unknown
}

/** A plugin that runs. */
export interface TestedPlugin {
  /** What `check` and the schema found doubtful. */
  readonly warnings: readonly string[]
  readonly log: readonly LogLine[]
  readonly emitted: TestHost['emitted']
  readonly store: Store
  readonly clock: TestClock
  readonly hooks: Hooks
  /** Sends a request through it; the upstream answers 200 `{}` unless told otherwise. Rejects where the plugin breaks. */
  request(request: TestRequest, upstream?: Upstream): Promise<TestResult>
  /** Shows it one WebSocket message, as a frame of the session that `request` describes. */
  message(
    from: 'client' | 'upstream',
    content: string | Buffer,
    request?: TestRequest,
  ): Promise<MessagePatch>
  /** Calls one of its admin routes; `path` is below `/admin/<plugin>`. */
  admin(method: AdminRoute['method'], path: string, body?: Json): Promise<AdminAnswer>
  /** Tells it of an event, as another step would. */
  emit(name: string, data: JsonObject): void
  metric: TestHost['metric']
  /** Closes it as a reload would. */
  close(): Promise<void>
}

/** 2026-01-01T00:00:00Z: a round number is easier to read in a failed test. */
const NEW_YEAR = 1_767_225_600_000

/**
 * Checks the options as the loader does, sets the plugin up with a host double, and returns it to be tried. Throws an
 * OptionsError for options that `sluice check` would refuse.
 */
export async function testPlugin<S extends OptionsSchema>(
  plugin: Plugin<S>,
  options: Json = {},
  settings: TestSettings = {},
): Promise<TestedPlugin> {
  const checked = checkOptions(plugin, options)
  const clock = new TestClock(settings.now ?? NEW_YEAR)
  const now = () => clock.now
  const store = await openStore('memory:', { now })
  const testHost = openTestHost({
    plugin: plugin.name,
    clock,
    store,
    random: settings.random ?? seededRandom(),
    upstreams: settings.upstreams ?? ['upstream'],
    fetch: settings.fetch ?? refuse('fetch'),
    load: settings.load ?? refuse('load'),
  })
  let hooks: Hooks
  try {
    hooks = await plugin.setup(checked.options, testHost.host)
  } catch (cause) {
    testHost.revoke()
    await store.close()
    throw cause
  }
  return new Tested(plugin, checked, settings, {
    hooks,
    clock,
    store,
    testHost,
  })
}

class Tested implements TestedPlugin {
  readonly warnings: readonly string[]
  readonly log: readonly LogLine[]
  readonly emitted: TestHost['emitted']
  readonly store: Store
  readonly clock: TestClock
  readonly hooks: Hooks
  readonly metric: TestHost['metric']
  readonly #testHost: TestHost
  readonly #run: Omit<RunOptions, 'id'>
  #requests = 0
  #isClosed = false

  constructor(
    plugin: Plugin,
    checked: CheckedOptions<OptionsSchema>,
    { env = {} }: TestSettings,
    parts: { hooks: Hooks; clock: TestClock; store: Store; testHost: TestHost },
  ) {
    const { hooks, clock, store, testHost } = parts
    this.warnings = checked.warnings
    this.log = testHost.log
    this.emitted = testHost.emitted
    this.metric = (name, labels) => testHost.metric(name, labels)
    this.store = store
    this.clock = clock
    this.hooks = hooks
    this.#testHost = testHost
    const step = {
      config: stepConfig(plugin, checked),
      hooks: watched(hooks),
      log: testHost.host.log,
    }
    this.#run = { step, now: () => clock.now, env }
  }

  request(request: TestRequest, upstream: Upstream = { body: {} }): Promise<TestResult> {
    return runRequest(request, upstream, { ...this.#run, id: `test-${++this.#requests}` })
  }

  async message(
    from: 'client' | 'upstream',
    content: string | Buffer,
    request: TestRequest = {},
  ): Promise<MessagePatch> {
    const run = { ...this.#run, id: `test-${++this.#requests}` }
    const exchange = makeExchange({ protocol: 'websocket', ...request }, run)
    return run.step.hooks.message?.(messageOf(from, content), exchange)
  }

  async admin(method: AdminRoute['method'], path: string, body?: Json): Promise<AdminAnswer> {
    const [pathname = '', search] = path.split('?')
    const query = Object.fromEntries(new URLSearchParams(search))
    for (const route of this.hooks.admin ?? []) {
      const params = route.method === method ? paramsOf(route.path, pathname) : undefined
      if (params) return route.handle({ params, query, body })
    }
    throw new Error(`there is no admin route ${method} ${path}`)
  }

  emit(name: string, data: JsonObject): void {
    this.#testHost.emit(name, data)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    try {
      await this.hooks.close?.()
    } finally {
      this.#testHost.revoke()
      await this.store.close()
    }
  }
}

function stepConfig(
  plugin: Plugin,
  { options, reads, writes }: CheckedOptions<OptionsSchema>,
): StepConfig {
  return {
    plugin,
    id: plugin.name,
    place: 'pipelines.test[0]',
    position: { file: 'test', line: 1, column: 1 },
    origin: { use: [], override: undefined },
    isEnabled: true,
    when: undefined,
    onError: 'closed',
    options,
    reads,
    writes,
    identity: plugin.name,
    fingerprint: '',
  }
}

function paramsOf(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/')
  const given = path.split('/')
  if (wanted.length !== given.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, segment] of wanted.entries()) {
    const name = /^\{(\w+)\}$/.exec(segment)?.[1]
    if (name !== undefined) params[name] = decodeURIComponent(given[index]!)
    else if (segment !== given[index]) return undefined
  }
  return params
}

function refuse(name: string): () => never {
  return () => {
    throw new Error(`the plugin calls host.${name}; say what it answers in testPlugin's settings`)
  }
}

/** Mulberry32: small, and the same in each run. */
function seededRandom(): () => number {
  let state = 1
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
