import { GatewayError } from '../errors.ts'
import type { ExchangeView, Outcome } from '../exchange.ts'
import type { Host } from '../sdk.ts'
import { capacityOf } from './counters/tally.ts'
import type { Charge, Limit, LimitState, Reservation } from './store.ts'
import { StoreUnavailable } from './unavailable.ts'

/**
 * What a step does while the store cannot be reached: `open` lets everything pass uncounted, `closed` refuses,
 * `local` counts a share of each limit in this process.
 */
export type OnStoreError = 'open' | 'closed' | 'local'

/** A share that a process takes of each limit while it counts alone. */
export interface ReservationsOptions {
  readonly onStoreError: OnStoreError
  /** Above 0, up to 1. */
  readonly localFraction: number
}

/** What is held for one exchange, and by whom: nobody, where the store was down and the step is open. */
export interface Hold {
  readonly id: string
  readonly by: 'store' | 'local' | 'nobody'
  readonly charges: readonly Charge[]
}

/** What `reserve` answers: a hold where all charges were taken, none where they were refused. */
export interface Reserved {
  readonly hold: Hold | undefined
  /** Undefined where nobody counted. */
  readonly reservation: Reservation | undefined
  /** `store` unless the store was down. */
  readonly by: Hold['by']
}

/** How long a store that failed is left alone, but for one that tries. Milliseconds. */
const LEAVE_ALONE_MS = 1_000

/**
 * Reserve, then settle, for steps that limit what is spent: everything of a request is taken together or not at all,
 * and what it came to takes its place afterwards. Knows what to do while the store is down, and tells of it: in the
 * log when it begins and ends, by the gauge `counters_degraded` and the counter `counters_errors_total`.
 */
export class Reservations {
  readonly #host: Host
  readonly #options: ReservationsOptions
  readonly #errors
  readonly #degraded
  readonly #prefix: string
  #count = 0
  /** While the store is down: when it is asked again. */
  #askAt: number | undefined

  constructor(host: Host, options: ReservationsOptions) {
    this.#host = host
    this.#options = options
    const { plugin, id } = host.step
    const labels = ['plugin', 'step']
    const own = { plugin, step: id }
    const errors = host.metrics.counter(
      'counters_errors_total',
      'Times that the store did not count.',
      labels,
    )
    const degraded = host.metrics.gauge(
      'counters_degraded',
      '1 while the store does not count.',
      labels,
    )
    this.#errors = () => errors.add(1, own)
    this.#degraded = (value: number) => degraded.set(value, own)
    if (!host.store.isShared) host.log.info('limits are counted in this process alone')
    // One hold of the whole store has one id: a proxy that we trust may send the same request id twice at once.
    this.#prefix = `${id}:${Math.floor(host.random() * 36 ** 8).toString(36)}`
  }

  /** True while the store is taken to be down. */
  get isDegraded(): boolean {
    return this.#askAt !== undefined
  }

