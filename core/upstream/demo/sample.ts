import { isObject, type Json, type JsonObject } from '../../kit/json.ts'

/** A schema may refer to itself, or ask for a million items: past these bounds the sample is just null. */
const MAX_DEPTH = 24
const MAX_VALUES = 1_000
const MAX_TEXT = 1_000

/**
 * The smallest value that fits a JSON Schema, or Gemini's dialect of one: required properties only. Does not
 * understand `pattern`, `not` and conditions.
 */
export function sampleOf(schema: unknown): Json {
  let values = 0

  function sample(given: unknown, depth: number): Json {
    if (depth > MAX_DEPTH || ++values > MAX_VALUES || !isObject(given)) return null
    const found = resolve(given, schema)
    if (found['const'] !== undefined) return found['const'] as Json
    if (Array.isArray(found['enum']) && found['enum'].length > 0) return found['enum'][0] as Json
    const choice = firstOf(found['anyOf']) ?? firstOf(found['oneOf'])
    if (choice !== undefined)
      return sample({ ...found, anyOf: null, oneOf: null, ...choice }, depth + 1)
    const whole = merged(found, schema)
    switch (typeOf(whole)) {
      case 'object':
        return sampleObject(whole, depth)
      case 'array':
        return sampleArray(whole, depth)
      case 'integer':
        return sampleNumber(whole, 1)
      case 'number':
        return sampleNumber(whole, undefined)
      case 'boolean':
        return true
      case 'null':
        return null
      default:
        return sampleText(whole)
    }
  }

  function sampleObject(object: Record<string, unknown>, depth: number): JsonObject {
    const properties = isObject(object['properties']) ? object['properties'] : {}
    const required = Array.isArray(object['required']) ? object['required'] : []
    const entries = required
      .filter((name): name is string => typeof name === 'string')
      .slice(0, MAX_VALUES)
      .map((name) => [
        name,
        sample(Object.hasOwn(properties, name) ? properties[name] : { type: 'string' }, depth + 1),
      ])
    return Object.fromEntries(entries) as JsonObject
  }

  function sampleArray(list: Record<string, unknown>, depth: number): Json[] {
    const prefix = Array.isArray(list['prefixItems']) ? list['prefixItems'] : []
    const length = Math.min(numberIn(list, 'minItems') ?? 0, MAX_VALUES)
    return Array.from({ length }, (_, index) =>
      sample(prefix[index] ?? list['items'] ?? {}, depth + 1),
    )
  }

  return sample(schema, 0)
}

/** Follows `$ref` within the schema; a chain that is too long ends where it is. */
function resolve(schema: Record<string, unknown>, root: unknown): Record<string, unknown> {
  let found = schema
  for (let step = 0; step < MAX_DEPTH && typeof found['$ref'] === 'string'; step++) {
    let target: unknown = root
    for (const part of found['$ref'].split('/').slice(1)) {
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
      target = isObject(target) && Object.hasOwn(target, name) ? target[name] : undefined
    }
    if (!isObject(target)) return {}
    found = target
  }
  return found
}

/** `allOf`, one level deep, laid over the schema itself. */
function merged(schema: Record<string, unknown>, root: unknown): Record<string, unknown> {
  if (!Array.isArray(schema['allOf'])) return schema
  let whole = schema
  for (const part of schema['allOf'].slice(0, MAX_VALUES)) {
    if (!isObject(part)) continue
    const next = resolve(part, root)
    whole = {
      ...whole,
      ...next,
      properties: { ...asMap(whole['properties']), ...asMap(next['properties']) },
      required: [...asList(whole['required']), ...asList(next['required'])],
    }
  }
  return whole
}

/** Gemini writes types in capitals; a list names alternatives. */
function typeOf(schema: Record<string, unknown>): string {
  const { type } = schema
  const one: unknown = Array.isArray(type) ? (type.find((item) => item !== 'null') ?? 'null') : type
  if (typeof one === 'string') return one.toLowerCase()
  if (isObject(schema['properties']) || Array.isArray(schema['required'])) return 'object'
  return schema['items'] === undefined ? 'string' : 'array'
}

function sampleNumber(schema: Record<string, unknown>, unit: number | undefined): number {
  const step = numberIn(schema, 'multipleOf') ?? unit
  const above = numberIn(schema, 'exclusiveMinimum')
  const below = numberIn(schema, 'exclusiveMaximum')
  const least =
    numberIn(schema, 'minimum') ?? (above === undefined ? undefined : above + (step ?? 1))
  const most =
    numberIn(schema, 'maximum') ?? (below === undefined ? undefined : below - (step ?? 1))
  if (above !== undefined && below !== undefined && step === undefined) return (above + below) / 2
  const near = Math.min(Math.max(1, least ?? 1), most ?? Infinity)
  if (step === undefined || step <= 0) return near
  const up = Math.ceil(near / step) * step
  return most !== undefined && up > most ? Math.floor(near / step) * step : up
}

const FORMATS: Readonly<Record<string, string | undefined>> = {
  date: '2026-01-01',
  time: '12:00:00Z',
  'date-time': '2026-01-01T12:00:00Z',
  duration: 'PT1S',
  email: 'demo@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
}

function sampleText(schema: Record<string, unknown>): string {
  const format = typeof schema['format'] === 'string' ? FORMATS[schema['format']] : undefined
  if (format !== undefined) return format
  const least = Math.min(numberIn(schema, 'minLength') ?? 0, MAX_TEXT)
  return 'demo'.padEnd(least, ' demo').slice(0, numberIn(schema, 'maxLength') ?? MAX_TEXT)
}

function firstOf(list: unknown): Record<string, unknown> | undefined {
  const first: unknown = Array.isArray(list) ? list[0] : undefined
  return isObject(first) ? first : undefined
}

/** Gemini's own clients send some numbers as text. */
function numberIn(schema: Record<string, unknown>, name: string): number | undefined {
  const value = schema[name]
  const number = typeof value === 'string' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}

function asMap(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {}
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
