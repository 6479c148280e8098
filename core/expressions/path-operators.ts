import type { Json } from '../kit/json.ts'
import { ExpressionError, type Frame, type Run } from './limits.ts'
import { possibleStrings, type Node } from './node.ts'
import type { Parser } from './parse.ts'
import type { At } from './place.ts'
import { orNull, type Getter, type Reference } from './references.ts'
import { computedSegments, readPath, toNumber, toText } from './values.ts'

/** Finds what a key names, when the expression runs. */
type Lookup = (key: Json, frame: Frame) => unknown

/** A lookup and what it stands on. */
interface Lookups {
  readonly children: readonly Node[]
  lookup(children: readonly Run[]): Lookup
  readonly readsScope: boolean
  readonly readsItem: boolean
}

/**
 * `var`, `missing` and `missing_some`: their texts are paths. From the roots, all paths must be known at load, so
 * that scope, fields and what is read of a request can be checked; relative to a list item they may be computed.
 */
export class PathOperators {
  readonly #parser: Parser

  constructor(parser: Parser) {
    this.#parser = parser
  }

  static handles(name: string): boolean {
    return name === 'var' || name === 'missing' || name === 'missing_some'
  }

  node(name: string, source: Json, argument: Json, at: At, nameAt: At): Node {
    if (!this.#isFreeOfSigils(name, argument, nameAt)) return this.#parser.literal(source, null, at)
    if (name === 'var') return this.#variable(source, argument, at, nameAt)
    if (name === 'missing') return this.#missing(source, argument, at, nameAt)
    return this.#missingSome(source, argument, at, nameAt)
  }

  #variable(source: Json, argument: Json, at: At, nameAt: At): Node {
    const nothing = this.#parser.literal(source, null, at)
    if (!this.#parser.checkArity('var', [0, 2], argument, nameAt)) return nothing
    const [path = '', ...rest] = Array.isArray(argument) ? argument : [argument]
    const pathAt = Array.isArray(argument) ? { ...nameAt, path: [...nameAt.path, 0] } : nameAt
    const reference = this.#reference(path, pathAt)
    const fallback = rest.map((value) =>
      this.#parser.parse(value, { ...nameAt, path: [...nameAt.path, 1], depth: at.depth + 1 }),
    )
    if (!reference) return nothing
    return this.#parser.node(source, at, {
      children: [...reference.children, ...fallback],
      branches: fallback.length === 0 ? reference.branches : undefined,
      readsScope: reference.readsScope,
      readsItem: reference.readsItem,
      build: (runs) => {
        const get = reference.getter(runs)
        return fallback.length === 0 ? orNull(get) : orElse(get, runs.at(-1)!)
      },
    })
  }

  #reference(path: Json, at: At): Reference | undefined {
    const { references } = this.#parser
    if (typeof path === 'object' && path !== null) return this.#computed(path, at)
    const text = path === null ? '' : String(path)
    if (at.isItem) return references.relative(text, at)
    if (text !== '') return references.resolve(text, at, '')
    this.#parser.report(at, 'the scope as a whole is not a value', 'name a root, such as req.path')
    return undefined
  }

  #computed(path: Json, at: At): Reference | undefined {
    const node = this.#parser.parse(path, { ...at, depth: at.depth + 1 })
    const lookups = this.#lookups([node], 'var', at)
    return (
      lookups && {
        ...lookups,
        getter: (runs) => {
          const lookup = lookups.lookup(runs)
          return (frame) => lookup(runs[0]!(frame), frame)
        },
        branches: undefined,
      }
    )
  }

  #missing(source: Json, argument: Json, at: At, nameAt: At): Node {
    const args = this.#parser.args(argument, nameAt)
    const lookups = this.#lookups(args, 'missing', nameAt)
    if (!lookups) return this.#parser.literal(source, null, at)
    return this.#parser.node(source, at, {
      ...lookups,
      build: (runs) => {
        const lookup = lookups.lookup(runs)
        const keys = runs.slice(0, args.length)
        return (frame) => {
          const values = keys.map((key) => key(frame))
          return missingKeys(Array.isArray(values[0]) ? values[0] : values, lookup, frame)
        }
      },
    })
  }

  #missingSome(source: Json, argument: Json, at: At, nameAt: At): Node {
    const nothing = this.#parser.literal(source, null, at)
    const args = this.#parser.args(argument, nameAt)
    if (!this.#parser.checkArity('missing_some', [2, 2], argument, nameAt)) return nothing
    const lookups = this.#lookups(args.slice(1), 'missing_some', nameAt)
    if (!lookups) return nothing
    return this.#parser.node(source, at, {
      ...lookups,
      children: [args[0]!, ...lookups.children],
      build: ([need, ...runs]) => {
        const lookup = lookups.lookup(runs)
        return (frame) => {
          const keys = runs[0]!(frame)
          if (!Array.isArray(keys)) {
            throw new ExpressionError('missing_some takes a list of paths')
          }
          const missing = missingKeys(keys, lookup, frame)
          return keys.length - missing.length >= toNumber(need!(frame), frame) ? [] : missing
        }
      },
    })
  }

  /** Prepares for all keys that the nodes can give; undefined, with a problem noted, where that is not known. */
  #lookups(nodes: readonly Node[], name: string, at: At): Lookups | undefined {
    if (at.isItem) {
      return { children: nodes, lookup: () => lookUpInItem, readsScope: false, readsItem: true }
    }
    const texts = nodes.map((node) => possibleStrings(node, true))
    if (texts.includes(undefined)) {
      this.#parser.report(
        at,
        `the paths of ${name} must be written here, not computed`,
        'to read a computed path, write path: [$req.body, …]',
      )
      return undefined
    }
    const references = new Map<string, Reference | undefined>()
    for (const text of new Set(texts.flat() as string[])) {
      references.set(text, this.#parser.references.resolve(text, at, ''))
    }
    return collect(nodes, references)
  }

  /** `{ missing: $req.body.model }` would look for what the model is called: never what is meant. */
  #isFreeOfSigils(name: string, argument: Json, nameAt: At): boolean {
    const texts = Array.isArray(argument) ? argument.flat() : [argument]
    const paths = name === 'var' ? texts.slice(0, 1) : texts
    const marked = paths.find((text) => typeof text === 'string' && /^\$[A-Za-z_]/.test(text))
    if (typeof marked !== 'string') return true
    this.#parser.report(
      nameAt,
      `${name} takes the path itself, got ${JSON.stringify(marked)}`,
      name === 'var'
        ? `write ${marked} alone, or leave out the $`
        : `leave out the $: ${marked.slice(1)}`,
    )
    return false
  }
}

