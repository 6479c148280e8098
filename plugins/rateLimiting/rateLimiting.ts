import { estimateTokens, type TokenEstimate, withOutputBound } from '#core/dialects/estimate.ts'
import {
  type Charge,
  definePlugin,
  type ExchangeView,
  type Hold,
  type LimitState,
  type Outcome,
  type Part,
  type RequestPatch,
  Reservations,
  type Reserved,
  type ResponsePatch,
  tokensUsed,
} from '#core/sdk.ts'
import { adminRoutes } from './admin.ts'
import { checkOptions, countsTokens } from './check.ts'
import { compileLevels, type Level, limitOf, type Rule } from './levels.ts'
import { OPTIONS } from './options.ts'
import { refusalOf, refusedRule } from './refusal.ts'
import { standingHeaders, STATE_HEADER } from './standing.ts'

/** What is known of an exchange from its reservation until it is over. */
interface Entry {
  readonly rules: readonly Rule[]
  readonly charges: readonly Charge[]
  readonly estimate: TokenEstimate
  hold: Hold | undefined
  /** Where each rule stands; empty where nobody counts. */
  states: readonly LimitState[]
  /** How limits were counted. */
  by: Reserved['by']
  /** What to settle with, where the exchange was over before the store had answered. */
  spent: number | undefined
}

const NO_TOKENS: TokenEstimate = { inputTokens: 0, outputTokens: 0 }

/** How much longer than the request itself a reservation is kept, so that a slow end still settles it. Milliseconds. */
const AFTERWARDS_MS = 60_000

/**
 * What nobody settles is charged as reserved when it expires. Until then a store that was given up, but has reserved
 * all the same, can give it back. Milliseconds.
 */
const NOT_SETTLED_MS = 5_000

