import type { JsonObject } from '#core/kit/json.ts'
import { type AnswerForm, namedFrame } from './answer-form.ts'
import { type Call, type Finish, pieces, type Said, type Tokens } from './conversation.ts'

const FINISH: Readonly<Record<Finish, string>> = {
  stop: 'end_turn',
  tool: 'tool_use',
  length: 'max_tokens',
  contentFilter: 'refusal',
}

/** Answers of Messages. */
export const anthropicAnswers: AnswerForm = {
  plain: (said, request) => ({
    ...begun(said.usage, request),
    content: blocksOf(said),
    ...endOf(said),
    usage: usageOf(said.usage),
  }),

  frames(said, request) {
    const message = begun(said.usage, request)
    const { output: _, ...input } = said.usage
    return [
      namedFrame({
        type: 'message_start',
        message: { ...message, usage: { ...usageOf({ ...input, output: 1 }) } },
      }),
      ...blocksOf(said).flatMap((block, index) => [
        ...blockFrames(block, index),
        ...(index === 0 ? [namedFrame({ type: 'ping' })] : []),
      ]),
      namedFrame({ type: 'message_delta', delta: endOf(said), usage: usageOf(said.usage) }),
      namedFrame({ type: 'message_stop' }),
    ]
  },

  refusedRequest: (message) => ({ status: 400, body: errorOf('invalid_request_error', message) }),

  rateLimit: () => ({
    status: 429,
    headers: { 'retry-after': '7', 'anthropic-ratelimit-requests-remaining': '0' },
    body: errorOf('rate_limit_error', 'This request would exceed your rate limit'),
  }),

  serverError: () => ({ status: 500, body: errorOf('api_error', 'Internal server error') }),

  errorFrame: () => namedFrame(errorOf('overloaded_error', 'Overloaded')),
}

function errorOf(type: string, message: string): JsonObject {
  return { type: 'error', error: { type, message }, request_id: 'req_011C' }
}

function begun(usage: Tokens, request: JsonObject): JsonObject {
  return {
    id: 'msg_01Kx',
    type: 'message',
    role: 'assistant',
    model: request['model']!,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: usageOf({ ...usage, output: 1 }),
  }
}

function endOf({ finish, refusal, stoppedAt }: Said): JsonObject {
  return {
    stop_reason: stoppedAt === undefined ? FINISH[finish] : 'stop_sequence',
    stop_sequence: stoppedAt ?? null,
    stop_details:
      refusal === undefined ? null : { type: 'refusal', category: 'harm', explanation: refusal },
  }
}

function usageOf({ input, output, cached = 0, reasoning = 0 }: Tokens): JsonObject {
  return {
    input_tokens: input - cached,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cached,
    output_tokens: output,
    ...(reasoning === 0 ? {} : { output_tokens_details: { thinking_tokens: reasoning } }),
  }
}

function blocksOf({ thought, text, calls = [] }: Said): JsonObject[] {
  return [
    ...(thought === undefined
      ? []
      : [{ type: 'thinking', thinking: thought.text, signature: thought.proof }]),
    ...(text === undefined ? [] : [{ type: 'text', text }]),
    ...calls.map(({ id, name, arguments: input }: Call) => ({ type: 'tool_use', id, name, input })),
  ]
}

function blockFrames(block: JsonObject, index: number): string[] {
  const [empty, deltas] = streamed(block)
  return [
    namedFrame({ type: 'content_block_start', index, content_block: empty }),
    ...deltas.map((delta) => namedFrame({ type: 'content_block_delta', index, delta })),
    namedFrame({ type: 'content_block_stop', index }),
  ]
}

/** The block as it is before its deltas, and these. */
function streamed(block: JsonObject): [JsonObject, JsonObject[]] {
  if (block['type'] === 'text') {
    const deltas = pieces(block['text'] as string).map((text) => ({ type: 'text_delta', text }))
    return [{ type: 'text', text: '' }, deltas]
  }
  if (block['type'] === 'thinking') {
    const { signature } = block as { signature: string }
    const deltas = pieces(block['thinking'] as string).map((thinking) => ({
      type: 'thinking_delta',
      thinking,
    }))
    const empty = { type: 'thinking', thinking: '', signature: '' }
    return [empty, [...deltas, { type: 'signature_delta', signature }]]
  }
  const input = JSON.stringify(block['input'])
  // The first piece is empty, and a call without arguments has no other.
  const parts = ['', ...(input === '{}' ? [] : pieces(input))]
  const deltas = parts.map((json) => ({ type: 'input_json_delta', partial_json: json }))
  return [{ ...block, input: {} }, deltas]
}
