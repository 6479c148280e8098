import { KeyvValues } from '../key-value.ts'
import { MemoryLedger } from '../memory/ledger.ts'
import { MEMORY_BOUNDS } from '../memory/memory.ts'
import type { Channel, KeyValue, Store } from '../store.ts'
import type { Client } from './client.ts'
import { RedisCounters } from './counters.ts'
import { RedisAdapter } from './keyv-adapter.ts'
import { Link } from './link.ts'
import { parseRedisUrl, type Server } from './location.ts'
import { RedisMessages } from './messages.ts'
import { loadScript } from './script.ts'

/** What a store on Redis needs beside its URL. */
export interface RedisOptions {
  /** Milliseconds since 1970. Counters go by the server's clock. */
  readonly now: () => number
  /** Takes the place of the one in the URL, where it would have to be encoded. */
  readonly password?: string | undefined
  readonly sentinelPassword?: string | undefined
  /** Told once per change: why the store cannot be used, or undefined once it can. */
  readonly onChange?: ((problem: string | undefined) => void) | undefined
  /** Told what will go wrong some day. */
  readonly onWarning?: ((message: string) => void) | undefined
  /** Takes the place of the server's clock, for tests of the counters. */
  readonly clock?: (() => number) | undefined
}

/**
 * Opens `redis://…`. A server that cannot be reached makes no difference: the store is there, and says that it is
 * down. Rejects with a RangeError for a wrong URL, and with a StoreUnavailable for a server that will never do.
 */
export async function openRedis(url: string, options: RedisOptions): Promise<Store> {
  const location = parseRedisUrl(url)
  const { password = location.password, sentinelPassword } = options
  const store = new RedisStore({ ...location, password, sentinelPassword }, options)
  await store.open()
  return store
}

/** A store on a server, shared by all who use the same database and prefix. */
class RedisStore implements Store {
  readonly url: string
  readonly isShared = true
  readonly counters: RedisCounters
  /** Of this process, and gone with it: Redis keeps nothing that must outlive a power cut. */
  readonly ledger: MemoryLedger
  readonly #link: Link
  /** Values may be large; nobody's limit waits behind them. */
  readonly #valueLink: Link
  readonly #messages: RedisMessages
  readonly #namespaces = new Map<string, KeyValue>()
  readonly #prefix: string
  readonly #options: RedisOptions
  #isOpen = false
  #wasUp: boolean | undefined

  constructor(server: Server, options: RedisOptions) {
    this.url = server.shown
    this.#prefix = server.prefix
    this.#options = options
    const changed = () => {
      if (this.#isOpen) this.#tell()
    }
    this.#link = new Link(server, { prepare: (client) => this.#prepare(client), changed })
    this.#valueLink = new Link(server, { prepare: async () => {}, changed })
    this.counters = new RedisCounters(this.#link, server.prefix, options.clock)
    this.ledger = new MemoryLedger(options.now, MEMORY_BOUNDS.rows)
    this.#messages = new RedisMessages(this.#link, `${server.prefix}:${server.database}:channel:`)
  }

  get problem(): string | undefined {
    return this.#link.problem ?? this.#valueLink.problem
  }

  async open(): Promise<void> {
    try {
      await Promise.all([this.#link.open(), this.#valueLink.open()])
    } catch (cause) {
      await this.close()
      throw cause
    }
    this.#isOpen = true
    this.#tell()
  }

  keyValue(namespace: string): KeyValue {
    const known = this.#namespaces.get(namespace)
    if (known !== undefined) return known
    const { now } = this.#options
    const adapter = new RedisAdapter(this.#valueLink, this.#prefix, now)
    const values = new KeyvValues(adapter, namespace, now)
    this.#namespaces.set(namespace, values)
    return values
  }

  channel(name: string): Channel {
    return this.#messages.channels.channel(name)
  }

  async close(): Promise<void> {
    this.#isOpen = false
    this.#messages.channels.clear()
    await Promise.all([this.#link.close(), this.#valueLink.close()])
  }

  async #prepare(client: Client): Promise<void> {
    await loadScript(client)
    await this.counters.makeUp(client)
    this.#messages.resume(client)
    await this.#checkMemory(client)
  }

  /** A server that makes room by dropping keys drops counters, and lifts their limits. */
  async #checkMemory(client: Client): Promise<void> {
    // Managed servers and narrow rights may refuse to tell.
    const reply: unknown = await client.sendCommand(['INFO', 'memory']).catch(() => '')
    const info = typeof reply === 'string' ? reply : ''
    const { policy = 'noeviction' } = /^maxmemory_policy:(?<policy>\S+)/m.exec(info)?.groups ?? {}
    const isLimited = /^maxmemory:[1-9]/m.test(info)
    if (!isLimited || policy === 'noeviction') return
    this.#options.onWarning?.(
      `the server drops keys when its memory is full (maxmemory-policy ${policy}): a counter that is dropped lifts its limit\n  hint: maxmemory-policy noeviction`,
    )
  }

  /** Once both connections have tried, and then once per change. */
  #tell(): void {
    const { problem } = this
    const isUp = problem === undefined
    if (isUp === this.#wasUp) return
    this.#wasUp = isUp
    this.#options.onChange?.(problem)
  }
}
