/**
 * Amounts by key, in ascending order of the keys: what is charged per slot of time, what is held per deadline.
 * Kept flat (key, amount, key, amount …), as it is saved.
 */
export class Amounts {
  readonly #pairs: number[]
  total = 0

  constructor(pairs: readonly number[]) {
    this.#pairs = [...pairs]
    for (let at = 1; at < pairs.length; at += 2) this.total += pairs[at]!
  }

  /** Adds to the amount under `key`; a negative amount takes away. A key whose amount is 0 is dropped. */
  add(key: number, amount: number): void {
    if (amount === 0) return
    const at = this.#position(key)
    if (this.#pairs[at] !== key) this.#pairs.splice(at, 0, key, 0)
    this.#pairs[at + 1]! += amount
    this.total += amount
    if (this.#pairs[at + 1] === 0) this.#pairs.splice(at, 2)
  }

  /** Drops all keys up to and including `key`. */
  dropThrough(key: number): void {
    let count = 0
    while (count < this.#pairs.length && this.#pairs[count]! <= key) {
      this.total -= this.#pairs[count + 1]!
      count += 2
    }
    if (count > 0) this.#pairs.splice(0, count)
  }

  /** The key up to which all must be dropped for `amount` to go; Infinity where there is less. */
  keyFreeing(amount: number): number {
    let sum = 0
    for (let at = 0; at < this.#pairs.length; at += 2) {
      sum += this.#pairs[at + 1]!
      if (sum >= amount) return this.#pairs[at]!
    }
    return Infinity
  }

  save(): number[] {
    return [...this.#pairs]
  }

  /** Where `key` is, or belongs. Searched from the end: new keys are nearly always the highest. */
  #position(key: number): number {
    let at = this.#pairs.length
    while (at > 0 && this.#pairs[at - 2]! >= key) at -= 2
    return at
  }
}
