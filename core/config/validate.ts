import type { Expression } from '../expressions/expression.ts'
import { formatBytes, parseBytes } from '../kit/bytes.ts'
import { formatDuration, parseDuration } from '../kit/duration.ts'
import { isObject, type Json, type JsonObject } from '../kit/json.ts'
import { Secret } from '../kit/secret.ts'
import { canonical } from './canonical.ts'
import type { Position } from './problems.ts'
import { type ExpressionScope, type OptionKind, type Schema, scopeOf } from './schema.ts'
import type { ReadOption } from './scripts.ts'
import type { Origin, Segments } from './tree.ts'
import { codePoints, coerce, hasForm, hasType, isSame } from './value-types.ts'
import {
  about,
  atLeast,
  counted,
  example,
  expected,
  isLiteral,
  leaveOut,
  nearest,
  SECRET_HINT,
  SECRET_WRITTEN,
  secretShown,
  shown,
  unknownHint,
} from './wording.ts'

/** Something wrong, or doubtful, at a place below the value that was validated. */
export interface Fault {
  readonly severity: 'error' | 'warning'
  readonly segments: Segments
  /** Whether the name of the option is at fault, or its value. */
  readonly side: 'key' | 'value'
  readonly message: string
  readonly hint?: string | undefined
  /** Where it is, when that is more than where the value begins: inside a script. */
  readonly position?: Position
}

/** What validation needs to know beside schema and value. */
export interface Surroundings {
  /** Compiles an expression; faults have segments from the expression's own root. */
  compile(
    source: Json,
    scope: ExpressionScope,
  ): { readonly expression: Expression | undefined; readonly faults: readonly Fault[] }
  /** Reads a script that stands in the config, or the file that is named there. */
  script(text: string, kind: 'code' | 'code-file', origin: Origin | undefined): ReadOption
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
    if (kind === 'expression') return this.#expression(schema, written, slot, path)
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

  #expression(schema: Schema, source: Json, slot: Slot, path: Segments): Converted {
    const scope = scopeOf(schema, slot?.container)
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
      case 'code':
      case 'code-file': {
        const { script, faults } = this.#surroundings.script(value, schema['x-kind'], origin)
        for (const fault of faults) this.faults.push({ ...fault, segments: path })
        return { value: script, printed: value }
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

/** What the names of variables have in them whose values must not be printed. */
export const SECRET_NAME = /key|token|secret|passw|credential|auth/i

function printNumber(kind: OptionKind | undefined, value: number): Json {
  if (kind === 'duration' && Number.isInteger(value)) return formatDuration(value)
  return kind === 'bytes' ? formatBytes(value) : value
}
