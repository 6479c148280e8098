import { MEMORY_BOUNDS, MemoryStore, type MemoryBounds } from './memory/memory.ts'
import { MemoryCounters } from './memory/counters.ts'
import type { Counters, Store } from './store.ts'

/** What a store needs from outside. */
export interface StoreOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** How much a store in memory keeps; only for `memory:`. */
  readonly bounds?: Partial<MemoryBounds>
}

/**
 * Opens the store behind a URL: `memory:` or `sqlite:PATH` (as seen from the working directory; file and folder are
 * created). Rejects with an Error that says what is wrong with the URL, or where and why it can't be opened.
 */
export async function openStore(url: string, { now, bounds }: StoreOptions): Promise<Store> {
  if (url === 'memory:') return new MemoryStore(now, { ...MEMORY_BOUNDS, ...bounds })
  if (url.startsWith('sqlite:')) {
    // Loaded when used: a gateway that keeps nothing needs no SQLite.
    const { openSqlite } = await import('./sqlite/sqlite.ts')
    return openSqlite(url, now)
  }
  // Only the scheme is shown: what follows may hold a password.
  const scheme = /^[\w+-]*:/.exec(url)?.[0] ?? url
  throw new RangeError(
    `unknown store ${JSON.stringify(scheme)}, expected memory: or sqlite:PATH\n  hint: sqlite:./data/sluice.db keeps what must survive a restart`,
  )
}

/** Counters of this process alone, for steps that go on while the store is down. */
export function openLocalCounters(now: () => number): Counters {
  return new MemoryCounters(now, MEMORY_BOUNDS)
}
