import { isObject, type Json } from '../kit/json.ts'
import { formatEvent, type Frame } from '../kit/sse.ts'
import { CREDENTIAL_HEADERS } from './credentials.ts'
import type { Dialect, PublicError, Usage, UsageReader } from './dialect.ts'
import { RESPONSES_ENDPOINTS } from './endpoints.ts'
import { openaiError, openaiUsage, renderOpenaiError } from './openai-chat.ts'
import { modelInBody, parseFrame } from './usage.ts'

/** OpenAI Responses. */
export const openaiResponses: Dialect = {
  name: 'openai-responses',
  endpoints: RESPONSES_ENDPOINTS,
  requestIdHeader: 'x-request-id',
  credentialHeaders: CREDENTIAL_HEADERS,
  credentialQuery: [],
  authorize: (key) => ({ authorization: `Bearer ${key}` }),
  modelOf: (_path, body) => modelInBody(body),
  // A stored response is streamed again by GET with `?stream=true`.
  isStreaming: (_path, query, body) =>
    (isObject(body) && body['stream'] === true) || /(?:^|&)stream=true(?:&|$)/.test(query),
  renderError: renderOpenaiError,
  renderStreamError,
  usageOf: (body) => (isObject(body) ? openaiUsage(body['usage']) : undefined),
  usageReader: () => new ResponsesUsageReader(),
}

/**
 * The `error` event carries its fields twice, because both forms are in use: flat in the published types, nested in
 * recorded traffic, and the SDK throws only on the nested one.
 */
function renderStreamError(error: PublicError): string {
  const nested = openaiError(error)
  const { message, code, param } = nested
  const event = { type: 'error', code, message, param, error: nested, sequence_number: 0 }
  return formatEvent('error', JSON.stringify(event))
}

/** The events that end a stream. */
const LAST_EVENTS: ReadonlySet<string> = new Set([
  'response.completed',
  'response.incomplete',
  'response.failed',
  'error',
])

class ResponsesUsageReader implements UsageReader {
  #usage: Usage | undefined
  #isComplete = false

  readFrame(frame: Frame): void {
    // Without an `event:` line the type is only in the JSON.
    if (frame.event !== 'message' && !LAST_EVENTS.has(frame.event)) return
    const event = parseFrame(frame)
    if (event !== undefined) this.read(event)
  }

  read(event: Json): void {
    if (!isObject(event) || typeof event['type'] !== 'string' || !LAST_EVENTS.has(event['type'])) {
      return
    }
    this.#isComplete = true
    if (isObject(event['response'])) {
      this.#usage = openaiUsage(event['response']['usage']) ?? this.#usage
    }
  }

  usage(): Usage | undefined {
    return this.#usage
  }

  isComplete(): boolean {
    return this.#isComplete
  }
}
