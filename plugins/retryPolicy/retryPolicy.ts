import { CODECS } from '#core/dialects/codecs/index.ts'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { HubError } from '#core/dialects/hub/answer.ts'
import { endpointOf } from '#core/dialects/index.ts'
import { type Context, definePlugin, type Exchange, GatewayError, type Host } from '#core/sdk.ts'
import { backoff } from './backoff.ts'
import { RetryBudget } from './budget.ts'
import { type Failure, failureOfAnswer, failureOfError, failureOfEvent } from './failure.ts'
import { HeldStream, type Watch } from './held-stream.ts'
import { isErrorName, OPTIONS, type Options } from './options.ts'
import { hasFresh, nextTarget, type Target, targetsOf } from './targets.ts'
import { watchBody, watchStart } from './watches.ts'

/** How long the body of an error may take to come. Milliseconds. */
const ERROR_BODY_MS = 2_000

export default definePlugin({
  name: 'retryPolicy',
  stage: 'deliver',
  summary: 'Tries again what failed, elsewhere if need be, within a budget and a deadline.',
  schema: OPTIONS,

  attempts: ({ maxRetries }) => maxRetries + 1,
  reads: (options) =>
    targetsOf(options).some(({ model }) => model !== undefined) ? ['request.body'] : [],
  upstreams: ({ fallback }) =>
    fallback.flatMap((one, index) => {
      if (typeof one === 'string') return [{ name: one, path: ['fallback', index] }]
      if (one.upstream === undefined) return []
      return [{ name: one.upstream, path: ['fallback', index, 'upstream'] }]
    }),

  check(options, report) {
    const { retryableErrors, fallback, fallbackAfter, maxRetries } = options
    retryableErrors.forEach((name, index) => {
      if (isErrorName(name)) return
      const hint = 'such as ECONNRESET, UPSTREAM_TIMEOUT, overloaded_error or 503'
      report.error(['retryableErrors', index], `no failure is called ${JSON.stringify(name)}`, hint)
    })
    fallback.forEach((one, index) => {
      if (typeof one !== 'string' && one.upstream === undefined && one.model === undefined) {
        report.error(['fallback', index], 'names neither an upstream nor a model')
      }
    })
    const reached = Math.floor(maxRetries / fallbackAfter)
    if (fallback.length > reached) {
      const message = `never reached: ${maxRetries} retries, with ${fallbackAfter} attempts at each target`
      report.warning(['fallback', reached], message, 'raise maxRetries')
    }
  },

  setup(options, host) {
    const budget = new RetryBudget(
      {
        share: options.budget.share,
        min: options.budget.min,
        windowMs: options.budget.window,
      },
      host.now(),
    )
    const policy: Policy = {
      options,
      host,
      budget,
      targets: targetsOf(options),
      tell: teller(host),
    }
    return {
      handle(ctx, next) {
        budget.deposit(host.now())
        return new Retries(ctx, next, policy).run()
      },
    }
  },
})

/** What all requests of a step share. */
interface Policy {
  readonly options: Options
  readonly host: Host
  readonly budget: RetryBudget
  readonly targets: readonly Target[]
  readonly tell: (
    what: 'retried' | 'gave-up',
    exchange: Exchange,
    failure: Failure,
    why?: string,
  ) => void
}

/** One request, and its attempts. */
class Retries {
  readonly #ctx: Context
  readonly #next: () => Promise<void>
  readonly #policy: Policy
  readonly #exchange: Exchange
  /** Attempts so far, and those of them at the target that is being asked. */
  #attempts = 0
  #tries = 0
  /** The fallback that comes next. */
  #target = 0

  constructor(ctx: Context, next: () => Promise<void>, policy: Policy) {
    this.#ctx = ctx
    this.#next = next
    this.#policy = policy
    this.#exchange = ctx.exchange
  }

