/** Live objects that several generations hold at once: made once per key, closed when nobody holds them any more. */
export class SharedPool<T> {
  readonly #items = new Map<string, { value: Promise<T>; holders: number }>()
  readonly #close: (value: T) => void | Promise<void>

  constructor(close: (value: T) => void | Promise<void>) {
    this.#close = close
  }

  /** The live object under `key`; made if there is none. Each acquire is paired with one release, also after a failure. */
  acquire(key: string, make: () => T | Promise<T>): Promise<T> {
    const known = this.#items.get(key)
    if (known) {
      known.holders++
      return known.value
    }
    const value = (async () => make())()
    // Whoever acquired it hears of the failure; nobody else has to.
    value.catch(() => undefined)
    this.#items.set(key, { value, holders: 1 })
    return value
  }

  /** Lets go; the last holder closes. */
  async release(key: string): Promise<void> {
    const item = this.#items.get(key)
    if (item === undefined || --item.holders > 0) return
    this.#items.delete(key)
    const value = await item.value.catch(() => undefined)
    if (value !== undefined) await this.#close(value)
  }

  get size(): number {
    return this.#items.size
  }
}
