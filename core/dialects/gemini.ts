import { isObject, type Json } from '../kit/json.ts'
import { formatEvent, type Frame } from '../kit/sse.ts'
import { CREDENTIAL_HEADERS } from './credentials.ts'
import type { Dialect, PublicError, Usage, UsageReader } from './dialect.ts'
import { GEMINI_ENDPOINTS } from './endpoints.ts'
import { errorClass, errorHeaders } from './errors.ts'
import { countOf, hasValue, makeUsage, parseFrame } from './usage.ts'

/** Gemini `generateContent` and its neighbours. */
export const gemini: Dialect = {
  name: 'gemini',
  endpoints: GEMINI_ENDPOINTS,
  requestIdHeader: 'x-request-id',
  credentialHeaders: CREDENTIAL_HEADERS,
  credentialQuery: ['key'],
  authorize: (key) => ({ 'x-goog-api-key': key }),
  modelOf: (path) => /^\/v1(?:beta)?\/models\/([^/:]+)/.exec(path)?.[1],
  isStreaming: (path) => path.endsWith(':streamGenerateContent'),
  renderError: (error) => ({
    status: error.status,
    headers: errorHeaders(error, 'x-request-id'),
    body: errorBody(error),
  }),
  renderStreamError: (error) => formatEvent(undefined, errorBody(error)),
  usageOf(body) {
    // A stream that was not asked for as SSE is one list of answers; the last knows the whole count.
    if (Array.isArray(body)) return body.map(usageFrom).findLast((usage) => usage !== undefined)
    return usageFrom(body)
  },
  usageReader: () => new GenerateUsageReader(),
}

function errorBody({ status, code, detail, requestId }: PublicError): string {
  const info = {
    '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
    reason: code,
    domain: 'sluice',
    metadata: { requestId },
  }
  const { gemini: name } = errorClass(status)
  return JSON.stringify({ error: { code: status, message: detail, status: name, details: [info] } })
}

/** Gemini's `candidatesTokenCount` leaves out the thoughts, and `promptTokenCount` what tools brought in. */
function usageFrom(body: unknown): Usage | undefined {
  const usage = isObject(body) ? body['usageMetadata'] : undefined
  if (!isObject(usage)) return undefined
  const prompt = countOf(usage['promptTokenCount'])
  if (prompt === undefined) return undefined
  const reasoning = countOf(usage['thoughtsTokenCount'])
  return makeUsage({
    input: prompt + (countOf(usage['toolUsePromptTokenCount']) ?? 0),
    output: (countOf(usage['candidatesTokenCount']) ?? 0) + (reasoning ?? 0),
    total: countOf(usage['totalTokenCount']),
    cacheRead: countOf(usage['cachedContentTokenCount']),
    reasoning,
  })
}

const USAGE = Buffer.from('"usageMetadata"')
const FINISH = Buffer.from('"finishReason"')
const BLOCKED = Buffer.from('"blockReason"')
const ERROR = Buffer.from('"error"')

class GenerateUsageReader implements UsageReader {
  /** Every event carries the count so far: only the latest is worth parsing, when somebody asks. */
  #latest: Frame | undefined
  #usage: Usage | undefined
  #isComplete = false

  readFrame(frame: Frame): void {
    const { raw } = frame
    if (hasValue(raw, USAGE)) this.#latest = frame
    if (hasValue(raw, FINISH) || hasValue(raw, BLOCKED) || hasValue(raw, ERROR)) {
      this.#isComplete = true
    }
  }

  read(event: Json): void {
    if (!isObject(event)) return
    const usage = usageFrom(event)
    if (usage !== undefined) {
      this.#usage = usage
      this.#latest = undefined
    }
    if (hasFinished(event)) this.#isComplete = true
  }

  usage(): Usage | undefined {
    if (this.#latest !== undefined) {
      this.#usage = usageFrom(parseFrame(this.#latest)) ?? this.#usage
      this.#latest = undefined
    }
    return this.#usage
  }

  isComplete(): boolean {
    return this.#isComplete
  }
}

function hasFinished(event: Record<string, unknown>): boolean {
  const { candidates, promptFeedback, error } = event
  if (isObject(error)) return true
  if (isObject(promptFeedback) && typeof promptFeedback['blockReason'] === 'string') return true
  return (
    Array.isArray(candidates) &&
    candidates.some((item) => isObject(item) && typeof item['finishReason'] === 'string')
  )
}
