import { isObject, type Json } from '../kit/json.ts'
import { formatEvent } from '../kit/sse.ts'
import { CREDENTIAL_HEADERS } from './credentials.ts'
import type { Dialect, PublicError, Usage } from './dialect.ts'
import { GEMINI_ENDPOINTS } from './endpoints.ts'
import { errorClass, errorHeaders } from './errors.ts'
import { bytesOf, countOf, makeUsage, StreamReader } from './usage.ts'

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
  usageMember: 'usageMetadata',
  usageOf(body) {
    // A stream that was not asked for as SSE is one list of answers; the last knows the whole count.
    if (Array.isArray(body)) return body.map(geminiUsage).findLast((usage) => usage !== undefined)
    return geminiUsage(body)
  },
  usageReader: () => new GenerateUsageReader(),
}

function errorBody({ status, code, detail, retryAfterMs, requestId }: PublicError): string {
  const info = {
    '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
    reason: code,
    domain: 'sluice',
    metadata: { requestId },
  }
  const { gemini: name } = errorClass(status)
  const details: object[] = [info]
  // Where Google's own clients look for it: they do not read retry-after.
  if (retryAfterMs !== undefined) {
    details.push({
      '@type': 'type.googleapis.com/google.rpc.RetryInfo',
      retryDelay: `${retryAfterMs / 1_000}s`,
    })
  }
  return JSON.stringify({ error: { code: status, message: detail, status: name, details } })
}

/** Usage of one answer or event. Gemini's `candidatesTokenCount` leaves out the thoughts, and `promptTokenCount` what tools brought in. */
export function geminiUsage(body: unknown): Usage | undefined {
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

class GenerateUsageReader extends StreamReader {
  #usage: Usage | undefined
  #isComplete = false

  protected readEvent(event: Json): void {
    if (!isObject(event)) return
    // Every event carries the count so far.
    this.#usage = geminiUsage(event) ?? this.#usage
    if (hasFinished(event)) this.#isComplete = true
  }

  protected textBytesOf(event: Json): number {
    return textBytes(event)
  }

  protected currentUsage(): Usage | undefined {
    return this.#usage
  }

  protected hasEnded(): boolean {
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

/** Text, thoughts and calls of an event, in all its candidates. */
function textBytes(event: Json): number {
  const candidates = isObject(event) ? event['candidates'] : undefined
  if (!Array.isArray(candidates)) return 0
  let bytes = 0
  for (const candidate of candidates) {
    const content = isObject(candidate) ? candidate['content'] : undefined
    const parts = isObject(content) ? content['parts'] : undefined
    if (!Array.isArray(parts)) continue
    for (const part of parts) {
      if (!isObject(part)) continue
      bytes += bytesOf(part['text'])
      if (isObject(part['functionCall'])) bytes += bytesOf(JSON.stringify(part['functionCall']))
    }
  }
  return bytes
}
