import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Scalar,
  type Alias,
  type Document,
  type Pair,
  type ParsedNode,
} from 'yaml'
import type { Json, JsonObject } from '../kit/json.ts'
import type { Interpolated } from './interpolate.ts'
import type { Source } from './source.ts'
import { MAX_DEPTH } from './syntax.ts'
import type { Origin, Part, Positions } from './tree.ts'

/** Uses of `*name` in one file. */
const MAX_ALIASES = 50
/** Values that all `*name` of one file may stand for. */
const MAX_ALIASED_VALUES = 100_000
/** Names that reach a prototype. */
const FORBIDDEN = new Set(['__proto__', 'prototype', 'constructor'])

/** A value, and what only its holder can note: how it was written. */
interface Built {
  readonly value: Json
  readonly parts?: readonly Part[] | undefined
}

interface Anchor {
  readonly offset: number
  /** Undefined while its own value is being read. */
  built: Built | undefined
  /** How many values it stands for, and how deep they nest. */
  size: number
  depth: number
  isUsed: boolean
}

/**
 * The scalars of a document that may hold `${…}`, in its order: values, not keys, and not `|` blocks, which are taken
 * literally.
 */
export function interpolatedScalars(document: Document.Parsed): Scalar<string>[] {
  const found: Scalar<string>[] = []
  const collect = (node: unknown): void => {
    if (isMap(node)) for (const pair of node.items) collect(pair.value)
    else if (isSeq(node)) for (const item of node.items) collect(item)
    else if (isScalar(node) && isInterpolated(node)) found.push(node)
  }
  collect(document.contents)
  return found
}

function isInterpolated(node: Scalar): node is Scalar<string> {
  return (
    typeof node.value === 'string' &&
    node.type !== Scalar.BLOCK_LITERAL &&
    node.value.includes('${')
  )
}

/**
 * Turns a parsed document into plain data with positions. `filled` holds what the scalars with `${…}` became.
 * Refuses what would change its meaning on the way: duplicate, non-text and prototype keys, merge keys, numbers that
 * are not exact, anchors that were not meant as such. Linear in the size of the file and in what its aliases stand for.
 */
export function buildTree(
  document: Document.Parsed,
  filled: ReadonlyMap<Scalar, Interpolated>,
  source: Source,
  positions: Positions,
): Json {
  return new Builder(filled, source, positions).build(document)
}

class Builder {
  readonly #filled: ReadonlyMap<Scalar, Interpolated>
  readonly #source: Source
  readonly #positions: Positions
  readonly #anchors = new Map<string, Anchor>()
  readonly #path: (string | number)[] = []
  #values = 0
  #deepest = 0
  #aliases = 0
  #aliasedValues = 0

  constructor(filled: ReadonlyMap<Scalar, Interpolated>, source: Source, positions: Positions) {
    this.#filled = filled
    this.#source = source
    this.#positions = positions
  }

  build(document: Document.Parsed): Json {
    const { value } = this.#node(document.contents)
    for (const [name, anchor] of this.#anchors) this.#checkUse(name, anchor)
    return value
  }

  #node(node: ParsedNode | null): Built {
    this.#values++
    this.#deepest = Math.max(this.#deepest, this.#path.length)
    if (node === null) return { value: null }
    if (isAlias(node)) return this.#alias(node)
    const { anchor: name } = node
    if (name === undefined) return this.#value(node)
    const anchor = this.#declare(name, node)
    const [values, deepest] = [this.#values, this.#deepest]
    this.#deepest = this.#path.length
    anchor.built = this.#value(node)
    anchor.size = this.#values - values + 1
    anchor.depth = this.#deepest - this.#path.length
    this.#deepest = Math.max(this.#deepest, deepest)
    return anchor.built
  }

  #value(node: Exclude<ParsedNode, Alias.Parsed>): Built {
    if (isMap(node)) return { value: this.#map(node.items) }
    if (isSeq(node)) return { value: this.#list(node.items) }
    return this.#scalar(node)
  }

  #map(pairs: readonly Pair<ParsedNode, ParsedNode | null>[]): JsonObject {
    const map: JsonObject = {}
    for (const { key, value: node } of pairs) {
      const offset = key?.range?.[0] ?? 0
      const name = this.#key(key, offset)
      if (name === undefined) continue
      this.#path.push(name)
      const built = this.#node(node)
      const first = this.#positions.of(map, name)
      if (first) {
        const message = `duplicate key, first written on line ${first.key.line}`
        this.#source.error(offset, this.#path, message)
      } else {
        map[name] = built.value
        this.#positions.set(map, name, this.#origin(offset, node, built))
      }
      this.#path.pop()
    }
    return map
  }

  #list(nodes: readonly (ParsedNode | null)[]): Json[] {
    const list: Json[] = []
    for (const [index, node] of nodes.entries()) {
      this.#path.push(index)
      const built = this.#node(node)
      list.push(built.value)
      this.#positions.set(list, index, this.#origin(node?.range[0] ?? 0, node, built))
      this.#path.pop()
    }
    return list
  }

