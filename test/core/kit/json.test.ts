import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isObject, jsonOf, tailOf } from '#core/kit/json.ts'

const tail = (text: string) => tailOf(Buffer.from(text), 'usage')

describe('the last members of an object', () => {
  test('are read without what goes before them', () => {
    expect(tail('{"id": 1, "usage": {"total": 3}, "tier": "default"}')).toEqual({
      usage: { total: 3 },
      tier: 'default',
    })
  })

  test.each([
    ['of an object inside', '{"choices": [{"usage": {"total": 3}}]}'],
    ['in a text', '{"id": 1, "text": "\\"usage\\": {}}"}'],
    ['at the end of a text', '{"text": "say \\"usage"}'],
    ['that is a value', '{"finish": "usage"}'],
    ['that is not there', '{"id": 1}'],
    ['of a list', '[{"usage": {"total": 3}}]'],
    ['of a text that is cut', '{"id": 1, "usage": {"total": 3}'],
    ['far from the end', `{"usage": {"total": 3}, "text": "${'x'.repeat(5_000)}"}`],
  ])('are not those %s', (_, text) => {
    expect(tail(text)).toBeUndefined()
  })

  test('say what the whole says, wherever the name stands', () => {
    const names = fc.constantFrom('usage', 'a"usage', 'usage"', 'x', '\\', 'us\\age')
    const { json } = fc.letrec((tie) => ({
      json: fc.oneof(
        { maxDepth: 4 },
        fc.integer(),
        names,
        fc.array(tie('json'), { maxLength: 3 }),
        fc.dictionary(names, tie('json'), { maxKeys: 3 }),
      ),
    }))
    fc.assert(
      fc.property(json, fc.constantFrom(0, 1), (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        const found = tail(text)
        if (found === undefined) return
        const whole = jsonOf(text)
        expect(isObject(whole) && whole['usage']).toEqual(found['usage'])
      }),
      { numRuns: 2_000 },
    )
  })
})
