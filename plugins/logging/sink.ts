import type { Host } from '#core/sdk.ts'

/** Where finished lines go. Nothing waits for it: what does not fit is dropped and counted. */
export interface Sink {
  /** One line of JSON with its line feed, without secrets. */
  write(line: string): void
  /** Sends what still waits, for a few seconds at most, and lets go. */
  close(): Promise<void>
}

/** What a sink had no room for, counted and told in the gateway's own log. */
export interface Losses {
  drop(lines: number): void
}

/** How often losses are told. Milliseconds. */
const TELL_MS = 500

/** Counts lines that found no room at a destination. */
export function countLosses(destination: string, host: Host): Losses {
  const count = host.metrics.counter('log_lines_dropped_total', 'Log lines that found no room.')
  let dropped = 0
  host.every(TELL_MS, () => {
    if (dropped > 0) host.log.warn('log lines dropped', { destination, lines: dropped })
    dropped = 0
  })
  return {
    drop(lines) {
      dropped += lines
      count.add(lines)
    },
  }
}
