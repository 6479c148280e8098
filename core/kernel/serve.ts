import type { ServerResponse } from 'node:http'
import type { StepConfig } from '../config/model.ts'
import { GatewayError } from '../errors.ts'
import type { Outcome } from '../exchange.ts'
import { formatDuration } from '../kit/duration.ts'
import type { Logger } from '../sdk.ts'
import { assertAnswered, takesPart } from './chain.ts'
import { LiveExchange, LiveRequest, LiveResponse } from './exchange.ts'
import type { Generation, LiveRoute } from './generation.ts'
import type { Arrival } from './listener.ts'
import { isOver, respond, respondError, toGatewayError } from './respond.ts'
import { findRoute } from './routes.ts'
import { Deadlines, type Timed } from '../upstream/deadlines.ts'
import type { LiveStep } from './step.ts'

/** What serving needs from outside. */
export interface ServeOptions {
  readonly log: Logger
  readonly now: () => number
}

/**
 * Serves one HTTP request on a generation: route, chain, answer. Never throws; the exchange is over when the answer's
 * stream has closed, whoever closed it.
 */
export function serve(
  generation: Generation,
  arrival: Arrival,
  rawResponse: ServerResponse,
  { log, now }: ServeOptions,
): void {
  const req = new LiveRequest(arrival)
  const { env } = generation.config
  const startedAt = now()
  let route: LiveRoute
  try {
    route = findRoute(generation.routes, req, env, startedAt)
  } catch (cause) {
    const res = new LiveResponse(rawResponse)
    const exchange = new LiveExchange({ id: arrival.id, route: '', req, res, env, now: startedAt })
    answerError(exchange, cause, log)
    return
  }
  const res = new LiveResponse(rawResponse)
  res.canRead = route.plan.readsAnswer
  const exchange = new LiveExchange({
    id: arrival.id,
    route: route.config.id,
    req,
    res,
    env,
    now: startedAt,
    totalMs: route.totalMs,
  })
  generation.enter(exchange, route)
  rawResponse.once('close', () => over(exchange, route, log))
  if (route.config.timeoutMs !== undefined) limitTime(exchange, route.config.timeoutMs, log)
  run(exchange, route, log)
}

function run(exchange: LiveExchange, route: LiveRoute, log: Logger): void {
  try {
    checkBody(exchange, route)
    const promise = route.chain(exchange)
    if (promise === undefined) answer(exchange, route, log)
    else {
      promise.then(
        () => answer(exchange, route, log),
        (cause: unknown) => answerError(exchange, cause, log),
      )
    }
  } catch (cause) {
    answerError(exchange, cause, log)
  }
}

/** Routes without a timeout pay nothing for this. */
const deadlines = new Deadlines()

/** An attempt ends by the same deadline and tells more of why, so it goes first. Milliseconds. */
const GRACE_MS = 100

/** Ends an exchange that takes longer than its route allows, whoever it waits for: a step, a client, an upstream. */
function limitTime(exchange: LiveExchange, timeoutMs: number, log: Logger): void {
  const { raw } = exchange.res
  const timed: Timed = {
    dueAt: deadlines.after(timeoutMs + GRACE_MS),
    slot: -1,
    expire() {
      deadlines.forget(timed)
      const limit = formatDuration(timeoutMs)
      const error = new GatewayError(
        'EXCHANGE_TIMEOUT',
        `not done within ${limit} (timeout of the route)`,
      )
      exchange.end(error)
      // A stream is broken off by its source, which has just heard.
      if (!raw.headersSent) answerError(exchange, error, log)
    },
  }
  deadlines.watch(timed)
  raw.once('close', () => deadlines.forget(timed))
}

/** RFC 9110 §9.3.1: a body has no meaning with these methods, and has been used to smuggle requests. */
export function checkBody({ req }: LiveExchange, { config }: Pick<LiveRoute, 'config'>): void {
  if (!req.hasBody || config.allowBody || !BODYLESS.has(req.method)) return
  throw new GatewayError('BAD_REQUEST', `a body is not accepted with ${req.method} here`, {
    headers: { connection: 'close' },
  })
}

const BODYLESS = new Set(['GET', 'HEAD', 'DELETE'])

