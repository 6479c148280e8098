import { isObject, type Json } from '../kit/json.ts'
import { canonical } from './canonical.ts'
import type { Schema } from './schema.ts'
import type { Origin } from './tree.ts'

/** The types that a schema names; none where it takes any. */
export function typesOf(schema: Schema): readonly string[] {
  if (schema.type === undefined) return []
  return typeof schema.type === 'string' ? [schema.type] : schema.type
}

/** True where a value is of a type that the schema names. */
export function hasType(schema: Schema, value: Json): boolean {
  const types = typesOf(schema)
  return types.length === 0 || types.some((type) => isOfType(type, value))
}

function isOfType(type: string, value: Json): boolean {
  switch (type) {
    case 'integer':
      return Number.isInteger(value)
    case 'number':
      return typeof value === 'number' && Number.isFinite(value)
    case 'array':
      return Array.isArray(value)
    case 'object':
      return isObject(value)
    case 'null':
      return value === null
    default:
      return typeof value === type
  }
}

/** True where a branch was probably meant: the type is right, so that what is wrong lies deeper. */
export function hasForm(schema: Schema, value: Json): boolean {
  if (schema['x-kind'] === 'expression') return true
  if (schema.const !== undefined || schema.enum !== undefined) return false
  if (schema.anyOf !== undefined) return schema.anyOf.some((branch) => hasForm(branch, value))
  return typesOf(schema).length > 0 && hasType(schema, value)
}

/** What came out of `${…}` in the type that the schema asks for: an unquoted key of digits is text all the same. */
export function coerce(schema: Schema, value: Json, origin: Origin | undefined): Json {
  if (origin?.parts === undefined || isNested(value) || schema.anyOf !== undefined) {
    return value
  }
  const types = typesOf(schema)
  if (typeof value !== 'string') {
    const isText = types.includes('string') && !hasType(schema, value)
    return isText ? origin.parts.map(({ text }) => text).join('') : value
  }
  if (types.includes('integer') || types.includes('number')) {
    if (/^-?\d{1,15}(\.\d{1,15})?$/.test(value)) return Number(value)
  }
  if (types.includes('boolean') && (value === 'true' || value === 'false')) return value === 'true'
  return value
}

function isNested(value: Json): boolean {
  return typeof value === 'object' && value !== null
}

/** JSON Schema counts code points (2020-12 validation §6.3.1), not UTF-16 units. */
export function codePoints(text: string): number {
  return Array.from(text).length
}

/** True for equal JSON. */
export function isSame(a: Json, b: Json | undefined): boolean {
  return a === b || (typeof a === 'object' && b !== undefined && canonical(a) === canonical(b))
}
