/** How long the gateway waits between two attempts at the same target. */
export interface BackoffOptions {
  readonly backoffStrategy: 'exponential' | 'linear' | 'fixed'
  readonly initialDelay: number
  readonly maxDelay: number
  readonly jitter: boolean
}

/**
 * Milliseconds before the `retry`-th retry, counted from 1. Jitter takes any time up to the computed one: "full
 * jitter" of the AWS Architecture Blog, "Exponential Backoff And Jitter" (2015), which spreads the load best.
 */
export function backoff(
  retry: number,
  { backoffStrategy, initialDelay, maxDelay, jitter }: BackoffOptions,
  random: () => number,
): number {
  const grown =
    backoffStrategy === 'exponential'
      ? initialDelay * 2 ** (retry - 1)
      : backoffStrategy === 'linear'
        ? initialDelay * retry
        : initialDelay
  const delay = Math.min(grown, maxDelay)
  return Math.round(jitter ? random() * delay : delay)
}
