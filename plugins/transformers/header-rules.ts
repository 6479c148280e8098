import type { ExchangeView, Expression, Json, Part } from '#core/sdk.ts'
import { evaluateAt } from './scope.ts'

/** Header fields by name, or an expression that gives one. */
export type HeaderOptions = Readonly<Record<string, Expression>>

/** A header patch: null removes. */
export type HeaderPatch = Record<string, string | null>

/** Fields that say how a message is framed or where it goes: the kernel's own. RFC 9110 §7.6.1. */
const FRAMING = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** What is wrong with a header that the operator wants set, or undefined. */
export function headerProblem(name: string, value: Expression): string | undefined {
  if (FRAMING.has(name.toLowerCase())) return 'belongs to the framing and is set by the gateway'
  if (!value.isConstant) return undefined
  const constant = value.evaluate({})
  if (typeof constant === 'object' && constant !== null) {
    return `expected text, a number, a boolean or null, got ${JSON.stringify(constant)}`
  }
  if (constant !== null && headerText(constant) !== String(constant)) {
    return `has a character that a header cannot carry: ${JSON.stringify(constant)}`
  }
  return undefined
}

/** Adds to a patch; `document` is the body as it stands. */
export type HeaderChange = (
  patch: HeaderPatch,
  exchange: ExchangeView,
  document: Json | undefined,
) => void

/** Compiles the header fields of one transformer. */
export function compileHeaders(headers: HeaderOptions, part: Part): HeaderChange {
  const constants: HeaderPatch = {}
  const computed: [string, Expression][] = []
  for (const [given, value] of Object.entries(headers)) {
    const name = given.toLowerCase()
    if (value.isConstant) constants[name] = headerText(value.evaluate({}))
    else computed.push([name, value])
  }
  return (patch, exchange, document) => {
    Object.assign(patch, constants)
    for (const [name, value] of computed) {
      patch[name] = headerText(evaluateAt(value, exchange, part, document))
    }
  }
}

/**
 * The text of a header: visible Latin-1, spaces and tabs; all else becomes `?`, so that no value, wherever it came
 * from, can end its line (RFC 9110 §5.5). Lists and maps are written as JSON; null stays null.
 */
export function headerText(value: Json): string | null {
  if (value === null) return null
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  return text.replaceAll(/[^\t\u0020-\u007e\u0080-\u00ff]/g, '?')
}
