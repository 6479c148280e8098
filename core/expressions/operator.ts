import type { ExpressionScope } from '../config/schema.ts'
import type { Json } from '../kit/json.ts'
import type { Part, Scope } from './expression.ts'
import type { Frame } from './limits.ts'
import type { Build, Node } from './node.ts'

/** Least and most arguments; most may be Infinity. */
export type Arity = readonly [least: number, most: number]

/** Tells of a problem with the argument at a position. */
export type ReportArgument = (argument: number, message: string, hint?: string) => void

/** An operator of the language itself. */
export interface Operator {
  readonly arity: Arity
  /** Position of the argument that is evaluated for each item of a list, with the item as its data. */
  readonly perItem?: number
  /** Its value is that of one of these arguments, unchanged. */
  readonly branches?: (args: readonly Node[]) => readonly Node[]
  /** Its value is a list of these arguments, and of the items of those that are lists. */
  readonly parts?: (args: readonly Node[]) => readonly Node[]
  /** Looks at the arguments as they are written, once, at load. */
  compile(args: readonly Node[], report: ReportArgument): Build
}

/** An operator that somebody adds. */
export interface ExtraOperator {
  readonly arity: Arity
  /** Where it may be used; everywhere when left out. */
  readonly scopes?: readonly ExpressionScope[]
  /** Parts of the exchange that it reads by itself. */
  readonly reads?: readonly Part[]
  /** All that it can evaluate to, where that is a closed set, such as the names of upstreams. */
  readonly results?: readonly string[]
  /** Synchronous. What it throws ends the evaluation. */
  evaluate(args: readonly Json[], scope: Scope): Json
}

/** An operator of one argument. */
export function unary(apply: (a: Json, frame: Frame) => Json): Operator {
  return {
    arity: [1, 1],
    compile:
      () =>
      ([a]) =>
      (frame) =>
        apply(a!(frame), frame),
  }
}

/** An operator of two arguments. */
export function binary(apply: (a: Json, b: Json, frame: Frame) => Json): Operator {
  return {
    arity: [2, 2],
    compile:
      () =>
      ([a, b]) =>
      (frame) =>
        apply(a!(frame), b!(frame), frame),
  }
}

/** An operator that takes all of its arguments as one list. */
export function variadic(
  least: number,
  apply: (values: readonly Json[], frame: Frame) => Json,
): Operator {
  return {
    arity: [least, Infinity],
    compile: () => (runs) => (frame) =>
      apply(
        runs.map((run) => run(frame)),
        frame,
      ),
  }
}
