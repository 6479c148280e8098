import { GatewayError } from '../errors.ts'
import type { AnswerHeaders, RequestPatch, ResponsePatch } from '../exchange.ts'
import type { LiveExchange } from './exchange.ts'
import { adoptKoaAnswer, bodyOfKoa, type MakeContext, resetKoa, showAnswerToKoa } from './koa.ts'
import { applyRequestPatch, applyResponsePatch, type LiveStep, stepFailed } from './step.ts'

/** What a chain needs from outside. */
export interface ChainOptions {
  /** The attempt: resolves when the answer's head is known. */
  readonly deliver: (exchange: LiveExchange) => Promise<void>
  /** Makes the body readable; called before the first step that reads it, at most once per exchange. */
  readonly readBody: (exchange: LiveExchange) => Promise<void>
  /** Position of the first step that reads the body; the number of steps where only `deliver` does. */
  readonly bodyAt: number | undefined
  /** Makes Koa's context, for the first step that wraps; undefined where none does. */
  readonly context: MakeContext | undefined
}

/** Runs an exchange through a route's steps, down and up. No promise is made where no step needs one. */
export type Chain = (exchange: LiveExchange) => void | Promise<void>

/**
 * Compiles the steps of a route into one onion: `request` hooks and `handle` on the way down, in the order of the
 * YAML, then the attempt, then `response` hooks on the way up, reversed. An error skips the hooks above it, as in
 * Koa; a `handle` may catch it.
 */
export function compileChain(steps: readonly LiveStep[], options: ChainOptions): Chain {
  const { deliver, readBody, bodyAt, context } = options
  const size = steps.length

  /** Runs the steps from `at` down; `top` is where this stretch of the onion began, and where its way up ends. */
  function down(exchange: LiveExchange, at: number, top: number): void | Promise<void> {
    for (let index = at; index < size; index++) {
      if (index === bodyAt && exchange.req.bytes === undefined) {
        return readBody(exchange).then(() => down(exchange, index, top))
      }
      exchange.depth = index
      if (exchange.reached <= index) exchange.reached = index + 1
      const step = steps[index]!
      if (!isWanted(step, index, exchange)) continue
      if (step.hooks.request) {
        const patch = callRequest(step, exchange)
        if (patch instanceof Promise) {
          return patch.then((late) =>
            late && applyRequestPatch(exchange, late)
              ? up(exchange, index - 1, top)
              : wrap(exchange, index, top),
          )
        }
        if (patch && applyRequestPatch(exchange, patch)) return up(exchange, index - 1, top)
      }
      if (step.hooks.handle) return wrap(exchange, index, top)
    }
    return finish(exchange, top)
  }

  /** Goes on after the `request` hook of the step at `index`: into its `handle`, or to the next step. */
  function wrap(exchange: LiveExchange, index: number, top: number): void | Promise<void> {
    const step = steps[index]!
    if (!step.hooks.handle) return down(exchange, index + 1, top)
    return callHandle(step, index, exchange).then(() => up(exchange, index, top))
  }

  function finish(exchange: LiveExchange, top: number): Promise<void> {
    if (bodyAt === size && exchange.req.bytes === undefined) {
      return readBody(exchange).then(() => attempt(exchange, top))
    }
    return attempt(exchange, top)
  }

  function attempt(exchange: LiveExchange, top: number): Promise<void> {
    exchange.depth = size
    exchange.reached = size
    return deliver(exchange).then(() => up(exchange, size - 1, top))
  }

  function up(exchange: LiveExchange, from: number, top: number): void | Promise<void> {
    for (let index = from; index >= top; index--) {
      const step = steps[index]!
      if (!step.hooks.response || exchange.whens?.[index] === false) continue
      const patch = callResponse(step, exchange)
      if (patch instanceof Promise) {
        return patch.then((late) => {
          if (late) applyResponsePatch(exchange, late)
          return up(exchange, index - 1, top)
        })
      }
      if (patch) applyResponsePatch(exchange, patch)
    }
  }

  async function callHandle(step: LiveStep, index: number, exchange: LiveExchange): Promise<void> {
    const ctx = (exchange.ctx ??= context!(exchange))
    const reenters = step.config.plugin.attempts !== undefined
    let calls = 0
    /** The answer's head before the first `next()`: where each attempt begins, and where a failed one leaves it. */
    let head: { status: number; headers: Readonly<AnswerHeaders> } | undefined
    let shown = bodyOfKoa(ctx)
    /** The last `next()`, while it is not over. */
    let below: Promise<void> | undefined
    /** What the last `next()` threw, so that it is not taken for the step's own failure. */
    let fromBelow: unknown

    function next(): Promise<void> {
      const refusal = refusalOfNext()
      const promise = refusal ? Promise.reject(refusal) : (below = goBelow())
      // A step that does not wait for it must not make its failure an unhandled one.
      promise.catch(() => undefined)
      return promise
    }

    function refusalOfNext(): Error | undefined {
      const { id } = step.config
      if (below) return new Error(`${id} called next() before the last one was over`)
      if (calls > 0 && !reenters) return new Error(`${id} called next() more than once`)
      if (exchange.res.raw.headersSent)
        return new Error(`${id} called next() after the answer began`)
      return undefined
    }

    async function goBelow(): Promise<void> {
      if (++calls > 1) {
        exchange.dropAttempt()
        forgetAnswer()
      } else head = { status: exchange.res.status, headers: exchange.res.headers }
      fromBelow = undefined
      try {
        await down(exchange, index + 1, index + 1)
        if (exchange.givenUp) throw exchange.givenUp
        shown = showAnswerToKoa(exchange, ctx)
      } catch (cause) {
        fromBelow = cause
        // What was refused on its way up must not be sent after all, by a step that answers instead.
        if (!exchange.givenUp) forgetAnswer()
        throw cause
      } finally {
        below = undefined
      }
    }

    function forgetAnswer(): void {
      exchange.res.reset(head!)
      shown = resetKoa(ctx)
    }

    /** What a step did not wait for is given up, and is over before the step's own answer counts. */
    async function giveUpBelow(): Promise<void> {
      const pending = below
      exchange.giveUp(new GatewayError('INTERNAL', 'a step did not wait for the answer'))
      await pending?.catch(() => undefined)
      exchange.givenUp = undefined
    }

    try {
      try {
        await step.hooks.handle!(ctx, next)
      } finally {
        if (below) await giveUpBelow()
      }
    } catch (cause) {
      if (cause === fromBelow) throw cause
      stepFailed(step, exchange, cause)
      if (fromBelow !== undefined) throw fromBelow
      if (calls === 0) await next()
    }
    // Its own answer, also in the place of an error, passes the steps above it only.
    if (calls === 0 || fromBelow !== undefined) exchange.depth = index
    adoptKoaAnswer(exchange, ctx, shown)
    if (fromBelow !== undefined && !exchange.res.isAnswered) throw fromBelow
  }

  return (exchange) => down(exchange, 0, 0)
}

