import type { PublicError } from './dialect.ts'
import type { ErrorCode } from '../errors.ts'

/** How each API calls a class of failure. */
interface ErrorClass {
  readonly openai: string
  readonly anthropic: string
  readonly gemini: string
}

/** One row per status that the gateway answers with; others fall back on 400 or 500. */
const CLASSES: Readonly<Record<number, ErrorClass>> = {
  400: row('invalid_request_error', 'invalid_request_error', 'INVALID_ARGUMENT'),
  401: row('authentication_error', 'authentication_error', 'UNAUTHENTICATED'),
  402: row('insufficient_quota', 'billing_error', 'RESOURCE_EXHAUSTED'),
  403: row('permission_error', 'permission_error', 'PERMISSION_DENIED'),
  404: row('invalid_request_error', 'not_found_error', 'NOT_FOUND'),
  408: row('timeout', 'timeout_error', 'DEADLINE_EXCEEDED'),
  409: row('conflict_error', 'conflict_error', 'ABORTED'),
  413: row('invalid_request_error', 'request_too_large', 'INVALID_ARGUMENT'),
  429: row('rate_limit_error', 'rate_limit_error', 'RESOURCE_EXHAUSTED'),
  499: row('invalid_request_error', 'invalid_request_error', 'CANCELLED'),
  500: row('server_error', 'api_error', 'INTERNAL'),
  501: row('server_error', 'api_error', 'UNIMPLEMENTED'),
  502: row('server_error', 'api_error', 'UNAVAILABLE'),
  503: row('server_error', 'overloaded_error', 'UNAVAILABLE'),
  504: row('timeout', 'timeout_error', 'DEADLINE_EXCEEDED'),
  529: row('server_error', 'overloaded_error', 'UNAVAILABLE'),
}

/** The codes after which the same request may well succeed. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'REQUEST_TIMEOUT',
  'RATE_LIMITED',
  'PLUGIN_FAILED',
  'UPSTREAM_UNREACHABLE',
  'UPSTREAM_CREDENTIALS',
  'UPSTREAM_CUT',
  'UPSTREAM_PROTOCOL',
  'UPSTREAM_TIMEOUT',
  'AUTH_UNAVAILABLE',
  'OVERLOADED',
  'STORE_UNAVAILABLE',
  'SHUTTING_DOWN',
])

/** The class of a status, in the words of each API. */
export function errorClass(status: number): ErrorClass {
  return CLASSES[status] ?? CLASSES[status < 500 ? 400 : 500]!
}

/**
 * Header fields of an error answer. `x-sluice-code` carries the gateway's own code in every dialect; official SDKs
 * retry 408, 409, 429 and 5xx by themselves unless `x-should-retry` says that it is pointless.
 */
export function errorHeaders(
  { code, requestId }: PublicError,
  requestIdHeader: string,
  contentType = 'application/json',
): Record<string, string> {
  return {
    'content-type': contentType,
    [requestIdHeader]: requestId,
    'x-sluice-code': code,
    ...(RETRYABLE.has(code) ? {} : { 'x-should-retry': 'false' }),
  }
}

function row(openai: string, anthropic: string, gemini: string): ErrorClass {
  return { openai, anthropic, gemini }
}
