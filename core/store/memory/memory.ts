import { Channels } from '../channels.ts'
import { KeyvValues } from '../key-value.ts'
import type { Channel, KeyValue, Store } from '../store.ts'
import { MemoryCounters, type CounterBounds } from './counters.ts'
import { MemoryAdapter } from './keyv-adapter.ts'
import { MemoryLedger } from './ledger.ts'
import type { TextBounds } from './texts.ts'

/** How much a store in memory keeps. */
export interface MemoryBounds extends CounterBounds {
  /** Per namespace. */
  readonly values: TextBounds
  /** Per journal. */
  readonly rows: TextBounds
}

/** What is kept where nothing else is said. */
export const MEMORY_BOUNDS: MemoryBounds = {
  counters: 100_000,
  holds: 100_000,
  values: { entries: 10_000, characters: 64 * 1024 ** 2 },
  rows: { entries: 10_000, characters: 64 * 1024 ** 2 },
}

/** A store that ends with its process, and is that process's alone. */
export class MemoryStore implements Store {
  readonly url = 'memory:'
  readonly isShared = false
  readonly problem = undefined
  readonly counters: MemoryCounters
  readonly ledger: MemoryLedger
  readonly #namespaces = new Map<string, KeyValue>()
  readonly #channels: Channels
  readonly #now: () => number
  readonly #bounds: MemoryBounds

  constructor(now: () => number, bounds: MemoryBounds = MEMORY_BOUNDS) {
    this.#now = now
    this.#bounds = bounds
    this.counters = new MemoryCounters(now, bounds)
    this.ledger = new MemoryLedger(now, bounds.rows)
    this.#channels = new Channels({
      // Nobody is called within the call: on every other store they are not either.
      publish: (channel, text) =>
        Promise.resolve().then(() => this.#channels.deliver(channel, text)),
      open: (channel) => queueMicrotask(() => this.#channels.begin(channel)),
      close: () => {},
    })
  }

  keyValue(namespace: string): KeyValue {
    const known = this.#namespaces.get(namespace)
    if (known !== undefined) return known
    const adapter = new MemoryAdapter(this.#now, this.#bounds.values)
    const values = new KeyvValues(adapter, namespace, this.#now)
    this.#namespaces.set(namespace, values)
    return values
  }

  channel(name: string): Channel {
    return this.#channels.channel(name)
  }

  async close(): Promise<void> {
    this.#channels.clear()
    this.#namespaces.clear()
  }
}
