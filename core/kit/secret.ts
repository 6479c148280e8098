import { inspect } from 'node:util'

/** What stands wherever a secret would have been printed. */
export const MASK = '•••'

/**
 * A value that must not be printed. JSON, string conversion and `util.inspect` all show `•••`;
 * only `reveal()` gives the value, so each use can be found by that name.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return MASK
  }

  toJSON(): string {
    return MASK
  }

  [inspect.custom](): string {
    return MASK
  }
}
