import type { Limit } from '#core/store/store.ts'

interface Taken {
  readonly hold: string
  readonly limit: number
  readonly at: number
  readonly expires: number
  readonly reserved: number
  /** What it came to, and when that was known; what was reserved until then. */
  actual: number
  settledAt: number | undefined
}

/**
 * The promise of the counters, told as slowly and plainly as possible: a list of all charges, summed up anew for each
 * question. Where an algorithm is allowed to be careful, the oracle knows a least and a most; all others are exact.
 */
export class Oracle {
  readonly #limits: readonly Limit[]
  #taken: Taken[] = []
  readonly #open = new Map<string, number>()

  constructor(limits: readonly Limit[]) {
    this.#limits = limits
  }

  /** Whether charges fit: where least and most disagree, both answers are right. */
  verdict(
    charges: readonly { limit: number; amount: number }[],
    now: number,
  ): 'fits' | 'refused' | 'either' {
    const asked = new Map<number, number>()
    for (const { limit, amount } of charges) asked.set(limit, (asked.get(limit) ?? 0) + amount)
    const wants = [...asked]
    const fits = (bound: 0 | 1) =>
      wants.every(
        ([limit, amount]) => this.#used(limit, now)[bound] + amount <= this.#capacity(limit),
      )
    if (fits(1)) return 'fits'
    return fits(0) ? 'either' : 'refused'
  }

  reserve(
    hold: string,
    charges: readonly { limit: number; amount: number }[],
    at: number,
    ttlMs: number,
  ): void {
    const expires = at + ttlMs
    this.#open.set(hold, expires)
    for (const { limit, amount } of charges) {
      const taken = { hold, limit, at, expires, reserved: amount, actual: amount }
      this.#taken.push({ ...taken, settledAt: undefined })
    }
  }

  settle(hold: string, amounts: readonly number[], now: number): boolean {
    const expires = this.#open.get(hold)
    if (expires === undefined || expires <= now) return false
    this.#open.delete(hold)
    // A reset leaves gaps, but all amounts of a settlement are the same here.
    for (const taken of this.#taken) {
      if (taken.hold !== hold) continue
      taken.actual = amounts[0]!
      taken.settledAt = now
    }
    return true
  }

  reset(limit: number): void {
    this.#taken = this.#taken.filter((taken) => taken.limit !== limit)
  }

  /** The least and the most that may remain. */
  remaining(limit: number, now: number): readonly [number, number] {
    const [least, most] = this.#used(limit, now)
    const capacity = this.#capacity(limit)
    return [Math.max(0, capacity - most), Math.max(0, capacity - least)]
  }

  #capacity(at: number): number {
    const limit = this.#limits[at]!
    return limit.burst ?? limit.limit
  }

  /** The least and the most that may count as used. */
  #used(at: number, now: number): readonly [number, number] {
    const { algorithm, windowMs = 1, limit: rate } = this.#limits[at]!
    const taken = this.#taken.filter(({ limit }) => limit === at)
    const sum = (counts: (one: Taken) => boolean) =>
      taken.filter(counts).reduce((total, { actual }) => total + actual, 0)
    const exactly = (used: number) => [used, used] as const
    switch (algorithm) {
      case 'total':
        return exactly(sum(() => true))
      case 'fixed-window':
        return exactly(sum((one) => Math.floor(one.at / windowMs) === Math.floor(now / windowMs)))
      case 'sliding-window':
        return [
          sum((one) => one.at >= now - windowMs),
          sum((one) => one.at >= now - windowMs - windowMs / 128),
        ]
      case 'token-bucket':
        return [
          missing(
            taken.map((one) => [one.at, one.actual]),
            rate,
            windowMs,
            now,
          ),
          missing(taken.flatMap(unreturned), rate, windowMs, now),
        ]
      default: {
        const held = taken.filter((one) => one.settledAt === undefined && one.expires > now)
        return exactly(held.reduce((total, { reserved }) => total + reserved, 0))
      }
    }
  }
}

/** A charge as if nothing were ever given back: what was reserved, then what came on top. */
function unreturned({ at, reserved, actual, settledAt }: Taken): [number, number][] {
  if (settledAt === undefined || actual <= reserved) return [[at, reserved]]
  return [
    [at, reserved],
    [settledAt, actual - reserved],
  ]
}

/** What is missing from a bucket, rounded up to whole tokens, after charges at their times. */
function missing(charges: [number, number][], rate: number, windowMs: number, now: number): number {
  // In units of 1/windowMs of a token: whole numbers.
  let units = 0
  let at = 0
  for (const [time, amount] of [...charges.toSorted(([a], [b]) => a - b), [now, 0] as const]) {
    units = Math.max(0, units - (time - at) * rate) + amount * windowMs
    at = time
  }
  return Math.ceil(units / windowMs)
}