  async run(): Promise<void> {
    for (;;) {
      const failure = await this.#attempt()
      if (failure === undefined) return
      const delay = this.#decide(failure)
      if (typeof delay === 'string') return this.#giveUp(failure, delay)
      this.#policy.tell('retried', this.#exchange, failure)
      if (delay > 0) await this.#wait(delay)
    }
  }

  /** Makes one attempt; undefined where the answer, or what was thrown, is for the client. */
  async #attempt(): Promise<Failure | undefined> {
    const { options, host } = this.#policy
    this.#attempts++
    this.#tries++
    if (options.attemptTimeout !== undefined) {
      this.#exchange.nextAttempt({ firstByteMs: options.attemptTimeout })
    }
    try {
      await this.#next()
    } catch (cause) {
      const failure = failureOfError(cause)
      if (failure === undefined) throw cause
      return failure
    }
    if (this.#exchange.res.status < 400) return this.#beginStream()
    return failureOfAnswer(this.#exchange, await this.#errorBody(), host.now())
  }

  /** Waits until an event stream has begun; undefined once it has. */
  async #beginStream(): Promise<Failure | undefined> {
    const { options } = this.#policy
    const { req, res, stream } = this.#exchange
    const { dialect } = req
    if (options.holdStream === 0 || dialect === 'http' || stream === undefined) return undefined
    if (!String(res.headers['content-type']).startsWith('text/event-stream')) return undefined
    const start = await this.#hold(watchStart(dialect), options.holdStream)
    if (start.as === 'content') return undefined
    if (start.as === 'error') return failureOfEvent(this.#exchange, start.event)
    return failureOfError(start.cause)
  }

  /** What an error says; its body may come as a stream that did not tell its length. */
  async #errorBody(): Promise<Buffer> {
    if (this.#exchange.stream !== undefined) return this.#hold(watchBody(), ERROR_BODY_MS)
    const { body } = this.#ctx
    return Buffer.isBuffer(body) ? body : Buffer.alloc(0)
  }

  async #hold<T>(watch: Watch<T>, ms: number): Promise<T> {
    let held: HeldStream<T> | undefined
    this.#exchange.wrapStream((source) => (held = new HeldStream(source, watch)))
    const stop = this.#policy.host.after(ms, () => held!.giveUp())
    const found = await held!.found
    stop()
    return found
  }

