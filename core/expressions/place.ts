import type { ExpressionScope } from '../config/schema.ts'
import type { Json } from '../kit/json.ts'
import type { ExtraOperator } from './operator.ts'

/** One thing that is wrong with an expression. */
export interface ExpressionProblem {
  /** Segments from the expression's root, or from the body of `define`, to the map key or value at fault. */
  readonly path: readonly (string | number)[]
  /** Set where the fault stands in a `define` that the expression uses. */
  readonly define?: string
  readonly message: string
  readonly hint?: string
}

/** What an expression is checked against. */
export interface Vocabulary {
  /** `any` is for a `define` by itself: it is checked again where it is used. */
  readonly scope: ExpressionScope | 'any'
  readonly defines: Readonly<Record<string, Json>>
  readonly operators: ReadonlyMap<string, ExtraOperator>
}

/** Where the parser is. */
export interface At {
  readonly path: readonly (string | number)[]
  readonly define: DefineUse | undefined
  readonly depth: number
  /** True where `{ var: … }` is relative to a list item. */
  readonly isItem: boolean
}

/** A `define` being read in the place where it is used. */
export interface DefineUse {
  readonly name: string
  readonly outer: DefineUse | undefined
  /** The use in the expression itself, however deep in other defines. */
  readonly usedAt: readonly (string | number)[]
}

/** One step further into the source. */
export function below(at: At, segment: string | number): At {
  return { ...at, path: [...at.path, segment], depth: at.depth + 1 }
}

/** The place of one argument of an operator: one that isn't a list stands for a list of one. */
export function argumentAt(nameAt: At, argument: Json, index: number): At {
  return Array.isArray(argument) ? below(nameAt, index) : { ...nameAt, depth: nameAt.depth + 1 }
}
