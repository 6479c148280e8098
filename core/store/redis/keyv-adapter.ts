import { keyvStorageCapability, type KeyvStorageEntry } from 'keyv'
import type { Adapter } from '../key-value.ts'
import type { Link } from './link.ts'

/** Beyond this a value is kept for as long as there is room: more than a hundred years. Milliseconds. */
const LONGEST_MS = 2 ** 42

/** Keys looked through at one step of `clear`. */
const CLEAR_KEYS = 1_000

/** Keyv's v6 storage contract over strings with a time to live, which the server's clock counts. */
export class RedisAdapter implements Adapter {
  /** Set by Keyv. */
  namespace: string | undefined
  readonly #link: Link
  readonly #prefix: string
  readonly #now: () => number

  /** `now`: the clock by which `expires` was computed. */
  constructor(link: Link, prefix: string, now: () => number) {
    this.#link = link
    this.#prefix = prefix
    this.#now = now
  }

  get capabilities() {
    return keyvStorageCapability(this)
  }

  async get(key: string): Promise<string | undefined> {
    return ((await this.#link.run(['GET', this.#key(key)])) as string | null) ?? undefined
  }

  async getMany(keys: string[]): Promise<(string | undefined)[]> {
    if (keys.length === 0) return []
    const found = await this.#link.run(['MGET', ...keys.map((key) => this.#key(key))])
    return (found as (string | null)[]).map((text) => text ?? undefined)
  }

  async set(key: string, value: unknown, expires = Infinity): Promise<boolean> {
    const ttlMs = Math.max(1, Math.ceil(expires - this.#now()))
    const ttl = ttlMs < LONGEST_MS ? ['PX', String(ttlMs)] : []
    await this.#link.run(['SET', this.#key(key), value as string, ...ttl])
    return true
  }

  async setMany<Value>(entries: KeyvStorageEntry<Value>[]): Promise<boolean[]> {
    return Promise.all(entries.map(({ key, value, expires }) => this.set(key, value, expires)))
  }

  async has(key: string): Promise<boolean> {
    return (await this.#link.run(['EXISTS', this.#key(key)])) === 1
  }

  async hasMany(keys: string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.has(key)))
  }

  async delete(key: string): Promise<boolean> {
    // Not sent twice: the second time there would be nothing to delete.
    return (await this.#link.run(['UNLINK', this.#key(key)], false)) === 1
  }

  async deleteMany(keys: string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.delete(key)))
  }

  async clear(): Promise<void> {
    const pattern = `${this.#key('').replaceAll(/[\\*?[\]]/g, String.raw`\$&`)}*`
    let cursor = '0'
    do {
      const scan = ['SCAN', cursor, 'MATCH', pattern, 'COUNT', String(CLEAR_KEYS)]
      const [next, keys] = (await this.#link.run(scan)) as [string, string[]]
      if (keys.length > 0) await this.#link.run(['UNLINK', ...keys])
      cursor = next
    } while (cursor !== '0')
  }

  #key(key: string): string {
    // Encoded, so that no namespace ends where another's keys begin.
    return `${this.#prefix}:value:${encodeURIComponent(this.namespace ?? '')}:${key}`
  }
}
