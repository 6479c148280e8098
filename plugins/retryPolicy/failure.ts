import { CODECS } from '#core/dialects/codecs/index.ts'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { HubError } from '#core/dialects/hub/answer.ts'
import { retryHint } from '#core/dialects/retry-hint.ts'
import { isObject, type Json, jsonOf } from '#core/kit/json.ts'
import { type Exchange, GatewayError } from '#core/sdk.ts'

/** Why an attempt was no success, whether it was answered or not. */
export interface Failure {
  /** The upstream's status, or the one that the gateway would answer with. */
  readonly status: number
  /** All names that it goes by in `retryableErrors`: of the gateway, of Node, of the provider, and the status. */
  readonly names: ReadonlySet<string>
  /** The class of failure, where a provider told it. */
  readonly kind: HubError['kind'] | undefined
  /** How long the provider asks to wait. Milliseconds. */
  readonly hintMs: number | undefined
  /** What the provider says of another try with `x-should-retry`. */
  readonly advice: boolean | undefined
  /** True where the request cannot have been processed: no connection, or turned away at the door. */
  readonly isUnprocessed: boolean
  /** What was thrown; undefined for an answer. */
  readonly error: GatewayError | undefined
  /** What a stream told in place of its content. */
  readonly event?: HubError
}

/** Failures of an attempt that are the upstream's, or of the way to it; all others are not for another attempt. */
const RETRIED: ReadonlySet<string> = new Set([
  'UPSTREAM_UNREACHABLE',
  'UPSTREAM_CREDENTIALS',
  'UPSTREAM_CUT',
  'UPSTREAM_PROTOCOL',
  'UPSTREAM_TIMEOUT',
  'OVERLOADED',
])

/** Node has several words for one thing; the one that people write stands for all of them. */
const SYNONYMS: Readonly<Record<string, string>> = {
  EPIPE: 'ECONNRESET',
  UND_ERR_SOCKET: 'ECONNRESET',
  UPSTREAM_CUT: 'ECONNRESET',
  UND_ERR_CONNECT_TIMEOUT: 'ETIMEDOUT',
  UND_ERR_HEADERS_TIMEOUT: 'ETIMEDOUT',
  UND_ERR_BODY_TIMEOUT: 'ETIMEDOUT',
  UPSTREAM_TIMEOUT: 'ETIMEDOUT',
}

/** Failures before anything was sent. */
const NOT_SENT: ReadonlySet<string> = new Set(['OVERLOADED', 'UPSTREAM_CREDENTIALS'])

/** Node's codes for a connection that was never made. */
const UNCONNECTED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
])

/** What was thrown below, as a failure; undefined where another attempt could not help. */
export function failureOfError(cause: unknown): Failure | undefined {
  if (!(cause instanceof GatewayError) || !RETRIED.has(cause.code)) return undefined
  // A stream that was converted between dialects ends with what its upstream told.
  if (isHubError(cause.cause)) return failureOfStream(cause.cause)
  const codes = [cause.code, ...nodeCodes(cause.cause)]
  return {
    status: cause.status,
    names: new Set(codes.flatMap((code) => [code, SYNONYMS[code] ?? code])),
    kind: undefined,
    hintMs: undefined,
    advice: undefined,
    isUnprocessed: NOT_SENT.has(cause.code) || codes.some((code) => UNCONNECTED.has(code)),
    error: cause,
  }
}

/** An answer with an error's status, as a failure; `body` is empty where it cannot be had. */
export function failureOfAnswer(exchange: Exchange, body: Buffer, now: number): Failure {
  const { status, headers } = exchange.res
  const told = errorOf(exchange, body)
  const advice = headers['x-should-retry']
  return {
    status,
    names: namesOf(status, told),
    kind: told?.kind,
    hintMs: retryHint(headers, now) ?? told?.retryAfterMs,
    advice: advice === 'true' ? true : advice === 'false' ? false : undefined,
    isUnprocessed: status === 429 || status === 503,
    error: undefined,
  }
}

/** The error that a stream told in place of its first content. */
export function failureOfEvent({ req }: Exchange, event: Json): Failure {
  return failureOfStream(CODECS[req.dialect as LlmDialect].decodeError(200, event))
}

function failureOfStream(told: HubError): Failure {
  return {
    status: told.status,
    names: namesOf(told.status, told),
    kind: told.kind,
    hintMs: told.retryAfterMs,
    advice: undefined,
    isUnprocessed: false,
    error: undefined,
    event: told,
  }
}

function isHubError(cause: unknown): cause is HubError {
  return isObject(cause) && typeof cause['kind'] === 'string' && typeof cause['status'] === 'number'
}

function namesOf(status: number, told: HubError | undefined): ReadonlySet<string> {
  const names = new Set([String(status)])
  if (told?.code !== undefined) names.add(told.code)
  return names
}

/** What a provider says in the body of an error; undefined for plain APIs, and where it cannot be read. */
function errorOf({ req, res }: Exchange, body: Buffer): HubError | undefined {
  if (req.dialect === 'http' || res.headers['content-encoding'] !== undefined) return undefined
  const json = jsonOf(body)
  return json === undefined ? undefined : CODECS[req.dialect].decodeError(res.status, json)
}

/** The codes of an error and of what caused it; a connection to several addresses fails with one for each. */
function nodeCodes(cause: unknown): string[] {
  if (!(cause instanceof Error)) return []
  const inner = cause instanceof AggregateError ? cause.errors : [cause.cause]
  const own = 'code' in cause && typeof cause.code === 'string' ? [cause.code] : []
  return [...own, ...inner.flatMap(nodeCodes)]
}
