import { isObject, type Json } from '../kit/json.ts'
import { formatEvent } from '../kit/sse.ts'
import { CREDENTIAL_HEADERS } from './credentials.ts'
import type { Dialect, PublicError, Usage } from './dialect.ts'
import { ANTHROPIC_ENDPOINTS } from './endpoints.ts'
import { errorClass, errorHeaders } from './errors.ts'
import { bytesOf, countOf, makeUsage, modelInBody, StreamReader } from './usage.ts'

/** From this API version on, keys are presented as bearer tokens. Dates in this form compare as text. */
const BEARER_SINCE = '2026-10-21'

/** Anthropic Messages, both API versions. */
export const anthropic: Dialect = {
  name: 'anthropic',
  endpoints: ANTHROPIC_ENDPOINTS,
  requestIdHeader: 'request-id',
  credentialHeaders: CREDENTIAL_HEADERS,
  credentialQuery: [],
  authorize(key, headers) {
    const version = String(headers['anthropic-version'] ?? '')
    return version >= BEARER_SINCE ? { authorization: `Bearer ${key}` } : { 'x-api-key': key }
  },
  modelOf: (path, body) => modelInBody(body) ?? /^\/v1\/models\/([^/]+)$/.exec(path)?.[1],
  isStreaming: (_path, _query, body) => isObject(body) && body['stream'] === true,
  renderError: (error) => ({
    // The API's own number for an overload; SDKs know it, and retry.
    status: error.status === 503 ? 529 : error.status,
    headers: errorHeaders(error, 'request-id'),
    body: errorBody(error),
  }),
  renderStreamError: (error) => formatEvent('error', errorBody(error)),
  usageMember: 'usage',
  usageOf: (body) => (isObject(body) ? anthropicUsage(body['usage']) : undefined),
  usageReader: () => new MessagesUsageReader(),
}

function errorBody({ status, code, detail, requestId }: PublicError): string {
  const { anthropic: type } = errorClass(status)
  return JSON.stringify({
    type: 'error',
    error: { type, message: detail, details: { error_code: code.toLowerCase() } },
    request_id: requestId,
  })
}

/** Anthropic's `input_tokens` leaves out what a cache took part in. */
export function anthropicUsage(usage: unknown): Usage | undefined {
  if (!isObject(usage)) return undefined
  const fresh = countOf(usage['input_tokens'])
  if (fresh === undefined) return undefined
  const cacheRead = countOf(usage['cache_read_input_tokens'])
  const cacheWrite = countOf(usage['cache_creation_input_tokens'])
  const details = usage['output_tokens_details']
  return makeUsage({
    input: fresh + (cacheRead ?? 0) + (cacheWrite ?? 0),
    output: countOf(usage['output_tokens']) ?? 0,
    cacheRead,
    cacheWrite,
    reasoning: isObject(details) ? countOf(details['thinking_tokens']) : undefined,
  })
}

class MessagesUsageReader extends StreamReader {
  /** The latest value of each field: `message_delta` counts from the start, and may leave fields out. */
  #fields: Record<string, unknown> | undefined
  #isComplete = false

  protected readEvent(event: Json): void {
    if (!isObject(event)) return
    switch (event['type']) {
      case 'message_start':
        if (isObject(event['message'])) this.#merge(event['message']['usage'])
        break
      case 'message_delta':
        this.#merge(event['usage'])
        break
      case 'message_stop':
      case 'error':
        this.#isComplete = true
        break
      default:
    }
  }

  protected textBytesOf(event: Json): number {
    return textBytes(event)
  }

  protected currentUsage(): Usage | undefined {
    return anthropicUsage(this.#fields)
  }

  protected hasEnded(): boolean {
    return this.#isComplete
  }

  #merge(usage: unknown): void {
    if (!isObject(usage)) return
    const stated = Object.entries(usage).filter(([, value]) => value !== null)
    this.#fields = { ...this.#fields, ...Object.fromEntries(stated) }
  }
}

function textBytes(event: Json): number {
  const delta = isObject(event) ? event['delta'] : undefined
  if (!isObject(delta)) return 0
  return bytesOf(delta['text']) + bytesOf(delta['thinking']) + bytesOf(delta['partial_json'])
}
