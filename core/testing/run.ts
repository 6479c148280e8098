import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { DIALECTS, endpointOf } from '../dialects/index.ts'
import type { ClientDialect } from '../dialects/dialect.ts'
import { GatewayError } from '../errors.ts'
import type { AnswerHeaders, Consumer, Outcome } from '../exchange.ts'
import { assertAnswered, compileChain, takesPart } from '../kernel/chain.ts'
import { EventPipe } from '../kernel/events.ts'
import { LiveExchange, LiveRequest, LiveResponse } from '../kernel/exchange.ts'
import { createContexts } from '../kernel/koa.ts'
import { publicError } from '../kernel/respond.ts'
import type { LiveStep } from '../kernel/step.ts'
import { showWhole } from '../kernel/whole.ts'
import type { ByteSink } from '../kit/byte-source.ts'
import type { Json, JsonObject } from '../kit/json.ts'
import { SseParser } from '../kit/sse.ts'
import { answerWith, parsedOr, seenOf, type SeenRequest, type Upstream } from './script.ts'

/** A made-up request. */
export interface TestRequest {
  readonly method?: string
  /** May have a query. */
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON; a string is sent as it is. */
  readonly body?: Json
  readonly ip?: string
  readonly params?: Readonly<Record<string, string>>
  /** By default that of the path's endpoint. */
  readonly dialect?: ClientDialect
  readonly protocol?: 'http' | 'websocket'
  /** What earlier steps have established. */
  readonly consumer?: Consumer
  readonly vars?: JsonObject
}

/** What became of a request: what the client saw, and what the upstream saw. */
export interface TestResult {
  readonly status: number
  readonly headers: Readonly<AnswerHeaders>
  /** Parsed, where it is JSON; undefined for a stream. */
  readonly body: Json | undefined
  /** The events of a stream; empty for a plain answer. */
  readonly chunks: readonly { event: string; data: string; json: Json | undefined }[]
  /** Why the client was refused, or the answer cut. */
  readonly error: GatewayError | undefined
  /** What the upstream saw of each attempt; empty where the plugin kept the request from it. */
  readonly attempts: readonly SeenRequest[]
  /** What it saw of the last one. */
  readonly upstream: SeenRequest | undefined
  readonly outcome: Outcome
}

/** What a run needs beside request and answer. */
export interface RunOptions {
  readonly step: LiveStep
  readonly now: () => number
  readonly id: string
  readonly env: Readonly<Record<string, string>>
}

/**
 * Sends a request through one step with the kernel's own chain and event loop, to a scripted upstream. Rejects where
 * the step breaks, with what it threw.
 */
export async function runRequest(
  request: TestRequest,
  upstream: Upstream,
  options: RunOptions,
): Promise<TestResult> {
  const exchange = makeExchange(request, options)
  const { step, now } = options
  const seen: SeenRequest[] = []
  let error: GatewayError | undefined
  let sent: Buffer[] = []
  try {
    const chain = await chainOf(step, upstream, seen)
    await chain(exchange)
    assertAnswered(exchange)
    const written = await writeAnswer(exchange, takesPart(exchange, 0) ? [step] : [])
    sent = written.sent
    error = written.error
  } catch (cause) {
    error = failureOf(cause)
    answerError(exchange, error)
  }
  exchange.error = error
  const outcome: Outcome = {
    end:
      error === undefined ? 'completed' : error.code === 'UPSTREAM_CUT' ? 'upstream-cut' : 'error',
    status: exchange.res.status,
    error,
    attempts: exchange.attempts,
    earlierTokens: exchange.earlierTokens,
    durationMs: now() - exchange.now,
    firstByteMs: now() - exchange.now,
    requestBytes: exchange.req.bytes?.length ?? 0,
    responseBytes: Buffer.concat(sent).length + (exchange.res.bytes?.length ?? 0),
  }
  if (exchange.whens?.[0] !== false) await step.hooks.done?.(exchange, outcome)
  return {
    status: exchange.res.status,
    headers: exchange.res.headers,
    body: parsedOr(exchange.res.bytes?.toString()),
    chunks: eventsOf(sent),
    error,
    attempts: seen,
    upstream: seen.at(-1),
    outcome,
  }
}

