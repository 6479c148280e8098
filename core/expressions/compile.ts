import type { ExpressionScope } from '../config/schema.ts'
import type { Json } from '../kit/json.ts'
import { suggest } from '../kit/suggest.ts'
import type { Expression, Part, Scope, Trace } from './expression.ts'
import { Frame, LIMITS, type Recorder, type Run } from './limits.ts'
import { buildNode, leaves, possibleStrings, type Node } from './node.ts'
import type { ExtraOperator } from './operator.ts'
import { Parser } from './parse.ts'
import type { ExpressionProblem } from './place.ts'
import { ALL_ROOTS } from './roots.ts'
import { checkSize, isTruthy } from './values.ts'

export { ExpressionError, LIMITS } from './limits.ts'
export type { ExtraOperator } from './operator.ts'
export type { ExpressionProblem } from './place.ts'

/** What an expression may use, by the place that it stands in. */
export interface ExpressionContext {
  readonly scope: ExpressionScope
  /** Named expressions, as they are written. */
  readonly defines?: Readonly<Record<string, Json>>
  /** Operators beside those of the language, which they cannot replace. */
  readonly operators?: Readonly<Record<string, ExtraOperator>>
  /** Where the value must be one of a closed set: what it is called (`upstream`) and its members. */
  readonly results?: { readonly of: string; readonly known: readonly string[] }
}

/** A compiled expression, or all that is wrong with it. */
export type Compiled =
  | {
      readonly expression: Expression
      /** Names of the environment variables that it reads. */
      readonly env: readonly string[]
      readonly problems?: undefined
    }
  | {
      readonly expression?: undefined
      readonly env?: undefined
      readonly problems: readonly ExpressionProblem[]
    }

/** Checks and compiles one expression. Never throws for what the source holds. */
export function compile(source: Json, context: ExpressionContext): Compiled {
  const parser = new Parser({
    scope: context.scope,
    defines: context.defines ?? {},
    operators: new Map(Object.entries(context.operators ?? {})),
  })
  const root = parser.parse(source, ROOT)
  if (context.results) checkResults(root, context.results, parser)
  if (parser.problems.length > 0) return { problems: parser.problems }
  return {
    expression: new CompiledExpression(root, parser.reads, parser.builds),
    env: [...parser.env],
  }
}

/**
 * What is wrong with named expressions by themselves, used or not. Whether their roots exist is checked again by
 * `compile`, in the scope where they are used. Each problem names its `define`.
 */
export function checkDefines(
  defines: Readonly<Record<string, Json>>,
  operators: Readonly<Record<string, ExtraOperator>> = {},
): ExpressionProblem[] {
  const vocabulary = {
    scope: 'any',
    defines,
    operators: new Map(Object.entries(operators)),
  } as const
  const problems = new Map<string, ExpressionProblem>()
  for (const [name, body] of Object.entries(defines)) {
    const parser = new Parser(vocabulary)
    const at = { ...ROOT, define: { name, outer: undefined, usedAt: [] } }
    const fault = nameFault(name)
    if (fault !== undefined) parser.report(at, `${JSON.stringify(name)} ${fault}`)
    parser.parse(body, at)
    // A define that another one uses is read, and found wrong, twice.
    for (const problem of parser.problems) problems.set(JSON.stringify(problem), problem)
  }
  return [...problems.values()]
}

const ROOT = { path: [], define: undefined, depth: 1, isItem: false } as const

function nameFault(name: string): string | undefined {
  if (ALL_ROOTS.has(name)) return 'is a root already, so $ would never find this define'
  if (/^[A-Za-z_][\w-]*$/.test(name)) return undefined
  return 'is no name for a define: expected letters, digits, _ and -, beginning with a letter'
}

function checkResults(
  root: Node,
  { of, known }: NonNullable<ExpressionContext['results']>,
  parser: Parser,
): void {
  for (const leaf of leaves(root)) {
    const value = leaf.known?.value ?? null
    if (value === null || (typeof value === 'string' && known.includes(value))) continue
    const { path, define } = leaf.place
    const near = typeof value === 'string' ? suggest(value, known) : undefined
    parser.problems.push({
      path,
      ...(define !== undefined && { define }),
      message: `unknown ${of} ${JSON.stringify(value)}`,
      hint: near === undefined ? `known: ${known.join(', ')}` : `did you mean ${near}?`,
    })
  }
}

class CompiledExpression implements Expression {
  readonly source: Json
  readonly reads: ReadonlySet<Part>
  readonly isConstant: boolean
  readonly #root: Node
  readonly #run: Run
  readonly #builds: boolean
  #tracing: Run | undefined

  constructor(root: Node, reads: ReadonlySet<Part>, builds: boolean) {
    this.source = root.source
    this.reads = reads
    this.isConstant = root.known !== undefined
    this.#root = root
    this.#run = buildNode(root)
    this.#builds = builds && !this.isConstant
  }

  evaluate(scope: Scope): Json {
    const value = this.#run(new Frame(scope))
    if (this.#builds) checkSize(value)
    return value
  }

  test(scope: Scope): boolean {
    return isTruthy(this.#run(new Frame(scope)))
  }

  trace(scope: Scope): Trace {
    const root = this.#root
    this.#tracing ??= root.build(root.children.map((child) => buildNode(child, record)))
    const recorder: Recorder = { into: [], left: LIMITS.traced }
    const value = this.#tracing(new Frame(scope, recorder))
    checkSize(value)
    return traceOf(root, value, recorder.into)
  }

  results(): readonly string[] | undefined {
    return possibleStrings(this.#root)
  }
}

/** Wraps a node so that its value is kept, below the sub-expression that asked for it. */
function record(node: Node, run: Run): Run {
  if (node.isWritten) return run
  return (frame) => {
    const recorder = frame.recorder!
    const outer = recorder.into
    const children: Trace[] = []
    recorder.into = children
    const value = run(frame)
    recorder.into = outer
    checkSize(value)
    if (recorder.left-- > 0) outer.push(traceOf(node, value, children))
    return value
  }
}

function traceOf(
  { place: { path, define }, source }: Node,
  value: Json,
  children: readonly Trace[],
): Trace {
  return { path, ...(define !== undefined && { define }), source, value, children }
}
