import { BYTES_PATTERN } from '../kit/bytes.ts'
import { DURATION_PATTERN } from '../kit/duration.ts'
import type { Json } from '../kit/json.ts'
import type { Secret } from '../kit/secret.ts'
import type { Expression } from '../expressions/expression.ts'
import type { Script } from './script.ts'

const SCOPES = ['match', 'request', 'response', 'chunk', 'message'] as const

/** Which roots an expression may use. */
export type ExpressionScope = (typeof SCOPES)[number]

/**
 * What the loader does with an option after the schema has accepted it: a `duration` arrives at `setup` in
 * milliseconds, `bytes` as a number, an `expression` compiled, a `secret` as a Secret, a `code` and the script in a
 * `code-file` as a Script.
 */
export type OptionKind = 'duration' | 'bytes' | 'expression' | 'secret' | 'code' | 'code-file'

/** The part of JSON Schema (2020-12) that options use, and our own kinds. */
export interface Schema {
  readonly type?: string | readonly string[]
  /** What to call an accepted value in messages: `an address such as 127.0.0.1:8081`. */
  readonly title?: string
  readonly description?: string
  readonly default?: Json | undefined
  readonly examples?: readonly Json[]
  readonly enum?: readonly Json[]
  readonly const?: Json
  readonly anyOf?: readonly Schema[]
  readonly properties?: { readonly [name: string]: Schema }
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
  readonly propertyNames?: Schema
  readonly minProperties?: number
  readonly maxProperties?: number
  readonly items?: Schema
  readonly minItems?: number
  readonly maxItems?: number
  readonly uniqueItems?: boolean
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly 'x-kind'?: OptionKind
  readonly 'x-scope'?: ExpressionScope
  /** An option of the same map whose value names the scope, where it is given. */
  readonly 'x-scope-from'?: string
}

/** The scope of an expression: its own, or the one that an option beside it names. */
export function scopeOf(schema: Schema, beside: object | undefined): ExpressionScope {
  const { 'x-scope': scope = 'request', 'x-scope-from': from } = schema
  if (from === undefined || beside === undefined || !Object.hasOwn(beside, from)) return scope
  const named = (beside as Record<string, unknown>)[from]
  return SCOPES.find((one) => one === named) ?? scope
}

/** The schema of a plugin's options: a closed map. */
export interface OptionsSchema extends Schema {
  readonly type: 'object'
  readonly additionalProperties: false
  readonly properties: { readonly [name: string]: Schema }
}

type Present<P, R> = {
  [K in keyof P]: P[K] extends { readonly default: unknown }
    ? K
    : R extends readonly (infer N)[]
      ? K extends N
        ? K
        : never
      : never
}[keyof P]

type Properties<P, R> = { readonly [K in Present<P, R>]: Infer<P[K]> } & {
  readonly [K in Exclude<keyof P, Present<P, R>>]?: Infer<P[K]>
}

/** The type of a checked option: defaults are in, kinds are converted, all of it is frozen. */
export type Infer<S> = S extends { readonly 'x-kind': 'duration' | 'bytes' }
  ? number
  : S extends { readonly 'x-kind': 'expression' }
    ? Expression
    : S extends { readonly 'x-kind': 'secret' }
      ? Secret
      : S extends { readonly 'x-kind': 'code' | 'code-file' }
        ? Script
        : S extends { readonly const: infer C }
          ? C
          : S extends { readonly enum: readonly (infer E)[] }
            ? E
            : S extends { readonly anyOf: readonly (infer A)[] }
              ? Infer<A>
              : S extends { readonly type: 'null' }
                ? null
                : S extends { readonly type: 'string' }
                  ? string
                  : S extends { readonly type: 'number' | 'integer' }
                    ? number
                    : S extends { readonly type: 'boolean' }
                      ? boolean
                      : S extends { readonly type: 'array'; readonly items: infer I }
                        ? readonly Infer<I>[]
                        : S extends { readonly type: 'object'; readonly properties: infer P }
                          ? Properties<P, S extends { readonly required: infer R } ? R : []>
                          : S extends {
                                readonly type: 'object'
                                readonly additionalProperties: infer V
                              }
                            ? V extends boolean
                              ? { readonly [name: string]: Json }
                              : { readonly [name: string]: Infer<V> }
                            : Json

/** An option that takes `30s` or milliseconds, and arrives in milliseconds. */
export function duration<const O extends Schema>(option: O) {
  return {
    type: ['integer', 'string'],
    // Widened, so that an option may state another.
    minimum: 0 as number,
    pattern: DURATION_PATTERN,
    'x-kind': 'duration',
    ...option,
  } as const
}

/** An option that takes `64kb` or bytes, and arrives in bytes. */
export function bytes<const O extends Schema>(option: O) {
  return {
    type: ['integer', 'string'],
    // Widened, so that an option may state another.
    minimum: 0 as number,
    pattern: BYTES_PATTERN,
    'x-kind': 'bytes',
    ...option,
  } as const
}

/** An option that takes a JSON-logic expression, checked at load, and arrives compiled. */
export function expression<const O extends Schema & { readonly 'x-scope': ExpressionScope }>(
  option: O,
) {
  return { 'x-kind': 'expression', ...option } as const
}

/** An option that takes a script, checked at load, and arrives as a Script. */
export function script<const O extends Schema>(option: O) {
  return { type: 'string', minLength: 1 as number, 'x-kind': 'code', ...option } as const
}

/** An option that takes the path of a script, as seen from the config file, and arrives as a Script. */
export function scriptFile<const O extends Schema>(option: O) {
  return { type: 'string', minLength: 1 as number, 'x-kind': 'code-file', ...option } as const
}

/** An option that must not be printed: masked everywhere, a warning when it is written literally. */
export function secret<const O extends Schema>(option: O) {
  return { type: 'string', minLength: 1 as number, 'x-kind': 'secret', ...option } as const
}
