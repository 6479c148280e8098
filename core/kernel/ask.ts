import type { RouteConfig, UpstreamConfig } from '../config/model.ts'
import type { UpstreamView } from '../exchange.ts'
import type { Tried, Upstream, UpstreamAnswer, UpstreamRequest } from '../upstream/upstream.ts'
import type { LiveExchange } from './exchange.ts'
import { maskedBody } from './masked-body.ts'

/** An upstream of a generation, with its config. */
export interface LiveUpstream {
  readonly config: UpstreamConfig
  readonly upstream: Upstream
}

/** What a route's attempts need to know. */
export interface DeliverOptions {
  readonly route: RouteConfig
  readonly upstreams: ReadonlyMap<string, LiveUpstream>
  /** True where a step or an expression reads the answer's body. */
  readonly readsAnswer: boolean
  /** Bytes of an answer that may be read as a whole. */
  readonly answerBytes: number
  /** How deep the JSON of a request may be. */
  readonly jsonDepth: number
  /** True where a step may ask for the token usage. */
  readonly readsUsage: boolean
  /** True where a step must know the tokens of every answer. */
  readonly needsUsage: boolean
  /** True where a step may ask for a second attempt, so that the request body must be kept. */
  readonly replays: boolean
}

/** Sends one attempt and waits for the answer's head. Nothing is left open where it throws. */
export async function ask(
  exchange: LiveExchange,
  live: LiveUpstream,
  request: UpstreamRequest,
): Promise<UpstreamAnswer> {
  const attempt = live.upstream.send(request)
  exchange.underWay = attempt
  try {
    const answer = await attempt.answer
    assertWanted(exchange)
    return answer.status < 400 ? answer : withoutSecrets(answer)
  } catch (cause) {
    attempt.abort(cause as Error)
    showFailure(exchange, live)
    throw cause
  }
}

function withoutSecrets(answer: UpstreamAnswer): UpstreamAnswer {
  const { 'content-length': _old, ...headers } = answer.headers
  return { ...answer, headers, body: maskedBody(answer.body) }
}

/** Throws where nobody waits for the answer any more. */
export function assertWanted({ ended, givenUp }: LiveExchange): void {
  const reason = ended ?? givenUp
  if (reason) throw reason
}

/** When an attempt must be over, retries and queueing included. */
export function deadlineOf(
  { now }: LiveExchange,
  { config }: LiveUpstream,
  route: RouteConfig,
): number {
  return now + Math.max(route.timeoutMs ?? config.timeouts.totalMs, 0)
}

/** The model's name for this upstream, where it is not the client's: a step's choice, or an alias. */
export function aliasOf(
  { req, chosenModel }: LiveExchange,
  { config: { models } }: LiveUpstream,
): string | undefined {
  if (chosenModel !== undefined) return chosenModel
  if (models.length === 0) return undefined
  const { model } = req
  const name = models.find(({ pattern }) => pattern === model)?.as
  return name === model ? undefined : name
}

/**
 * What the exchange has tried of an upstream; undefined where there is no choice, and on routes where no step may ask for
 * another attempt.
 */
export function triedOf(
  exchange: LiveExchange,
  { config }: LiveUpstream,
  { replays }: DeliverOptions,
): Tried | undefined {
  if (!replays || (config.endpoints.length < 2 && config.keys.length < 2)) return undefined
  exchange.tried ??= new Map()
  let tried = exchange.tried.get(config.name)
  if (tried === undefined) {
    tried = { endpoints: new Set(), keys: new Set() }
    exchange.tried.set(config.name, tried)
  }
  return tried
}

/** Tells the steps who has answered; `more` is what only a converted request knows. */
export function showUpstream(
  exchange: LiveExchange,
  live: LiveUpstream,
  answer: Pick<UpstreamAnswer, 'endpoint' | 'key'>,
  more?: Pick<UpstreamView, 'dialect' | 'dropped' | 'emulated'>,
): void {
  exchange.upstream = {
    name: live.config.name,
    endpoint: live.upstream.endpoints[answer.endpoint] ?? '',
    attempt: exchange.attempts,
    ...(answer.key === undefined ? {} : { key: answer.key }),
    ...more,
  }
}

/** After an attempt without an answer; the endpoint is known where there is only one. */
function showFailure(exchange: LiveExchange, { config, upstream }: LiveUpstream): void {
  const { endpoints } = upstream
  const endpoint = endpoints.length === 1 ? endpoints[0]! : ''
  exchange.upstream = { name: config.name, endpoint, attempt: exchange.attempts }
}
