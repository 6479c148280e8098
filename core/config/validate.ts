import type { Expression } from '../expressions/expression.ts'
import { formatBytes, parseBytes } from '../kit/bytes.ts'
import { formatDuration, parseDuration } from '../kit/duration.ts'
import { isObject, type Json, type JsonObject } from '../kit/json.ts'
import { Secret } from '../kit/secret.ts'
import { suggest } from '../kit/suggest.ts'
import { canonical } from './canonical.ts'
import type { ExpressionScope, OptionKind, Schema } from './schema.ts'
import type { Origin, Segments } from './tree.ts'

/** Something wrong, or doubtful, at a place below the value that was validated. */
export interface Fault {
  readonly severity: 'error' | 'warning'
  readonly segments: Segments
  /** Whether the name of the option is at fault, or its value. */
  readonly side: 'key' | 'value'
  readonly message: string
  readonly hint?: string | undefined
}

/** What validation needs to know beside schema and value. */
export interface Surroundings {
  /** Compiles an expression; faults have segments from the expression's own root. */
  compile(
    source: Json,
    scope: ExpressionScope,
  ): { readonly expression: Expression | undefined; readonly faults: readonly Fault[] }
  /** Where an entry was written, where that is known. */
  origin(container: object, key: string | number): Origin | undefined
}

/** A value in its two forms. Only to be used where no fault is an error. */
interface Converted {
  /** Defaults in, kinds converted, frozen: what a plugin gets. */
  readonly value: unknown
  /** As the file might say it, defaults in; what must not be shown is a Secret. */
  readonly printed: unknown
}

/** A validated value. */
export interface Validated extends Converted {
  readonly faults: readonly Fault[]
}

/** The container and key under which a value stands; undefined for a root and for a default. */
type Slot = { readonly container: object; readonly key: string | number } | undefined

const NOTHING: Converted = { value: undefined, printed: undefined }

/**
 * Holds a value against a schema and converts it in the same walk. It builds no code, because compiling a validator
 * for each plugin takes longer than the rest of the start. A test compares it with ajv.
 */
export function validate(schema: Schema, value: Json, surroundings: Surroundings): Validated {
  const walk = new Walk(surroundings)
  const converted = walk.check(schema, value, undefined, [])
  return { ...converted, faults: walk.faults }
}

