/** What a DenseSet keeps. `slot` is the set's to write: where it is kept, -1 while it is not. */
export interface Slotted {
  slot: number
}

/**
 * A set of what comes and goes with every request; a member is in one such set at a time, and the order is any.
 *
 * A Set or Map would do the same at a price that no profile shows by name: V8 rehashes it every few hundred changes
 * and links each old table to the next one, so that the first one that has grown old keeps every later one alive, with
 * all that was in it, until the next full collection. Every request then survives several scavenges, which copy it
 * each time.
 */
export class DenseSet<T extends Slotted> implements Iterable<T> {
  /** Never made shorter: a list that shrinks and grows is a new one each time, with the same effect. */
  readonly #members: (T | undefined)[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  add(member: T): void {
    if (member.slot >= 0) return
    member.slot = this.#size++
    this.#members[member.slot] = member
  }

  /** The last one takes its place, so that nothing is shifted. */
  delete(member: T): void {
    const { slot } = member
    if (slot < 0) return
    const last = this.#members[--this.#size]!
    this.#members[slot] = last
    last.slot = slot
    this.#members[this.#size] = undefined
    member.slot = -1
  }

  /** The members as they are now: whoever goes through them may add and delete. */
  [Symbol.iterator](): ArrayIterator<T> {
    return (this.#members.slice(0, this.#size) as T[]).values()
  }
}
