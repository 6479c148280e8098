import { MEMORY_BOUNDS, MemoryStore, type MemoryBounds } from './memory/memory.ts'
import { MemoryCounters } from './memory/counters.ts'
import { isRedisUrl } from './redis/location.ts'
import type { Channel, Counters, KeyValue, Ledger, Store } from './store.ts'

/** Where a store is: a URL, and what no URL says. */
export interface StoreSource {
  readonly url: string
  /** Where the ledger is, if not there: `sqlite:PATH` or `memory:`. */
  readonly ledger?: string | undefined
  /** Of a server; takes the place of the one in the URL. */
  readonly password?: string | undefined
  readonly sentinelPassword?: string | undefined
}

/** What a store needs from outside. */
export interface StoreOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** How much a store in memory keeps; only for `memory:`. */
  readonly bounds?: Partial<MemoryBounds>
  /** Told once per change: why the store cannot be used, or undefined once it can. */
  readonly onChange?: (problem: string | undefined) => void
  /** Told of what will go wrong some day. */
  readonly onWarning?: (message: string) => void
}

/**
 * Opens the store behind a URL: `memory:`, `sqlite:PATH` (as seen from the working directory; file and folder are
 * created) or `redis://…`. Rejects with an Error that says what is wrong with the URL, or where and why it can't be
 * opened; a server that is away for now is not waited for.
 */
export async function openStore(
  source: string | StoreSource,
  options: StoreOptions,
): Promise<Store> {
  const { url, ledger, ...secrets } = typeof source === 'string' ? { url: source } : source
  const store = await openUrl(url, { ...options, ...secrets })
  if (ledger === undefined) return store
  try {
    return new JoinedStore(store, await openUrl(ledger, options))
  } catch (cause) {
    await store.close()
    throw cause
  }
}

async function openUrl(
  url: string,
  { bounds, ...options }: StoreOptions & Omit<StoreSource, 'url'>,
): Promise<Store> {
  if (url === 'memory:') return new MemoryStore(options.now, { ...MEMORY_BOUNDS, ...bounds })
  // Loaded when used: a gateway that keeps nothing needs neither SQLite nor a client of Redis.
  if (url.startsWith('sqlite:')) {
    const { openSqlite } = await import('./sqlite/sqlite.ts')
    return openSqlite(url, options.now)
  }
  if (isRedisUrl(url)) {
    const { openRedis } = await import('./redis/redis.ts')
    return openRedis(url, options)
  }
  // Only the scheme is shown: what follows may hold a password.
  const scheme = /^[\w+-]*:/.exec(url)?.[0] ?? url
  throw new RangeError(
    `unknown store ${JSON.stringify(scheme)}, expected memory:, sqlite:PATH or redis://HOST\n  hint: sqlite:./data/sluice.db keeps what must survive a restart`,
  )
}

/** Counters of this process alone, for steps that go on while the store is down. */
export function openLocalCounters(now: () => number): Counters {
  return new MemoryCounters(now, MEMORY_BOUNDS)
}

/** A store whose ledger is kept by another one. */
class JoinedStore implements Store {
  readonly #main: Store
  readonly #other: Store
  readonly url: string
  readonly counters: Counters
  readonly ledger: Ledger

  constructor(main: Store, other: Store) {
    this.#main = main
    this.#other = other
    this.url = main.url
    this.counters = main.counters
    this.ledger = other.ledger
  }

  get isShared(): boolean {
    return this.#main.isShared
  }

  get problem(): string | undefined {
    return this.#main.problem
  }

  keyValue(namespace: string): KeyValue {
    return this.#main.keyValue(namespace)
  }

  channel(name: string): Channel {
    return this.#main.channel(name)
  }

  async close(): Promise<void> {
    await Promise.all([this.#main.close(), this.#other.close()])
  }
}