function collect(
  nodes: readonly Node[],
  references: ReadonlyMap<string, Reference | undefined>,
): Lookups {
  const found = [...references].flatMap(([text, reference]) =>
    reference ? [{ text, reference }] : [],
  )
  return {
    children: [...nodes, ...found.flatMap(({ reference }) => reference.children)],
    readsScope: true,
    readsItem: false,
    lookup: (runs) => {
      const getters = new Map<Json, Getter>()
      let next = nodes.length
      for (const { text, reference } of found) {
        const end = next + reference.children.length
        getters.set(text, reference.getter(runs.slice(next, end)))
        next = end
      }
      return (key, frame) => getters.get(key)?.(frame)
    },
  }
}

function orElse(get: Getter, fallback: Run): Run {
  return (frame) => {
    const value = get(frame)
    return value === undefined ? fallback(frame) : (value as Json)
  }
}

function lookUpInItem(key: Json, frame: Frame): unknown {
  if (key === null || key === '') return frame.item
  const segments = computedSegments(toText(key, frame))
  return segments && readPath(frame.item, segments)
}

function missingKeys(keys: readonly Json[], lookup: Lookup, frame: Frame): Json[] {
  frame.spend(keys.length)
  return keys.filter((key) => {
    const value = lookup(key, frame)
    return value === undefined || value === null || value === ''
  })
}
