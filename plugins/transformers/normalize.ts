import type { LlmDialect } from '#core/dialects/dialect.ts'
import { isObject } from '#core/kit/json.ts'
import type { ExchangeView, Json, JsonObject } from '#core/sdk.ts'
import type { Change } from './body-rules.ts'
import { parseField } from './fields.ts'
import { type Filled, fieldsOf } from './normal-forms.ts'

/** The options of one normalizeResponse, checked. */
export interface NormalizeOptions {
  readonly dialect?: LlmDialect
  readonly fields: Readonly<Record<string, Json>>
}

/**
 * Compiles normalizeResponse: fields that clients of a dialect rely on, and that sloppy servers leave out, are put in
 * where they are missing; what is there stays. Errors stay as they are.
 */
export function compileNormal(options: NormalizeOptions, form: 'answer' | 'event'): Change {
  const own = Object.entries(options.fields).map(([path, value]): Filled => [path, value])
  const compiled = new Map<string, readonly Fill[]>()
  const fillsFor = (dialect: string): readonly Fill[] => {
    let fills = compiled.get(dialect)
    if (fills === undefined) {
      fills = [...fieldsOf(dialect, form), ...own].map(compileFill)
      compiled.set(dialect, fills)
    }
    return fills
  }
  return (document, exchange) => {
    const spoken = exchange.req.dialect
    const { dialect = spoken } = options
    // On a route of no LLM API the operator knows what the upstream speaks.
    if (dialect !== spoken && spoken !== 'http') return document
    if (!isObject(document) || isObject(document['error']) || document['type'] === 'error') {
      return document
    }
    return fillsFor(dialect).reduce(
      (filled: Json, fill) => fill(filled, exchange),
      document as Json,
    )
  }
}

type Fill = (document: Json, exchange: ExchangeView) => Json

function compileFill([path, value]: Filled): Fill {
  const segments = parseField(path).flatMap((one, index) => (index === 0 ? one : ['*', ...one]))
  return (document, exchange) =>
    fill(document, segments, 0, (parent, position) =>
      typeof value === 'function' ? value({ parent, position, exchange }) : value,
    )
}

type Give = (parent: JsonObject, position: number) => Json | undefined

/** Sets what is missing at the end of a path; nothing where what it stands in is missing. */
function fill(
  value: Json | undefined,
  segments: readonly string[],
  position: number,
  give: Give,
): Json {
  const [segment, ...rest] = segments
  if (segment === '*') {
    if (!Array.isArray(value)) return value ?? null
    let isChanged = false
    const filled = value.map((item, index) => {
      const one = fill(item, rest, index, give)
      if (one !== item) isChanged = true
      return one
    })
    return isChanged ? filled : value
  }
  if (!isObject(value)) return value ?? null
  const map = value as JsonObject
  if (rest.length === 0) {
    if (map[segment!] !== undefined) return map
    const given = give(map, position)
    return given === undefined ? map : { ...map, [segment!]: given }
  }
  const below = map[segment!]
  if (below === undefined) return map
  const filled = fill(below, rest, position, give)
  return filled === below ? map : { ...map, [segment!]: filled }
}
