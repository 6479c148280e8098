import fc from 'fast-check'
import { expect, it } from 'vitest'
import { estimateTokens } from '#core/dialects/estimate.ts'
import { openStore } from '#core/store/open.ts'
import { openLimiter, type Passed } from './rateLimiting.fixture.ts'

const PATH = '/v1/chat/completions'
const ESTIMATING = { bytesPerToken: 2, maxOutputTokens: 500 }

const LIMITS = {
  perUser: [
    { requests: 3, tokens: 2_000, window: 1_000 },
    { requests: 8, tokens: 4_000, window: 10_000 },
  ],
  perTeam: { key: '$consumer.team', requests: 6, tokens: 3_000, window: 4_000 },
}

/** The same limits, as one would count them by hand. */
const BY_HAND = [
  { by: 'user', requests: 3, tokens: 2_000, window: 1_000 },
  { by: 'user', requests: 8, tokens: 4_000, window: 10_000 },
  { by: 'team', requests: 6, tokens: 3_000, window: 4_000 },
] as const

type Command =
  | { type: 'begin'; user: number; team: number; maxTokens: number | undefined }
  | { type: 'end'; which: number; how: 'answered' | 'failed' | 'left'; tokens: number }
  | { type: 'wait'; ms: number }

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('begin' as const),
      user: fc.nat(2),
      team: fc.nat(1),
      maxTokens: fc.option(fc.integer({ min: 1, max: 900 }), { nil: undefined }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('end' as const),
      which: fc.nat(20),
      how: fc.constantFrom('answered' as const, 'failed' as const, 'left' as const),
      tokens: fc.nat(1_500),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.nat(3_000) }),
  },
)

/** Counts one thing after another, in windows that begin at multiples of their length. */
class Oracle {
  readonly #used = new Map<string, number>()

  #names(unit: 'requests' | 'tokens', who: { user: number; team: number }, now: number) {
    return BY_HAND.map((limit, at) => ({
      name: `${at} ${unit} ${who[limit.by]} ${Math.floor(now / limit.window)}`,
      most: limit[unit],
    }))
  }

  begin(who: { user: number; team: number }, tokens: number, now: number): boolean {
    const asked = [
      ...this.#names('requests', who, now).map((one) => ({ ...one, amount: 1 })),
      ...this.#names('tokens', who, now).map((one) => ({ ...one, amount: tokens })),
    ]
    const fits = asked.every(({ name, most, amount }) => this.used(name) + amount <= most)
    if (fits) for (const { name, amount } of asked) this.#used.set(name, this.used(name) + amount)
    return fits
  }

  /** The correction belongs to the window in which the request began. */
  end(who: { user: number; team: number }, begunAt: number, reserved: number, spent: number): void {
    for (const { name } of this.#names('tokens', who, begunAt)) {
      this.#used.set(name, this.used(name) + spent - reserved)
    }
  }

  left(unit: 'requests' | 'tokens', who: { user: number; team: number }, now: number): number {
    const left = this.#names(unit, who, now).map(({ name, most }) => most - this.used(name))
    return Math.max(0, Math.min(...left))
  }

  used(name: string): number {
    return this.#used.get(name) ?? 0
  }
}

it('lets pass exactly what one would by hand, however requests overlap and end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 60 }), async (commands) => {
      let now = 1_767_225_600_000
      const store = await openStore('memory:', { now: () => now })
      const options = { limits: LIMITS, strategy: 'fixed-window', maxOutput: 500 }
      const ask = await openLimiter(options, store, () => now)
      const oracle = new Oracle()
      const running: {
        passed: Passed
        who: { user: number; team: number }
        tokens: number
        begunAt: number
      }[] = []
      for (const one of commands) {
        if (one.type === 'wait') now += one.ms
        else if (one.type === 'begin') {
          const { user, team, maxTokens } = one
          const body = { messages: [], ...(maxTokens !== undefined && { max_tokens: maxTokens }) }
          const estimate = estimateTokens({ dialect: 'openai-chat', path: PATH, body }, ESTIMATING)
          const tokens = estimate.inputTokens + estimate.outputTokens
          const consumer = { id: `user-${user}`, team: `team-${team}` }
          const passed = await ask({ path: PATH, body, consumer })
          expect(passed !== undefined).toBe(oracle.begin(one, tokens, now))
          if (passed === undefined) continue
          expect(passed.remaining).toEqual({
            requests: oracle.left('requests', one, now),
            tokens: oracle.left('tokens', one, now),
          })
          running.push({ passed, who: one, tokens, begunAt: now })
        } else {
          const [ended] = running.splice(one.which % Math.max(1, running.length), 1)
          if (ended === undefined) continue
          const { passed, who, tokens, begunAt } = ended
          if (one.how === 'answered') await passed.end({}, one.tokens)
          else if (one.how === 'failed') await passed.end({ status: 502, end: 'error' })
          else await passed.end({ end: 'client-closed', firstByteMs: undefined })
          const spent = { answered: one.tokens, failed: 0, left: tokens }[one.how]
          oracle.end(who, begunAt, tokens, spent)
        }
      }
      await store.close()
    }),
    { numRuns: 300 },
  )
})
