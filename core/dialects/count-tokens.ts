import { isObject, type Json, type JsonObject } from '../kit/json.ts'
import type { LlmDialect } from './dialect.ts'
import { estimateTokens } from './estimate.ts'
import type { HubRequest } from './hub/request.ts'
import type { TargetName } from './hub/conversation.ts'

/** Where each API that counts is asked; the others have no such endpoint. */
const PATHS: Readonly<Partial<Record<TargetName, (model: string) => string>>> = {
  anthropic: () => '/v1/messages/count_tokens',
  'openai-responses': () => '/v1/responses/input_tokens',
  gemini: (model) => `/v1beta/models/${encodeURIComponent(model)}:countTokens`,
}

/** What of a request counts: the rest is refused by endpoints that only count. */
const COUNTED: Readonly<Partial<Record<TargetName, ReadonlySet<string>>>> = {
  anthropic: new Set([
    'cache_control',
    'messages',
    'model',
    'output_config',
    'system',
    'thinking',
    'tool_choice',
    'tools',
  ]),
  'openai-responses': new Set([
    'input',
    'instructions',
    'model',
    'parallel_tool_calls',
    'reasoning',
    'text',
    'tool_choice',
    'tools',
  ]),
}

/** A count that is written as if the conversation itself was asked for. */
export function conversationOf(dialect: LlmDialect, body: Json): Json {
  if (dialect !== 'gemini' || !isObject(body)) return body
  const wrapped = body['generateContentRequest'] ?? body['generate_content_request']
  return isObject(wrapped) ? (wrapped as JsonObject) : (body as JsonObject)
}

/** How to ask for a count what was written as a conversation; undefined where the upstream cannot count. */
export function countRequest(
  to: TargetName,
  { model }: HubRequest,
  body: JsonObject,
): { readonly path: string; readonly body: JsonObject } | undefined {
  const path = PATHS[to]?.(model)
  if (path === undefined) return undefined
  if (to === 'gemini') {
    return { path, body: { generateContentRequest: { model: `models/${model}`, ...body } } }
  }
  const counted = COUNTED[to]
  const kept = Object.entries(body).filter(([name]) => counted?.has(name) ?? true)
  return { path, body: Object.fromEntries(kept) }
}

/** The count in an upstream's answer; undefined where there is none. */
export function decodeCount(body: Json | undefined): number | undefined {
  if (!isObject(body)) return undefined
  const count = body['input_tokens'] ?? body['totalTokens']
  return typeof count === 'number' ? count : undefined
}

/** A count as the client's API tells it. */
export function encodeCount(dialect: LlmDialect, tokens: number): JsonObject {
  if (dialect === 'gemini') return { totalTokens: tokens }
  if (dialect === 'anthropic') return { input_tokens: tokens }
  return { object: 'response.input_tokens', input_tokens: tokens }
}

/** Prose and code of most languages have about so many bytes to a token. */
const BYTES_PER_TOKEN = 3.5

/** A guess at the count, rather too high than too low. */
export function guessCount(dialect: LlmDialect, body: Json): number {
  // Its own path would say that a count costs nothing.
  const request = { dialect, path: '', body }
  const options = { bytesPerToken: BYTES_PER_TOKEN, maxOutputTokens: 0 }
  return estimateTokens(request, options).inputTokens
}
