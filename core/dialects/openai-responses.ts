import { isObject, type Json } from '../kit/json.ts'
import { formatEvent, type Frame } from '../kit/sse.ts'
import { CREDENTIAL_HEADERS } from './credentials.ts'
import type { Dialect, PublicError, Usage } from './dialect.ts'
import { RESPONSES_ENDPOINTS } from './endpoints.ts'
import { openaiError, openaiUsage, renderOpenaiError } from './openai-chat.ts'
import { bytesOf, modelInBody, StreamReader } from './usage.ts'

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
  usageMember: 'usage',
  usageOf: (body) => (isObject(body) ? openaiUsage(body['usage']) : undefined),
  usageReader: () => new ResponsesUsageReader(),
}

/**
 * `error` and then `response.failed`, as OpenAI does. The first carries its fields twice, because both forms are in
 * use: flat in the published types, nested in recorded traffic.
 */
function renderStreamError(error: PublicError, sent = 0): string {
  const nested = openaiError(error)
  const { message, code, param } = nested
  const told = { type: 'error', sequence_number: sent, code, message, param, error: nested }
  const response = {
    id: `resp_${error.requestId}`,
    object: 'response',
    status: 'failed',
    error: { code, message },
    incomplete_details: null,
    output: [],
    usage: null,
  }
  const failed = { type: 'response.failed', sequence_number: sent + 1, response }
  return (
    formatEvent(told.type, JSON.stringify(told)) + formatEvent(failed.type, JSON.stringify(failed))
  )
}

/** The events that end a stream. */
const LAST_EVENTS: ReadonlySet<string> = new Set([
  'response.completed',
  'response.incomplete',
  'response.failed',
  'error',
])

/** Within how many bytes the name of an event ends: `event: response.function_call_arguments.delta`. */
const NAME_BYTES = 96

class ResponsesUsageReader extends StreamReader {
  #usage: Usage | undefined
  #isComplete = false

  protected readEvent(event: Json): void {
    if (!isObject(event) || typeof event['type'] !== 'string' || !LAST_EVENTS.has(event['type'])) {
      return
    }
    this.#isComplete = true
    if (isObject(event['response'])) {
      this.#usage = openaiUsage(event['response']['usage']) ?? this.#usage
    }
  }

  protected textBytesOf(event: Json): number {
    return isObject(event) ? bytesOf(event['delta']) : 0
  }

  /** Each `….done` repeats the deltas before it. The name stands at the beginning. */
  protected override bringsText({ raw }: Frame): boolean {
    return raw.subarray(0, NAME_BYTES).includes('.delta')
  }

  protected currentUsage(): Usage | undefined {
    return this.#usage
  }

  protected hasEnded(): boolean {
    return this.#isComplete
  }
}
