import type { Json } from '../kit/json.ts'
import type { Run } from './limits.ts'

/** A place inside an expression, or inside the body of a `define` that it uses. */
export interface Place {
  readonly path: readonly (string | number)[]
  /** The `define` that `path` starts from; undefined for the expression itself. */
  readonly define: string | undefined
}

/** Makes the running form of a node from the running forms of its children. */
export type Build = (children: readonly Run[]) => Run

/** One checked sub-expression. */
export interface Node {
  readonly place: Place
  readonly source: Json
  readonly children: readonly Node[]
  readonly build: Build
  /** Set where the value is known at load. */
  readonly known: { readonly value: Json } | undefined
  /** True for a value that stands in the source as it is. */
  readonly isWritten: boolean
  readonly readsScope: boolean
  /** Depends on the list item of the `map`, `filter`, … around it. */
  readonly readsItem: boolean
  /** Operators, lists and references in it: the steps that it costs for each item of a list. */
  readonly size: number
  /** The nodes that its value is taken from unchanged, such as the branches of `if`. */
  readonly branches: readonly Node[] | undefined
  /** The nodes that its value is a list of. */
  readonly parts: readonly Node[] | undefined
  /** All that it can evaluate to, where an operator says so of itself. */
  readonly results: readonly string[] | undefined
}

/** Compiles a node; `wrap` sees every sub-expression, and then nothing is folded. */
export function buildNode(node: Node, wrap?: (node: Node, run: Run) => Run): Run {
  if (node.known && !wrap) {
    const { value } = node.known
    return () => value
  }
  const run = node.build(node.children.map((child) => buildNode(child, wrap)))
  return wrap ? wrap(node, run) : run
}

/** The nodes at the ends of all branches; of lists too, with `inLists`. */
export function leaves(node: Node, inLists = false): readonly Node[] {
  const below = node.branches ?? (inLists ? node.parts : undefined)
  return below ? below.flatMap((child) => leaves(child, inLists)) : [node]
}

/**
 * The strings that a node can evaluate to, or undefined where one is computed. With `inLists`, also those in the
 * lists that it can evaluate to.
 */
export function possibleStrings(node: Node, inLists = false): readonly string[] | undefined {
  const found = new Set<string>()
  for (const { known, results } of leaves(node, inLists)) {
    const strings = known ? knownStrings(known.value, inLists) : results
    if (!strings) return undefined
    for (const text of strings) found.add(text)
  }
  return [...found]
}

function knownStrings(value: Json, inLists: boolean): readonly string[] | undefined {
  if (typeof value === 'string') return [value]
  if (value === null) return []
  if (!inLists || !Array.isArray(value)) return undefined
  return value.every((item) => typeof item === 'string') ? value : undefined
}
