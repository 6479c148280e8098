import { formatDuration } from '#core/kit/duration.ts'
import type { Limit } from '#core/sdk.ts'
import { LEVELS, type Limits, type Options, type Window, windowsOf } from './options.ts'
import { type SubjectOf, subjectOf } from './subjects.ts'

/** What is counted. */
export type Unit = 'requests' | 'tokens'

/** One window of one unit: what becomes a charge. */
export interface Rule {
  /** The limit that it belongs to, as the config names it. */
  readonly name: string
  readonly unit: Unit
  /** The limit without its key, which ends with the subject. */
  readonly limit: Omit<Limit, 'key'>
  readonly keyPrefix: string
  /** The most that can ever be reserved at once. */
  readonly capacity: number
  /** As people say it: `100 requests per 1m`. */
  readonly words: string
  /** The name of its policy in `RateLimit`, and the policy itself. */
  readonly policyName: string
  readonly policy: string
}

/** The counter of a rule for one subject. Written out, since it is made for each request. */
export function limitOf({ limit, keyPrefix }: Rule, subject: string): Limit {
  const { algorithm, limit: most, windowMs, burst } = limit
  const key = keyPrefix + subject
  return burst === undefined
    ? { key, algorithm, limit: most, windowMs: windowMs! }
    : { key, algorithm, limit: most, windowMs: windowMs!, burst }
}

/** One window with all that it counts, under one subject. */
export interface Group {
  readonly name: string
  readonly subjectOf: SubjectOf
  readonly rules: readonly Rule[]
}

/** The limits of those who have one level. */
export interface Level {
  readonly groups: readonly Group[]
  readonly countsTokens: boolean
}

/** The levels by name, and what counts for those who have none. */
export function compileLevels(
  options: Options,
  scope: string,
): { readonly usual: Level; readonly levels: ReadonlyMap<string, Level> } {
  const level = (limits: Limits, factor: number): Level => {
    const groups = Object.entries(limits).flatMap(([name, limit]) =>
      windowsOf(limit).map((window, index, all) =>
        groupOf(
          name,
          window,
          factor,
          scope,
          options,
          all.length > 1 ? `-${formatDuration(window.window)}` : '',
        ),
      ),
    )
    const countsTokens = groups.some(({ rules }) => rules.some(({ unit }) => unit === 'tokens'))
    return { groups, countsTokens }
  }
  const levels = Object.entries({ ...LEVELS, ...options.levels }).map(
    ([name, { limits, factor }]): [string, Level] => [
      name,
      level(limits ?? options.limits, factor),
    ],
  )
  return { usual: level(options.limits, 1), levels: new Map(levels) }
}

function groupOf(
  name: string,
  window: Window,
  factor: number,
  scope: string,
  options: Options,
  suffix: string,
): Group {
  const { window: windowMs, strategy = options.strategy } = window
  const burst = window.burstAllowance ?? options.burstAllowance
  const rules: Rule[] = []
  for (const unit of ['requests', 'tokens'] as const) {
    const asked = window[unit]
    if (asked === undefined) continue
    const most = Math.max(1, Math.floor(asked * factor))
    const capacity = strategy === 'token-bucket' ? Math.floor(most * burst) : most
    const limit = {
      algorithm: strategy,
      limit: most,
      windowMs,
      ...(strategy === 'token-bucket' && { burst: capacity }),
    }
    const policyName = `${name}-${unit}${suffix}`
    // A bucket of q that fills in w: the same rate as the limit's.
    const seconds = Math.max(1, Math.round((windowMs * capacity) / most / 1_000))
    const quota = unit === 'tokens' ? ';qu="tokens"' : ''
    rules.push({
      name,
      unit,
      limit,
      keyPrefix: `${scope}/${name}/${unit}/`,
      capacity,
      words: `${most} ${most === 1 ? unit.slice(0, -1) : unit} per ${formatDuration(windowMs)}`,
      policyName,
      policy: `"${policyName}";q=${capacity}${quota};w=${seconds}`,
    })
  }
  return { name, subjectOf: subjectOf(name, window.key), rules }
}
