import type { AdminAnswer, AdminRequest, AdminRoute } from '../sdk.ts'
import type { LiveStep } from './step.ts'

/** The admin routes of all live steps, by plugin: those of its first step that has some, or of the step that is asked for. */
export function adminRoutes(steps: Iterable<LiveStep>): Map<string, readonly AdminRoute[]> {
  const byPlugin = Map.groupBy(
    [...steps].filter(({ hooks }) => hooks.admin),
    ({ config }) => config.plugin.name,
  )
  return new Map([...byPlugin].map(([plugin, live]) => [plugin, routesOf(live)]))
}

function routesOf(steps: readonly LiveStep[]): readonly AdminRoute[] {
  const [first] = steps
  return first!.hooks.admin!.map((route) =>
    route.perStep && steps.length > 1 ? chosen(route, steps) : route,
  )
}

/** The route of the step that `?step=` names. */
function chosen(route: AdminRoute, steps: readonly LiveStep[]): AdminRoute {
  return {
    ...route,
    handle(request) {
      const named = request.query['step']
      const found = steps.filter(({ config }) => named === config.id || named === config.identity)
      if (found.length !== 1) return whichOne(steps, request)
      const [step] = found
      const own = step!.hooks.admin!.find(
        ({ method, path }) => method === route.method && path === route.path,
      )
      return own!.handle(request)
    },
  }
}

function whichOne(steps: readonly LiveStep[], { query }: AdminRequest): AdminAnswer {
  const { step } = query
  const detail =
    step === undefined
      ? 'there are several steps: say which by ?step='
      : `no one step is called ${JSON.stringify(step)}`
  return { status: 400, body: { detail, steps: steps.map(({ config }) => config.identity) } }
}
