/**
 * A map of what comes and goes with every request, in no order; see DenseSet for what a Map would cost. Here the tables
 * that keep each other alive hold small numbers only.
 */
export class DenseMap<K extends string | number, V> {
  readonly #places = new Map<K, number>()
  readonly #keys: (K | undefined)[] = []
  readonly #values: (V | undefined)[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  has(key: K): boolean {
    return this.#places.has(key)
  }

  get(key: K): V | undefined {
    const place = this.#places.get(key)
    return place === undefined ? undefined : this.#values[place]
  }

  set(key: K, value: V): void {
    let place = this.#places.get(key)
    if (place === undefined) {
      place = this.#size++
      this.#places.set(key, place)
      this.#keys[place] = key
    }
    this.#values[place] = value
  }

  /** The last entry takes the place, so that nothing is shifted. */
  delete(key: K): boolean {
    const place = this.#places.get(key)
    if (place === undefined) return false
    this.#places.delete(key)
    const last = --this.#size
    if (place < last) {
      this.#keys[place] = this.#keys[last]
      this.#values[place] = this.#values[last]
      this.#places.set(this.#keys[place]!, place)
    }
    this.#keys[last] = undefined
    this.#values[last] = undefined
    return true
  }

  /** The entry at a place from 0 to `size` - 1; a deletion puts another one there. */
  at(place: number): [key: K, value: V] {
    return [this.#keys[place]!, this.#values[place]!]
  }

  /** The values as they are now: whoever goes through them may add and delete. */
  values(): readonly V[] {
    return this.#values.slice(0, this.#size) as V[]
  }
}
