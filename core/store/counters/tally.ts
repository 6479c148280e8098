import type { Limit } from '../store.ts'
import { FixedWindow } from './fixed-window.ts'
import { Concurrency, Total } from './held.ts'
import { SlidingWindow } from './sliding-window.ts'
import { TokenBucket } from './token-bucket.ts'

/**
 * What one counter has counted, under one algorithm. What is held and what is spent are one number: a hold that
 * expires needs no work, since it was counted when it was reserved.
 */
export interface Tally {
  /** Charged or held, and not free again at the time of the last `advance`. */
  readonly used: number
  /** Moves on to `now`. A clock that steps back changes nothing. */
  advance(now: number): void
  /** Told after `advance`: frees at the rate of this limit from now on. True where that is another one than before. */
  setRate?(limit: number): boolean
  /** Counts `amount` at the time of the last `advance`; returns the mark by which `correct` finds it again. */
  charge(amount: number, expires: number): number
  /** Replaces a charge of `reserved` by `actual`. */
  correct(mark: number, reserved: number, actual: number): void
  /** When `amount` of what is used will be free again; Infinity where time alone doesn't free it. */
  freeAt(amount: number): number
  /** Whole numbers that `tallyOf` makes the same tally from. */
  save(): number[]
}

const TALLIES: Readonly<
  Record<Limit['algorithm'], (windowMs: number, saved: readonly number[]) => Tally>
> = {
  'fixed-window': (windowMs, saved) => new FixedWindow(windowMs, saved),
  'sliding-window': (windowMs, saved) => new SlidingWindow(windowMs, saved),
  'token-bucket': (windowMs, saved) => new TokenBucket(windowMs, saved),
  total: (_, saved) => new Total(saved),
  concurrency: (_, saved) => new Concurrency(saved),
}

/** A tally for the limit's algorithm and window: an empty one, or the one that was saved. */
export function tallyOf(
  { algorithm, windowMs = 0 }: Pick<Limit, 'algorithm' | 'windowMs'>,
  saved: readonly number[] = [],
): Tally {
  return TALLIES[algorithm](windowMs, saved)
}

/** How much may be used at once: the burst of a token bucket, else the limit. */
export function capacityOf({ algorithm, limit, burst }: Limit): number {
  return algorithm === 'token-bucket' ? (burst ?? limit) : limit
}
