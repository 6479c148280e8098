import { formatDuration } from '#core/kit/duration.ts'
import { GatewayError, type ExchangeView, type Reservation, type Reserved } from '#core/sdk.ts'
import type { Rule } from './levels.ts'
import { standingHeaders, STATE_HEADER } from './standing.ts'

/** SDKs wait no longer than this for a server that asks them to, and try at once instead. Milliseconds. */
const MOST_SDK_WAIT_MS = 60_000

type Refused = Extract<Reservation, { ok: false }>

/** The rule that a refused request is told of: the first that will never have room for it, else the first that has none now. */
export function refusedRule(rules: readonly Rule[], { refused }: Refused, tokens: number): Rule {
  const never = refused.find((at) => rules[at]!.unit === 'tokens' && tokens > rules[at]!.capacity)
  return rules[never ?? refused[0]!]!
}

/** The answer to a request that does not fit: 429, with what the client's SDK needs to come back at the right time. */
export function refusalOf(
  rules: readonly Rule[],
  rule: Rule,
  { retryAfterMs, states }: Refused,
  exchange: ExchangeView,
  options: {
    readonly tokens: number
    readonly headers: boolean
    readonly message: string | undefined
    readonly by: Reserved['by']
  },
  now: number,
): GatewayError {
  const { dialect } = exchange.req
  const headers: Record<string, string> = {}
  if (options.by !== 'store') headers[STATE_HEADER] = options.by
  if (options.headers) {
    for (const [name, value] of Object.entries(standingHeaders(dialect, rules, states, now))) {
      if (value !== null) headers[name] = value
    }
  }
  const isForGood = !Number.isFinite(retryAfterMs)
  if (!isForGood) {
    headers['retry-after'] = String(Math.max(1, Math.ceil(retryAfterMs / 1_000)))
    if (dialect !== 'http') headers['retry-after-ms'] = String(Math.max(1, Math.ceil(retryAfterMs)))
  }
  if (isForGood || retryAfterMs > MOST_SDK_WAIT_MS) headers['x-should-retry'] = 'false'
  const detail = isForGood ? tooLarge(rule, options.tokens) : tooMany(rule, retryAfterMs)
  return new GatewayError(
    'RATE_LIMITED',
    options.message === undefined ? detail : `${options.message}: ${detail}`,
    { headers },
  )
}

function tooMany({ words, name }: Rule, retryAfterMs: number): string {
  const wait = formatDuration(Math.max(1, Math.ceil(retryAfterMs / 1_000)) * 1_000)
  return `over the limit of ${words} (${name}), try again in ${wait}`
}

function tooLarge({ words, name, capacity }: Rule, tokens: number): string {
  return `this request may take ${tokens} tokens, and no more than ${capacity} ever fit into the limit of ${words} (${name}): send a shorter prompt, or set a smaller bound for the answer`
}