class Walk {
  readonly faults: Fault[] = []
  readonly #surroundings: Surroundings

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
  }

  check(schema: Schema, written: Json, slot: Slot, path: Segments): Converted {
    const kind = schema['x-kind']
    if (kind === 'expression') return this.#expression(schema, written, path)
    const origin = slot && this.#surroundings.origin(slot.container, slot.key)
    const value = coerce(schema, written, origin)
    const found = kind === 'secret' ? secretShown(value) : shown(value, origin)
    if (!this.#hasForm(schema, value, found, path)) return NOTHING
    if (schema.anyOf !== undefined) return this.#anyOf(schema.anyOf, value, slot, path, found)
    if (typeof value === 'number') return this.#number(schema, value, path, found)
    if (typeof value === 'string') return this.#string(schema, value, origin, path, found)
    if (Array.isArray(value)) return this.#list(schema, value, path)
    if (isObject(value)) return this.#map(schema, value, path)
    return { value, printed: value }
  }

  /** Checks const, enum and type: what a value must be before its parts are worth a look. */
  #hasForm(schema: Schema, value: Json, found: string, path: Segments): boolean {
    if (schema.const !== undefined && !isSame(schema.const, value)) {
      this.#fault(path, `expected ${expected(schema)}, got ${found}`)
      return false
    }
    if (schema.enum !== undefined && !schema.enum.some((one) => isSame(one, value))) {
      const hint = nearest(schema.enum, value) ?? leaveOut(schema, value)
      this.#fault(path, `expected ${expected(schema)}, got ${found}`, hint)
      return false
    }
    if (hasType(schema, value)) return true
    this.#fault(path, `expected ${expected(schema)}, got ${found}`, leaveOut(schema, value))
    return false
  }

  #expression(schema: Schema, source: Json, path: Segments): Converted {
    const scope = schema['x-scope'] ?? 'request'
    const { expression, faults } = this.#surroundings.compile(source, scope)
    for (const fault of faults) {
      this.faults.push({ ...fault, segments: [...path, ...fault.segments] })
    }
    return { value: expression, printed: source }
  }

  #number(schema: Schema, value: number, path: Segments, found: string): Converted {
    const { minimum, exclusiveMinimum, maximum } = schema
    if (minimum !== undefined && value < minimum) {
      this.#fault(path, `expected at least ${minimum}, got ${found}`)
    } else if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) {
      this.#fault(path, `expected more than ${exclusiveMinimum}, got ${found}`)
    } else if (maximum !== undefined && value > maximum) {
      this.#fault(path, `expected at most ${maximum}, got ${found}`)
    }
    return { value, printed: printNumber(schema['x-kind'], value) }
  }

  #string(
    schema: Schema,
    value: string,
    origin: Origin | undefined,
    path: Segments,
    found: string,
  ): Converted {
    const { minLength, maxLength, pattern } = schema
    const length = minLength === undefined && maxLength === undefined ? 0 : codePoints(value)
    if (minLength !== undefined && length < minLength) {
      this.#fault(path, `expected ${atLeast(minLength, 'character')}, got ${found}`)
    } else if (maxLength !== undefined && length > maxLength) {
      this.#fault(path, `expected at most ${counted(maxLength, 'character')}, got ${length}`)
    } else if (pattern !== undefined && !new RegExp(pattern, 'u').test(value)) {
      this.#fault(path, `expected ${expected(schema)}, got ${found}`, example(schema))
    } else {
      return this.#convert(schema, value, origin, path)
    }
    return NOTHING
  }

  #convert(schema: Schema, value: string, origin: Origin | undefined, path: Segments): Converted {
    switch (schema['x-kind']) {
      case 'duration':
        return this.#number(schema, parseDuration(value), path, JSON.stringify(value))
      case 'bytes':
        return this.#number(schema, parseBytes(value), path, JSON.stringify(value))
      case 'secret': {
        if (value !== '' && origin !== undefined && isLiteral(origin)) {
          this.#fault(path, SECRET_WRITTEN, SECRET_HINT, 'value', 'warning')
        }
        const missing = origin?.parts?.find((part) => part.missing)?.missing
        if (missing) this.#fault(path, missing.message, missing.hint, 'value', 'warning')
        const secret = new Secret(value)
        // That there is none is no secret.
        return { value: secret, printed: value === '' ? '' : secret }
      }
      default:
        return { value, printed: holdsSecret(origin) ? new Secret(value) : value }
    }
  }

  #list(schema: Schema, list: readonly Json[], path: Segments): Converted {
    const { items = {}, minItems, maxItems, uniqueItems } = schema
    if (minItems !== undefined && list.length < minItems) {
      this.#fault(path, `expected a list of ${atLeast(minItems, 'item')}, got ${list.length}`)
    }
    if (maxItems !== undefined && list.length > maxItems) {
      const most = counted(maxItems, 'item')
      this.#fault(path, `expected a list of at most ${most}, got ${list.length}`)
      return NOTHING
    }
    if (uniqueItems === true) this.#unique(list, path)
    const converted = list.map((item, key) =>
      this.check(items, item, { container: list, key }, [...path, key]),
    )
    return {
      value: Object.freeze(converted.map(({ value }) => value)),
      printed: converted.map(({ printed }) => printed),
    }
  }

  #unique(list: readonly Json[], path: Segments): void {
    const seen = new Set<string>()
    for (const [index, item] of list.entries()) {
      const text = canonical(item)
      if (seen.has(text)) this.#fault([...path, index], `${shown(item)} stands twice in this list`)
      seen.add(text)
    }
  }

  #map(schema: Schema, map: JsonObject, path: Segments): Converted {
    const { properties = {}, required = [], minProperties, maxProperties } = schema
    const size = Object.keys(map).length
    if (maxProperties !== undefined && size > maxProperties) {
      this.#fault(path, `expected a map of at most ${counted(maxProperties, 'entry')}, got ${size}`)
      return NOTHING
    }
    const entries: [string, Converted][] = []
    for (const [key, value] of Object.entries(map)) {
      const below = this.#optionSchema(schema, key, path)
      if (below === undefined) continue
      entries.push([key, this.check(below, value, { container: map, key }, [...path, key])])
    }
    for (const key of required) {
      if (Object.hasOwn(map, key)) continue
      this.#fault(path, `missing option ${JSON.stringify(key)}`, about(key, properties[key]))
    }
    if (minProperties !== undefined && size < minProperties) {
      this.#fault(path, `expected a map of ${atLeast(minProperties, 'entry')}`)
    }
    for (const [key, option] of Object.entries(properties)) {
      if (option.default === undefined || Object.hasOwn(map, key)) continue
      entries.push([key, this.check(option, option.default, undefined, [...path, key])])
    }
    // Not by assignment: a key `__proto__` would set the prototype.
    return {
      value: Object.freeze(Object.fromEntries(entries.map(([key, { value }]) => [key, value]))),
      printed: Object.fromEntries(entries.map(([key, { printed }]) => [key, printed])),
    }
  }

  /** The schema for one option of a map; undefined, and a fault, where there is no such option. */
  #optionSchema(schema: Schema, key: string, path: Segments): Schema | undefined {
    const { properties = {}, propertyNames, additionalProperties = {} } = schema
    if (propertyNames !== undefined) {
      for (const { message } of validate(propertyNames, key, this.#surroundings).faults) {
        this.#fault([...path, key], message, example(propertyNames), 'key')
      }
    }
    if (Object.hasOwn(properties, key)) return properties[key]
    if (additionalProperties === false) {
      const hint = unknownHint(key, Object.keys(properties))
      this.#fault([...path, key], 'unknown option', hint, 'key')
      return undefined
    }
    return additionalProperties === true ? {} : additionalProperties
  }

  /** The first branch that fits, or the faults of the one that was most likely meant. */
  #anyOf(
    branches: readonly Schema[],
    value: Json,
    slot: Slot,
    path: Segments,
    found: string,
  ): Converted {
    const trials: Trial[] = []
    for (const branch of branches) {
      const trial = new Walk(this.#surroundings)
      const converted = trial.check(branch, value, slot, path)
      if (!trial.faults.some(({ severity }) => severity === 'error')) {
        this.faults.push(...trial.faults)
        return converted
      }
      trials.push({ branch, faults: trial.faults })
    }
    const near = trials.filter(({ branch }) => hasForm(branch, value))
    const tag = near.length > 1 && isObject(value) ? tagOf(near) : undefined
    if (tag !== undefined) {
      this.#byTag(tag, near, value as JsonObject, path)
      return NOTHING
    }
    const best = near.sort((a, b) => a.faults.length - b.faults.length)[0]
    if (best !== undefined) this.faults.push(...best.faults)
    else {
      const words = expected({ anyOf: branches })
      const values = branches.flatMap((branch) => branch.enum ?? [])
      this.#fault(path, `expected ${words}, got ${found}`, nearest(values, value))
    }
    return NOTHING
  }

  /** Branches that are told apart by a constant, such as `type`: reports the one that is named. */
  #byTag(tag: string, trials: readonly Trial[], value: JsonObject, path: Segments): void {
    const given = Object.hasOwn(value, tag) ? value[tag] : undefined
    const constants = trials.map(({ branch }) => branch.properties![tag]!.const!)
    const named = constants.findIndex((constant) => isSame(constant, given))
    const list = expected({ enum: constants })
    if (named !== -1) this.faults.push(...trials[named]!.faults)
    else if (given === undefined) this.#fault(path, `missing option "${tag}"`, `it is ${list}`)
    else {
      const text = shown(given, this.#surroundings.origin(value, tag))
      this.#fault([...path, tag], `expected ${list}, got ${text}`, nearest(constants, given))
    }
  }

  #fault(
    segments: Segments,
    message: string,
    hint?: string,
    side: 'key' | 'value' = 'value',
    severity: 'error' | 'warning' = 'error',
  ): void {
    this.faults.push({ severity, segments, side, message, hint })
  }
}

