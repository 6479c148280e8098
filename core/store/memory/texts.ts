/** How much is kept. */
export interface TextBounds {
  readonly entries: number
  /** Of all texts together. */
  readonly characters: number
}

/** Texts by key, bounded in number and size: the oldest goes first. `touch` makes one the youngest. */
export class Texts<K, V extends { readonly text: string }> {
  readonly #entries = new Map<K, V>()
  readonly #bounds: TextBounds
  #characters = 0

  constructor(bounds: TextBounds) {
    this.#bounds = bounds
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)
  }

  touch(key: K, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
  }

  set(key: K, value: V): void {
    this.delete(key)
    this.#entries.set(key, value)
    this.#characters += value.text.length
    this.#dropOldest()
  }

  delete(key: K): boolean {
    const value = this.#entries.get(key)
    if (value === undefined) return false
    this.#characters -= value.text.length
    return this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
    this.#characters = 0
  }

  /** Oldest first. */
  entries(): IterableIterator<[K, V]> {
    return this.#entries.entries()
  }

  #dropOldest(): void {
    for (const key of this.#entries.keys()) {
      if (this.size <= this.#bounds.entries && this.#characters <= this.#bounds.characters) return
      this.delete(key)
    }
  }
}
