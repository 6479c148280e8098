import { EventEmitter } from 'node:events'
import type { StepConfig, UpstreamConfig } from '../config/model.ts'
import type { JsonObject } from '../kit/json.ts'
import type { Events, FetchAnswer, Host, Logger } from '../sdk.ts'
import type { Channel, Counters, Store } from '../store/store.ts'
import type { CallOutcome } from '../sandbox/health.ts'
import type { Sandboxes } from '../sandbox/sandbox.ts'
import { loadModule } from './load-module.ts'
import { withFields } from './log.ts'
import type { MetricRegistry } from './metrics.ts'

/** What all hosts of a gateway share. */
export interface HostServices {
  readonly now: () => number
  readonly random: () => number
  readonly log: Logger
  readonly metrics: MetricRegistry
  readonly events: EventBus
  readonly store: Store
  /** Counters of this process alone. */
  readonly localCounters: Counters
  readonly sandboxes: Sandboxes
  /** Of the generation that is being made. */
  readonly upstreams: ReadonlyMap<string, Pick<UpstreamConfig, 'endpoints' | 'keys'>>
  readonly fetch: (
    url: string,
    options: Parameters<Host['fetch']>[1],
    trusted: ReadonlySet<string>,
  ) => Promise<FetchAnswer>
  /** The folder of the config file, from where paths and packages are looked up. */
  readonly folder: string
}

/** Carries events between steps. A listener that throws is logged, and the others still hear. */
export class EventBus {
  readonly #emitter = new EventEmitter()
  readonly #log: Logger

  constructor(log: Logger) {
    this.#log = log
    this.#emitter.setMaxListeners(0)
  }

  emit(name: string, data: JsonObject): void {
    for (const listener of this.#emitter.listeners(name)) {
      // The wrapper turns a throw into a rejection, so that an asynchronous listener is caught too.
      void (async () => listener(data))().catch((err: unknown) =>
        this.#log.error('event listener failed', { event: name, err }),
      )
    }
  }

  on(name: string, listener: (data: JsonObject) => void): () => void {
    this.#emitter.on(name, listener)
    return () => this.#emitter.off(name, listener)
  }
}

/** A host, and the end of it. */
export interface OpenHost {
  readonly host: Host
  /** Takes back timers, listeners and metrics; what is called later does nothing. */
  revoke(): void
}

/** Makes the host of one live step. */
export function openHost(step: StepConfig, services: HostServices): OpenHost {
  const { now, random, store, folder } = services
  const { plugin, id, place, identity } = step
  const log = withFields(services.log, { plugin: plugin.name, step: id })
  const controller = new AbortController()
  const { signal } = controller
  const undo = new Set<() => void>()
  const { metrics, close: closeMetrics } = services.metrics.open()

  /** Keeps what takes something back until it is taken back, by its owner or by the end of the step. */
  function until(takeBack: () => void): () => void {
    if (signal.aborted) {
      takeBack()
      return takeBack
    }
    const once = () => {
      undo.delete(once)
      takeBack()
    }
    undo.add(once)
    return once
  }

  function run(callback: () => void | Promise<void>, failure = 'timer failed'): void {
    // The wrapper turns a throw into a rejection, so that both are logged.
    void (async () => callback())().catch((err: unknown) => log.error(failure, { err }))
  }

  /** Ends with the step, and lets nothing that a listener throws reach the others. */
  function openChannel(channel: Channel): Channel {
    const guard = <T extends unknown[]>(callback: ((...args: T) => void) | undefined) =>
      callback && ((...args: T) => run(() => callback(...args), 'channel listener failed'))
    return {
      publish: (message) => channel.publish(message),
      subscribe: (listener, refresh) => until(channel.subscribe(guard(listener)!, guard(refresh))),
    }
  }

  const events: Events = {
    emit(name, data) {
      if (!signal.aborted) services.events.emit(name, data)
    },
    on: (name, listener) => until(services.events.on(name, listener)),
  }

  const host: Host = {
    step: { plugin: plugin.name, id, place, identity },
    now,
    random,
    log,
    metrics,
    events,
    store: {
      keyValue: (name = '') => store.keyValue(`${plugin.name}/${name}`),
      isShared: store.isShared,
      counters: store.counters,
      local: services.localCounters,
      ledger: store.ledger,
      channel: (name = '') => openChannel(store.channel(`${plugin.name}/${name}`)),
    },
    sandbox: services.sandboxes.for(place, sandboxListener(place, log, now, metrics)),
    upstreams: {
      names: [...services.upstreams.keys()],
      endpoints: (name) => services.upstreams.get(name)?.endpoints.map(({ url }) => url) ?? [],
      keys: (name) => services.upstreams.get(name)?.keys.length ?? 0,
    },
    async fetch(url, options) {
      signal.throwIfAborted()
      return services.fetch(url, options, hostsIn(step.options))
    },
    every(ms, callback) {
      const timer = setInterval(() => run(callback), ms * (0.9 + random() * 0.2))
      timer.unref()
      return until(() => clearInterval(timer))
    },
    after(ms, callback) {
      const timer = setTimeout(() => {
        done()
        run(callback)
      }, ms)
      timer.unref()
      const done = until(() => clearTimeout(timer))
      return done
    },
    signal,
    load: (specifier) => loadModule(specifier, folder),
  }

  return {
    host,
    revoke() {
      for (const takeBack of undo) takeBack()
      closeMetrics()
      controller.abort(new Error('the step was closed'))
    },
  }
}

/** Tells the log and the metrics of a step how its script, or the sandboxed plugin that it is, does. */
function sandboxListener(step: string, log: Logger, now: () => number, metrics: Host['metrics']) {
  let calls: ReturnType<Host['metrics']['counter']> | undefined
  let off: ReturnType<Host['metrics']['gauge']> | undefined
  return {
    log,
    now,
    called(outcome: CallOutcome) {
      calls ??= metrics.counter(
        'sluice_script_calls_total',
        'Calls of scripts and sandboxed plugins, by how they ended.',
        ['step', 'outcome'],
      )
      calls.add(1, { step, outcome })
    },
    switched(isOff: boolean) {
      off ??= metrics.gauge(
        'sluice_script_off',
        '1 while a script or sandboxed plugin that kept failing is off.',
        ['step'],
      )
      off.set(isOff ? 1 : 0, { step })
    },
  }
}

/** Hosts of the URLs that stand in a step's options: the operator wrote them, so they are trusted. */
function hostsIn(options: unknown, found = new Set<string>()): ReadonlySet<string> {
  if (typeof options === 'string') {
    if (URL.canParse(options)) found.add(new URL(options).hostname)
  } else if (typeof options === 'object' && options !== null) {
    for (const value of Object.values(options)) hostsIn(value, found)
  }
  return found
}
