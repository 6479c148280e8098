import { setTimeout } from 'node:timers/promises'
import { GatewayError, type Json, type Outcome } from '#core/sdk.ts'
import type { Store } from '#core/store/store.ts'
import { TestClock } from '#core/testing/clock.ts'
import { openTestHost } from '#core/testing/host.ts'
import { checkOptions } from '#core/testing/options.ts'
import { makeExchange, type TestRequest } from '#core/testing/run.ts'
import rateLimiting from '#plugins/rateLimiting/rateLimiting.ts'

/** A request that the plugin has let pass, until it is told how it ended. */
export interface Passed {
  /** Where the tightest limit stands, as the client is told. */
  readonly remaining: { readonly requests: number; readonly tokens: number }
  end(outcome: Partial<Outcome>, totalTokens?: number): Promise<void>
}

/** The plugin on a given store, with requests that may overlap. Undefined for one that was refused. */
export async function openLimiter(
  options: Json,
  store: Store,
  now: () => number = Date.now,
): Promise<(request: TestRequest) => Promise<Passed | undefined>> {
  const clock = new TestClock(0)
  Object.defineProperty(clock, 'now', { get: now })
  const { host } = openTestHost({
    plugin: 'rateLimiting',
    clock,
    store,
    random: Math.random,
    upstreams: [],
    fetch: () => Promise.reject(new Error('no network')),
    load: () => undefined,
  })
  const hooks = await rateLimiting.setup(checkOptions(rateLimiting, options).options, host)
  let requests = 0
  return async (request) => {
    const id = `r-${++requests}`
    const exchange = makeExchange(request, { step: undefined as never, now, id, env: {} })
    if (typeof request.body === 'object') exchange.req.parsed(request.body)
    for (let isIn = false; !isIn;) {
      try {
        await hooks.request!(exchange)
        isIn = true
      } catch (cause) {
        if (!(cause instanceof GatewayError)) throw cause
        if (cause.code === 'RATE_LIMITED') return undefined
        // The store is busy: a client comes back when it is told to.
        await setTimeout(Number(cause.headers['retry-after']) * 1_000)
      }
    }
    const patch = await hooks.response!(exchange)
    const left = (unit: string) => Number(patch?.headers?.[`x-ratelimit-remaining-${unit}`] ?? NaN)
    return {
      remaining: { requests: left('requests'), tokens: left('tokens') },
      async end(outcome, totalTokens) {
        const usage = {
          inputTokens: 0,
          outputTokens: totalTokens ?? 0,
          totalTokens: totalTokens ?? 0,
        }
        Object.defineProperty(exchange, 'usage', {
          value: totalTokens === undefined ? undefined : usage,
        })
        await hooks.done!(exchange, { ...ENDED, ...outcome })
      },
    }
  }
}

const ENDED: Outcome = {
  end: 'completed',
  status: 200,
  error: undefined,
  attempts: 1,
  earlierTokens: 0,
  durationMs: 1,
  firstByteMs: 1,
  requestBytes: 0,
  responseBytes: 0,
}
