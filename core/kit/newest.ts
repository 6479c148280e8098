/**
 * A map that holds so many entries at most: the oldest goes for a new one. An entry that is set anew is as old as it
 * was; delete it first to make it the newest.
 *
 * Who asks a Map for its first entry again and again goes through all that was deleted there: with 10,000 entries that
 * takes 10 µs each time. Here one iterator goes on from where it was, which a Map allows whatever happens to it.
 */
export class Newest<K, V> {
  readonly #entries = new Map<K, V>()
  readonly #most: number
  #oldest = this.#entries.keys()

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)
  }

  set(key: K, value: V): void {
    this.#entries.set(key, value)
    if (this.#entries.size > this.#most) this.#dropOldest()
  }

  delete(key: K): boolean {
    return this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
    this.#oldest = this.#entries.keys()
  }

  /** Oldest first. */
  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.#entries.entries()
  }

  #dropOldest(): void {
    let oldest = this.#oldest.next()
    if (oldest.done) {
      this.#oldest = this.#entries.keys()
      oldest = this.#oldest.next()
    }
    this.#entries.delete(oldest.value as K)
  }
}
