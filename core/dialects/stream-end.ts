import { isObject, type Json } from '../kit/json.ts'
import type { ClientDialect } from './dialect.ts'

/** An event of a stream, as far as its kind can be told from it. */
export interface EventView {
  /** As it came. */
  readonly raw: Buffer
  readonly event: string
  readonly data: string
  readonly json: Json | undefined
}

/** The events after which nothing of the answer follows, by dialect; Gemini and plain HTTP just end. */
const ENDS: Readonly<Record<ClientDialect, ReadonlySet<string>>> = {
  'openai-chat': new Set(['[DONE]']),
  'openai-responses': new Set(['response.completed', 'response.incomplete']),
  anthropic: new Set(['message_stop']),
  gemini: new Set(),
  http: new Set(['[DONE]']),
}

/** The events that say that the answer has failed. */
const FAILURES = new Set(['error', 'response.failed'])

/** What an event says of the stream's end: that the answer is complete, that it has failed, or nothing. */
export function streamEndOf(
  dialect: ClientDialect,
  event: EventView,
): 'complete' | 'failed' | undefined {
  const ends = ENDS[dialect]
  if (event.raw.length < 32 && ends.has(event.data)) return 'complete'
  if (dialect === 'http') return undefined
  const kind = kindOf(dialect, event, ends)
  if (kind === undefined) return undefined
  return ends.has(kind) ? 'complete' : FAILURES.has(kind) ? 'failed' : undefined
}

/** The name of the event, or its type where it has no name. Parsed only where it may matter. */
function kindOf(
  dialect: ClientDialect,
  event: EventView,
  ends: ReadonlySet<string>,
): string | undefined {
  if (event.event !== 'message') return event.event
  const { raw } = event
  const mayEnd =
    raw.includes('"error"') ||
    (dialect === 'openai-responses' && raw.includes('"response.')) ||
    (dialect === 'anthropic' && raw.includes('"message_stop"'))
  if (!mayEnd) return undefined
  const { json } = event
  if (!isObject(json)) return undefined
  const { type } = json
  if (typeof type === 'string' && (ends.has(type) || FAILURES.has(type))) return type
  return isObject(json['error']) && !('choices' in json) && !('type' in json) ? 'error' : undefined
}
