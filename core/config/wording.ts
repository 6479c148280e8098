import { isObject, type Json } from '../kit/json.ts'
import { suggest } from '../kit/suggest.ts'
import type { Schema } from './schema.ts'
import type { Origin } from './tree.ts'
import { typesOf } from './value-types.ts'

/** What is said of a secret that stands in the file itself. */
export const SECRET_WRITTEN = 'a secret is written out here'

/** What to do about it. */
export const SECRET_HINT = 'use ${NAME} or ${file:/run/secrets/name}'

/** True where all of a value's text stands in the config file. */
export function isLiteral(origin: Origin): boolean {
  return origin.parts?.every(({ from }) => from === 'text' || from === 'default') ?? true
}

/** A value for a message: as JSON, cut short; as `${NAME}` where it came from outside, for that may be a secret. */
export function shown(value: Json, origin?: Origin): string {
  if (origin?.parts !== undefined && !isLiteral(origin)) {
    return `the value of ${origin.parts
      .filter(({ from }) => from !== 'text')
      .map(asWritten)
      .join('')}`
  }
  if (Array.isArray(value) && value.length > 0) return 'a list'
  if (isObject(value) && Object.keys(value).length > 0) return 'a map'
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 76)}…"` : text
}

/** What a schema accepts, in words that fit behind `expected`. */
export function expected(schema: Schema): string {
  if (schema.title !== undefined) return schema.title
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) {
    const values = schema.enum.map((value) => JSON.stringify(value))
    return values.length === 1 ? values[0]! : `one of ${values.join(', ')}`
  }
  if (schema['x-kind'] === 'duration') return 'a duration such as 30s or 5m'
  if (schema['x-kind'] === 'bytes') return 'a size such as 64kb or 10mb'
  if (schema['x-kind'] === 'expression') return 'an expression'
  if (schema.anyOf !== undefined) return schema.anyOf.map(expected).join(' or ')
  if (schema.pattern !== undefined) return `text of the form ${schema.pattern}`
  return typesOf(schema)
    .map((type) => TYPE_NAMES[type] ?? type)
    .join(' or ')
}

/** Names that are compared with a wrong one. */
const MAX_KNOWN = 1_000

/** `did you mean x?` where a name is near, else what there is. */
export function unknownHint(given: string, known: readonly string[]): string | undefined {
  // Many wrong names against many right ones would take minutes.
  if (known.length === 0 || known.length > MAX_KNOWN) return undefined
  const near = suggest(given, known)
  if (near !== undefined) return `did you mean ${near}?`
  const listed = known.slice(0, 16).join(', ')
  return `accepted: ${listed}${known.length > 16 ? ', …' : ''}`
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  null: 'null',
}

function asWritten({ from, name = '' }: { from: string; name?: string }): string {
  return from === 'file' ? `\${file:${name}}` : `\${${name}}`
}

/** What may be shown of a secret in a message: its type. */
export function secretShown(value: Json): string {
  if (typeof value === 'string') return value === '' ? '""' : 'text'
  if (Array.isArray(value)) return 'a list'
  return isObject(value) ? 'a map' : typeof value
}

/** `did you mean x?` where the value is nearly one of those that are accepted. */
export function nearest(accepted: readonly Json[], value: Json): string | undefined {
  if (typeof value !== 'string') return undefined
  const near = suggest(
    value,
    accepted.filter((one) => typeof one === 'string'),
  )
  return near === undefined ? undefined : `did you mean ${near}?`
}

/** What to do about an option that was left empty. */
export function leaveOut(schema: Schema, value: Json): string | undefined {
  return value === null && schema.default !== undefined ? 'leave it out for the default' : undefined
}

/** One value that the schema accepts, where it has one to show. */
export function example(schema: Schema): string | undefined {
  const first = schema.examples?.[0]
  return first === undefined ? undefined : `for example ${JSON.stringify(first)}`
}

/** What a missing option is for. */
export function about(key: string, schema: Schema | undefined): string | undefined {
  if (schema?.const !== undefined) return `write ${key}: ${JSON.stringify(schema.const)}`
  return schema?.description
}

/** `at least 2 items`. */
export function atLeast(count: number, noun: string): string {
  return `at least ${counted(count, noun)}`
}

/** `1 item`, `2 items`. */
export function counted(count: number, noun: string): string {
  if (count === 1) return `1 ${noun}`
  return `${count} ${noun.endsWith('y') ? `${noun.slice(0, -1)}ies` : `${noun}s`}`
}