export default definePlugin({
  name: 'rateLimiting',
  stage: 'admit',
  summary: 'Limits requests and tokens per user, API key, address or whatever you say.',
  schema: OPTIONS,
  traits: ['charges'],

  reads: (options) => {
    const parts: Part[] = []
    if (countsTokens(options)) parts.push('request.body', 'usage')
    return parts
  },
  writes: ({ boundOutput }) => (boundOutput ? ['request.body'] : []),
  check: checkOptions,
  wishes: ({ limits }) =>
    'perAPIKey' in limits
      ? [
          {
            fact: 'consumer',
            path: ['limits', 'perAPIKey'],
            without: 'it counts by the credential that is presented, whether it is valid or not',
          },
        ]
      : [],

  setup(options, host) {
    const { maxOutput, bytesPerToken, boundOutput, message, headers } = options
    const { usual, levels } = compileLevels(options, options.scope ?? host.step.identity)
    const reservations = new Reservations(host, options)
    /** From the reservation to `done`, which comes for each. */
    const entries = new WeakMap<ExchangeView, Entry>()
    const estimating = { bytesPerToken, maxOutputTokens: maxOutput }
    const unknownLevels = new Set<string>()
    const refused = host.metrics.counter(
      'rate_limit_refused_total',
      'Requests refused, by the limit that had no room.',
      ['step', 'limit', 'unit'],
    )
    const overrun = host.metrics.counter(
      'rate_limit_overrun_tokens_total',
      'Tokens that answers took beyond what was reserved for them.',
      ['step'],
    )
    const step = host.step.id

    function levelOf({ consumer }: ExchangeView): Level {
      const name = consumer?.['rateLimit']
      if (typeof name !== 'string') return usual
      const level = levels.get(name)
      if (level === undefined && !unknownLevels.has(name) && unknownLevels.size < MAX_TOLD) {
        unknownLevels.add(name)
        host.log.warn('no such rate level', { level: name, known: [...levels.keys()] })
      }
      return level ?? usual
    }

    function entryOf(exchange: ExchangeView): Entry | undefined {
      const level = levelOf(exchange)
      const estimate = level.countsTokens ? estimateTokens(exchange.req, estimating) : NO_TOKENS
      const tokens = tokensOf(estimate)
      const rules: Rule[] = []
      const charges: Charge[] = []
      for (const group of level.groups) {
        const subject = group.subjectOf(exchange)
        if (subject === undefined) continue
        for (const rule of group.rules) {
          const amount = rule.unit === 'requests' ? 1 : tokens
          if (amount === 0) continue
          rules.push(rule)
          charges.push({ limit: limitOf(rule, subject), amount })
        }
      }
      if (charges.length === 0) return undefined
      return {
        rules,
        charges,
        estimate,
        hold: undefined,
        states: [],
        by: 'store',
        spent: undefined,
      }
    }

    /** Goes on once the store has answered. */
    function admit(
      exchange: ExchangeView,
      entry: Entry,
      { hold, reservation, by }: Reserved,
    ): RequestPatch | void {
      entry.by = by
      if (hold === undefined)
        throw refuse(exchange, entry, reservation as Extract<typeof reservation, { ok: false }>)
      entry.hold = hold
      if (entry.spent !== undefined) return void settle(entry, entry.spent)
      if (reservation !== undefined) entry.states = reservation.states
      const body = boundOutput ? withOutputBound(exchange.req, maxOutput) : undefined
      return body === undefined ? undefined : { body }
    }

    function refuse(
      exchange: ExchangeView,
      { rules, estimate, by }: Entry,
      reservation: Extract<Reserved['reservation'], { ok: false }>,
    ) {
      const tokens = tokensOf(estimate)
      const rule = refusedRule(rules, reservation, tokens)
      refused.add(1, { step, limit: rule.name, unit: rule.unit })
      host.events.emit('rateLimit', {
        id: exchange.id,
        route: exchange.route,
        step,
        limit: rule.name,
        unit: rule.unit,
        consumer: exchange.consumer?.id ?? null,
      })
      return refusalOf(
        rules,
        rule,
        reservation,
        exchange,
        { tokens, headers, message, by },
        host.now(),
      )
    }

    function settle(
      { hold, rules, charges, estimate }: Entry,
      tokens: number,
    ): void | Promise<void> {
      const excess = tokens - tokensOf(estimate)
      if (excess > 0) overrun.add(excess, { step })
      return reservations.settle(
        hold!,
        charges.map(({ amount }, at) => (rules[at]!.unit === 'tokens' ? tokens : amount)),
      )
    }

    return {
      admin: adminRoutes({ usual, levels, reservations, host }),

      request(exchange) {
        const entry = entryOf(exchange)
        if (entry === undefined) return undefined
        entries.set(exchange, entry)
        const isSettled = tokensOf(entry.estimate) > 0
        const ttlMs = isSettled
          ? Math.max(0, exchange.deadline - host.now()) + AFTERWARDS_MS
          : NOT_SETTLED_MS
        const reserved = reservations.reserve(entry.charges, ttlMs)
        return reserved instanceof Promise
          ? reserved.then((late) => admit(exchange, entry, late))
          : admit(exchange, entry, reserved)
      },

      explain(exchange) {
        const entry = entryOf(exchange)
        const charged = entry?.charges.map(({ limit, amount }, at) => {
          const { name, words, keyPrefix } = entry.rules[at]!
          const subject = limit.key.slice(keyPrefix.length)
          return `${name}: ${amount} of ${words}, counted under ${JSON.stringify(subject)}`
        })
        return charged ?? ['counts nothing of it']
      },

      ...(headers && {
        response(exchange: ExchangeView): ResponsePatch | undefined {
          const entry = entries.get(exchange)
          if (entry === undefined) return undefined
          const { rules, states, by } = entry
          if (by === 'nobody') return { headers: { [STATE_HEADER]: 'open' } }
          const told = standingHeaders(exchange.req.dialect, rules, states, host.now())
          return { headers: by === 'local' ? { ...told, [STATE_HEADER]: 'local' } : told }
        },
      }),

      done(exchange: ExchangeView, outcome: Outcome) {
        const entry = entries.get(exchange)
        if (entry === undefined) return undefined
        entries.delete(exchange)
        if (tokensOf(entry.estimate) === 0) return undefined
        const tokens = tokensUsed(exchange, outcome, entry.estimate)
        if (entry.hold !== undefined) return settle(entry, tokens)
        entry.spent = tokens
        return undefined
      },
    }
  },
})

/** Levels that nobody has defined are told of once each, up to so many. */
const MAX_TOLD = 20

function tokensOf({ inputTokens, outputTokens }: TokenEstimate): number {
  return inputTokens + outputTokens
}
