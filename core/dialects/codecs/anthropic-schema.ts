import { isObject, type Json, type JsonObject } from '../../kit/json.ts'

/** Keywords that Anthropic's structured output refuses; they are told in the description instead. */
const REFUSED: ReadonlySet<string> = new Set([
  'exclusiveMaximum',
  'exclusiveMinimum',
  'maxContains',
  'maxItems',
  'maxLength',
  'maxProperties',
  'maximum',
  'minContains',
  'minLength',
  'minProperties',
  'minimum',
  'multipleOf',
  'pattern',
  'patternProperties',
  'prefixItems',
  'propertyNames',
  'unevaluatedProperties',
  'uniqueItems',
])

const FORMATS: ReadonlySet<unknown> = new Set([
  'date',
  'date-time',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'time',
  'uri',
  'uuid',
])

/** Deeper schemas are passed as they are. */
const MAX_DEPTH = 40

/** A JSON schema as Anthropic's structured output takes it, and whether anything had to go. */
export function structuredSchema(schema: JsonObject): {
  readonly schema: JsonObject
  readonly isChanged: boolean
} {
  let isChanged = false
  return { schema: visit(schema, 0) as JsonObject, isChanged }

  function visit(value: Json, depth: number): Json {
    if (!isObject(value) || depth > MAX_DEPTH) return value
    const result: JsonObject = {}
    const told: JsonObject = {}
    for (const [key, field] of Object.entries(value)) {
      if (isRefused(key, field)) told[key] = field
      else result[key === 'oneOf' ? 'anyOf' : key] = child(key, field, depth + 1)
    }
    if (isObjectSchema(value)) result['additionalProperties'] = false
    if (isObjectSchema(value) && value['additionalProperties'] !== false) isChanged = true
    if (Object.keys(told).length > 0) {
      isChanged = true
      const described =
        typeof value['description'] === 'string' ? `${value['description']}\n\n` : ''
      result['description'] = described + JSON.stringify(told)
    }
    return result
  }

  function child(key: string, field: Json, depth: number): Json {
    if (key === 'properties' || key === '$defs' || key === 'definitions') {
      if (!isObject(field)) return field
      const entries = Object.entries(field).map(([name, entry]) => [name, visit(entry, depth)])
      return Object.fromEntries(entries) as JsonObject
    }
    if (key === 'anyOf' || key === 'allOf' || key === 'oneOf') {
      return Array.isArray(field) ? field.map((entry) => visit(entry, depth)) : field
    }
    return key === 'items' || key === 'not' ? visit(field, depth) : field
  }
}

function isObjectSchema(value: Readonly<Record<string, Json>>): boolean {
  return value['type'] === 'object' || isObject(value['properties'])
}

function isRefused(key: string, field: Json): boolean {
  if (key === 'format') return !FORMATS.has(field)
  if (key === 'minItems') return field !== 0 && field !== 1
  return REFUSED.has(key)
}
