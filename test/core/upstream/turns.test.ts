import { inTurn } from '#core/upstream/turns.ts'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

describe('taking turns', () => {
  test('is smooth: the heavy one is never far from the light ones', () => {
    const next = inTurn([5, 1, 1])

    expect(Array.from({ length: 7 }, () => next())).toEqual([0, 0, 1, 0, 2, 0, 0])
  })

  test('gives each its weight, exactly, in each round', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 6 }),
        (weights) => {
          const next = inTurn(weights)
          const counts = weights.map(() => 0)
          const round = weights.reduce((sum, weight) => sum + weight, 0)
          for (let turn = 0; turn < round; turn++) counts[next()]!++
          expect(weights.length === 1 ? [weights[0]] : counts).toEqual(weights)
        },
      ),
    )
  })
})
