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
  readonly #members: T[] = []

  get size(): number {
    return this.#members.length
  }

  add(member: T): void {
    if (member.slot < 0) member.slot = this.#members.push(member) - 1
  }

  /** The last one takes its place, so that nothing is shifted. */
  delete(member: T): void {
    const { slot } = member
    if (slot < 0) return
    const last = this.#members.pop()!
    if (last !== member) {
      this.#members[slot] = last
      last.slot = slot
    }
    member.slot = -1
  }

  /** The members as they are now: whoever goes through them may add and delete. */
  [Symbol.iterator](): ArrayIterator<T> {
    return this.#members.slice().values()
  }
}
