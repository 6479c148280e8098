import { Ajv2020 } from 'ajv/dist/2020.js'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '#core/kit/json.ts'
import { sampleOf } from '#core/upstream/demo/sample.ts'

const ajv = new Ajv2020({ strict: false, logger: false, validateFormats: false })

describe('sampleOf', () => {
  it.each([
    { type: 'object', properties: { a: { type: 'string' }, b: {} }, required: ['a'] },
    { type: 'object', required: ['undeclared'] },
    { const: 0 },
    { enum: [null, 1] },
    { type: ['null', 'integer'], minimum: 5 },
    { type: 'integer', exclusiveMinimum: 3, multipleOf: 5 },
    { type: 'integer', maximum: -7, multipleOf: 2 },
    { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 0.1 },
    { type: 'string', minLength: 12, maxLength: 13 },
    { type: 'string', maxLength: 2 },
    { type: 'array', minItems: 2, items: { type: 'boolean' } },
    {
      type: 'array',
      minItems: 3,
      prefixItems: [{ const: 'x' }, { type: 'null' }],
      items: { const: 1 },
    },
    { anyOf: [{ type: 'integer' }, { type: 'string' }] },
    { type: 'object', oneOf: [{ required: ['a'] }], properties: { a: { type: 'integer' } } },
    {
      $ref: '#/$defs/node',
      $defs: {
        node: {
          type: 'object',
          properties: { value: { type: 'integer' }, next: { $ref: '#/$defs/node' } },
          required: ['value'],
        },
      },
    },
    {
      allOf: [
        { properties: { a: { type: 'integer' } }, required: ['a'] },
        { properties: { b: { type: 'boolean' } }, required: ['b'] },
      ],
    },
    {},
  ])('fits %j', (schema) => {
    expect(ajv.validate(schema, sampleOf(schema))).toBe(true)
  })

  it("understands Gemini's capitals and numbers in text", () => {
    const schema = { type: 'ARRAY', minItems: '2', items: { type: 'STRING', enum: ['a'] } }
    expect(sampleOf(schema)).toEqual(['a', 'a'])
  })

  it('ends where a schema never would', () => {
    const endless = { type: 'object', properties: { self: { $ref: '#' } }, required: ['self'] }
    expect(JSON.stringify(sampleOf(endless)).length).toBeLessThan(1_000)
    expect(sampleOf({ $ref: '#' })).toBe('demo')
    const wide = {
      type: 'array',
      minItems: 1e9,
      items: { type: 'array', minItems: 1e9, items: {} },
    }
    expect(JSON.stringify(sampleOf(wide)).length).toBeLessThan(100_000)
  })

  it('never throws, whatever it is given', () => {
    const word = fc.constantFrom(
      'type',
      '$ref',
      'anyOf',
      'allOf',
      'properties',
      'required',
      'items',
    )
    const value = fc.oneof(fc.constantFrom('object', 'array', '#', '#/items', 'x'), fc.jsonValue())
    const schema = fc.letrec<{ schema: JsonObject }>((tie) => ({
      schema: fc.dictionary(
        word,
        fc.oneof(
          { maxDepth: 4, depthIdentifier: 'schema' },
          value,
          fc.array(tie('schema'), { maxLength: 3, depthIdentifier: 'schema' }),
          tie('schema'),
        ),
        { maxKeys: 4, depthIdentifier: 'schema' },
      ) as fc.Arbitrary<JsonObject>,
    })).schema
    fc.assert(
      fc.property(schema, (given) => {
        expect(JSON.stringify(sampleOf(given))).toBeTypeOf('string')
      }),
      { numRuns: 500 },
    )
  })
})