  /** How long to wait before the next attempt, in milliseconds; or in a word why there is none. */
  #decide(failure: Failure): number | string {
    const { options, host, budget, targets } = this.#policy
    if (this.#attempts > options.maxRetries) return 'attempts'
    if (this.#exchange.signal.aborted) return 'client'
    if (!this.#exchange.canReplay) return 'body'
    if (!isRepeatable(this.#exchange, failure, options)) return 'idempotence'
    this.#exchange.vars['failure'] = {
      status: failure.status,
      code: failure.error?.code ?? [...failure.names].at(-1)!,
      ...(failure.kind && { kind: failure.kind }),
    }
    const isRetried = isRetryable(this.#exchange, failure, options)
    const target = nextTarget(targets, this.#target, this.#exchange)
    const mayMove =
      target < targets.length &&
      (isRetried ||
        failure.error !== undefined ||
        options.fallbackStatusCodes.includes(failure.status) ||
        targets[target]!.when !== undefined)
    const hint = failure.hintMs ?? 0
    const mustMove =
      this.#tries >= options.fallbackAfter || !isRetried || hint > options.maxRetryAfter
    const moves = mayMove && mustMove
    if (!moves && !isRetried) return 'failure'
    let delay = 0
    if (!moves && !hasFresh(this.#exchange, failure, this.#tries, host)) {
      if (hint > options.maxRetryAfter) return 'retry-after'
      delay = Math.max(
        hint,
        backoff(this.#tries, options, () => host.random()),
      )
    }
    if (host.now() + delay >= this.#exchange.now + options.deadline) return 'deadline'
    if (!budget.take(host.now())) return 'budget'
    if (moves) this.#move(target)
    return delay
  }

  #move(target: number): void {
    const { upstream, model } = this.#policy.targets[target]!
    this.#exchange.nextAttempt({
      ...(upstream !== undefined && { upstream }),
      model,
    })
    this.#target = target + 1
    this.#tries = 0
  }

  #giveUp(failure: Failure, why: string): void {
    const { options, tell } = this.#policy
    const stops = options.stopClientRetries && why !== 'client' && why !== 'failure'
    if (this.#attempts > 1) tell('gave-up', this.#exchange, failure, why)
    if (failure.error !== undefined) throw stops ? withAdvice(failure.error) : failure.error
    if (failure.event !== undefined) answerWith(this.#exchange, failure.event)
    if (stops) this.#exchange.res.set('x-should-retry', 'false')
  }

  /** Waits, but not for a client that has left. */
  async #wait(ms: number): Promise<void> {
    const { signal } = this.#exchange
    const { promise, resolve } = Promise.withResolvers<void>()
    const stop = this.#policy.host.after(ms, resolve)
    const onAbort = () => resolve()
    signal.addEventListener('abort', onAbort, { once: true })
    await promise
    signal.removeEventListener('abort', onAbort)
    stop()
    signal.throwIfAborted()
  }
}

function isRetryable(exchange: Exchange, failure: Failure, options: Options): boolean {
  // A quota that is used up is no rate: waiting does not help, another key or upstream may.
  if (failure.kind === 'billing') return false
  return (
    (failure.advice ??
      (options.retryableErrors.some((name) => failure.names.has(name)) ||
        (failure.error === undefined && options.retryableStatusCodes.includes(failure.status)))) ||
    options.retryWhen?.test(exchange) === true
  )
}

/** RFC 9110 §9.2.2: what may have been done already is only repeated where doing it twice does no harm. */
function isRepeatable({ req }: Exchange, failure: Failure, { idempotent }: Options): boolean {
  if (failure.isUnprocessed || idempotent || SAFE.has(req.method)) return true
  if ('idempotency-key' in req.headers) return true
  if (req.dialect === 'http') return false
  const { operation } = endpointOf(req.method, req.path, req.headers)?.endpoint ?? {}
  return operation === undefined || STATELESS.has(operation)
}

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** Operations of LLM APIs that leave nothing behind: their own SDKs repeat them too. */
const STATELESS: ReadonlySet<string> = new Set([
  'chat',
  'completions',
  'responses',
  'messages',
  'generate',
  'embeddings',
  'moderations',
  'count-tokens',
  'images',
  'speech',
  'transcriptions',
  'translations',
])

/** A stream that was an error from the start: its head is not sent yet, so the client gets the status too. */
function answerWith({ id, req, res }: Exchange, error: HubError): void {
  const { status, body } = CODECS[req.dialect as LlmDialect].encodeError(error, id)
  res.status = status
  res.body = body
}

/** The same error, telling SDKs not to try again. */
function withAdvice(error: GatewayError): GatewayError {
  const { code, message, status, headers, param, cause } = error
  return new GatewayError(code, message, {
    status,
    headers: { ...headers, 'x-should-retry': 'false' },
    ...(param !== undefined && { param }),
    cause,
  })
}

function teller({ log, metrics }: Host): Policy['tell'] {
  const retries = metrics.counter('retries_total', 'Attempts after the first.', ['upstream'])
  const ends = metrics.counter('retries_given_up_total', 'Requests that failed for good, by why.', [
    'reason',
  ])
  return (what, { id, route, upstream }, failure, why) => {
    const fields = {
      id,
      route,
      upstream: upstream?.name,
      attempt: upstream?.attempt,
      status: failure.status,
      code: failure.error?.code,
    }
    if (what === 'retried') {
      retries.add(1, { upstream: upstream?.name ?? '' })
      log.warn('upstream retried', fields)
    } else {
      ends.add(1, { reason: why! })
      log.warn('retries given up', { ...fields, reason: why })
    }
  }
}