  /** Where limits stand at the moment: in the store, or in this process while it counts alone. */
  read(limits: readonly Limit[]): Promise<readonly LimitState[]> {
    if (!this.#countsAlone()) return this.#host.store.counters.read(limits)
    return this.#host.store.local.read(limits.map((limit) => this.#share(limit)))
  }

  /** Forgets what the limits have counted, wherever. For operators. */
  async reset(limits: readonly Limit[]): Promise<void> {
    await this.#host.store.local.reset(limits)
    if (!this.#countsAlone()) await this.#host.store.counters.reset(limits)
  }

  /**
   * Takes all charges or none, for `ttlMs`. A hold that is not settled by then is charged as it was reserved. Throws or
   * rejects with STORE_UNAVAILABLE where the store is down and the step is closed. A promise only where it must wait.
   */
  reserve(charges: readonly Charge[], ttlMs: number): Reserved | Promise<Reserved> {
    const id = `${this.#prefix}:${(this.#count++).toString(36)}`
    if (this.#leavesAlone()) return this.#reserveWithout(id, charges, ttlMs)
    const { counters } = this.#host.store
    if (counters.atOnce === undefined) {
      return counters.reserve(id, charges, ttlMs).then(
        (reservation) => this.#reserved(id, charges, reservation),
        (cause: unknown) => this.#reserveAfter(cause, id, charges, ttlMs),
      )
    }
    try {
      return this.#reserved(id, charges, counters.atOnce.reserve(id, charges, ttlMs))
    } catch (cause) {
      return this.#reserveAfter(cause, id, charges, ttlMs)
    }
  }

  /** Replaces what is held by what it came to, in the order of the charges. Never rejects: what cannot be settled stays charged as reserved. */
  settle({ id, by }: Hold, amounts: readonly number[]): void | Promise<void> {
    if (by === 'nobody') return
    const { counters, local } = this.#host.store
    const own = by === 'local' ? local : counters
    if (own.atOnce === undefined) {
      return own.settle(id, amounts).then(
        () => undefined,
        (cause: unknown) => this.#failed(cause),
      )
    }
    try {
      own.atOnce.settle(id, amounts)
    } catch (cause) {
      this.#failed(cause)
    }
  }

  #reserved(id: string, charges: readonly Charge[], reservation: Reservation): Reserved {
    this.#worked()
    return {
      hold: reservation.ok ? { id, by: 'store', charges } : undefined,
      reservation,
      by: 'store',
    }
  }

  #reserveAfter(
    cause: unknown,
    id: string,
    charges: readonly Charge[],
    ttlMs: number,
  ): Promise<Reserved> {
    if (!(cause instanceof StoreUnavailable)) throw cause
    this.#failed(cause)
    return this.#reserveWithout(id, charges, ttlMs)
  }

  async #reserveWithout(id: string, asked: readonly Charge[], ttlMs: number): Promise<Reserved> {
    switch (this.#options.onStoreError) {
      case 'open':
        return { hold: { id, by: 'nobody', charges: asked }, reservation: undefined, by: 'nobody' }
      case 'closed':
        throw new GatewayError(
          'STORE_UNAVAILABLE',
          'the limits of this request cannot be counted just now',
          {
            headers: { 'retry-after': String(LEAVE_ALONE_MS / 1_000) },
          },
        )
      case 'local': {
        const charges = asked.map((charge) => this.#shareOf(charge))
        const reservation = await this.#host.store.local.reserve(id, charges, ttlMs)
        return {
          hold: reservation.ok ? { id, by: 'local', charges } : undefined,
          reservation,
          by: 'local',
        }
      }
    }
  }

  #countsAlone(): boolean {
    return this.isDegraded && this.#options.onStoreError === 'local'
  }

  /** A charge on a share of its limit; one that the whole limit had room for fits into the share as well. */
  #shareOf({ limit, amount }: Charge): Charge {
    const own = this.#share(limit)
    const fits = amount <= capacityOf(limit)
    return { limit: own, amount: fits ? Math.min(amount, capacityOf(own)) : amount }
  }

  #share(limit: Limit): Limit {
    const part = (value: number) => Math.max(1, Math.floor(value * this.#options.localFraction))
    const own = { ...limit, limit: part(limit.limit) }
    return limit.burst === undefined ? own : { ...own, burst: part(limit.burst) }
  }

  /** True while the store is down; once in a while one request finds out whether it still is. */
  #leavesAlone(): boolean {
    if (this.#askAt === undefined) return false
    const now = this.#host.now()
    if (now < this.#askAt) return true
    this.#askAt = now + LEAVE_ALONE_MS
    return false
  }

  #worked(): void {
    if (this.#askAt === undefined) return
    this.#askAt = undefined
    this.#degraded(0)
    this.#host.log.info('store counts again')
  }

  #failed(err: unknown): void {
    const { onStoreError } = this.#options
    this.#errors()
    if (this.#askAt === undefined) {
      this.#degraded(1)
      this.#host.log.warn('store does not count', { onStoreError, err })
    }
    this.#askAt = this.#host.now() + LEAVE_ALONE_MS
  }
}

/** What was estimated before the request ran; see core/dialects/estimate.ts. */
export interface Estimate {
  readonly inputTokens: number
  readonly outputTokens: number
}

/**
 * The tokens to settle with, once an exchange is over: what the upstream reports, of all attempts. Where it reports
 * nothing: none where no upstream was asked, or none has accepted the request; what was estimated where the client left
 * before its answer began, since the upstream may have done all the work; else the prompt, and as much of the answer as
 * was delivered.
 */
export function tokensUsed(
  { usage }: Pick<ExchangeView, 'usage'>,
  outcome: Outcome,
  estimate: Estimate,
): number {
  if (outcome.attempts === 0) return 0
  return outcome.earlierTokens + (usage?.totalTokens ?? unreported(outcome, estimate))
}

function unreported(
  { end, status, firstByteMs, responseBytes }: Outcome,
  { inputTokens, outputTokens }: Estimate,
): number {
  if (firstByteMs === undefined) return end === 'client-closed' ? inputTokens + outputTokens : 0
  if (status >= 400) return 0
  return inputTokens + Math.min(outputTokens, Math.ceil(responseBytes / BYTES_PER_TOKEN))
}

/** Of delivered bytes whose tokens nobody has counted. */
const BYTES_PER_TOKEN = 2