/** An exchange that nothing has happened to. */
export function makeExchange(request: TestRequest, { id, now, env }: RunOptions): LiveExchange {
  const { path: target = '/', body, ip = '192.0.2.1', protocol = 'http' } = request
  const method = request.method ?? (body === undefined ? 'GET' : 'POST')
  const [path = '/', search = ''] = target.split('?')
  const headers = headersOf(request)
  const raw = new IncomingMessage(new Socket())
  Object.assign(raw, { method, url: target, headers })
  const host = headers['host']!
  const hasBody = body !== undefined
  const head = { raw, id, method, path, search, headers, host, ip, protocol, hasBody }
  const req = new LiveRequest({ ...head, scheme: 'http' })
  req.dialect = request.dialect ?? endpointOf(method, path, headers)?.dialect ?? 'http'
  req.params = { ...request.params }
  if (hasBody) req.bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  const res = new LiveResponse(new ServerResponse(raw))
  const exchange = new LiveExchange({ id, route: 'test', req, res, env, now: now() })
  exchange.consumer = request.consumer
  Object.assign(exchange.vars, request.vars)
  return exchange
}

function headersOf({ headers = {}, body }: TestRequest): Record<string, string> {
  const type = typeof body === 'string' ? 'text/plain' : 'application/json'
  const given = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const)
  return Object.assign(Object.create(null) as Record<string, string>, {
    host: 'gateway.test',
    ...(body !== undefined && { 'content-type': type }),
    ...Object.fromEntries(given),
  })
}

async function chainOf(step: LiveStep, upstream: Upstream, seen: SeenRequest[]) {
  const { reads } = step.config
  const context = step.hooks.handle ? await createContexts(() => undefined) : undefined
  const readsBody = (['request.body', 'request.text', 'request.model'] as const).some((part) =>
    reads.has(part),
  )
  const chain = compileChain([step], {
    // The bytes are there from the start, so the chain has nothing to wait for.
    bodyAt: undefined,
    readBody: async () => undefined,
    context,
    async deliver(exchange) {
      const request = seenOf(exchange)
      seen.push(request)
      exchange.attempts = seen.length
      const answer = typeof upstream === 'function' ? upstream(request, seen.length) : upstream
      exchange.upstream = {
        name: request.upstream,
        endpoint: `http://${request.upstream}.test`,
        attempt: seen.length,
      }
      answerWith(exchange, answer)
    },
  })
  return async (exchange: LiveExchange) => {
    const { req, res } = exchange
    // As in the gateway: what nobody said they read is not there.
    const isJson = req.headers['content-type']?.includes('json') ?? false
    if (readsBody && isJson) req.parsed(parsedOr(req.bytes?.toString()))
    res.canRead = reads.has('response.body') || step.hooks.chunk !== undefined
    await chain(exchange)
  }
}

async function writeAnswer(
  exchange: LiveExchange,
  hooks: readonly LiveStep[],
): Promise<{ sent: Buffer[]; error: GatewayError | undefined }> {
  const { res, dialect } = exchange
  if (!res.isStream) {
    await showWhole(exchange, hooks)
    return { sent: [], error: undefined }
  }
  const sent: Buffer[] = []
  const reader = exchange.req.dialect === 'http' ? undefined : dialect.usageReader()
  exchange.follower = reader
  const source = res.takeStream()
  const over = Promise.withResolvers<Error | undefined>()
  const to: ByteSink = {
    data: (chunk) => sent.push(chunk) > 0,
    end: () => over.resolve(undefined),
    error: (cause) => over.resolve(cause),
  }
  source.pipe(new EventPipe({ exchange, hooks, framing: 'events', reader, source, to }))
  const cause = await over.promise
  if (cause === undefined) return { sent, error: undefined }
  const error = failureOf(cause)
  sent.push(Buffer.from(dialect.renderStreamError(publicError(error, exchange.id))))
  return { sent, error }
}

function answerError({ req, res, id }: LiveExchange, error: GatewayError): void {
  const { status, headers, body } = DIALECTS[req.dialect].renderError(publicError(error, id))
  res.status = status
  for (const [name, value] of Object.entries({ ...error.headers, ...headers })) res.set(name, value)
  res.bytes = Buffer.from(body)
}

/** A refusal is a result. Anything else is a bug of the plugin's, and the test should hear of it. */
function failureOf(cause: unknown): GatewayError {
  if (!(cause instanceof GatewayError)) throw cause
  if (cause.code === 'PLUGIN_FAILED') throw cause.cause
  return cause
}

function eventsOf(sent: readonly Buffer[]): TestResult['chunks'] {
  const chunks: { event: string; data: string; json: Json | undefined }[] = []
  const parser = new SseParser(({ event, data, isComment }) => {
    if (isComment) return
    const json = parsedOr(data)
    chunks.push({ event, data, json: json === data ? undefined : json })
  })
  for (const piece of sent) parser.push(piece)
  parser.end()
  return chunks
}
