/**
 * A map of what comes and goes with every request, in no order; see DenseSet for what a Map would cost. Here the tables
 * that keep each other alive hold small numbers only.
 */
export class DenseMap<K extends string | number, V> {
  readonly #places = new Map<K, number>()
  readonly #entries: (readonly [K, V] | undefined)[] = []
  /** Places that were given up, to be taken again. */
  readonly #free: number[] = []

  get size(): number {
    return this.#places.size
  }

  has(key: K): boolean {
    return this.#places.has(key)
  }

  get(key: K): V | undefined {
    const place = this.#places.get(key)
    return place === undefined ? undefined : this.#entries[place]![1]
  }

  set(key: K, value: V): void {
    const known = this.#places.get(key)
    if (known !== undefined && this.#entries[known]![1] === value) return
    const place = known ?? this.#free.pop() ?? this.#entries.length
    if (known === undefined) this.#places.set(key, place)
    this.#entries[place] = [key, value]
  }

  delete(key: K): boolean {
    const place = this.#places.get(key)
    if (place === undefined) return false
    this.#places.delete(key)
    this.#entries[place] = undefined
    this.#free.push(place)
    return true
  }

  /** How many places there are; some of them may be free. */
  get places(): number {
    return this.#entries.length
  }

  /** The entry at a place, from 0 to `places` - 1. */
  at(place: number): readonly [key: K, value: V] | undefined {
    return this.#entries[place]
  }

  /** The values as they are now: whoever goes through them may add and delete. */
  values(): V[] {
    return this.#entries.flatMap((entry) => (entry === undefined ? [] : [entry[1]]))
  }
}
