import { estimateTokens, type TokenEstimate, withOutputBound } from '#core/dialects/estimate.ts'
import { formatDuration } from '#core/kit/duration.ts'
import {
  type ExchangeView,
  type Hold,
  type Host,
  type Outcome,
  type RequestPatch,
  Reservations,
  type Reserved,
  type ResponsePatch,
  tokensUsed,
} from '#core/sdk.ts'
import type { Rbac } from './access.ts'
import type { Identity } from './identity.ts'
import {
  counterOf,
  limitsOf,
  nameOf,
  type Quota,
  type QuotaLimit,
  untilEnd,
} from './quota-limits.ts'

/** The option `quotas`. */
export interface QuotaOptions {
  readonly perUser: boolean | Quota
  readonly enforcement: 'strict' | 'soft'
  readonly maxOutput: number
  readonly boundOutput: boolean
  readonly bytesPerToken: number
  readonly onStoreError: 'closed' | 'open'
}

/** What one request has to do with quotas. */
interface Entry {
  readonly limits: readonly QuotaLimit[]
  readonly estimate: TokenEstimate
  /** Numbers that are used up, where that is only told. */
  over: readonly QuotaLimit[]
  hold: Hold | undefined
  /** What to settle with, where the exchange was over before the store had answered. */
  spent: number | undefined
}

/** As large as the store counts: a soft quota refuses nobody, and what was used is what is missing from it. */
export const UNLIMITED = 2 ** 52

/** How much longer than the request a reservation is kept, so that a slow end still settles it. Milliseconds. */
const AFTERWARDS_MS = 60_000
/** What nobody settles is charged as reserved when it expires, which may as well be at once. Milliseconds. */
const NOT_SETTLED_MS = 1
/** Users who were told of; the names begin anew once there are more. */
const MAX_TOLD = 10_000

/** Says which quotas are used up, where that is no reason to refuse. */
const HEADER = 'x-sluice-quota-exceeded'

/** Counts what each user takes in a day and a month: reserved before the request runs, settled with what it came to. */
export class Quotas {
  readonly #options: QuotaOptions
  readonly #rbac: Rbac | undefined
  readonly #host: Host
  readonly #reservations: Reservations
  readonly #entries = new WeakMap<ExchangeView, Entry>()
  readonly #told = new Set<string>()
  readonly #exceeded

