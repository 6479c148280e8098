import { parsePath } from '../kit/paths.ts'
import { suggest } from '../kit/suggest.ts'
import type { Json } from '../kit/json.ts'
import type { Scope } from './expression.ts'
import type { Frame, Run } from './limits.ts'
import type { Node } from './node.ts'
import type { Parser } from './parse.ts'
import type { At, DefineUse } from './place.ts'
import { ALL_ROOTS, FIELDS, ROOTS, WHOLE_ROOTS, type Root } from './roots.ts'
import { readOwn, readPath } from './values.ts'

/** Reads what a path names; undefined where there is nothing. */
export type Getter = (frame: Frame) => unknown

/** A path that leads somewhere. */
export interface Reference {
  readonly children: readonly Node[]
  /** Takes the running forms of `children`. */
  getter(children: readonly Run[]): Getter
  readonly readsScope: boolean
  readonly readsItem: boolean
  /** The node whose value it is, unchanged. */
  readonly branches: readonly Node[] | undefined
}

/** Resolves paths: roots in scope, their fields, `define`s, and what is relative to a list item. */
export class References {
  readonly #parser: Parser

  constructor(parser: Parser) {
    this.#parser = parser
  }

  /** A node for `$path`. */
  node(source: string, at: At): Node {
    const reference = this.resolve(source.slice(1), at, '$')
    if (!reference) return this.#parser.literal(source, null, at)
    return this.#parser.node(source, at, {
      children: reference.children,
      branches: reference.branches,
      readsScope: reference.readsScope,
      readsItem: reference.readsItem,
      build: (runs) => orNull(reference.getter(runs)),
    })
  }

  /** Finds what a path from the roots names; notes a problem and gives undefined where that is nothing. */
  resolve(text: string, at: At, sigil: '$' | ''): Reference | undefined {
    const root = /^[^.[]*/.exec(text)![0]
    const literally = sigil === '$' && !at.define ? ` (for the text itself write $$${text})` : ''
    if (/\s/.test(text)) {
      const message = `${JSON.stringify(sigil + text)} is not a path`
      this.#parser.report(at, message, `text is not filled in; join its parts with cat${literally}`)
      return undefined
    }
    if (this.#roots().includes(root)) return this.#guard(at, () => this.#inRoot(root, text, at))
    if (Object.hasOwn(this.#parser.vocabulary.defines, root)) {
      return this.#guard(at, () => this.#define(root, text, at))
    }
    const shown = sigil + root
    const here = `known here: ${this.#roots()
      .map((name) => sigil + name)
      .join(', ')}`
    if (ALL_ROOTS.has(root)) {
      this.#parser.reportScope(at, shown, here + literally)
      return undefined
    }
    const near = suggest(root, [...this.#roots(), ...Object.keys(this.#parser.vocabulary.defines)])
    const hint = near === undefined ? here : `did you mean ${sigil}${near}?`
    this.#parser.report(
      at,
      `${JSON.stringify(shown)} is neither a root nor a define`,
      hint + literally,
    )
    return undefined
  }

  /** A path that is relative to the list item; empty is the item itself. */
  relative(text: string, at: At): Reference | undefined {
    return this.#guard(at, () => {
      const segments = text === '' ? [] : parsePath(text)
      return plain((frame) => readPath(frame.item, segments), { readsItem: true })
    })
  }

  #roots(): readonly string[] {
    const { scope } = this.#parser.vocabulary
    return scope === 'any' ? [...ALL_ROOTS] : ROOTS[scope]
  }

  #guard(at: At, resolve: () => Reference | undefined): Reference | undefined {
    try {
      return resolve()
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.#parser.report(at, error.message)
      return undefined
    }
  }

  #inRoot(root: string, text: string, at: At): Reference | undefined {
    const [, ...rest] = parsePath(text)
    const [first, ...deeper] = rest
    if (first === undefined) return this.#whole(root as Root, at)
    if (root === 'env') this.#parser.env.add(first)
    const fields = FIELDS.get(root)
    if (!fields) return plain((frame) => readPath(frame.scope[root as Root], rest))
    const field = fields.get(first)
    if (!field) {
      this.#unknownField(root, first, [...fields.keys()], at)
      return undefined
    }
    if (field.inMatch === false && this.#parser.vocabulary.scope === 'match') {
      this.#parser.reportScope(at, `$${root}.${first}`, BODY_HINT)
      return undefined
    }
    if (field.reads) this.#parser.reads.add(field.reads)
    const read = fieldGetter(root as Root, first)
    if (deeper.length === 0) return plain(read)
    const name = text.slice(`${root}.${first}.`.length)
    if (first === 'headers') return plain(headerGetter(read, name, root === 'res' ? deeper : []))
    if (field.holds === 'names') return plain((frame) => readOwn(read(frame), name))
    return plain((frame) => readPath(read(frame), deeper))
  }

  #whole(root: Root, at: At): Reference | undefined {
    const fields = FIELDS.get(root)
    if (WHOLE_ROOTS.has(root)) {
      if (root === 'usage') this.#parser.reads.add('usage')
      if (!fields) return plain((frame) => frame.scope[root])
      return plain((frame) => copyFields(frame.scope[root], fields.keys()))
    }
    const hint = fields
      ? `name one of its fields: ${[...fields.keys()].join(', ')}`
      : `name one of its values: $${root}.NAME`
    this.#parser.report(at, `$${root} is not a value by itself`, hint)
    return undefined
  }

  #unknownField(root: string, field: string, known: readonly string[], at: At): void {
    const near = suggest(field, known)
    this.#parser.report(
      at,
      `$${root} has no field ${JSON.stringify(field)}`,
      near === undefined ? `its fields: ${known.join(', ')}` : `did you mean $${root}.${near}?`,
    )
  }

  /** Told at the first of its defines, whichever of them was being read. */
  #reportCycle(names: readonly string[], at: At): void {
    const order = Object.keys(this.#parser.vocabulary.defines)
    const first = order.find((name) => names.includes(name))!
    const start = names.indexOf(first)
    const cycle = [...names.slice(start), ...names.slice(0, start), first].join(' → ')
    const define = { name: first, outer: undefined, usedAt: [] }
    this.#parser.report({ ...at, path: [], define }, `define refers to itself: ${cycle}`)
  }

  #define(name: string, text: string, at: At): Reference | undefined {
    const [, ...rest] = parsePath(text)
    const chain = defineChain(at.define)
    if (chain.includes(name)) {
      this.#reportCycle(chain.slice(chain.indexOf(name)), at)
      return undefined
    }
    const body = this.#parser.parse(this.#parser.vocabulary.defines[name]!, {
      path: [],
      define: { name, outer: at.define, usedAt: at.define?.usedAt ?? at.path },
      depth: at.depth + 1,
      // A define means the same wherever it is used, also inside `map` and its like.
      isItem: false,
    })
    return {
      children: [body],
      getter: ([run]) => (rest.length === 0 ? run! : (frame) => readPath(run!(frame), rest)),
      readsScope: false,
      readsItem: false,
      branches: rest.length === 0 ? [body] : undefined,
    }
  }
}

