import type {
  AdminAnswer,
  AdminRequest,
  AdminRoute,
  Host,
  Json,
  Limit,
  Reservations,
} from '#core/sdk.ts'
import { type Level, limitOf, type Rule } from './levels.ts'
import { bounded } from './subjects.ts'

/** What the operations for operators look at. */
export interface AdminOptions {
  readonly usual: Level
  readonly levels: ReadonlyMap<string, Level>
  readonly reservations: Reservations
  readonly host: Host
}

/** The operations under `/admin/rateLimiting`: what is limited, where one key stands, and a fresh start for it. */
export function adminRoutes({
  usual,
  levels,
  reservations,
  host,
}: AdminOptions): readonly AdminRoute[] {
  /** The rules of one limit on one level, and their counters for one key. */
  function find({
    params,
    query,
  }: AdminRequest): { rules: readonly Rule[]; limits: Limit[] } | AdminAnswer {
    const { level: levelName, key } = query
    const level = levelName === undefined ? usual : levels.get(levelName)
    if (level === undefined) return unknown('level', levelName!, [...levels.keys()])
    const rules = level.groups
      .filter(({ name }) => name === params['name'])
      .flatMap((group) => group.rules)
    if (rules.length === 0) return unknown('limit', params['name']!, namesOf(level))
    if (key === undefined || key === '')
      return { status: 400, body: { detail: 'say whose by ?key=' } }
    const limits = rules.map((rule) => limitOf(rule, bounded(key)))
    return { rules, limits }
  }

  return [
    {
      method: 'GET',
      path: '/limits',
      summary: 'What is limited, for those who have no level and for each level.',
      perStep: true,
      handle: () => ({
        body: {
          step: host.step.identity,
          isDegraded: reservations.isDegraded,
          limits: describe(usual),
          levels: Object.fromEntries([...levels].map(([name, level]) => [name, describe(level)])),
        },
      }),
    },
    {
      method: 'GET',
      path: '/limits/{name}',
      summary: 'Where one key stands: `?key=`, and `?level=` for the limits of a level.',
      perStep: true,
      async handle(request) {
        const found = find(request)
        if (!('rules' in found)) return found
        const states = await reservations.read(found.limits)
        return {
          body: {
            step: host.step.identity,
            limit: request.params['name']!,
            key: request.query['key']!,
            isDegraded: reservations.isDegraded,
            states: found.rules.map((rule, at) => ({
              ...describeRule(rule),
              remaining: states[at]!.remaining,
              resetMs: states[at]!.resetMs,
            })),
          },
        }
      },
    },
    {
      method: 'DELETE',
      path: '/limits/{name}',
      summary: 'Forgets what was counted for one key: `?key=`.',
      perStep: true,
      async handle(request) {
        const found = find(request)
        if (!('rules' in found)) return found
        await reservations.reset(found.limits)
        const { step } = host
        const data = { limit: request.params['name']!, key: request.query['key']! }
        host.events.emit('admin', { plugin: step.plugin, step: step.id, action: 'reset', ...data })
        return { body: { reset: true, ...data } }
      },
    },
  ]
}

function unknown(what: string, name: string, known: readonly string[]): AdminAnswer {
  const detail = `there is no ${what} ${JSON.stringify(name)}`
  return { status: 404, body: { detail, known: [...known] } }
}

function namesOf({ groups }: Level): string[] {
  return [...new Set(groups.map(({ name }) => name))]
}

function describe({ groups }: Level): Json {
  return groups.flatMap(({ name, rules }) =>
    rules.map((rule) => ({ limit: name, ...describeRule(rule) })),
  )
}

function describeRule({ unit, words, capacity, limit }: Rule): { [name: string]: Json } {
  const { algorithm, windowMs } = limit
  return { unit, words, capacity, strategy: algorithm, windowMs: windowMs! }
}
