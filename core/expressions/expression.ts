import type { Json } from '../kit/json.ts'

/**
 * A part of an exchange that is only made available when somebody says that they read it. `request.text` is the JSON
 * body as text, for who parses it elsewhere. `request.model` is for the kernel: it may find the model without parsing
 * the body. `usage` is for who cannot do without the tokens: an
 * upstream that tells them only when asked is asked.
 */
export type Part = 'request.body' | 'request.text' | 'request.model' | 'response.body' | 'usage'

/**
 * What an expression is evaluated against: the roots by name. An exchange is a scope; `chunk` and `msg` are
 * added by the hook that has one. Read by own property below the roots.
 */
export interface Scope {
  readonly req?: unknown
  readonly res?: unknown
  readonly consumer?: unknown
  readonly upstream?: unknown
  readonly usage?: unknown
  readonly chunk?: unknown
  readonly msg?: unknown
  readonly vars?: unknown
  readonly env?: unknown
  readonly now?: unknown
}

/** The value of one sub-expression, with the place in the YAML that it stands at. */
export interface Trace {
  /** Segments from the expression's own root, such as `['not', 0, 'in', 1]`. */
  readonly path: readonly (string | number)[]
  /** The `define` that `path` starts from, where the sub-expression stands in one. */
  readonly define?: string
  /** The sub-expression as written. */
  readonly source: Json
  readonly value: Json
  readonly children: readonly Trace[]
}

/** A checked and compiled JSON-logic expression. */
export interface Expression {
  /** As written in the config. */
  readonly source: Json
  /** The parts of the exchange that it reads. */
  readonly reads: ReadonlySet<Part>
  /** True where the value does not depend on the scope; `evaluate({})` then gives it. */
  readonly isConstant: boolean
  /** Throws an ExpressionError when a cap is hit. The value may share parts with the scope, and literals are frozen. */
  evaluate(scope: Scope): Json
  /** JSON-logic truth of `evaluate`: an empty list is false. */
  test(scope: Scope): boolean
  /** Evaluates and keeps the value of every sub-expression that was reached. For `explain`, not the hot path. */
  trace(scope: Scope): Trace
  /** The literal strings that it can evaluate to, or undefined where a result is computed. */
  results(): readonly string[] | undefined
}
