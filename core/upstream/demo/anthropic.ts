import type { JsonObject } from '../../kit/json.ts'
import { formatEvent } from '../../kit/sse.ts'
import type { Reply } from './reply.ts'
import type { Speech, Voice } from './voice.ts'

/** Messages. */
export const messagesVoice: Voice = {
  whole(speech) {
    const { reply } = speech
    return message(speech, {
      content: [block(speech, reply.text, reply.call?.json)],
      stop_reason: stopReason(reply),
      usage: usageOf(reply, reply.outputTokens),
    })
  },

  *events(speech) {
    const { reply } = speech
    // Before anything was said, one token counts as written.
    const begun = { content: [], stop_reason: null, usage: usageOf(reply, 1) }
    yield event({ type: 'message_start', message: message(speech, begun) })
    yield event({ type: 'content_block_start', index: 0, content_block: block(speech, '', '{}') })
    yield event({ type: 'ping' })
    for (const piece of speech.pieces()) {
      const delta =
        reply.call === undefined
          ? { type: 'text_delta', text: piece }
          : { type: 'input_json_delta', partial_json: piece }
      yield event({ type: 'content_block_delta', index: 0, delta })
    }
    yield event({ type: 'content_block_stop', index: 0 })
    const delta = { stop_reason: stopReason(reply), stop_sequence: null, stop_details: null }
    yield event({ type: 'message_delta', delta, usage: usageOf(reply, reply.outputTokens) })
    yield event({ type: 'message_stop' })
  },
}

function event(data: JsonObject & { type: string }): string {
  return formatEvent(data.type, JSON.stringify(data))
}

function message({ id, model }: Speech, said: JsonObject): JsonObject {
  return {
    id: `msg_${id}`,
    type: 'message',
    role: 'assistant',
    model,
    stop_sequence: null,
    stop_details: null,
    container: null,
    ...said,
  }
}

function block({ id, reply: { call } }: Speech, text: string, json = '{}'): JsonObject {
  if (call === undefined) return { type: 'text', text, citations: null }
  const input = JSON.parse(json) as JsonObject
  return { type: 'tool_use', id: `toolu_${id}`, name: call.name, input, caller: { type: 'direct' } }
}

function stopReason({ call, isCut }: Reply): string {
  if (call !== undefined) return 'tool_use'
  return isCut ? 'max_tokens' : 'end_turn'
}

function usageOf({ inputTokens }: Reply, outputTokens: number): JsonObject {
  return {
    input_tokens: inputTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    output_tokens: outputTokens,
    server_tool_use: null,
    service_tier: 'standard',
  }
}
