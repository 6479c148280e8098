import { Keyv, type KeyvStorageAdapter } from 'keyv'
import type { Json } from '../kit/json.ts'
import type { KeyValue } from './store.ts'

/** What Keyv uses of a storage adapter of ours: its v6 contract, with absolute `expires`. */
export type Adapter = Pick<
  KeyvStorageAdapter,
  'namespace' | 'capabilities' | 'get' | 'getMany' | 'set' | 'setMany' | 'has' | 'hasMany'
> &
  Pick<KeyvStorageAdapter, 'delete' | 'deleteMany' | 'clear'>

/** Longest key, in characters. */
const MOST_KEY_CHARACTERS = 1024

/** Largest value, in characters of JSON. */
const MOST_VALUE_CHARACTERS = 16 * 1024 ** 2

/**
 * Keyv over one of our adapters. Keyv computes expiry from Date.now(); so that time is the store's alone, the absolute
 * time is computed here, and the adapter (which knows the same clock) is the only one to check it.
 */
export class KeyvValues implements KeyValue {
  readonly #keyv: Keyv<Json>
  readonly #now: () => number

  constructor(adapter: Adapter, namespace: string, now: () => number) {
    this.#keyv = new Keyv<Json>({
      store: adapter,
      namespace,
      checkExpired: false,
      serialization: { stringify, parse: JSON.parse },
    })
    this.#now = now
  }

  async get(key: string): Promise<Json | undefined> {
    checkKey(key)
    return this.#keyv.get(key)
  }

  async getMany(keys: readonly string[]): Promise<(Json | undefined)[]> {
    keys.forEach(checkKey)
    return this.#keyv.getMany([...keys])
  }

  async set(key: string, value: Json, ttlMs: number): Promise<void> {
    checkKey(key)
    if (!(ttlMs > 0)) throw new RangeError(`expected a ttlMs of more than 0, got ${ttlMs}`)
    await this.#keyv.setRaw(key, { value, expires: this.#now() + ttlMs })
  }

  async delete(key: string): Promise<boolean> {
    checkKey(key)
    return this.#keyv.delete(key)
  }
}

function checkKey(key: string): void {
  if (key !== '' && key.length <= MOST_KEY_CHARACTERS) return
  throw new RangeError(
    `expected a key of 1 to ${MOST_KEY_CHARACTERS} characters, got one of ${key.length}`,
  )
}

function stringify(value: unknown): string {
  const text = JSON.stringify(value)
  if (text.length <= MOST_VALUE_CHARACTERS) return text
  throw new RangeError(
    `a value of ${text.length} characters is too large, at most ${MOST_VALUE_CHARACTERS} are kept`,
  )
}