/** Asks `when` once; the way up and the stream go by the same answer. */
function isWanted(step: LiveStep, index: number, exchange: LiveExchange): boolean {
  const { when } = step.config
  if (when === undefined) return true
  const whens = (exchange.whens ??= [])
  const known = whens[index]
  if (known !== undefined) return known
  // Until it is known: a step whose `when` breaks hears nothing more of this exchange.
  whens[index] = false
  try {
    whens[index] = when.test(exchange)
  } catch (cause) {
    stepFailed(step, exchange, cause)
  }
  return whens[index]
}

function callRequest(
  step: LiveStep,
  exchange: LiveExchange,
): RequestPatch | void | Promise<RequestPatch | void> {
  try {
    const patch = step.hooks.request!(exchange)
    if (!(patch instanceof Promise)) return patch
    return patch.catch((cause: unknown) => stepFailed(step, exchange, cause))
  } catch (cause) {
    stepFailed(step, exchange, cause)
  }
}

function callResponse(
  step: LiveStep,
  exchange: LiveExchange,
): ResponsePatch | void | Promise<ResponsePatch | void> {
  try {
    const patch = step.hooks.response!(exchange)
    if (!(patch instanceof Promise)) return patch
    return patch.catch((cause: unknown) => stepFailed(step, exchange, cause))
  } catch (cause) {
    stepFailed(step, exchange, cause)
  }
}

/** True where the step at `index` takes part in what follows the head: chunks, messages. */
export function takesPart(exchange: LiveExchange, index: number): boolean {
  return index < exchange.depth && exchange.whens?.[index] !== false
}

/** Refuses an exchange that nothing has answered: a route of steps that all passed it on, without an upstream. */
export function assertAnswered(exchange: LiveExchange): void {
  if (exchange.res.isAnswered) return
  throw new GatewayError('UPSTREAM_UNDEFINED', 'no step answered and the route has no upstream')
}