/** A branch of an `anyOf` that did not fit, and why. */
interface Trial {
  readonly branch: Schema
  readonly faults: readonly Fault[]
}

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

function typesOf(schema: Schema): readonly string[] {
  if (schema.type === undefined) return []
  return typeof schema.type === 'string' ? [schema.type] : schema.type
}

function hasType(schema: Schema, value: Json): boolean {
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
function hasForm(schema: Schema, value: Json): boolean {
  if (schema['x-kind'] === 'expression') return true
  if (schema.const !== undefined || schema.enum !== undefined) return false
  if (schema.anyOf !== undefined) return schema.anyOf.some((branch) => hasForm(branch, value))
  return typesOf(schema).length > 0 && hasType(schema, value)
}

/** The option whose constant tells the branches apart, such as `type`. */
function tagOf(trials: readonly Trial[]): string | undefined {
  const [first, ...others] = trials.map(({ branch }) => branch.properties ?? {})
  return Object.keys(first!).find((key) =>
    [first!, ...others].every((properties) => properties[key]?.const !== undefined),
  )
}

/** True where a text came from a file, or from a variable that is named like a secret. */
function holdsSecret(origin: Origin | undefined): boolean {
  return (
    origin?.parts?.some(
      ({ from, name = '' }) => from === 'file' || (from === 'env' && SECRET_NAME.test(name)),
    ) ?? false
  )
}

const SECRET_NAME = /key|token|secret|passw|credential|auth/i

function printNumber(kind: OptionKind | undefined, value: number): Json {
  if (kind === 'duration' && Number.isInteger(value)) return formatDuration(value)
  return kind === 'bytes' ? formatBytes(value) : value
}

/** What came out of `${…}` in the type that the schema asks for: an unquoted key of digits is text all the same. */
function coerce(schema: Schema, value: Json, origin: Origin | undefined): Json {
  if (origin?.parts === undefined || typeof value === 'object' || schema.anyOf !== undefined) {
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

function asWritten({ from, name = '' }: { from: string; name?: string }): string {
  return from === 'file' ? `\${file:${name}}` : `\${${name}}`
}

function secretShown(value: Json): string {
  if (typeof value === 'string') return value === '' ? '""' : 'text'
  if (Array.isArray(value)) return 'a list'
  return isObject(value) ? 'a map' : typeof value
}

function nearest(accepted: readonly Json[], value: Json): string | undefined {
  if (typeof value !== 'string') return undefined
  const near = suggest(
    value,
    accepted.filter((one) => typeof one === 'string'),
  )
  return near === undefined ? undefined : `did you mean ${near}?`
}

function leaveOut(schema: Schema, value: Json): string | undefined {
  return value === null && schema.default !== undefined ? 'leave it out for the default' : undefined
}

function example(schema: Schema): string | undefined {
  const first = schema.examples?.[0]
  return first === undefined ? undefined : `for example ${JSON.stringify(first)}`
}

function about(key: string, schema: Schema | undefined): string | undefined {
  if (schema?.const !== undefined) return `write ${key}: ${JSON.stringify(schema.const)}`
  return schema?.description
}

function atLeast(count: number, noun: string): string {
  return `at least ${counted(count, noun)}`
}

function counted(count: number, noun: string): string {
  if (count === 1) return `1 ${noun}`
  return `${count} ${noun.endsWith('y') ? `${noun.slice(0, -1)}ies` : `${noun}s`}`
}

/** JSON Schema counts code points (2020-12 validation §6.3.1), not UTF-16 units. */
function codePoints(text: string): number {
  return Array.from(text).length
}

function isSame(a: Json, b: Json | undefined): boolean {
  return a === b || (typeof a === 'object' && b !== undefined && canonical(a) === canonical(b))
}
