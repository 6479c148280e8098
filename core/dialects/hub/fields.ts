import { isObject, type Json, type JsonObject } from '../../kit/json.ts'

/** The object, or one without fields. */
export function objectOf(value: unknown): Record<string, Json | undefined> {
  return isObject(value) ? (value as Record<string, Json>) : {}
}

/** The list, or an empty one. */
export function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? (value as Json[]) : []
}

/** The text; undefined for anything else. */
export function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** The number; undefined for anything else. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}

/** The boolean; undefined for anything else. */
export function booleanOf(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined
}

/** The same fields without those that are undefined. */
export function compact<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T {
  const result: Record<string, unknown> = {}
  for (const key in fields) if (fields[key] !== undefined) result[key] = fields[key]
  return result as T
}

/** A JSON object of the fields that are not undefined. */
export function json(fields: Readonly<Record<string, Json | undefined>>): JsonObject {
  return compact<JsonObject>(fields)
}

/** What is left of an object without `known` fields; undefined where nothing is. */
export function without(
  value: Readonly<Record<string, Json | undefined>>,
  known: ReadonlySet<string>,
): JsonObject | undefined {
  let left: JsonObject | undefined
  for (const [key, field] of Object.entries(value)) {
    if (!known.has(key) && field !== undefined) (left ??= {})[key] = field
  }
  return left
}

/** The JSON of a text; undefined where it is none. */
export function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** The fields of a map that hold text; undefined for anything but a map. */
export function textsOf(value: unknown): Readonly<Record<string, string>> | undefined {
  if (!isObject(value)) return undefined
  return Object.fromEntries(
    Object.entries(value).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  )
}
