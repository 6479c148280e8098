const UNITS: Record<string, number> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** What a duration looks like in text: `250ms`, `30s`, `1.5m`, `2h`, `7d`. */
export const DURATION_PATTERN = '^\\d{1,12}(\\.\\d{1,3})?(ms|s|m|h|d)$'

/**
 * Turns `250ms`, `30s`, `5m`, `2h`, `7d` or a bare number of milliseconds into milliseconds.
 * Throws a RangeError for anything else.
 */
export function parseDuration(value: string | number): number {
  if (typeof value === 'number') {
    if (Number.isFinite(value) && value >= 0) return value
  } else {
    const parts = /^(\d{1,12}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(value)
    if (parts) return Math.round(Number(parts[1]) * UNITS[parts[2]!]!)
  }
  throw new RangeError(`expected a duration such as 30s or 5m, got ${JSON.stringify(value)}`)
}

/** Prints milliseconds in the largest unit that holds them exactly: `90000` → `90s`, `60000` → `1m`. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = UNITS[unit]!
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`
  }
  return `${ms}ms`
}