  constructor(options: QuotaOptions, rbac: Rbac | undefined, host: Host) {
    this.#options = options
    this.#rbac = rbac?.enabled === true ? rbac : undefined
    this.#host = host
    const { onStoreError } = options
    this.#reservations = new Reservations(host, { onStoreError, localFraction: 1 })
    this.#exceeded = host.metrics.counter('auth_quota_exceeded_total', 'Requests over a quota.', [
      'period',
      'unit',
    ])
  }

  /** What counts for somebody: what the key says, else the first of the roles that says something, else what all have. */
  limitsFor({ quota, roles }: Identity): readonly QuotaLimit[] {
    const { perUser } = this.#options
    if (perUser === false) return []
    if (quota !== undefined) return limitsOf(quota)
    for (const [name, role] of Object.entries(this.#rbac?.roles ?? {})) {
      if (role.quota !== undefined && roles.includes(name)) return limitsOf(role.quota)
    }
    return limitsOf(perUser === true ? undefined : perUser)
  }

  /** Takes what a request may cost, or refuses it; `patch` is what it passes with. */
  async reserve(
    exchange: ExchangeView,
    user: string,
    quota: readonly QuotaLimit[],
    patch: RequestPatch,
  ): Promise<RequestPatch> {
    const { enforcement, maxOutput, bytesPerToken } = this.#options
    const estimating = { bytesPerToken, maxOutputTokens: maxOutput }
    const estimate = estimateTokens(exchange.req, estimating)
    const tokens = estimate.inputTokens + estimate.outputTokens
    const limits = quota.filter(({ unit }) => unit === 'requests' || tokens > 0)
    if (limits.length === 0) return patch
    const now = this.#host.now()
    const entry: Entry = { limits, estimate, over: [], hold: undefined, spent: undefined }
    this.#entries.set(exchange, entry)
    const charges = limits.map((one) => {
      const limit = counterOf(one, user, now)
      const amount = one.unit === 'requests' ? 1 : tokens
      return { limit: enforcement === 'soft' ? { ...limit, limit: UNLIMITED } : limit, amount }
    })
    const isSettled = limits.some(({ unit }) => unit === 'tokens')
    const ttlMs = isSettled ? Math.max(0, exchange.deadline - now) + AFTERWARDS_MS : NOT_SETTLED_MS
    const { hold, reservation } = await this.#reservations.reserve(charges, ttlMs)
    if (hold === undefined) return this.#refuse(exchange, user, entry, reservation)
    entry.hold = hold
    if (entry.spent !== undefined) await this.#settle(entry, entry.spent)
    if (enforcement === 'soft' && reservation !== undefined) {
      entry.over = limits.filter(({ limit }, at) => usedOf(reservation.states[at]!) > limit)
      for (const one of entry.over) this.#tell(exchange, user, one, false)
    }
    return this.#bounded(exchange, patch)
  }

  /** The answer's head, with what is used up. */
  response(exchange: ExchangeView): ResponsePatch | undefined {
    const over = this.#entries.get(exchange)?.over ?? []
    if (over.length === 0) return undefined
    return { headers: { [HEADER]: over.map(({ unit, period }) => `${unit}/${period}`).join(', ') } }
  }

  /** Settles with what was used. */
  done(exchange: ExchangeView, outcome: Outcome): Promise<void> | undefined {
    const entry = this.#entries.get(exchange)
    if (entry === undefined || entry.limits.every(({ unit }) => unit === 'requests'))
      return undefined
    const tokens = tokensUsed(exchange, outcome, entry.estimate)
    if (entry.hold !== undefined) return this.#settle(entry, tokens)
    entry.spent = tokens
    return undefined
  }

  async #settle({ hold, limits }: Entry, tokens: number): Promise<void> {
    await this.#reservations.settle(
      hold!,
      limits.map(({ unit }) => (unit === 'requests' ? 1 : tokens)),
    )
  }

  #bounded(exchange: ExchangeView, patch: RequestPatch): RequestPatch {
    const { boundOutput, maxOutput } = this.#options
    const body = boundOutput ? withOutputBound(exchange.req, maxOutput) : undefined
    return body === undefined ? patch : { ...patch, body }
  }

  #refuse(
    exchange: ExchangeView,
    user: string,
    { limits, estimate }: Entry,
    reservation: Reserved['reservation'],
  ): RequestPatch {
    const refused = reservation?.ok === false ? reservation.refused : []
    const quota = limits[refused[0] ?? 0]!
    this.#tell(exchange, user, quota, true)
    const { period, unit, limit } = quota
    const words = `${limit} ${unit} per ${period}`
    const tokens = estimate.inputTokens + estimate.outputTokens
    if (unit === 'tokens' && tokens > limit) {
      return deny(`this request may take ${tokens} tokens, and the quota is ${words}`, undefined)
    }
    const seconds = Math.ceil(untilEnd(period, this.#host.now()) / 1_000)
    const left = `it begins anew in ${formatDuration(seconds * 1_000)}`
    return deny(`the quota of ${words} has no room for this request; ${left}`, seconds)
  }

  /** Once per user and number, as an event; each time in the metric. */
  #tell(exchange: ExchangeView, user: string, quota: QuotaLimit, isRefused: boolean): void {
    const { period, unit, limit } = quota
    this.#exceeded.add(1, { period, unit })
    const name = [user, unit, nameOf(period, this.#host.now())].join(' ')
    if (!isRefused && this.#told.has(name)) return
    if (this.#told.size >= MAX_TOLD) this.#told.clear()
    this.#told.add(name)
    this.#host.events.emit('rateLimit', {
      id: exchange.id,
      route: exchange.route,
      step: this.#host.step.id,
      limit: 'quota',
      unit,
      period,
      quota: limit,
      consumer: user,
      refused: isRefused,
    })
  }
}

/** What was used of a limit that has no end. */
export function usedOf({ remaining }: { readonly remaining: number }): number {
  return UNLIMITED - remaining
}

function deny(message: string, seconds: number | undefined): RequestPatch {
  const headers = seconds === undefined ? {} : { 'retry-after': String(seconds) }
  return { deny: { code: 'QUOTA_EXCEEDED', message, headers } }
}
