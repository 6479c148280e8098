import { isObject, type Json } from '../../kit/json.ts'
import { formatEvent } from '../../kit/sse.ts'
import type { Reply } from './reply.ts'
import type { Speech, Voice } from './voice.ts'

/** Chat Completions. */
export const chatVoice: Voice = {
  whole({ id, model, created, reply }) {
    const { call, text } = reply
    const message = {
      role: 'assistant',
      content: call === undefined ? text : null,
      refusal: null,
      annotations: [],
      ...(call === undefined ? {} : { tool_calls: [toolCall(id, call.name, call.json)] }),
    }
    return {
      id: `chatcmpl-${id}`,
      object: 'chat.completion',
      created,
      model,
      choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason(reply) }],
      usage: usageOf(reply),
      service_tier: 'default',
      system_fingerprint: 'fp_demo',
    }
  },

  *events(speech) {
    const { id, reply, body } = speech
    const { call } = reply
    const withUsage =
      isObject(body['stream_options']) && body['stream_options']['include_usage'] === true
    const chunk = chunkWriter(speech, withUsage)
    const opening =
      call === undefined
        ? { role: 'assistant', content: '', refusal: null }
        : {
            role: 'assistant',
            content: null,
            tool_calls: [{ index: 0, ...toolCall(id, call.name, '') }],
            refusal: null,
          }
    yield chunk(opening, null)
    for (const piece of speech.pieces()) {
      yield chunk(
        call === undefined
          ? { content: piece }
          : { tool_calls: [{ index: 0, function: { arguments: piece } }] },
        null,
      )
    }
    yield chunk({}, finishReason(reply))
    if (withUsage) yield chunk(undefined, null)
    yield 'data: [DONE]\n\n'
  },
}

/** Writes one chunk; without a delta, the last one, which carries the usage. */
function chunkWriter({ id, model, created, reply }: Speech, withUsage: boolean) {
  const head = {
    id: `chatcmpl-${id}`,
    object: 'chat.completion.chunk',
    created,
    model,
    service_tier: 'default',
    system_fingerprint: 'fp_demo',
  }
  return (delta: Json | undefined, finish: string | null) => {
    const choices =
      delta === undefined ? [] : [{ index: 0, delta, logprobs: null, finish_reason: finish }]
    const usage = withUsage ? { usage: delta === undefined ? usageOf(reply) : null } : {}
    return formatEvent(undefined, JSON.stringify({ ...head, choices, ...usage }))
  }
}

function toolCall(id: string, name: string, json: string) {
  return { id: `call_${id}`, type: 'function', function: { name, arguments: json } }
}

function finishReason({ call, isCut }: Reply): string {
  if (call !== undefined) return 'tool_calls'
  return isCut ? 'length' : 'stop'
}

function usageOf({ inputTokens, outputTokens }: Reply) {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}
