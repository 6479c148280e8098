declare module 'json-logic-js' {
  /** Evaluates a rule: the meaning of every standard operator. */
  export function apply(rule: unknown, data?: unknown): unknown
  const jsonLogic: { readonly apply: typeof apply }
  export default jsonLogic
}
