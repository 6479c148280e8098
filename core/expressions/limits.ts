import type { Json } from '../kit/json.ts'
import type { Scope, Trace } from './expression.ts'

/** What an expression may cost. The first two are checked at load, the others while it runs. */
export const LIMITS = {
  /** Operators and lists inside one another, `define`s included. */
  depth: 32,
  /** Operators, lists and references in all, `define`s included. */
  nodes: 500,
  /** One step is one operator for one list item, 8 list items copied, or 64 characters read. */
  steps: 500_000,
  /** Characters of a text that an expression builds. */
  text: 16 * 1024 * 1024,
  /** Items of a list that an expression builds. */
  items: 100_000,
  /** Characters in all of a built result, with what it repeats counted each time. */
  resultText: 64 * 1024 * 1024,
  /** Characters that `matches` looks at. */
  matchedText: 256 * 1024,
  /** Characters of a pattern. */
  pattern: 1_000,
  /** Lists inside one another that a built value may have. */
  nesting: 100,
  /** Characters of a path that is computed. */
  path: 1_000,
  /** Sub-expressions that a trace keeps. */
  traced: 1_000,
} as const

/** Thrown when an expression costs more than `LIMITS` allows, or is given what it cannot work on safely. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError'
}

/** Collects the values of sub-expressions for `trace`. */
export interface Recorder {
  /** Where the next sub-expression's trace goes. */
  into: Trace[]
  left: number
}

/** One evaluation under way: what it reads, and what it has cost so far. */
export class Frame {
  readonly scope: Scope
  readonly recorder: Recorder | undefined
  /** The list item that `{ var: … }` is relative to, inside `map` and its like. */
  item: unknown = null
  #steps = 0

  constructor(scope: Scope, recorder?: Recorder) {
    this.scope = scope
    this.recorder = recorder
  }

  /** Counts work that grows with the data. Throws an ExpressionError past the limit. */
  spend(steps: number): void {
    this.#steps += steps
    if (this.#steps > LIMITS.steps) {
      throw new ExpressionError(`the expression needs more than ${LIMITS.steps} steps`)
    }
  }

  /** Counts characters read. */
  spendText(characters: number): void {
    if (characters > 64) this.spend(characters >> 6)
  }

  /** Counts list items copied or looked through. */
  spendItems(items: number): void {
    if (items > 8) this.spend(items >> 3)
  }
}

/** A compiled node. Gives JSON, never undefined. */
export type Run = (frame: Frame) => Json
