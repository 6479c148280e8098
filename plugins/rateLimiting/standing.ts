import type { ClientDialect } from '#core/dialects/dialect.ts'
import { formatTime } from '#core/kit/time.ts'
import type { LimitState } from '#core/sdk.ts'
import type { Rule, Unit } from './levels.ts'

/** Says that limits are not counted as they should be, while the store is down: `local` or `open`. */
export const STATE_HEADER = 'x-sluice-rate-limiting'

/**
 * Header fields that tell a client where it stands: `RateLimit` and `RateLimit-Policy`
 * (draft-ietf-httpapi-ratelimit-headers-11) for all rules, and in the dialects that have their own, those for the rule
 * of each unit that has the least left. `null` takes away what the upstream says of the gateway's own account.
 */
export function standingHeaders(
  dialect: ClientDialect,
  rules: readonly Rule[],
  states: readonly LimitState[],
  now: number,
): Record<string, string | null> {
  let policies = ''
  let limits = ''
  for (const [at, { policy, policyName }] of rules.entries()) {
    const { remaining, resetMs } = states[at]!
    if (at > 0) {
      policies += ', '
      limits += ', '
    }
    policies += policy
    limits += `"${policyName}";r=${remaining}`
    if (Number.isFinite(resetMs)) limits += `;t=${Math.ceil(resetMs / 1_000)}`
  }
  const headers: Record<string, string | null> = { 'ratelimit-policy': policies, ratelimit: limits }
  if (dialect === 'http' || dialect === 'gemini') return headers
  const isAnthropic = dialect === 'anthropic'
  const names = isAnthropic ? ANTHROPIC : OPENAI
  for (const unit of UNITS) {
    const [limit, remaining, reset] = names[unit]
    const tightest = tightestOf(rules, states, unit)
    if (tightest === -1) {
      headers[limit] = headers[remaining] = headers[reset] = null
      continue
    }
    const state = states[tightest]!
    headers[limit] = String(rules[tightest]!.capacity)
    headers[remaining] = String(state.remaining)
    headers[reset] = isAnthropic ? formatTime(now + state.resetMs) : goDuration(state.resetMs)
  }
  if (isAnthropic) for (const name of ANTHROPIC_OTHERS) headers[name] = null
  return headers
}

const UNITS: readonly Unit[] = ['requests', 'tokens']

type Names = Readonly<Record<Unit, readonly [limit: string, remaining: string, reset: string]>>

/** OpenAI, "Rate limits in headers": resets as durations. */
const OPENAI: Names = {
  requests: [
    'x-ratelimit-limit-requests',
    'x-ratelimit-remaining-requests',
    'x-ratelimit-reset-requests',
  ],
  tokens: ['x-ratelimit-limit-tokens', 'x-ratelimit-remaining-tokens', 'x-ratelimit-reset-tokens'],
}

/** Anthropic, "Rate limits, response headers": resets as RFC 3339. */
const ANTHROPIC: Names = {
  requests: [
    'anthropic-ratelimit-requests-limit',
    'anthropic-ratelimit-requests-remaining',
    'anthropic-ratelimit-requests-reset',
  ],
  tokens: [
    'anthropic-ratelimit-tokens-limit',
    'anthropic-ratelimit-tokens-remaining',
    'anthropic-ratelimit-tokens-reset',
  ],
}

/** The upstream's own, which we have no counterpart for. */
const ANTHROPIC_OTHERS = ['input-tokens', 'output-tokens'].flatMap((kind) =>
  ['limit', 'remaining', 'reset'].map((field) => `anthropic-ratelimit-${kind}-${field}`),
)

/** The rule of a unit with the least left, by position; -1 where there is none. */
function tightestOf(rules: readonly Rule[], states: readonly LimitState[], unit: Unit): number {
  let tightest = -1
  for (const [at, rule] of rules.entries()) {
    if (rule.unit !== unit) continue
    if (tightest === -1 || states[at]!.remaining < states[tightest]!.remaining) tightest = at
  }
  return tightest
}

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
