import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import { RE2JS } from 're2js'
import { formatPath } from '#core/kit/paths.ts'
import { isObject, type Json } from '#core/kit/json.ts'
import type { Denial, Host } from '#core/sdk.ts'
import { ANSWER_SCHEMAS } from './answer-schemas.ts'
import { REQUEST_SCHEMAS } from './request-schemas.ts'

/** A schema as an option gives it: the name of a built-in one, or JSON Schema 2020-12. */
export type SchemaSource = string | Readonly<Record<string, Json>>

/** Says why a body is refused, or nothing where it fits. */
export type BodyCheck = (body: Json) => Denial | undefined

/** What stands before the path in `schema: file:./order.schema.json`. */
export const FILE_PREFIX = 'file:'

/** What a schema says of whole bodies and, where it is a built-in one for answers, of events. */
export interface BodyChecks {
  readonly whole: BodyCheck
  readonly event: BodyCheck
}

/** Compiles a schema. Throws where it is none, or names none. */
export function compileSchema(source: SchemaSource, side: 'input' | 'output'): BodyChecks {
  if (typeof source !== 'string') return bothOf(source)
  if (side === 'output') {
    const known = Object.hasOwn(ANSWER_SCHEMAS, source) ? ANSWER_SCHEMAS[source] : undefined
    if (known !== undefined) return { whole: checkOf(known.whole), event: checkOf(known.event) }
  }
  const known = Object.hasOwn(REQUEST_SCHEMAS, source) ? REQUEST_SCHEMAS[source] : undefined
  if (known === undefined) throw new RangeError(unknownSchema(source))
  return bothOf(known)
}

/** Compiles a schema, from a file where it says so. Rejects where it cannot be loaded. */
export async function loadChecks(
  source: SchemaSource,
  side: 'input' | 'output',
  host: Host,
): Promise<BodyChecks> {
  if (typeof source !== 'string' || !source.startsWith(FILE_PREFIX)) {
    return compileSchema(source, side)
  }
  const file = source.slice(FILE_PREFIX.length)
  const loaded = await host.load(file)
  const content = isObject(loaded) && Object.hasOwn(loaded, 'default') ? loaded['default'] : loaded
  if (!isObject(content)) throw new Error(`${file} holds no JSON Schema`)
  return compileSchema(content as Record<string, Json>, side)
}

function bothOf(schema: Readonly<Record<string, Json>>): BodyChecks {
  const check = checkOf(schema)
  return { whole: check, event: check }
}

function checkOf(schema: Readonly<Record<string, Json>>): BodyCheck {
  const validate = makeAjv().compile(schema)
  return (body) => (validate(body) ? undefined : denial(validate))
}

/** What is said of a name that is no built-in schema. */
export function unknownSchema(name: string): string {
  const names = Object.keys(REQUEST_SCHEMAS).join(', ')
  return `expected one of ${names}, ${FILE_PREFIX}PATH or a JSON Schema, got ${JSON.stringify(name)}`
}

function makeAjv(): Ajv2020 {
  return new Ajv2020({
    // Without it `toString` and the like count as present.
    ownProperties: true,
    // Schemas are the operator's own, often with keywords of other tools.
    strict: false,
    // The schema's own pattern on a client's text: no pattern may take more than linear time.
    code: { regExp: Object.assign(linearRegExp, { code: 'linearRegExp' }) },
    logger: false,
  })
}

function linearRegExp(pattern: string) {
  const compiled = RE2JS.compile(pattern)
  return {
    test: (text: string) => compiled.matcher(text).find(),
    // Ajv takes patterns of the same text for the same.
    toString: () => pattern,
  }
}

/** The error of the deepest place: with alternatives, the one that came nearest. */
function denial({ errors }: ValidateFunction): Denial {
  const [first, ...rest] = errors ?? []
  const depth = (error: ErrorObject) => error.instancePath.split('/').length
  const error = rest.reduce((best, one) => (depth(one) > depth(best) ? one : best), first!)
  const param = formatPath(segmentsOf(error))
  const place = param === '' ? 'the body' : param
  return { code: 'SCHEMA_INVALID', message: `${place} ${describe(error)}`, param }
}

/** From a JSON pointer (RFC 6901) to segments; a missing or surplus field is part of the place. */
function segmentsOf({ instancePath, params }: ErrorObject): (string | number)[] {
  const segments = instancePath
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((segment) => (/^\d+$/.test(segment) ? Number(segment) : segment))
  const field: unknown = params['missingProperty'] ?? params['additionalProperty']
  return typeof field === 'string' ? [...segments, field] : segments
}

function describe({ keyword, params, message }: ErrorObject): string {
  switch (keyword) {
    case 'required':
      return 'is missing'
    case 'additionalProperties':
    case 'unevaluatedProperties':
      return 'is not a known field'
    case 'type':
      return `is not of type ${listed(params['type'])}`
    case 'enum':
      return `is not one of ${listed(params['allowedValues'])}`
    case 'const':
      return `is not ${JSON.stringify(params['allowedValue'])}`
    default:
      return message ?? 'does not fit'
  }
}

function listed(value: unknown): string {
  const values: unknown[] = Array.isArray(value) ? value : [value]
  return values.map((one) => (isObject(one) ? JSON.stringify(one) : String(one))).join(', ')
}
