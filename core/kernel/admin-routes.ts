import { formatProblem } from '../config/problems.ts'
import type { JsonObject } from '../kit/json.ts'
import type { AdminAnswer, AdminRoute } from '../sdk.ts'
import type { Store } from '../store/store.ts'
import type { Gateway, ReloadResult } from './gateway.ts'
import type { LiveRoute } from './generation.ts'

/** The admin listener's own routes, and those of the running generation's plugins under `/admin/<plugin>`. */
export function adminRoutes(gateway: Gateway): readonly AdminRoute[] {
  const { generation } = gateway
  const plugins = [...generation.admin].flatMap(([plugin, routes]) =>
    routes.map((route) => ({ ...route, path: `/admin/${plugin}${route.path}` })),
  )
  return [
    {
      method: 'GET',
      path: '/admin/config',
      summary: 'The config in force; secrets are masked.',
      handle: () => ({ body: generation.config.effective }),
    },
    {
      method: 'PUT',
      path: '/admin/config',
      summary: 'Reads the config file again and puts it in force, if it is right.',
      handle: async () => reloadAnswer(await gateway.reload()),
    },
    {
      method: 'GET',
      path: '/admin/routes',
      summary: 'The routes in the order in which they are tried, with their steps and upstreams.',
      handle: () => ({
        body: {
          generation: generation.number,
          exchanges: generation.exchanges,
          routes: generation.routes.map(describeRoute),
        },
      }),
    },
    {
      method: 'GET',
      path: '/admin/sandbox',
      summary:
        'The scripts and sandboxed plugins that are open, those that are switched off, and their processes.',
      handle: () => ({ body: describeSandbox(gateway) }),
    },
    {
      method: 'GET',
      path: '/admin/store',
      summary: 'Where state is kept, and whether it can be used now.',
      handle: () => ({ body: describeStore(gateway.store) }),
    },
    ...plugins,
  ]
}

function describeSandbox({ sandboxes }: Gateway): JsonObject {
  return {
    processes: [...sandboxes.pids],
    scripts: sandboxes.states().map((state) => ({ ...state })),
  }
}

function reloadAnswer(result: ReloadResult): AdminAnswer {
  if (!result.ok) return { status: 422, body: { problems: result.problems.map(formatProblem) } }
  const { generation, changed, warnings } = result
  return { body: { generation, changed, warnings: warnings.map(formatProblem) } }
}

function describeStore({ url, isShared, problem }: Store): JsonObject {
  const isUp = problem === undefined
  return { url, shared: isShared, state: isUp ? 'up' : 'down', ...(isUp ? {} : { problem }) }
}

function describeRoute({ config, steps, plan }: LiveRoute): JsonObject {
  const { methods, paths, hosts, protocol, api } = config.match
  return {
    id: config.id,
    match: { methods: [...methods], paths: [...paths], hosts: [...hosts], protocol, api: [...api] },
    steps: steps.map((step) => ({
      plugin: step.config.plugin.name,
      id: step.config.id,
      place: step.config.place,
      position: positionOf(step.config.position),
    })),
    upstreams: [...config.upstreams],
    buffers: [...plan.reasons],
    position: positionOf(config.position),
  }
}

function positionOf({
  file,
  line,
  column,
}: {
  file: string
  line: number
  column: number
}): string {
  return `${file}:${line}:${column}`
}
