import { Ajv2020 } from 'ajv/dist/2020.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Schema } from '#core/config/schema.ts'
import { bytes, duration, secret } from '#core/config/schema.ts'
import { type Surroundings, validate } from '#core/config/validate.ts'
import type { Json } from '#core/kit/json.ts'
import { Secret } from '#core/kit/secret.ts'

const ALONE: Surroundings = {
  compile: () => ({ expression: undefined, faults: [] }),
  script: () => ({ script: undefined, faults: [] }),
  origin: () => undefined,
}

const check = (schema: Schema, value: Json) => validate(schema, value, ALONE)
const messages = (schema: Schema, value: Json) =>
  check(schema, value).faults.map(({ segments, message }) => `${segments.join('.')}: ${message}`)

describe('validate', () => {
  it('converts durations, sizes and secrets, also where they are defaults', () => {
    const schema = {
      type: 'object',
      additionalProperties: false,
      properties: {
        wait: duration({ default: '30s' }),
        size: bytes({ default: '64kb' }),
        pause: duration({}),
        key: secret({ default: 'k' }),
      },
    } as const
    const { value, printed, faults } = check(schema, { pause: 1500 })
    expect(faults).toEqual([])
    expect(value).toEqual({ wait: 30_000, size: 65_536, pause: 1_500, key: new Secret('k') })
    expect((value as { key: Secret }).key.reveal()).toBe('k')
    expect(JSON.parse(JSON.stringify(printed))).toEqual({
      wait: '30s',
      size: '64kb',
      pause: '1500ms',
      key: '•••',
    })
  })

  it('fills in the defaults inside of a default', () => {
    const schema = {
      type: 'object',
      properties: {
        limits: {
          type: 'object',
          default: {},
          properties: { window: duration({ default: '1m' }) },
        },
      },
    } as const
    expect(check(schema, {}).value).toEqual({ limits: { window: 60_000 } })
  })

  it('freezes what it gives, all the way down, and leaves its argument as it was', () => {
    const given: Json = { list: [{ a: 1 }] }
    const { value } = check({ type: 'object', additionalProperties: true }, given)
    const { list } = value as { list: [object] }
    expect([value, list, list[0]].every((one) => Object.isFrozen(one))).toBe(true)
    expect(Object.isFrozen(given)).toBe(false)
  })

  it('holds a written duration to the bounds of the option', () => {
    expect(messages(duration({ minimum: 1_000 }), '10ms')).toEqual([
      ': expected at least 1000, got "10ms"',
    ])
  })

  it('reports the branch that was most likely meant', () => {
    const schema: Schema = {
      anyOf: [
        { type: 'string' },
        { type: 'object', additionalProperties: false, properties: { a: { type: 'integer' } } },
      ],
    }
    expect(messages(schema, { a: 'x' })).toEqual(['a: expected a whole number, got "x"'])
    expect(messages(schema, true)).toEqual([': expected text or a map, got true'])
  })

  it('does not set a prototype through a key', () => {
    const map = JSON.parse('{"__proto__": {"polluted": true}}') as Json
    const { value } = check({ type: 'object', additionalProperties: true }, map)
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  it('cuts long values short in messages', () => {
    const [message] = messages({ type: 'integer' }, 'x'.repeat(1_000))
    expect(message!.length).toBeLessThan(130)
  })
})

describe('validate and ajv', () => {
  const ajv = new Ajv2020({
    strict: true,
    strictTypes: false,
    strictRequired: false,
    ownProperties: true,
    allErrors: false,
  })
  for (const keyword of ['x-kind', 'x-scope', 'x-scope-from']) ajv.addKeyword(keyword)

  // One that prototypes have; of `toString` and `valueOf`, ajv's uniqueItems wants that they are functions.
  const key = fc.constantFrom('a', 'b', 'hasOwnProperty', 'type')
  const scalar: fc.Arbitrary<Json> = fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.integer({ min: -3, max: 3 }),
    fc.constantFrom(0.5, 1e15),
    fc.constantFrom('', 'a', 'ab', '😀', '30s', '64kb'),
  )
  const { value } = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      scalar,
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 3, noNullPrototype: true }),
    ) as fc.Arbitrary<Json>,
  }))
  const optional = { requiredKeys: [] }
  const count = fc.integer({ min: 0, max: 2 })
  const { schema } = fc.letrec<{ schema: Schema }>((tie) => ({
    schema: fc.oneof(
      { depthSize: 'small' },
      fc.constant<Schema>({}),
      fc.constantFrom<Schema>(duration({}), bytes({ minimum: 5 }), secret({})),
      fc.record({ const: scalar }),
      fc.record({ enum: fc.uniqueArray(scalar, { minLength: 1, maxLength: 3 }) }),
      fc.record(
        {
          type: fc.constantFrom('integer', 'number'),
          minimum: count,
          exclusiveMinimum: count,
          maximum: count,
        },
        { requiredKeys: ['type'] },
      ),
      fc.record(
        {
          type: fc.constant('string'),
          minLength: count,
          maxLength: count,
          pattern: fc.constantFrom('^a', '^.$', 'b$'),
        },
        { requiredKeys: ['type'] },
      ),
      fc.record({ type: fc.constantFrom('boolean', 'null', 'array', 'object', 'string') }),
      fc.record({
        type: fc.constantFrom(['string', 'null'], ['array', 'boolean'], ['object', 'integer']),
      }),
      fc.record(
        {
          type: fc.constant('array'),
          items: tie('schema'),
          minItems: count,
          maxItems: count,
          uniqueItems: fc.boolean(),
        },
        { requiredKeys: ['type'] },
      ),
      fc.record(
        {
          type: fc.constant('object'),
          properties: fc.dictionary(key, tie('schema'), { maxKeys: 3, noNullPrototype: true }),
          additionalProperties: fc.oneof(fc.boolean(), tie('schema')),
          propertyNames: fc.constantFrom<Schema>({ maxLength: 1 }, { pattern: '^[a-z]+$' }),
          required: fc.uniqueArray(key, { maxLength: 2 }),
          minProperties: count,
          maxProperties: count,
        },
        { requiredKeys: ['type'] },
      ),
      fc.record({ anyOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }) }, optional),
    ) as fc.Arbitrary<Schema>,
  }))

  it('accept and refuse the same values', () => {
    const property = fc.property(schema, value, (schema, value) => {
      // What ajv compiles is kept by identity of the schema; a fresh copy keeps runs apart.
      const accepts = ajv.compile(structuredClone(schema))(value)
      return accepts === (check(schema, value).faults.length === 0)
    })
    expect(fc.check(property, { numRuns: 500 })).toMatchObject({ failed: false })
  })
})