  #origin(keyOffset: number, node: ParsedNode | null, { parts }: Built): Origin {
    const key = this.#source.at(keyOffset)
    // Nothing was written: the key is the nearest that can be pointed at.
    const isEmpty = node === null || (isScalar(node) && node.range[0] === node.range[1])
    const value = isEmpty ? key : this.#source.at(node.range[0])
    if (parts) return { key, value, parts }
    const block =
      isScalar(node) && node.type === Scalar.BLOCK_LITERAL ? this.#block(node) : undefined
    return block ? { key, value, block } : { key, value }
  }

  /** Where the text of a `|` block begins; undefined where its indentation is given by number, or it is empty. */
  #block({ range }: Scalar.Parsed): Origin['block'] {
    const written = this.#source.text.slice(range[0], range[1])
    const found = /^\|[-+]?[ \t]*(?:#.*)?\r?\n((?:[ ]*\r?\n)*)([ ]*)[^ \r\n]/.exec(written)
    if (!found) return undefined
    const { file, line } = this.#source.at(range[0])
    // Empty lines at its head belong to the text.
    return { file, line: line + 1, column: found[2]!.length + 1 }
  }

  /** Undefined for a key that no map may have; the entry is left out, but what stands in it is not looked at. */
  #key(node: ParsedNode | null, offset: number): string | undefined {
    if (!isScalar(node)) {
      const anchor = isAlias(node) ? this.#anchors.get(node.source) : undefined
      if (anchor) anchor.isUsed = true
      const found = node === null ? 'no key' : isAlias(node) ? 'an alias' : 'a map or list'
      this.#source.error(offset, this.#path, `expected text for a key, got ${found}`)
      return undefined
    }
    if (node.anchor !== undefined) {
      this.#source.error(offset, this.#path, `an anchor "&${node.anchor}" on a key is not accepted`)
    }
    const { value, source: written } = node
    // A number that is printed as it was written means the same as text: statuses make natural keys.
    if (typeof value !== 'string' && !(typeof value === 'number' && String(value) === written)) {
      const hint = written === '' ? 'write "" for an empty key' : `quote it: "${written}"`
      const found = JSON.stringify(value)
      this.#source.error(offset, this.#path, `expected text for a key, got ${found}`, hint)
      return undefined
    }
    const name = String(value)
    if (FORBIDDEN.has(name)) {
      this.#source.error(offset, this.#path, `the key ${JSON.stringify(name)} is not accepted`)
      return undefined
    }
    if (name === '<<' && node.type === Scalar.PLAIN) {
      const hint = 'splice a pipeline with use, change a step with override'
      this.#source.error(offset, this.#path, 'the merge key "<<" is not part of YAML 1.2', hint)
      return undefined
    }
    return name
  }

  #scalar(node: Scalar.Parsed): Built {
    const filled = this.#filled.get(node)
    if (filled) {
      if ('parts' in filled) {
        const missing = filled.parts.find((part) => part.missing)?.missing
        if (missing) this.#source.error(node.range[0], this.#path, missing.message, missing.hint)
        return filled
      }
      this.#source.error(node.range[0], this.#path, filled.message, filled.hint)
      return { value: String(node.value) }
    }
    const { value } = node
    if (typeof value === 'string') {
      if (node.type === Scalar.BLOCK_LITERAL) this.#warnOfLiteral(node, value)
      return { value }
    }
    if (typeof value === 'number') return { value: this.#number(node, value) }
    return { value: typeof value === 'boolean' ? value : null }
  }

  #number(node: Scalar.Parsed, value: number): Json {
    const { source: written } = node
    const reason = Number.isFinite(value)
      ? Number.isInteger(value) && !Number.isSafeInteger(value) && /^[-+]?\d+$/.test(written)
        ? 'is too large to be exact as a number'
        : /^[-+]?0\d/.test(written)
          ? `is read as the number ${value}`
          : undefined
      : 'is not a number that JSON has'
    if (reason === undefined) return value
    const hint = `quote it if it is text: "${written}"`
    this.#source.error(node.range[0], this.#path, `${written} ${reason}`, hint)
    return written
  }

  /** `${NAME}` alone may be a script's own, but no script can hold these two. */
  #warnOfLiteral(node: Scalar.Parsed, text: string): void {
    const found = /\$\{(?:file:[^{}]+|\w+:-[^{}]*)\}/.exec(text)
    if (!found) return
    const message = `a "|" block is taken literally, and so is ${JSON.stringify(found[0])} in it`
    this.#source.warn(node.range[0], this.#path, message, 'use quotes, or ">", to fill it in')
  }

  #declare(name: string, node: Exclude<ParsedNode, Alias.Parsed>): Anchor {
    const previous = this.#anchors.get(name)
    if (previous) this.#checkUse(name, previous)
    const offset = this.#source.text.lastIndexOf('&', node.range[0])
    const anchor: Anchor = { offset, built: undefined, size: 0, depth: 0, isUsed: false }
    this.#anchors.set(name, anchor)
    return anchor
  }

  #checkUse(name: string, { offset, built, isUsed }: Anchor): void {
    if (isUsed) return
    const message = `the anchor "&${name}" is never used, and YAML drops it from the value`
    const hint = 'quote the value if the & is part of it'
    // Before a map or list it can only have been meant as an anchor.
    if (typeof built?.value === 'object' && built.value !== null) {
      this.#source.warn(offset, [], `the anchor "&${name}" is never used`)
    } else this.#source.error(offset, [], message, hint)
  }

  #alias(node: Alias.Parsed): Built {
    const { source: name } = node
    const [offset] = node.range
    const fail = (message: string, hint?: string): Built => {
      this.#source.error(offset, this.#path, message, hint)
      return { value: null }
    }
    const anchor = this.#anchors.get(name)
    if (!anchor) {
      const hint = 'quote it if the star is part of the text, or name the anchor before it'
      return fail(`the alias "*${name}" has no anchor "&${name}"`, hint)
    }
    anchor.isUsed = true
    if (!anchor.built) return fail(`the alias "*${name}" stands inside its own anchor`)
    if (++this.#aliases > MAX_ALIASES) {
      // Told once: thousands of them are one fault.
      return this.#aliases > MAX_ALIASES + 1
        ? { value: null }
        : fail(`more than ${MAX_ALIASES} aliases in one file`, 'use pipelines with use, or include')
    }
    if (this.#path.length + anchor.depth > MAX_DEPTH) {
      return fail(`aliases nest deeper than ${MAX_DEPTH} levels`)
    }
    this.#deepest = Math.max(this.#deepest, this.#path.length + anchor.depth)
    this.#aliasedValues += anchor.size
    if (this.#aliasedValues > MAX_ALIASED_VALUES) {
      const accepted = MAX_ALIASED_VALUES.toLocaleString('en')
      return fail(`aliases stand for more than ${accepted} values`)
    }
    this.#values += anchor.size
    return { ...anchor.built, value: this.#positions.clone(anchor.built.value) }
  }
}
