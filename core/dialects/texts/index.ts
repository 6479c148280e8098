import { isObject, type Json } from '../../kit/json.ts'
import type { ClientDialect } from '../dialect.ts'
import { anthropicTexts } from './anthropic.ts'
import { geminiTexts } from './gemini.ts'
import { fieldTexts } from './http.ts'
import { chatTexts } from './openai-chat.ts'
import { realtimeTexts, responsesTexts } from './openai-responses.ts'
import type { TextFormat } from './text-format.ts'

/** How each dialect carries text. */
export const TEXT_FORMATS: Readonly<Record<ClientDialect, TextFormat>> = {
  'openai-chat': chatTexts,
  'openai-responses': responsesTexts,
  anthropic: anthropicTexts,
  gemini: geminiTexts,
  http: fieldTexts,
}

/**
 * WebSocket messages: those of the Realtime API, and events of LLM APIs, are known by their looks. In other JSON each
 * text is one by itself.
 */
export const messageTexts: TextFormat = {
  repeats: true,
  places: (json) => formatOf(json).places(json, false),
  ends: (json, block, places) => formatOf(json).ends(json, block, places),
  piece: (event, place, text) => formatOf(event).piece(event, place, text),
  forget: (json, place) => formatOf(json).forget(json, place),
}

/** What a client of the Realtime API says, and what is told of its items. */
const REALTIME = /^(response\.create$|conversation\.|session\.|input_audio_buffer\.)/

function formatOf(json: Json): TextFormat {
  if (!isObject(json)) return fieldTexts
  const { type } = json
  if (typeof type === 'string') {
    if (type.startsWith('response.') && type !== 'response.create') return responsesTexts
    if (REALTIME.test(type)) return realtimeTexts
    if (type.startsWith('content_block') || type.startsWith('message_')) return anthropicTexts
  }
  if (Array.isArray(json['choices'])) return chatTexts
  return Array.isArray(json['candidates']) ? geminiTexts : fieldTexts
}
