import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RetryBudget } from '#plugins/retryPolicy/budget.ts'
import {
  answers,
  ask,
  fails,
  startRetrying,
  startScripted,
  type Turn,
} from './retryPolicy.fixture.ts'

const REQUESTS = 1_200
const AT_ONCE = 24

/** Asks so often, so many at once; how many were answered well. */
async function load(url: string): Promise<number> {
  let left = REQUESTS
  let good = 0
  async function work(): Promise<void> {
    while (left-- > 0) {
      const answer = await ask(url)
      await answer.arrayBuffer()
      if (answer.status === 200) good++
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return good
}

/** Fails every other call. */
function everyOther(): Turn {
  let calls = 0
  return (res, req) => (calls++ % 2 === 0 ? fails(500) : answers(200))(res, req)
}

/** A window that outlasts the test: a share that holds in every window of 10 s may be exceeded by a hair over 12 s. */
async function startThree(turns: readonly Turn[]) {
  const ups = await Promise.all(turns.map((turn) => startScripted(turn)))
  const endpoints = ups.map(({ url }) => `{ url: "${url}/v1" }`).join(', ')
  const { url } = await startRetrying('{ initialDelay: 20ms, budget: { window: 5m } }', {
    chat: `{ dialect: openai-chat, endpoints: [${endpoints}] }`,
  })
  return { url, load: () => ups.reduce((sum, { seen }) => sum + seen.length, 0) }
}

describe('three upstreams', () => {
  it('of which one fails half its calls answer 999 in 1,000, for a quarter more load at most', async () => {
    const three = await startThree([everyOther(), answers(200), answers(200)])
    const good = await load(three.url)
    expect(good / REQUESTS).toBeGreaterThanOrEqual(0.999)
    expect(three.load() / REQUESTS).toBeLessThanOrEqual(1.25)
    // It did fail, and was tried again.
    expect(three.load()).toBeGreaterThan(REQUESTS * 1.1)
  })

  it('that all fail get a fifth more load at most', async () => {
    const three = await startThree([fails(500), fails(500), fails(500)])
    expect(await load(three.url)).toBe(0)
    expect(three.load() / REQUESTS).toBeLessThanOrEqual(1.2)
  })
})

describe('the budget', () => {
  it('never gives more than its share of a window, whatever comes when', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(3_000), fc.boolean()), { minLength: 1, maxLength: 200 }),
        (steps) => {
          const budget = new RetryBudget({ share: 0.2, min: 3, windowMs: 10_000 }, 0)
          const taken: number[] = []
          const begun: number[] = []
          let now = 0
          for (const [wait, isRetry] of steps) {
            now += wait
            if (!isRetry) {
              budget.deposit(now)
              begun.push(now)
            } else if (budget.take(now)) {
              taken.push(now)
              const retries = taken.filter((time) => time > now - 9_000).length
              const requests = begun.filter((time) => time > now - 10_000).length
              expect(retries).toBeLessThanOrEqual(Math.max(3, Math.ceil(0.2 * requests)))
            }
          }
        },
      ),
    )
  })

  it('begins anew after a quiet window', () => {
    const budget = new RetryBudget({ share: 0, min: 1, windowMs: 10_000 }, 5)
    expect([budget.take(5), budget.take(5), budget.take(20_006)]).toEqual([true, false, true])
  })
})
