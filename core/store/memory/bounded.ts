import { DenseMap } from '../../kit/dense-map.ts'

/** How often a full map is searched for entries to drop: a search costs, and a flood must not cause one each time. */
const SEARCH_EVERY_MS = 1_000

/** So few entries are not worth a look. */
const FEW = 1_000

/**
 * A map with a bound that drops only entries that are spent. Once there are more than a few, each admission looks at
 * two, one after another and round and round, so that spent ones don't pile up; a full map is searched whole, at most once a second.
 */
export class Bounded<V> {
  readonly #entries = new DenseMap<string, V>()
  readonly #most: number
  readonly #isSpent: (value: V, now: number) => boolean
  #searchedAt = -Infinity
  /** The place of the next entry to look at, going down. */
  #next = 0

  constructor(most: number, isSpent: (value: V, now: number) => boolean) {
    this.#most = most
    this.#isSpent = isSpent
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): V | undefined {
    return this.#entries.get(key)
  }

  set(key: string, value: V): void {
    this.#entries.set(key, value)
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }

  /** True where all of `keys` can be in the map at once, after dropping what is spent; some of them may be in it now. */
  hasRoom(keys: readonly string[], now: number): boolean {
    this.#dropSome(now)
    if (this.#fits(keys)) return true
    this.#search(now)
    return this.#fits(keys)
  }

  #fits(keys: readonly string[]): boolean {
    if (this.size + keys.length <= this.#most) return true
    const more = keys.filter((key, at) => !this.#entries.has(key) && keys.indexOf(key) === at)
    return this.size + more.length <= this.#most
  }

  #dropSome(now: number): void {
    if (this.size < Math.min(FEW, this.#most)) return
    for (let looks = 0; looks < 2; looks++) {
      if (this.#next <= 0) this.#next = this.#entries.places
      this.#dropIfSpent(--this.#next, now)
    }
  }

  #search(now: number): void {
    if (Math.abs(now - this.#searchedAt) < SEARCH_EVERY_MS) return
    this.#searchedAt = now
    for (let place = 0; place < this.#entries.places; place++) this.#dropIfSpent(place, now)
  }

  #dropIfSpent(place: number, now: number): void {
    const entry = this.#entries.at(place)
    if (entry !== undefined && this.#isSpent(entry[1], now)) this.#entries.delete(entry[0])
  }
}