function answer(exchange: LiveExchange, route: LiveRoute, log: Logger): void {
  if (isOver(exchange)) return dropAnswer(exchange)
  try {
    assertAnswered(exchange)
    respond(exchange, {
      hooks: chunkHooks(exchange, route),
      readsUsage: route.plan.readsUsage,
      bufferedBytes: route.bufferedBytes,
      onCut: (error) => {
        exchange.error = error
        if (error.code !== 'CLIENT_CLOSED') {
          log.warn('answer cut', { id: exchange.id, code: error.code, err: error })
        }
      },
      onFailed: (cause) => answerError(exchange, cause, log),
    })
  } catch (cause) {
    answerError(exchange, cause, log)
  }
}

function chunkHooks(exchange: LiveExchange, route: LiveRoute): readonly LiveStep[] {
  if (route.chunkSteps.length === 0) return route.chunkSteps as readonly never[]
  return route.chunkSteps
    .filter((index) => takesPart(exchange, index))
    .map((index) => route.steps[index]!)
}

/** Answers an error, or cuts the answer that has begun. Never throws. */
export function answerError(exchange: LiveExchange, cause: unknown, log: Logger): void {
  const [error, isBug] = toGatewayError(cause)
  exchange.error = error
  if (isBug) log.error('request failed', { id: exchange.id, code: error.code, err: cause })
  if (isOver(exchange)) return dropAnswer(exchange)
  try {
    respondError(exchange, error)
  } catch (err) {
    log.error('error could not be answered', { id: exchange.id, err })
    exchange.res.raw.destroy()
  }
}

/** Nobody will read it: what a step has opened for it is closed. */
function dropAnswer({ res }: LiveExchange): void {
  if (res.isStream) res.stream = undefined
}

/** After the answer's stream has closed. */
function over(exchange: LiveExchange, route: LiveRoute, log: Logger): void {
  const isComplete = exchange.res.raw.writableFinished
  if (!isComplete) exchange.end(new GatewayError('CLIENT_CLOSED', 'the client went away'))
  settle(exchange, route, endOf(exchange.error, isComplete), log)
}

/** Tells the steps how the exchange ended, and lets the generation go. Called once per exchange. */
export function settle(
  exchange: LiveExchange,
  route: LiveRoute,
  end: Outcome['end'],
  log: Logger,
): void {
  exchange.end(OVER)
  const pending = tellDone(exchange, route, outcomeOf(exchange, end), log)
  const leave = () => exchange.home!.leave(exchange)
  if (pending.length === 0) return leave()
  void Promise.allSettled(pending).then(leave)
}

/** For who still works on the exchange; one for all, as nobody reads its stack. */
const OVER = new Error('the exchange is over')

function tellDone(
  exchange: LiveExchange,
  route: LiveRoute,
  outcome: Outcome,
  log: Logger,
): Promise<void>[] {
  const pending: Promise<void>[] = []
  for (let index = exchange.reached - 1; index >= 0; index--) {
    const { hooks, config } = route.steps[index]!
    if (!hooks.done || exchange.whens?.[index] === false) continue
    try {
      const promise = hooks.done(exchange, outcome)
      if (promise)
        pending.push(promise.catch((err: unknown) => doneFailed(exchange, config, err, log)))
    } catch (err) {
      doneFailed(exchange, config, err, log)
    }
  }
  return pending
}

function doneFailed({ id }: LiveExchange, step: StepConfig, err: unknown, log: Logger): void {
  log.error('step failed', { id, step: step.id, err })
}

function outcomeOf(exchange: LiveExchange, end: Outcome['end']): Outcome {
  const { error, startedAt, firstByteAt, res } = exchange
  return {
    end,
    status: res.status,
    error,
    attempts: exchange.attempts,
    earlierTokens: exchange.earlierTokens,
    durationMs: performance.now() - startedAt,
    firstByteMs: firstByteAt === undefined ? undefined : firstByteAt - startedAt,
    requestBytes: exchange.upload?.received ?? exchange.requestBytes,
    responseBytes: exchange.responseBytes,
  }
}

function endOf(error: GatewayError | undefined, isComplete: boolean): Outcome['end'] {
  if (error === undefined) return isComplete ? 'completed' : 'client-closed'
  if (error.code === 'CLIENT_CLOSED') return 'client-closed'
  if (error.code === 'UPSTREAM_CUT') return 'upstream-cut'
  return error.code.endsWith('_TIMEOUT') ? 'timeout' : 'error'
}
