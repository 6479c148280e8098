import { clientNetwork } from '#core/kit/ip.ts'
import { Newest } from '#core/kit/newest.ts'

/** How many wrong credentials are borne, and for how long they are remembered. */
export interface FailureLimit {
  readonly limit: number
  /** Milliseconds. */
  readonly window: number
  readonly maxAddresses: number
}

interface Count {
  failures: number
  readonly resetAt: number
}

/**
 * Counts wrong credentials per network, so that guessing is refused before anything is hashed or asked of others. Each
 * process counts for itself: this spares it work, and is no limit of the API.
 */
export class Failures {
  readonly #limit: FailureLimit
  readonly #counts: Newest<string, Count>

  constructor(limit: FailureLimit) {
    this.#limit = limit
    this.#counts = new Newest(limit.maxAddresses)
  }

  /** Milliseconds for which an address is not listened to; 0 where it is. */
  blockedFor(ip: string, now: number): number {
    if (this.#counts.size === 0) return 0
    const count = this.#counts.get(clientNetwork(ip))
    if (count === undefined || count.failures < this.#limit.limit) return 0
    return Math.max(0, count.resetAt - now)
  }

  /** Notes a wrong credential. True where it is the one that reaches the limit. */
  add(ip: string, now: number): boolean {
    const { limit, window } = this.#limit
    const network = clientNetwork(ip)
    let count = this.#counts.get(network)
    if (count === undefined || count.resetAt <= now) {
      count = { failures: 0, resetAt: now + window }
      // Its time begins anew, and so does its age.
      this.#counts.delete(network)
      this.#counts.set(network, count)
    }
    return ++count.failures === limit
  }
}
