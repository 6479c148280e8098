import { isObject, type Json } from '../kit/json.ts'
import { formatEvent } from '../kit/sse.ts'
import { CREDENTIAL_HEADERS } from './credentials.ts'
import type { Dialect, PublicError, Usage } from './dialect.ts'
import { OPENAI_ENDPOINTS } from './endpoints.ts'
import { errorClass, errorHeaders } from './errors.ts'
import { bytesOf, countOf, makeUsage, modelInBody, StreamReader } from './usage.ts'

/** The codes that OpenAI has a word of its own for. */
const OPENAI_CODES: Readonly<Record<string, string>> = {
  UNAUTHENTICATED: 'invalid_api_key',
  RATE_LIMITED: 'rate_limit_exceeded',
  QUOTA_EXCEEDED: 'insufficient_quota',
}

/** OpenAI Chat Completions, and the OpenAI API around it: embeddings, models, images, audio, files, batches. */
export const openaiChat: Dialect = {
  name: 'openai-chat',
  endpoints: OPENAI_ENDPOINTS,
  requestIdHeader: 'x-request-id',
  credentialHeaders: CREDENTIAL_HEADERS,
  credentialQuery: [],
  authorize: (key) => ({ authorization: `Bearer ${key}` }),
  modelOf: (path, body) => modelInBody(body) ?? /^\/v1\/models\/([^/]+)$/.exec(path)?.[1],
  isStreaming: (_path, _query, body) => isObject(body) && body['stream'] === true,
  renderError: renderOpenaiError,
  renderStreamError: (error) =>
    formatEvent(undefined, JSON.stringify({ error: openaiError(error) })),
  usageMember: 'usage',
  usageOf: (body) => (isObject(body) ? openaiUsage(body['usage']) : undefined),
  usageReader: () => new ChatUsageReader(),
}

/** An error answer as OpenAI sends it. */
export function renderOpenaiError(error: PublicError) {
  return {
    status: error.status,
    headers: errorHeaders(error, 'x-request-id'),
    body: JSON.stringify({ error: openaiError(error) }),
  }
}

/** The `error` object of the OpenAI APIs. */
export function openaiError({ status, code, detail, param }: PublicError) {
  return {
    message: detail,
    type: errorClass(status).openai,
    param: param ?? null,
    code: OPENAI_CODES[code] ?? code.toLowerCase(),
  }
}

/** Reads a `usage` object of any OpenAI endpoint: `prompt_tokens` of Chat or `input_tokens` of the newer ones. */
export function openaiUsage(usage: unknown): Usage | undefined {
  if (!isObject(usage)) return undefined
  const input = countOf(usage['prompt_tokens']) ?? countOf(usage['input_tokens'])
  if (input === undefined) return undefined
  const inputDetails = usage['prompt_tokens_details'] ?? usage['input_tokens_details']
  const outputDetails = usage['completion_tokens_details'] ?? usage['output_tokens_details']
  return makeUsage({
    input,
    output: countOf(usage['completion_tokens']) ?? countOf(usage['output_tokens']) ?? 0,
    total: countOf(usage['total_tokens']),
    cacheRead: detail(inputDetails, 'cached_tokens') ?? countOf(usage['prompt_cache_hit_tokens']),
    cacheWrite: detail(inputDetails, 'cache_write_tokens'),
    reasoning: detail(outputDetails, 'reasoning_tokens'),
  })
}

function detail(details: unknown, name: string): number | undefined {
  return isObject(details) ? countOf(details[name]) : undefined
}

/** The last events of the OpenAI streams that are not chat: they have no finish reason, and not all send `[DONE]`. */
const LAST_EVENTS: ReadonlySet<unknown> = new Set([
  'image_generation.completed',
  'image_edit.completed',
  'transcript.text.done',
  'speech.audio.done',
])

class ChatUsageReader extends StreamReader {
  #usage: Usage | undefined
  #isComplete = false

  protected readEvent(event: Json): void {
    if (!isObject(event)) return
    // Some servers put a running count on every chunk, so the latest is the whole.
    this.#usage = openaiUsage(event['usage']) ?? groqUsage(event['x_groq']) ?? this.#usage
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

  protected override readDone(): void {
    this.#isComplete = true
  }
}

/** A finish reason is enough: some compatible servers never send `[DONE]`. */
function hasFinished(event: Record<string, unknown>): boolean {
  if (isObject(event['error']) || LAST_EVENTS.has(event['type'])) return true
  const { choices } = event
  return (
    Array.isArray(choices) &&
    choices.some((choice) => isObject(choice) && typeof choice['finish_reason'] === 'string')
  )
}

function groqUsage(extra: unknown): Usage | undefined {
  return isObject(extra) ? openaiUsage(extra['usage']) : undefined
}

/** Text, reasoning, refusals and arguments of a chunk, in all its choices; `text` is of the older completions. */
function textBytes(event: Json): number {
  if (!isObject(event) || !Array.isArray(event['choices'])) return 0
  let bytes = 0
  for (const choice of event['choices']) {
    if (!isObject(choice)) continue
    bytes += bytesOf(choice['text'])
    if (isObject(choice['delta'])) bytes += deltaBytes(choice['delta'])
  }
  return bytes
}

function deltaBytes(delta: Record<string, unknown>): number {
  let bytes = 0
  for (const name of TEXTS) bytes += bytesOf(delta[name])
  const calls = delta['tool_calls']
  if (!Array.isArray(calls)) return bytes
  for (const call of calls) {
    const made = isObject(call) ? call['function'] : undefined
    if (isObject(made)) bytes += bytesOf(made['name']) + bytesOf(made['arguments'])
  }
  return bytes
}

const TEXTS = ['content', 'reasoning_content', 'reasoning', 'refusal']
