import { keyvStorageCapability, type KeyvStorageEntry } from 'keyv'
import type { Adapter } from '../key-value.ts'
import { Texts, type TextBounds } from './texts.ts'

interface Entry {
  readonly text: string
  readonly expires: number
}

/**
 * Keyv's storage contract over a map that forgets what was used longest ago. Not Keyv's own memory adapter: that one
 * reads Date.now(), and has no bound. One adapter serves one namespace.
 */
export class MemoryAdapter implements Adapter {
  namespace: string | undefined
  readonly #entries: Texts<string, Entry>
  readonly #now: () => number

  constructor(now: () => number, bounds: TextBounds) {
    this.#entries = new Texts(bounds)
    this.#now = now
  }

  get capabilities() {
    return keyvStorageCapability(this)
  }

  async get(key: string): Promise<string | undefined> {
    return this.#read(key)
  }

  async getMany(keys: string[]): Promise<(string | undefined)[]> {
    return keys.map((key) => this.#read(key))
  }

  async set(key: string, value: unknown, expires = Infinity): Promise<boolean> {
    this.#entries.set(key, { text: value as string, expires })
    return true
  }

  async setMany<Value>(entries: KeyvStorageEntry<Value>[]): Promise<boolean[]> {
    return Promise.all(entries.map(({ key, value, expires }) => this.set(key, value, expires)))
  }

  async has(key: string): Promise<boolean> {
    return this.#read(key) !== undefined
  }

  async hasMany(keys: string[]): Promise<boolean[]> {
    return keys.map((key) => this.#read(key) !== undefined)
  }

  async delete(key: string): Promise<boolean> {
    return this.#read(key) !== undefined && this.#entries.delete(key)
  }

  async deleteMany(keys: string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.delete(key)))
  }

  async clear(): Promise<void> {
    this.#entries.clear()
  }

  #read(key: string): string | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    if (entry.expires <= this.#now()) {
      this.#entries.delete(key)
      return undefined
    }
    this.#entries.touch(key, entry)
    return entry.text
  }
}
