import { isObject, type Json, type JsonObject } from '../kit/json.ts'
import type { Position, Problem } from './problems.ts'

/** A place in the tree: map keys and list indexes from the root on. */
export type Segments = readonly (string | number)[]

/** What a value is, in words that show nothing of it: it may be a secret. */
export function kindOf(value: Json): string {
  if (Array.isArray(value)) return 'a list'
  if (isObject(value)) return 'a map'
  if (typeof value === 'string') return 'text'
  return typeof value === 'number' ? 'a number' : String(value)
}

/** Why a `${…}` cannot be filled in, and what to do. */
export interface Refusal {
  readonly message: string
  readonly hint: string
}

/** One piece of an interpolated scalar, and where its text came from. A `default` stands in the file, as `text` does. */
export interface Part {
  readonly from: 'text' | 'env' | 'default' | 'file'
  readonly text: string
  /** The variable, or the path as it was written; undefined for `text`. */
  readonly name?: string
  /** Set where there was nothing to fill in, and the config is only looked at, not run. */
  readonly missing?: Refusal
}

/** Where one entry of a map or list was written. For a list item, `key` is where its value stands. */
export interface Origin {
  readonly key: Position
  readonly value: Position
  /** Set only where the value was written with `${…}`; literal values have none. */
  readonly parts?: readonly Part[]
  /** Set only for a `|` block: where its text begins, so that an error inside a script can be placed. */
  readonly block?: Position
}

/**
 * Where the entries of plain maps and lists were written. Kept beside the data, by identity of the map or list,
 * so that the data stays plain and a part of one file can be spliced into another. Copies made by hand have no
 * positions: use `clone`, `merge` or `carry`.
 */
export class Positions {
  /** Where the tree itself begins: the nearest position for all that has none of its own. */
  readonly root: Position
  readonly #origins = new WeakMap<object, Map<string | number, Origin>>()

  constructor(root: Position) {
    this.root = root
  }

  /** Notes where an entry was written. */
  set(container: object, key: string | number, origin: Origin): void {
    const entries = this.#origins.get(container)
    if (entries) entries.set(key, origin)
    else this.#origins.set(container, new Map([[key, origin]]))
  }

  /** Where an entry was written; undefined for one that no file holds, such as a default. */
  of(container: object, key: string | number): Origin | undefined {
    return this.#origins.get(container)?.get(key)
  }

  /** True for a value whose text stands in a file, defaults of `${NAME:-…}` included; false once any of it came from outside. */
  isLiteral(container: object, key: string | number): boolean {
    const parts = this.of(container, key)?.parts
    return parts?.every((part) => part.from === 'text' || part.from === 'default') ?? true
  }

  /** What a value's `${…}` misses; undefined where all was there. */
  missing(container: object, key: string | number): Refusal | undefined {
    return this.of(container, key)?.parts?.find((part) => part.missing)?.missing
  }

  /** The nearest known position of a path: of its key or its value, else of the last parent that a file holds. */
  locate(root: unknown, segments: Segments, side: 'key' | 'value' = 'value'): Position {
    let nearest = this.root
    let container = root
    for (const [at, segment] of segments.entries()) {
      if (typeof container !== 'object' || container === null) return nearest
      const origin = this.of(container, segment)
      if (!origin) return nearest
      nearest = side === 'key' && at === segments.length - 1 ? origin.key : origin.value
      container = (container as Record<string | number, unknown>)[segment]
    }
    return nearest
  }

  /** Gives an entry of one container the origin that another's has. */
  carry(from: object, fromKey: string | number, to: object, toKey: string | number): void {
    const origin = this.of(from, fromKey)
    if (origin) this.set(to, toKey, origin)
  }

  #carryAll(from: object, to: object): void {
    for (const [key, origin] of this.#origins.get(from) ?? []) this.set(to, key, origin)
  }

  /** A deep copy that may be changed without changing the original, with all positions. */
  clone<T extends Json>(value: T): T {
    if (typeof value !== 'object' || value === null) return value
    const copy = Array.isArray(value)
      ? value.map((item) => this.clone(item))
      : Object.fromEntries(Object.entries(value).map(([key, below]) => [key, this.clone(below)]))
    this.#carryAll(value, copy)
    return copy as T
  }

  /**
   * `over` laid on `base`, as a new tree with the positions of both: maps merge, lists and scalars replace,
   * null removes (RFC 7396). A map for whose path `isWhole` is true replaces too. Neither argument is changed or shared.
   */
  merge(
    base: JsonObject,
    over: JsonObject,
    isWhole: (path: readonly string[]) => boolean = () => false,
    path: readonly string[] = [],
  ): JsonObject {
    const merged = this.clone(base)
    for (const [key, value] of Object.entries(over)) {
      const below = Object.hasOwn(merged, key) ? merged[key] : undefined
      if (value === null) {
        delete merged[key]
        this.#origins.get(merged)?.delete(key)
        continue
      }
      const at = [...path, key]
      const merges = isObject(value) && !isWhole(at)
      merged[key] = merges
        ? this.merge(isObject(below) ? below : {}, value, isWhole, at)
        : this.clone(value)
      // A map that two files share keeps the place where it began.
      if (!isObject(below) || !merges) this.carry(over, key, merged, key)
    }
    return merged
  }
}

/** All files of a config as one tree of plain data, interpolated, with what was wrong while reading. */
export interface ConfigTree {
  /** The main file with its includes merged in; an empty map where the main file cannot be read. */
  readonly tree: JsonObject
  readonly positions: Positions
  /** In file order, errors and warnings. Where there are errors, `tree` holds what could be read. */
  readonly problems: readonly Problem[]
  /** False where a file could not be read or parsed: what seems to be missing may stand in it. */
  readonly isComplete: boolean
  /** The names of the files as positions have them, in the order in which problems are told. */
  readonly sources: readonly string[]
  /**
   * Absolute paths: every file that was read or looked for, `${file:…}` included; and the folders that an include looks
   * through, each with all below it.
   */
  readonly watch: { readonly files: readonly string[]; readonly folders: readonly string[] }
}
