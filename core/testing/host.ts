import type { JsonObject } from '../kit/json.ts'
import { EventBus } from '../kernel/host.ts'
import { MetricRegistry } from '../kernel/metrics.ts'
import { Sandboxes } from '../sandbox/sandbox.ts'
import type { FetchAnswer, Host, Logger } from '../sdk.ts'
import { openLocalCounters } from '../store/open.ts'
import type { Store } from '../store/store.ts'
import type { TestClock } from './clock.ts'

/** One line that the plugin logged. */
export interface LogLine {
  readonly level: keyof Logger
  readonly message: string
  readonly fields: object
}

/** What a test host is made of. */
export interface TestHostOptions {
  readonly plugin: string
  readonly clock: TestClock
  readonly store: Store
  readonly random: () => number
  readonly upstreams: readonly string[]
  readonly fetch: (...request: Parameters<Host['fetch']>) => FetchAnswer | Promise<FetchAnswer>
  readonly load: (specifier: string) => unknown
}

/** A host that stands on nothing but memory, and what it noticed. */
export interface TestHost {
  readonly host: Host
  readonly log: readonly LogLine[]
  /** What the plugin told other steps. */
  readonly emitted: readonly { readonly name: string; readonly data: JsonObject }[]
  /** Tells the plugin of something, as another step would. */
  emit(name: string, data: JsonObject): void
  /** The value of a counter or gauge; a histogram's sum. Zero where nothing was counted. */
  metric(name: string, labels?: Readonly<Record<string, string>>): number
  /** Ends it, as the kernel does after a step's `close`. */
  revoke(): void
}

/** One for all tests of a process: to start a process for each would take longer than the tests. */
let sandboxes: Sandboxes | undefined

/** Makes the host of one plugin under test. */
export function openTestHost(options: TestHostOptions): TestHost {
  const { plugin, clock, store, random, upstreams, fetch, load } = options
  const lines: LogLine[] = []
  const write =
    (level: keyof Logger) =>
    (message: string, fields: object = {}) =>
      void lines.push({ level, message, fields })
  const log: Logger = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  }
  const registry = new MetricRegistry()
  const owned = registry.open()
  const bus = new EventBus(log)
  const emitted: { name: string; data: JsonObject }[] = []
  const controller = new AbortController()
  const local = openLocalCounters(() => clock.now)
  const undo: (() => void)[] = []
  const until = (takeBack: () => void) => {
    undo.push(takeBack)
    return takeBack
  }

  sandboxes ??= new Sandboxes(log)
  const host: Host = {
    step: { plugin, id: plugin, place: 'pipelines.test[0]', identity: plugin },
    now: () => clock.now,
    random,
    log,
    metrics: owned.metrics,
    events: {
      emit(name, data) {
        emitted.push({ name, data })
        bus.emit(name, data)
      },
      on: (name, listener) => until(bus.on(name, listener)),
    },
    store: {
      keyValue: (name = '') => store.keyValue(`${plugin}/${name}`),
      isShared: store.isShared,
      counters: store.counters,
      local,
      ledger: store.ledger,
      channel: (name = '') => {
        const channel = store.channel(`${plugin}/${name}`)
        return {
          publish: (message) => channel.publish(message),
          subscribe: (listener, refresh) => until(channel.subscribe(listener, refresh)),
        }
      },
    },
    sandbox: sandboxes.for(plugin, {
      log,
      now: () => clock.now,
      called: () => undefined,
      switched: () => undefined,
    }),
    upstreams: {
      names: upstreams,
      endpoints: (name) => (upstreams.includes(name) ? [`http://${name}.test`] : []),
      keys: (name) => (upstreams.includes(name) ? 1 : 0),
    },
    fetch: async (...request) => fetch(...request),
    every: (ms, callback) => until(clock.start(ms, ms, callback)),
    after: (ms, callback) => until(clock.start(ms, 0, callback)),
    signal: controller.signal,
    load: async (specifier) => load(specifier),
  }

  return {
    host,
    log: lines,
    emitted,
    emit: (name, data) => bus.emit(name, data),
    metric(name, labels = {}) {
      const metric = registry.list().find((one) => one.name === name)
      const key = Object.values(labels).join('\0')
      return metric?.series.get(key)?.value ?? 0
    },
    revoke() {
      for (const takeBack of undo.splice(0)) takeBack()
      owned.close()
      controller.abort(new Error('the step was closed'))
    },
  }
}
