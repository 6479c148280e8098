import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Charge, Limit, Reservation, Store } from '#core/store/store.ts'
import { Oracle } from '../oracle.ts'
import type { Clock, Open } from './store.ts'

/** Small numbers, so that limits are hit all the time. */
export const LIMITS: readonly Omit<Limit, 'key'>[] = [
  { algorithm: 'fixed-window', limit: 10, windowMs: 100 },
  { algorithm: 'sliding-window', limit: 10, windowMs: 100 },
  { algorithm: 'token-bucket', limit: 7, windowMs: 100, burst: 12 },
  { algorithm: 'total', limit: 60 },
  { algorithm: 'concurrency', limit: 6 },
]

type Step =
  | { do: 'reserve'; charges: { limit: number; amount: number }[]; ttlMs: number }
  | { do: 'settle'; hold: number; amount: number }
  | { do: 'release'; hold: number }
  | { do: 'reset'; limit: number }
  | { do: 'advance'; ms: number }

const limitArbitrary = fc.nat({ max: LIMITS.length - 1 })
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 15,
    arbitrary: fc.record({
      do: fc.constant('reserve' as const),
      charges: fc.array(fc.record({ limit: limitArbitrary, amount: fc.nat({ max: 6 }) }), {
        maxLength: 3,
      }),
      ttlMs: fc.integer({ min: 1, max: 150 }),
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      hold: fc.nat({ max: 5 }),
      amount: fc.nat({ max: 8 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('release' as const), hold: fc.nat({ max: 5 }) }),
  },
  {
    weight: 9,
    arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.nat({ max: 60 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('reset' as const), limit: limitArbitrary }),
  },
)

/** Random histories, compared with the oracle after each step. */
export function testAgainstOracle(open: Open, rounds: number): void {
  describe('counters, compared with the oracle', () => {
    test('agree on every random history', { timeout: 60_000 }, async ({ skip }) => {
      const { store, clock = skip() } = await open()
      let round = 0
      const steps = fc.array(stepArbitrary, { minLength: 5, maxLength: 60 })
      const property = fc.asyncProperty(steps, async (history) => {
        const run = new History(store, clock, `round ${round++}`)
        for (const step of history) await run.take(step)
        await run.checkRetryAfter()
      })
      await expect(fc.assert(property, { numRuns: rounds })).resolves.toBeUndefined()
    })
  })
}

class History {
  readonly #store: Store
  readonly #clock: Clock
  readonly #name: string
  readonly #limits: readonly Limit[]
  readonly #oracle: Oracle
  /** Youngest first: steps choose among the latest. */
  readonly #holds: { id: string; charges: number }[] = []
  #count = 0

  constructor(store: Store, clock: Clock, name: string) {
    this.#store = store
    this.#clock = clock
    this.#name = name
    this.#limits = LIMITS.map((limit) => ({ ...limit, key: name }))
    this.#oracle = new Oracle(this.#limits)
  }

  async take(step: Step): Promise<void> {
    if (step.do === 'advance') this.#clock.advance(step.ms)
    if (step.do === 'reserve') await this.#reserve(step.charges, step.ttlMs)
    if (step.do === 'settle') await this.#settle(step.hold, step.amount)
    if (step.do === 'release') await this.#settle(step.hold, undefined)
    if (step.do === 'reset') {
      await this.#store.counters.reset([this.#limits[step.limit]!])
      this.#oracle.reset(step.limit)
    }
    await this.#compareStates()
  }

  /** Waiting exactly as long as is said makes it fit, a millisecond less doesn't. */
  async checkRetryAfter(): Promise<void> {
    const charges = this.#limits
      .filter(({ algorithm }) => algorithm !== 'total')
      .map((limit) => ({ limit, amount: 6 }))
    const again = (): Promise<Reservation> =>
      this.#store.counters.reserve(`${this.#name}/retry`, charges, 1)
    const first = await again()
    if (first.ok) return
    this.#clock.advance(first.retryAfterMs - 1)
    assert.equal((await again()).ok, false, `fits before ${first.retryAfterMs} ms`)
    this.#clock.advance(1)
    assert.equal((await again()).ok, true, `does not fit after ${first.retryAfterMs} ms`)
  }

  async #reserve(wanted: { limit: number; amount: number }[], ttlMs: number): Promise<void> {
    const id = `${this.#name}/${this.#count++}`
    const charges = wanted.map(({ limit, amount }): Charge => ({
      limit: this.#limits[limit]!,
      amount,
    }))
    const verdict = this.#oracle.verdict(wanted, this.#clock.now())
    const { ok } = await this.#store.counters.reserve(id, charges, ttlMs)
    if (verdict !== 'either') assert.equal(ok ? 'fits' : 'refused', verdict)
    if (!ok) return
    this.#oracle.reserve(id, wanted, this.#clock.now(), ttlMs)
    this.#holds.unshift({ id, charges: wanted.length })
  }

  async #settle(at: number, amount: number | undefined): Promise<void> {
    const hold = this.#holds[at]
    if (hold === undefined) return
    const amounts = Array.from({ length: hold.charges }, () => amount ?? 0)
    const settled =
      amount === undefined
        ? await this.#store.counters.release(hold.id)
        : await this.#store.counters.settle(hold.id, amounts)
    assert.equal(settled, this.#oracle.settle(hold.id, amounts, this.#clock.now()))
  }

  async #compareStates(): Promise<void> {
    const states = await this.#store.counters.read(this.#limits)
    for (const [at, { remaining }] of states.entries()) {
      const [least, most] = this.#oracle.remaining(at, this.#clock.now())
      const { algorithm } = this.#limits[at]!
      assert.ok(
        remaining >= least && remaining <= most,
        `${algorithm}: ${remaining} remain, expected ${least} to ${most}`,
      )
    }
  }
}
