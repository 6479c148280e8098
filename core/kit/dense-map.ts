/**
 * A map of what comes and goes with every request, in no order; see DenseSet for what a Map would cost. Here the tables
 * that keep each other alive hold small numbers only.
 */
export class DenseMap<K extends string | number, V> {
  readonly #places = new Map<K, number>()
  readonly #keys: K[] = []
  readonly #values: V[] = []

  get size(): number {
    return this.#keys.length
  }

  has(key: K): boolean {
    return this.#places.has(key)
  }

  get(key: K): V | undefined {
    const place = this.#places.get(key)
    return place === undefined ? undefined : this.#values[place]
  }

  set(key: K, value: V): void {
    const place = this.#places.get(key)
    if (place !== undefined) {
      this.#values[place] = value
      return
    }
    this.#values.push(value)
    this.#places.set(key, this.#keys.push(key) - 1)
  }

  /** The last entry takes the place, so that nothing is shifted. */
  delete(key: K): boolean {
    const place = this.#places.get(key)
    if (place === undefined) return false
    this.#places.delete(key)
    const lastKey = this.#keys.pop()!
    const lastValue = this.#values.pop()!
    if (place < this.#keys.length) {
      this.#keys[place] = lastKey
      this.#values[place] = lastValue
      this.#places.set(lastKey, place)
    }
    return true
  }

  /** The entry at a place from 0 to `size` - 1; a deletion puts another one there. */
  at(place: number): [key: K, value: V] {
    return [this.#keys[place]!, this.#values[place]!]
  }

  /** The values as they are now: whoever goes through them may add and delete. */
  values(): readonly V[] {
    return this.#values.slice()
  }
}
