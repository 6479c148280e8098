import { isObject, type Json, type JsonObject } from '#core/kit/json.ts'

/** A request as it reached the upstream. */
export interface ReplayRequest {
  readonly path: string
  readonly query: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: JsonObject
}

/** What a provider finds wrong with a request, in the words of its 400. */
export type Rules = (request: ReplayRequest) => Generator<string>

/** The objects of a list, with their places. */
export function* objectsOf(value: unknown, place: string): Generator<[JsonObject, string]> {
  if (!Array.isArray(value)) return
  for (const [index, item] of (value as Json[]).entries()) {
    if (isObject(item)) yield [item as JsonObject, `${place}[${index}]`]
  }
}

/** The words of a text, for long lists of names. */
export function words(text: string): string[] {
  return text.trim().split(/\s+/)
}

/** Fields that the provider does not know. */
export function* unknownFields(
  value: JsonObject,
  known: readonly string[],
  place: string,
): Generator<string> {
  for (const field of Object.keys(value)) {
    if (!known.includes(field)) yield `unknown field ${place}${field}`
  }
}

/** The fault of what is no JSON Schema of an object. */
export function* objectSchema(value: unknown, place: string): Generator<string> {
  if (!isObject(value)) yield `${place}: expected a JSON Schema`
  else if (value['type'] !== 'object') yield `${place}: expected a schema of type object`
}

/** Places within a schema that a provider's strict mode refuses: objects that are open, or have optional fields. */
export function* looseObjects(
  schema: unknown,
  place: string,
  needsAllRequired: boolean,
): Generator<string> {
  if (Array.isArray(schema)) {
    for (const [index, item] of schema.entries()) {
      yield* looseObjects(item, `${place}[${index}]`, needsAllRequired)
    }
  } else if (isObject(schema)) {
    const { properties, type, required } = schema as JsonObject
    if (type === 'object' && schema['additionalProperties'] !== false) {
      yield `${place}: 'additionalProperties' is required to be supplied and to be false`
    }
    if (needsAllRequired && isObject(properties)) {
      for (const name of Object.keys(properties)) {
        const isRequired = Array.isArray(required) && required.includes(name)
        if (!isRequired) yield `${place}: 'required' must include every property. Missing '${name}'`
      }
    }
    for (const [key, value] of Object.entries(schema)) {
      if (key === 'enum' || key === 'const' || key === 'required') continue
      yield* looseObjects(value, `${place}.${key}`, needsAllRequired)
    }
  }
}

/** True for text that is JSON of an object. */
export function isJsonObject(text: unknown): boolean {
  if (typeof text !== 'string') return false
  try {
    return isObject(JSON.parse(text))
  } catch {
    return false
  }
}

/** The base64 media types of pictures that all four providers take. */
export const PICTURE = /^image\/(?:png|jpeg|gif|webp)$/
