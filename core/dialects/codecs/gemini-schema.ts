import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import { numberOf, stringOf } from '../hub/fields.ts'

/** Schemas nested deeper are passed on as they are. */
const MAX_DEPTH = 64

/** Says nothing to a JSON Schema validator. */
const SILENT: ReadonlySet<string> = new Set(['nullable', 'propertyOrdering', 'example', 'type'])
/** `int64` as JSON: a text, in Google's way. */
const COUNTS: ReadonlySet<string> = new Set([
  'maxItems',
  'maxLength',
  'maxProperties',
  'minItems',
  'minLength',
  'minProperties',
])

/** The JSON Schema that Gemini's own form of a schema (a part of OpenAPI 3.0) means. */
export function fromGeminiSchema(schema: JsonObject, depth = 0): JsonObject {
  if (depth > MAX_DEPTH) return schema
  const result: JsonObject = {}
  const type = stringOf(schema['type'])?.toLowerCase()
  const isNullable = schema['nullable'] === true
  if (type !== undefined && type !== 'type_unspecified') {
    result['type'] = isNullable ? [type, 'null'] : type
  }
  for (const [key, value] of Object.entries(schema)) {
    if (!SILENT.has(key)) result[key] = convert(key, value, depth)
  }
  if (schema['example'] !== undefined) result['examples'] = [schema['example']]
  if (isNullable && Array.isArray(result['enum'])) result['enum'] = [...result['enum'], null]
  return result
}

function convert(key: string, value: Json, depth: number): Json {
  if (COUNTS.has(key)) return numberOf(value) ?? Number(value)
  if (key === 'properties' && isObject(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [name, nested(inner, depth)]),
    )
  }
  if (key === 'items') return nested(value, depth)
  if (key === 'anyOf' && Array.isArray(value)) return value.map((inner) => nested(inner, depth))
  return value
}

function nested(value: Json, depth: number): Json {
  return isObject(value) ? fromGeminiSchema(value, depth + 1) : value
}
