import * as fc from 'fast-check'
import jsonLogic from 'json-logic-js'
import { describe, expect, it } from 'vitest'
import type { Json } from '#core/kit/json.ts'
import cases from './cases.json' with { type: 'json' }
import { compiled, evaluateOver } from './evaluate.ts'
import { caseOf } from './generate.ts'

function ask(rule: Json, data: Json): Json {
  return jsonLogic.apply(rule, data) as Json
}

describe.each(Object.entries(cases as unknown as Record<string, [Json, Json?][]>))(
  'json-logic-js and we agree on %s',
  (_, list) => {
    it.each(list.map(([rule, data = null]) => [JSON.stringify(rule), rule, data] as const))(
      '%s',
      (_, rule, data) => {
        expect(evaluateOver(data, rule)).toEqual(ask(rule, data))
      },
    )
  },
)

describe('json-logic-js and we agree on generated rules', () => {
  it('with data of every shape', () => {
    const outcomes = new Set<string>()
    fc.assert(
      fc.property(caseOf(3), ({ rule, vars }) => {
        const theirs = ask(rule, { vars })
        const ours = compiled(rule).evaluate({ vars })
        outcomes.add(JSON.stringify(theirs))
        expect(ours).toEqual(theirs)
      }),
      { numRuns: 6_000 },
    )
    // A generator that only makes false and null would agree with anything.
    expect(outcomes.size).toBeGreaterThan(300)
  })

  it('and traces give the value that evaluation gives', () => {
    fc.assert(
      fc.property(caseOf(3), ({ rule, vars }) => {
        const expression = compiled(rule)
        const { value } = expression.trace({ vars })
        expect(value).toEqual(expression.evaluate({ vars }))
      }),
      { numRuns: 1_500 },
    )
  })
})
