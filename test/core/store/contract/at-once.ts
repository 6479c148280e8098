import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Charge, Store } from '#core/store/store.ts'
import { Oracle } from '../oracle.ts'
import { LIMITS } from './oracle.ts'
import type { Open } from './store.ts'

interface Wanted {
  readonly limit: number
  readonly amount: number
}

/** Reservations that come at once, then settlements that come at once, then a while. */
interface Phase {
  readonly reserve: readonly (readonly Wanted[])[]
  readonly settle: readonly number[]
  readonly ms: number
}

const phaseArbitrary: fc.Arbitrary<Phase> = fc.record({
  reserve: fc.array(
    fc.array(fc.record({ limit: fc.nat({ max: LIMITS.length - 1 }), amount: fc.nat({ max: 6 }) }), {
      maxLength: 3,
    }),
    { maxLength: 30 },
  ),
  settle: fc.array(fc.nat({ max: 6 }), { maxLength: 10 }),
  ms: fc.nat({ max: 60 }),
})

/**
 * Operations that come at once, half of them through another store of the same URL, are held against the oracle, which
 * takes one after the other. What is reserved only ever grows while nothing is settled; so if there is an order at all
 * in which the answers are right, then one in which those that were taken come first, and all others after them.
 */
export function testAtOnce(open: Open, rounds: number): void {
  describe('operations at once', () => {
    test('come out as one after the other would', { timeout: 120_000 }, async ({ skip }) => {
      const { store, clock = skip(), another } = await open()
      const stores = [store, another === undefined ? store : await another()]
      const pick = (at: number): Store => stores[at % 2]!
      let round = 0
      const property = fc.asyncProperty(
        fc.array(phaseArbitrary, { maxLength: 6 }),
        async (phases) => {
          const key = `at once ${round++}`
          const limits = LIMITS.map((limit) => ({ ...limit, key }))
          const oracle = new Oracle(limits)
          const held: { id: string; charges: number }[] = []
          for (const [number, { reserve, settle, ms }] of phases.entries()) {
            const asked = reserve.map((wanted, at) => ({ wanted, id: `${key}/${number}/${at}` }))
            const answers = await Promise.all(
              asked.map(async ({ wanted, id }, at) => {
                const charges = wanted.map(({ limit, amount }): Charge => ({
                  limit: limits[limit]!,
                  amount,
                }))
                const { ok } = await pick(at).counters.reserve(id, charges, 1_000)
                return { wanted, id, ok }
              }),
            )
            for (const { wanted, id, ok } of answers) {
              if (!ok) continue
              assert.notEqual(oracle.verdict(wanted, clock.now()), 'refused', `${id} went over`)
              oracle.reserve(id, wanted, clock.now(), 1_000)
              held.push({ id, charges: wanted.length })
            }
            for (const { wanted, id, ok } of answers) {
              if (!ok)
                assert.notEqual(oracle.verdict(wanted, clock.now()), 'fits', `${id} had room`)
            }
            await Promise.all(
              held.splice(0, settle.length).map(async ({ id, charges }, at) => {
                const amounts = Array.from({ length: charges }, () => settle[at]!)
                const isSettled = await pick(at).counters.settle(id, amounts)
                assert.equal(isSettled, oracle.settle(id, amounts, clock.now()))
              }),
            )
            const states = await pick(number).counters.read(limits)
            for (const [at, { remaining }] of states.entries()) {
              const [least, most] = oracle.remaining(at, clock.now())
              assert.ok(remaining >= least && remaining <= most, `${remaining} remain of ${at}`)
            }
            clock.advance(ms)
          }
        },
      )
      await expect(fc.assert(property, { numRuns: rounds })).resolves.toBeUndefined()
    })
  })
}
