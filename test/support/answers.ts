import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { Json, JsonObject } from '#core/kit/json.ts'

/** One answer as each API gives it: "Let me look.", then a call of `look`, from 100 tokens, of which 90 were cached. */
export interface ApiAnswer {
  readonly whole: JsonObject
  readonly events: readonly JsonObject[]
}

export const TEXT = ['Let me ', 'look. ', 'Grüße 🌍']
export const CALL = { name: 'look', arguments: '{"city":"Rome"}' }
const TEXT_WHOLE = TEXT.join('')

const chatUsage = {
  prompt_tokens: 100,
  completion_tokens: 20,
  total_tokens: 120,
  prompt_tokens_details: { cached_tokens: 90 },
  completion_tokens_details: { reasoning_tokens: 4 },
}

function chunk(delta: JsonObject, reason: string | null = null, more: JsonObject = {}): JsonObject {
  const choices = [{ index: 0, delta, logprobs: null, finish_reason: reason }]
  const head = { id: 'chatcmpl-7', object: 'chat.completion.chunk', created: 1_700_000_000 }
  return { ...head, model: 'gpt-real', choices, ...more }
}

const chat: ApiAnswer = {
  whole: {
    id: 'chatcmpl-7',
    object: 'chat.completion',
    created: 1_700_000_000,
    model: 'gpt-real',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: TEXT_WHOLE,
          refusal: null,
          tool_calls: [{ id: 'call_1', type: 'function', function: CALL }],
        },
        logprobs: null,
        finish_reason: 'tool_calls',
      },
    ],
    usage: chatUsage,
  },
  events: [
    chunk({ role: 'assistant', content: '' }),
    ...TEXT.map((content) => chunk({ content })),
    chunk({
      tool_calls: [
        { index: 0, id: 'call_1', type: 'function', function: { name: 'look', arguments: '' } },
      ],
    }),
    chunk({ tool_calls: [{ index: 0, function: { arguments: '{"city":' } }] }),
    chunk({ tool_calls: [{ index: 0, function: { arguments: '"Rome"}' } }] }),
    chunk({}, 'tool_calls'),
    chunk({}, null, { choices: [], usage: chatUsage }),
  ],
}

const messageUsage = {
  input_tokens: 10,
  cache_read_input_tokens: 90,
  cache_creation_input_tokens: 0,
  output_tokens: 20,
}

function messageHead(more: JsonObject): JsonObject {
  return {
    id: 'msg_7',
    type: 'message',
    role: 'assistant',
    model: 'claude-real',
    stop_sequence: null,
    ...more,
  }
}

const anthropic: ApiAnswer = {
  whole: messageHead({
    content: [
      { type: 'text', text: TEXT_WHOLE },
      { type: 'tool_use', id: 'toolu_1', name: 'look', input: { city: 'Rome' } },
    ],
    stop_reason: 'tool_use',
    usage: messageUsage,
  }),
  events: [
    {
      type: 'message_start',
      message: messageHead({
        content: [],
        stop_reason: null,
        usage: { ...messageUsage, output_tokens: 1 },
      }),
    },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'ping' },
    ...TEXT.map((text) => ({
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'text_delta', text },
    })),
    { type: 'content_block_stop', index: 0 },
    {
      type: 'content_block_start',
      index: 1,
      content_block: { type: 'tool_use', id: 'toolu_1', name: 'look', input: {} },
    },
    ...['{"city":', '"Rome"}'].map((partial_json) => ({
      type: 'content_block_delta',
      index: 1,
      delta: { type: 'input_json_delta', partial_json },
    })),
    { type: 'content_block_stop', index: 1 },
    {
      type: 'message_delta',
      delta: { stop_reason: 'tool_use', stop_sequence: null },
      usage: { output_tokens: 20 },
    },
    { type: 'message_stop' },
  ],
}

const geminiUsage = {
  promptTokenCount: 100,
  cachedContentTokenCount: 90,
  candidatesTokenCount: 16,
  thoughtsTokenCount: 4,
  totalTokenCount: 120,
}

