import type { ExchangeView, Json, JsonObject } from '#core/sdk.ts'

/** What a field is given where it is missing. */
export interface Given {
  /** What it stands in. */
  readonly parent: JsonObject
  /** Where that stands in its list. */
  readonly position: number
  readonly exchange: ExchangeView
}

/** A field by its path, `[]` for each item, and what it is given; undefined leaves it out. */
export type Filled = readonly [path: string, value: Json | ((given: Given) => Json | undefined)]

const model = ({ exchange }: Given): Json => exchange.req.model ?? 'unknown'
const seconds = ({ exchange }: Given): Json => Math.floor(exchange.now / 1_000)
const position = ({ position: at }: Given): Json => at
const id =
  (prefix: string) =>
  ({ exchange }: Given): Json =>
    `${prefix}${exchange.id}`
const only =
  (type: string, value: Json) =>
  ({ parent }: Given) =>
    parent['type'] === type ? value : undefined
const sum =
  (one: string, other: string) =>
  ({ parent }: Given): Json =>
    Number(parent[one] ?? 0) + Number(parent[other] ?? 0)

/** Numbers the events of a stream that does not, one exchange after the other. */
const numbers = new WeakMap<ExchangeView, number>()
function sequence({ exchange }: Given): Json {
  const number = numbers.get(exchange) ?? 0
  numbers.set(exchange, number + 1)
  return number
}

const below = (prefix: string, fields: readonly Filled[]): Filled[] =>
  fields.map(([path, value]) => [`${prefix}.${path}`, value])

/** OpenAI's own SDK types: what is not optional there, and what clients in other languages take for given. */
const CHAT_USAGE: readonly Filled[] = [
  ['usage.prompt_tokens', 0],
  ['usage.completion_tokens', 0],
  ['usage.total_tokens', sum('prompt_tokens', 'completion_tokens')],
  ['usage.prompt_tokens_details', { cached_tokens: 0, audio_tokens: 0 }],
  [
    'usage.completion_tokens_details',
    {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  ],
]

const CHAT_HEAD: readonly Filled[] = [
  ['id', id('chatcmpl-')],
  ['created', seconds],
  ['model', model],
  ['choices[].index', position],
  ['choices[].logprobs', null],
]

const CHAT_ANSWER: readonly Filled[] = [
  ['object', 'chat.completion'],
  ...CHAT_HEAD,
  ['choices[].finish_reason', 'stop'],
  ['choices[].message.role', 'assistant'],
  ['choices[].message.content', null],
  ['choices[].message.refusal', null],
  ['choices[].message.tool_calls[].type', 'function'],
  ...CHAT_USAGE,
]

const CHAT_EVENT: readonly Filled[] = [
  ['object', 'chat.completion.chunk'],
  ...CHAT_HEAD,
  ['choices[].finish_reason', null],
  ['choices[].delta', {}],
  // Gemini's compatible API leaves it out.
  ['choices[].delta.tool_calls[].index', position],
  ...CHAT_USAGE,
]

const MESSAGE: readonly Filled[] = [
  ['id', id('msg_')],
  ['type', 'message'],
  ['role', 'assistant'],
  ['model', model],
  ['content', []],
  ['stop_sequence', null],
  ['usage', {}],
  ['usage.input_tokens', 0],
  ['usage.output_tokens', 0],
  ['usage.cache_creation_input_tokens', 0],
  ['usage.cache_read_input_tokens', 0],
]

const ANTHROPIC_ANSWER: readonly Filled[] = [
  ...MESSAGE,
  ['stop_reason', 'end_turn'],
  ['content[].citations', only('text', null)],
]

const ANTHROPIC_EVENT: readonly Filled[] = [
  ...below('message', [...MESSAGE, ['stop_reason', null]]),
  ['content_block.citations', only('text', null)],
  ['delta.stop_sequence', ({ parent }) => ('stop_reason' in parent ? null : undefined)],
  ['usage.output_tokens', 0],
]

const ITEMS: readonly Filled[] = [
  ['status', only('message', 'completed')],
  ['role', only('message', 'assistant')],
  ['content[].annotations', only('output_text', [])],
  ['summary', only('reasoning', [])],
]

const RESPONSE: readonly Filled[] = [
  ['id', id('resp_')],
  ['object', 'response'],
  ['created_at', seconds],
  ['error', null],
  ['incomplete_details', null],
  ['instructions', null],
  ['metadata', {}],
  ['model', model],
  ['output', []],
  ['parallel_tool_calls', true],
  ['temperature', null],
  ['tool_choice', 'auto'],
  ['tools', []],
  ['top_p', null],
  ...below('output[]', ITEMS),
  ['usage.input_tokens', 0],
  ['usage.output_tokens', 0],
  ['usage.total_tokens', sum('input_tokens', 'output_tokens')],
  ['usage.input_tokens_details', { cached_tokens: 0 }],
  ['usage.output_tokens_details', { reasoning_tokens: 0 }],
]

const RESPONSE_EVENT: readonly Filled[] = [
  ['sequence_number', sequence],
  ...below('response', RESPONSE),
  ...below('item', ITEMS),
  ['part.annotations', only('output_text', [])],
]

const GEMINI: readonly Filled[] = [
  ['responseId', id('')],
  ['modelVersion', model],
  ['candidates[].index', position],
  ['candidates[].content.role', 'model'],
  ['candidates[].content.parts', []],
  ['usageMetadata.totalTokenCount', sum('promptTokenCount', 'candidatesTokenCount')],
]

const FORMS: Readonly<Record<string, { answer: readonly Filled[]; event: readonly Filled[] }>> = {
  'openai-chat': { answer: CHAT_ANSWER, event: CHAT_EVENT },
  'openai-responses': { answer: [...RESPONSE, ['status', 'completed']], event: RESPONSE_EVENT },
  anthropic: { answer: ANTHROPIC_ANSWER, event: ANTHROPIC_EVENT },
  gemini: { answer: GEMINI, event: GEMINI },
}

/** The fields of a dialect's answers, or of its events; none where it is no LLM API. */
export function fieldsOf(dialect: string, form: 'answer' | 'event'): readonly Filled[] {
  return FORMS[dialect]?.[form] ?? []
}
