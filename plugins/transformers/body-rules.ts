import { getPath } from '#core/kit/paths.ts'
import type { ExchangeView, Expression, Json, Part, Report } from '#core/sdk.ts'
import { isWild, parseField, removeField, setField } from './fields.ts'
import { evaluateAt, testAt } from './scope.ts'

/** Changes a document: a request's body, an answer's, or one event of a stream. */
export type Change = (document: Json, exchange: ExchangeView) => Json

/** One rule of modifyBody, as checked by its schema. */
export interface BodyRule {
  readonly set?: string
  readonly value?: Expression
  readonly literal?: Json
  readonly remove?: string
  readonly rename?: string
  readonly to?: string
  readonly when?: Expression
}

/** Says what a rule's schema cannot: which options belong together, and whether its paths can be read. */
export function checkRule(rule: BodyRule, path: (string | number)[], report: Report): void {
  const deeds = (['set', 'remove', 'rename'] as const).filter((name) => rule[name] !== undefined)
  if (deeds.length !== 1) {
    const found = deeds.length === 0 ? 'has none' : `has ${deeds.join(' and ')}`
    report.error(path, `expected one of set, remove and rename, ${found}`)
    return
  }
  const values = (['value', 'literal'] as const).filter((name) => rule[name] !== undefined)
  if (rule.set === undefined && values.length > 0) {
    report.error([...path, values[0]!], 'belongs to set')
  }
  if (rule.set !== undefined && values.length !== 1) {
    report.error(path, 'expected value or literal beside set', 'literal is taken as it stands')
  }
  if ((rule.rename === undefined) !== (rule.to === undefined)) {
    report.error(path, 'expected rename and to, which belong together')
  }
  for (const name of ['set', 'remove', 'rename', 'to'] as const) {
    const text = rule[name]
    const mayBeWild = name === 'set' || name === 'remove'
    if (text !== undefined) checkPath(text, [...path, name], report, mayBeWild)
  }
}

/** Reports a path that cannot be read. */
export function checkPath(
  text: string,
  path: (string | number)[],
  report: Report,
  mayBeWild = true,
): void {
  try {
    if (isWild(parseField(text)) && !mayBeWild) {
      report.error(path, `expected a path without wildcards, got ${JSON.stringify(text)}`)
    }
  } catch (cause) {
    report.error(path, (cause as Error).message)
  }
}

/** Compiles the rules of one modifyBody; they are done in their order, each on what the one before it left. */
export function compileRules(rules: readonly BodyRule[], part: Part): Change {
  const changes = rules.map((rule) => compileRule(rule, part))
  return (document, exchange) => {
    let changed = document
    for (const change of changes) changed = change(changed, exchange)
    return changed
  }
}

/** Compiles removeFields. */
export function compileRemoval(paths: readonly string[]): Change {
  const fields = paths.map(parseField)
  return (document) => {
    let changed = document
    for (const field of fields) changed = removeField(changed, field)
    return changed
  }
}

function compileRule(rule: BodyRule, part: Part): Change {
  const change = compileDeed(rule, part)
  const { when } = rule
  if (when === undefined) return change
  return (document, exchange) =>
    testAt(when, exchange, part, document) ? change(document, exchange) : document
}

function compileDeed({ set, value, literal, remove, rename, to }: BodyRule, part: Part): Change {
  if (set !== undefined) return compileSet(set, value, literal, part)
  if (remove !== undefined) return compileRemoval([remove])
  const [from] = parseField(rename!)
  const [target] = parseField(to!)
  return (document) => {
    const found = getPath(document, from!)
    if (found === undefined) return document
    return setField(removeField(document, [from!]), [target!], found)
  }
}

function compileSet(
  path: string,
  value: Expression | undefined,
  literal: Json | undefined,
  part: Part,
): Change {
  const field = parseField(path)
  if (value === undefined || value.isConstant) {
    const constant = value === undefined ? literal! : value.evaluate({})
    return (document) => setField(document, field, constant)
  }
  return (document, exchange) =>
    setField(document, field, evaluateAt(value, exchange, part, document))
}