function candidate(parts: Json[], more: JsonObject = {}): JsonObject {
  return {
    candidates: [{ index: 0, content: { role: 'model', parts }, ...more }],
    modelVersion: 'gemini-real',
    responseId: 'g7',
    usageMetadata: geminiUsage,
  }
}

const geminiCall = { functionCall: { name: 'look', args: { city: 'Rome' } } }

const gemini: ApiAnswer = {
  whole: candidate([{ text: TEXT_WHOLE }, geminiCall], { finishReason: 'STOP' }),
  events: [
    ...TEXT.map((text) => candidate([{ text }])),
    candidate([geminiCall]),
    candidate([{ text: '' }], { finishReason: 'STOP' }),
  ],
}

const item = {
  message: {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    status: 'completed',
    content: [{ type: 'output_text', text: TEXT_WHOLE, annotations: [], logprobs: [] }],
  },
  call: {
    id: 'fc_1',
    type: 'function_call',
    status: 'completed',
    call_id: 'call_1',
    ...CALL,
  },
}

const response: JsonObject = {
  id: 'resp_7',
  object: 'response',
  created_at: 1_700_000_000,
  status: 'completed',
  model: 'gpt-real',
  error: null,
  incomplete_details: null,
  instructions: null,
  metadata: {},
  parallel_tool_calls: true,
  tool_choice: 'auto',
  tools: [],
  output: [item.message, item.call],
  usage: {
    input_tokens: 100,
    input_tokens_details: { cached_tokens: 90 },
    output_tokens: 20,
    output_tokens_details: { reasoning_tokens: 4 },
    total_tokens: 120,
  },
}

const begun: JsonObject = { ...response, status: 'in_progress', output: [], usage: null }

const responses: ApiAnswer = {
  whole: response,
  events: [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
    {
      type: 'response.output_item.added',
      output_index: 0,
      item: { ...item.message, status: 'in_progress', content: [] },
    },
    {
      type: 'response.content_part.added',
      item_id: 'msg_1',
      output_index: 0,
      content_index: 0,
      part: { type: 'output_text', text: '', annotations: [], logprobs: [] },
    },
    ...TEXT.map((delta) => ({
      type: 'response.output_text.delta',
      item_id: 'msg_1',
      output_index: 0,
      content_index: 0,
      delta,
      logprobs: [],
    })),
    {
      type: 'response.output_text.done',
      item_id: 'msg_1',
      output_index: 0,
      content_index: 0,
      text: TEXT_WHOLE,
      logprobs: [],
    },
    {
      type: 'response.content_part.done',
      item_id: 'msg_1',
      output_index: 0,
      content_index: 0,
      part: item.message.content[0]!,
    },
    { type: 'response.output_item.done', output_index: 0, item: item.message },
    {
      type: 'response.output_item.added',
      output_index: 1,
      item: { ...item.call, status: 'in_progress', arguments: '' },
    },
    ...['{"city":', '"Rome"}'].map((delta) => ({
      type: 'response.function_call_arguments.delta',
      item_id: 'fc_1',
      output_index: 1,
      delta,
    })),
    {
      type: 'response.function_call_arguments.done',
      item_id: 'fc_1',
      output_index: 1,
      name: 'look',
      arguments: CALL.arguments,
    },
    { type: 'response.output_item.done', output_index: 1, item: item.call },
    { type: 'response.completed', response },
  ].map((event, sequence_number) => ({ ...event, sequence_number })),
}

/** The answer in every dialect. */
export const ANSWERS: Readonly<Record<LlmDialect, ApiAnswer>> = {
  'openai-chat': chat,
  'openai-responses': responses,
  anthropic,
  gemini,
}

/** Events with the framing of their API. */
export function framed(dialect: LlmDialect, events: readonly JsonObject[]): string[] {
  const isNamed = dialect === 'anthropic' || dialect === 'openai-responses'
  const frames = events.map(
    (event) =>
      `${isNamed ? `event: ${String(event['type'])}\n` : ''}data: ${JSON.stringify(event)}\n\n`,
  )
  return dialect === 'openai-chat' ? [...frames, 'data: [DONE]\n\n'] : frames
}
