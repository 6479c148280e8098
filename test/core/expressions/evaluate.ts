import { compile, type ExpressionContext } from '#core/expressions/compile.ts'
import type { Expression, Scope } from '#core/expressions/expression.ts'
import type { Json } from '#core/kit/json.ts'

/** Compiles what must be right; throws with all problems where it isn't. */
export function compiled(source: Json, context: Partial<ExpressionContext> = {}): Expression {
  const { expression, problems } = compile(source, { scope: 'request', ...context })
  if (problems) throw new Error(JSON.stringify(problems, null, 2))
  return expression
}

/** The value of an expression over `vars`. */
export function evaluate(source: Json, vars: Json = {}, scope: Scope = {}): Json {
  return compiled(source).evaluate({ vars, ...scope })
}

/** The value of an expression whose data is no scope but any JSON, as in JsonLogic's own tests. */
export function evaluateOver(data: Json, source: Json): Json {
  return (evaluate({ map: ['$vars.items', source] }, { items: [data] }) as Json[])[0]!
}
