import { dirname, resolve } from 'node:path'
import type { Config, StepConfig, UpstreamConfig } from '../../config/model.ts'
import { CLIENT_DIALECTS } from '../../dialects/dialect.ts'
import { spokenBy } from '../../dialects/providers.ts'
import { GatewayError } from '../../errors.ts'
import { EventBus, type HostServices, openHost } from '../../kernel/host.ts'
import { MetricRegistry } from '../../kernel/metrics.ts'
import { Sandboxes } from '../../sandbox/sandbox.ts'
import type { Hooks, Logger } from '../../sdk.ts'
import { openLocalCounters, openStore } from '../../store/open.ts'
import { createRequestHead } from '../../upstream/request-head.ts'
import type { Upstream, UpstreamRequest } from '../../upstream/upstream.ts'

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** A world without network and without memory of earlier requests, for steps to be tried in. */
export interface OfflineWorld {
  /** Sets a step up. Rejects with what `setup` threw. */
  open(step: StepConfig): Promise<Hooks>
  /** Closes all that was opened, in reverse order. */
  close(): Promise<void>
}

/** Makes that world for one config: an empty store, and nothing behind `fetch`. */
export async function openOfflineWorld(config: Config, cwd: string): Promise<OfflineWorld> {
  const now = Date.now
  const store = await openStore('memory:', { now })
  const sandboxes = new Sandboxes(SILENT)
  const services: HostServices = {
    now,
    random: Math.random,
    log: SILENT,
    metrics: new MetricRegistry(),
    events: new EventBus(SILENT),
    store,
    localCounters: openLocalCounters(now),
    sandboxes,
    upstreams: config.upstreams,
    fetch: (url) =>
      Promise.reject(new Error(`it asks ${new URL(url).host}, and explain uses no network`)),
    folder: dirname(resolve(cwd, config.file)),
  }
  const opened: (() => Promise<void>)[] = []
  return {
    async open(step) {
      const { host, revoke } = openHost(step, services)
      opened.push(async () => revoke())
      const hooks = await step.plugin.setup(step.options as never, host)
      opened.push(async () => hooks.close?.())
      return hooks
    },
    async close() {
      await Promise.allSettled(opened.splice(0).map((_, at, all) => all.at(-1 - at)!()))
      await sandboxes.close()
      await store.close()
    },
  }
}

/** An upstream that is never asked: it says what it would have been asked, and answers 200. */
export function offlineUpstream(
  config: UpstreamConfig,
  onAsked: (request: UpstreamRequest, urls: readonly string[]) => void,
): Upstream {
  const isDemo = config.dialects.includes('demo')
  const headOf = createRequestHead(config)
  const urlsOf = (request: UpstreamRequest) =>
    config.endpoints.map(({ url }) => {
      const { origin, pathname } = new URL(url)
      return `${origin}${headOf(request, pathname, undefined).path}`
    })
  const answer = { status: 200, headers: {}, endpoint: 0, key: undefined }
  return {
    name: config.name,
    dialects: isDemo ? CLIENT_DIALECTS : spokenBy(config.dialects),
    endpoints: config.endpoints.map(({ url }) => url),
    send(request) {
      onAsked(request, urlsOf(request))
      return { answer: Promise.resolve({ ...answer, body: Buffer.alloc(0) }), abort() {} }
    },
    connect(request) {
      if (isDemo) throw new GatewayError('DIALECT_UNSUPPORTED', 'demo does not speak WebSocket')
      onAsked(request, urlsOf(request))
      const body = Buffer.alloc(0)
      return { answer: Promise.resolve({ ...answer, body, session: undefined }), abort() {} }
    },
    async close() {},
  }
}
