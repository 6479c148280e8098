import type { JsonObject } from '../../kit/json.ts'
import { formatEvent } from '../../kit/sse.ts'
import type { Reply } from './reply.ts'
import type { Speech, Voice } from './voice.ts'

/** Responses. */
export const responsesVoice: Voice = {
  whole: (speech) => finalResponse(speech, outputItem(speech)),

  *events(speech) {
    const { reply } = speech
    let sequence = 0
    const event = (type: string, fields: JsonObject) =>
      formatEvent(type, JSON.stringify({ type, sequence_number: sequence++, ...fields }))
    const begun = response(speech, 'in_progress', [], null)
    yield event('response.created', { response: begun })
    yield event('response.in_progress', { response: begun })
    const done = outputItem(speech)
    const place = { item_id: done['id']!, output_index: 0 }
    if (reply.call === undefined) {
      const part = { ...place, content_index: 0 }
      yield event('response.output_item.added', {
        output_index: 0,
        item: { ...done, status: 'in_progress', content: [] },
      })
      yield event('response.content_part.added', { ...part, part: outputText('') })
      for (const delta of speech.pieces()) {
        yield event('response.output_text.delta', { ...part, delta, logprobs: [] })
      }
      yield event('response.output_text.done', { ...part, text: reply.text, logprobs: [] })
      yield event('response.content_part.done', { ...part, part: outputText(reply.text) })
    } else {
      const { name, json } = reply.call
      yield event('response.output_item.added', {
        output_index: 0,
        item: { ...done, status: 'in_progress', arguments: '' },
      })
      for (const delta of speech.pieces()) {
        yield event('response.function_call_arguments.delta', { ...place, delta })
      }
      yield event('response.function_call_arguments.done', { ...place, arguments: json, name })
    }
    yield event('response.output_item.done', { output_index: 0, item: done })
    const final = finalResponse(speech, done)
    yield event(reply.isCut ? 'response.incomplete' : 'response.completed', { response: final })
  },
}

function finalResponse(speech: Speech, item: JsonObject): JsonObject {
  const { reply } = speech
  return response(speech, reply.isCut ? 'incomplete' : 'completed', [item], usageOf(reply))
}

/** The response object, which repeats what the request asked for. */
function response(
  { id, model, created, body, reply }: Speech,
  status: string,
  output: JsonObject[],
  usage: JsonObject | null,
): JsonObject {
  return {
    id: `resp_${id}`,
    object: 'response',
    created_at: created,
    status,
    background: false,
    error: null,
    incomplete_details:
      status === 'incomplete' && reply.isCut ? { reason: 'max_output_tokens' } : null,
    instructions: body['instructions'] ?? null,
    max_output_tokens: body['max_output_tokens'] ?? null,
    max_tool_calls: body['max_tool_calls'] ?? null,
    model,
    output,
    parallel_tool_calls: body['parallel_tool_calls'] ?? true,
    previous_response_id: body['previous_response_id'] ?? null,
    prompt_cache_key: body['prompt_cache_key'] ?? null,
    reasoning: body['reasoning'] ?? { effort: null, summary: null },
    safety_identifier: body['safety_identifier'] ?? null,
    service_tier: 'default',
    // Nothing is kept, whatever was asked for.
    store: false,
    temperature: body['temperature'] ?? 1,
    text: body['text'] ?? { format: { type: 'text' } },
    tool_choice: body['tool_choice'] ?? 'auto',
    tools: body['tools'] ?? [],
    top_logprobs: body['top_logprobs'] ?? 0,
    top_p: body['top_p'] ?? 1,
    truncation: body['truncation'] ?? 'disabled',
    usage,
    user: body['user'] ?? null,
    metadata: body['metadata'] ?? {},
  }
}

function outputItem({ id, reply: { call, text, isCut } }: Speech): JsonObject {
  const status = isCut ? 'incomplete' : 'completed'
  if (call === undefined) {
    return {
      id: `msg_${id}`,
      type: 'message',
      status,
      role: 'assistant',
      content: [outputText(text)],
    }
  }
  const { name, json } = call
  return {
    id: `fc_${id}`,
    type: 'function_call',
    status,
    arguments: json,
    call_id: `call_${id}`,
    name,
  }
}

function outputText(text: string): JsonObject {
  return { type: 'output_text', annotations: [], logprobs: [], text }
}

function usageOf({ inputTokens, outputTokens }: Reply): JsonObject {
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: inputTokens + outputTokens,
  }
}
