import type { ClientDialect } from '#core/dialects/dialect.ts'
import { formatTime } from '#core/kit/time.ts'
import type { LimitState } from '#core/sdk.ts'
import type { Rule, Unit } from './levels.ts'

/** A rule that a request was held against, and where it stands. */
export interface Standing {
  readonly rule: Rule
  readonly state: LimitState
}

/**
 * Header fields that tell a client where it stands: `RateLimit` and `RateLimit-Policy`
 * (draft-ietf-httpapi-ratelimit-headers-11) for all rules, and in the dialects that have their own, those for the rule
 * of each unit that has the least left. `null` takes away what the upstream says of the gateway's own account.
 */
export function standingHeaders(
  dialect: ClientDialect,
  standings: readonly Standing[],
  now: number,
): Record<string, string | null> {
  const headers: Record<string, string | null> = {
    'ratelimit-policy': standings.map(({ rule }) => rule.policy).join(', '),
    ratelimit: standings.map(({ rule, state }) => limitItem(rule, state)).join(', '),
  }
  if (dialect === 'http' || dialect === 'gemini') return headers
  for (const unit of UNITS) {
    const tightest = tightestOf(standings, unit)
    if (dialect === 'anthropic') addAnthropic(headers, unit, tightest, now)
    else addOpenai(headers, unit, tightest)
  }
  return headers
}

const UNITS: readonly Unit[] = ['requests', 'tokens']

function limitItem({ policyName }: Rule, { remaining, resetMs }: LimitState): string {
  const item = `"${policyName}";r=${remaining}`
  return Number.isFinite(resetMs) ? `${item};t=${Math.ceil(resetMs / 1_000)}` : item
}

function tightestOf(standings: readonly Standing[], unit: Unit): Standing | undefined {
  let tightest: Standing | undefined
  for (const standing of standings) {
    if (standing.rule.unit !== unit) continue
    if (tightest === undefined || standing.state.remaining < tightest.state.remaining)
      tightest = standing
  }
  return tightest
}

/** OpenAI, "Rate limits in headers": resets as durations. */
function addOpenai(
  headers: Record<string, string | null>,
  unit: Unit,
  standing: Standing | undefined,
): void {
  const { rule, state } = standing ?? {}
  headers[`x-ratelimit-limit-${unit}`] = rule === undefined ? null : String(rule.capacity)
  headers[`x-ratelimit-remaining-${unit}`] = state === undefined ? null : String(state.remaining)
  headers[`x-ratelimit-reset-${unit}`] = state === undefined ? null : goDuration(state.resetMs)
}

/** Anthropic, "Rate limits, response headers": resets as RFC 3339. */
function addAnthropic(
  headers: Record<string, string | null>,
  unit: Unit,
  standing: Standing | undefined,
  now: number,
): void {
  const { rule, state } = standing ?? {}
  headers[`anthropic-ratelimit-${unit}-limit`] = rule === undefined ? null : String(rule.capacity)
  headers[`anthropic-ratelimit-${unit}-remaining`] =
    state === undefined ? null : String(state.remaining)
  headers[`anthropic-ratelimit-${unit}-reset`] =
    state === undefined ? null : formatTime(now + state.resetMs)
  if (unit === 'requests') return
  for (const name of ANTHROPIC_OTHERS) headers[name] = null
}

/** The upstream's own, which we have no counterpart for. */
const ANTHROPIC_OTHERS = ['input-tokens', 'output-tokens'].flatMap((kind) =>
  ['limit', 'remaining', 'reset'].map((field) => `anthropic-ratelimit-${kind}-${field}`),
)

/** As Go prints a duration, and so OpenAI: `12ms`, `1s`, `6m0s`, `2h3m4s`. */
export function goDuration(ms: number): string {
  if (ms < 1_000) return `${Math.ceil(ms)}ms`
  const seconds = Math.ceil(ms / 1_000)
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  const rest = `${seconds % 60}s`
  if (minutes === 0) return rest
  return hours === 0 ? `${minutes}m${rest}` : `${hours}h${minutes % 60}m${rest}`
}
