import { isObject, type Json, type JsonObject } from '../kit/json.ts'
import type { LlmDialect } from './dialect.ts'

/** What an event of a streamed answer is to somebody who waits for it to begin. */
export type Moment =
  /** A head, a ping, an empty delta: nothing has been said yet. */
  'opening' | 'content' | 'error'

/** Tells what an event of a stream is: the answer's first content, or the error that came in its place. */
export const momentOf: Readonly<Record<LlmDialect, (event: Json) => Moment>> = {
  'openai-chat': (event) => {
    if (!isObject(event)) return 'content'
    if (isObject(event['error'])) return 'error'
    const { choices } = event
    // Azure begins with its filters' results, and no choice.
    if (Array.isArray(choices)) return choices.some(saysMore) ? 'content' : 'opening'
    return 'content'
  },
  'openai-responses': (event) => {
    const type = typeOf(event)
    if (type === 'error' || type === 'response.failed') return 'error'
    return RESPONSE_OPENINGS.has(type) ? 'opening' : 'content'
  },
  anthropic: (event) => {
    const type = typeOf(event)
    if (type === 'error') return 'error'
    return MESSAGE_OPENINGS.has(type) ? 'opening' : 'content'
  },
  gemini: (event) => {
    const [body] = Array.isArray(event) ? event : [event]
    if (!isObject(body)) return 'content'
    if (isObject(body['error'])) return 'error'
    if (body['promptFeedback'] !== undefined) return 'content'
    const { candidates } = body
    if (!Array.isArray(candidates) || candidates.length === 0) return 'opening'
    return candidates.some(hasParts) ? 'content' : 'opening'
  },
}

const RESPONSE_OPENINGS: ReadonlySet<string> = new Set([
  'response.created',
  'response.queued',
  'response.in_progress',
  'response.output_item.added',
  'response.content_part.added',
  'response.reasoning_summary_part.added',
])

const MESSAGE_OPENINGS: ReadonlySet<string> = new Set([
  'message_start',
  'content_block_start',
  'ping',
])

function typeOf(event: Json): string {
  return isObject(event) && typeof event['type'] === 'string' ? event['type'] : ''
}

/** True for a choice whose delta holds more than the role, or that has ended. */
function saysMore(choice: Json): boolean {
  if (!isObject(choice)) return false
  if (typeof choice['finish_reason'] === 'string') return true
  const delta = choice['delta'] ?? choice['text']
  if (!isObject(delta)) return typeof delta === 'string' && delta !== ''
  return Object.entries(delta).some(([name, value]) => name !== 'role' && !isEmpty(value))
}

function hasParts(candidate: Json): boolean {
  if (!isObject(candidate)) return false
  if (typeof candidate['finishReason'] === 'string') return true
  const parts = isObject(candidate['content']) ? (candidate['content'] as JsonObject)['parts'] : []
  return Array.isArray(parts) && parts.some((part) => isObject(part) && part['text'] !== '')
}

function isEmpty(value: unknown): boolean {
  return value === null || value === '' || (Array.isArray(value) && value.length === 0)
}