const BODY_HINT = 'route by body in `upstream:`, after the request is admitted'

/** A getter as a node's running form: nothing becomes null. */
export function orNull(get: Getter): Run {
  return (frame) => {
    const value = get(frame)
    return value === undefined ? null : (value as Json)
  }
}

function plain(get: Getter, { readsItem = false } = {}): Reference {
  return {
    children: [],
    getter: () => get,
    readsScope: !readsItem,
    readsItem,
    branches: undefined,
  }
}

/** Reads a field that stands in FIELDS: a plain property get, since it may be a getter of a class. */
function fieldGetter(root: keyof Scope, field: string): Getter {
  return (frame) => {
    const object = frame.scope[root] as Readonly<Record<string, unknown>> | null | undefined
    return object === undefined || object === null ? undefined : object[field]
  }
}

/** Header names are in lower case, and may hold dots. A field that came several times can be a list, with positions. */
function headerGetter(read: Getter, name: string, segments: readonly string[]): Getter {
  const [first = '', position = '', ...more] = segments
  const header = first.toLowerCase()
  if (more.length === 0 && /^\d+$/.test(position)) {
    return (frame) => readOwn(readOwn(read(frame), header), position)
  }
  const lower = name.toLowerCase()
  return (frame) => readOwn(read(frame), lower)
}

function copyFields(root: unknown, fields: Iterable<string>): unknown {
  if (typeof root !== 'object' || root === null) return undefined
  const copy: Record<string, unknown> = {}
  for (const field of fields) {
    const value = (root as Record<string, unknown>)[field]
    if (value !== undefined) copy[field] = value
  }
  return copy
}

function defineChain(use: DefineUse | undefined): string[] {
  return use ? [...defineChain(use.outer), use.name] : []
}
