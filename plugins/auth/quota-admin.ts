import type { AdminRoute, Host, JsonObject } from '#core/sdk.ts'
import { counterOf, PERIODS, type QuotaLimit, UNITS } from './quota-limits.ts'
import { UNLIMITED, usedOf } from './quotas.ts'

const ALL: readonly QuotaLimit[] = PERIODS.flatMap((period) =>
  UNITS.map((unit) => ({ period, unit, limit: UNLIMITED })),
)

/** What users have used, for operators. */
export function quotaRoutes(host: Host): AdminRoute[] {
  const { counters } = host.store
  const limitsFor = (user: string) => ALL.map((one) => counterOf(one, user, host.now()))
  return [
    {
      method: 'GET',
      path: '/quotas/{user}',
      summary: 'What a user has used today and this month, what is under way included.',
      async handle({ params }) {
        const user = params['user']!
        const states = await counters.read(limitsFor(user))
        const used: Record<string, JsonObject> = { day: {}, month: {} }
        ALL.forEach(({ period, unit }, at) => (used[period]![unit] = usedOf(states[at]!)))
        return { body: { user, used } }
      },
    },
    {
      method: 'DELETE',
      path: '/quotas/{user}',
      summary: 'Lets a user begin anew today and this month.',
      async handle({ params }) {
        const user = params['user']!
        await counters.reset(limitsFor(user))
        host.events.emit('admin', { plugin: 'auth', action: 'quotas.reset', user })
        return { status: 204 }
      },
    },
  ]
}
