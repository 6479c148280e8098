import { dirname, resolve } from 'node:path'
import { loadConfig } from '../../config/load.ts'
import type { Config, StepConfig } from '../../config/model.ts'
import { formatProblem } from '../../config/problems.ts'
import { sourceOf } from '../../config/store.ts'
import { GatewayError } from '../../errors.ts'
import { EventBus, openHost } from '../../kernel/host.ts'
import { createLogger } from '../../kernel/log.ts'
import { MetricRegistry } from '../../kernel/metrics.ts'
import type { Json } from '../../kit/json.ts'
import { parsePathPattern } from '../../kit/path-pattern.ts'
import type { AdminRoute } from '../../sdk.ts'
import { Sandboxes } from '../../sandbox/sandbox.ts'
import { openLocalCounters, openStore } from '../../store/open.ts'
import { catalog } from '../catalog.ts'
import type { Terminal } from '../command.ts'

/** One operation of a plugin, as on the admin listener. */
export interface AdminCall {
  readonly method: AdminRoute['method']
  /** Below `/admin/<plugin>`. */
  readonly path: string
  readonly body?: Json
}

/**
 * Does what an admin route of a plugin does, on the store of a config: without a gateway, or beside those that run.
 * Throws a RangeError that says why it can't, and what the route throws.
 */
export async function callAdmin(
  plugin: string,
  file: string,
  call: AdminCall,
  { env, cwd }: Terminal,
): Promise<Json> {
  const { config, problems } = await loadConfig(file, { env, cwd, catalog })
  if (config === undefined) throw new RangeError(problems.map(formatProblem).join('\n'))
  const step = stepOf(plugin, config)
  if (step === undefined) throw new RangeError(`no route of ${file} has the step ${plugin}`)
  const now = Date.now
  const store = await openStore(sourceOf(config.store), { now })
  try {
    if (!store.isShared) throw new RangeError(onlyThere(plugin))
    return await onStore(step, call, { config, cwd, store, now })
  } finally {
    await store.close()
  }
}

function stepOf(plugin: string, { routes }: Config): StepConfig | undefined {
  const steps = routes.flatMap((route) => route.steps)
  return steps.find((step) => step.isEnabled && step.plugin.name === plugin)
}

function onlyThere(plugin: string): string {
  return (
    'the store is in memory, which no other process sees\n' +
    `  hint: use store: sqlite:./data/sluice.db, or /admin/${plugin} of the running gateway`
  )
}

async function onStore(
  step: StepConfig,
  { method, path, body }: AdminCall,
  world: {
    config: Config
    cwd: string
    store: Awaited<ReturnType<typeof openStore>>
    now: () => number
  },
): Promise<Json> {
  const { config, cwd, store, now } = world
  const log = createLogger('silent', 2)
  const { host, revoke } = openHost(step, {
    now,
    random: Math.random,
    log,
    metrics: new MetricRegistry(),
    events: new EventBus(log),
    store,
    localCounters: openLocalCounters(now),
    sandboxes: new Sandboxes(log),
    upstreams: new Map(),
    fetch: () => Promise.reject(new Error('the command asks nothing of the network')),
    folder: dirname(resolve(cwd, config.file)),
  })
  try {
    const hooks = await step.plugin.setup(step.options as never, host)
    try {
      for (const route of hooks.admin ?? []) {
        const params = route.method === method && parsePathPattern(route.path).match(path)
        if (!params) continue
        const decoded = Object.entries(params).map(([name, text]) => [
          name,
          decodeURIComponent(text),
        ])
        const request = { params: Object.fromEntries(decoded), query: {}, body }
        return (await route.handle(request)).body ?? null
      }
    } finally {
      await hooks.close?.()
    }
  } finally {
    revoke()
  }
  throw new GatewayError('ROUTE_NOT_FOUND', `${step.place} has no operation ${method} ${path}`)
}
