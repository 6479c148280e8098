import type { Json, JsonObject } from '#core/kit/json.ts'
import { type AnswerForm, namedFrame } from './answer-form.ts'
import { type Call, pieces, type Said, type Thought } from './conversation.ts'

/** Answers of the Responses API. */
export const openaiResponsesAnswers: AnswerForm = {
  plain: (said, request) => {
    const output = itemsOf(said)
    return responseOf(said, request, said.finish === 'length' ? 'incomplete' : 'completed', output)
  },

  frames(said, request) {
    let sequence = 0
    const event = (type: string, fields: JsonObject) =>
      namedFrame({ type, ...fields, sequence_number: sequence++ })
    const begun = responseOf(said, request, 'in_progress', [])
    const items = itemsOf(said)
    const end = said.finish === 'length' ? 'incomplete' : 'completed'
    return [
      event('response.created', { response: begun }),
      event('response.in_progress', { response: begun }),
      ...items.flatMap((item, index) => itemEvents(item, index, event)),
      event(`response.${end}`, { response: responseOf(said, request, end, items) }),
    ]
  },

  refusedRequest: (message) => ({
    status: 400,
    body: { error: { message, type: 'invalid_request_error', param: null, code: null } },
  }),

  rateLimit: () => ({
    status: 429,
    headers: { 'retry-after': '7', 'retry-after-ms': '6500' },
    body: {
      error: {
        message: 'Rate limit reached for gpt-5-mini on tokens per min',
        type: 'tokens',
        param: null,
        code: 'rate_limit_exceeded',
      },
    },
  }),

  serverError: () => ({
    status: 500,
    body: {
      error: {
        message: 'An error occurred while processing your request',
        type: 'server_error',
        param: null,
        code: 'server_error',
      },
    },
  }),

  errorFrame: () =>
    namedFrame({
      type: 'error',
      code: 'server_error',
      message: 'The server is overloaded',
      param: null,
      sequence_number: 99,
    }),
}

type MakeEvent = (type: string, fields: JsonObject) => string

function responseOf(
  { usage: { input, output, cached = 0, reasoning = 0 } }: Said,
  request: JsonObject,
  status: string,
  items: JsonObject[],
): JsonObject {
  const isOver = status !== 'in_progress'
  return {
    id: 'resp_68a1',
    object: 'response',
    created_at: 1_764_000_000,
    status,
    background: false,
    error: null,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    instructions: request['instructions'] ?? null,
    max_output_tokens: request['max_output_tokens'] ?? null,
    model: request['model']!,
    output: items,
    parallel_tool_calls: request['parallel_tool_calls'] ?? true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: request['store'] ?? true,
    temperature: 1,
    text: request['text'] ?? { format: { type: 'text' }, verbosity: 'medium' },
    tool_choice: request['tool_choice'] ?? 'auto',
    tools: request['tools'] ?? [],
    top_p: 1,
    truncation: 'disabled',
    usage: isOver
      ? {
          input_tokens: input,
          input_tokens_details: { cached_tokens: cached },
          output_tokens: output,
          output_tokens_details: { reasoning_tokens: reasoning },
          total_tokens: input + output,
        }
      : null,
    user: null,
    metadata: {},
  }
}

function itemsOf({ thought, text, refusal, calls = [], finish }: Said): JsonObject[] {
  const status = finish === 'length' ? 'incomplete' : 'completed'
  const content: JsonObject[] = []
  if (text !== undefined) content.push({ type: 'output_text', text, annotations: [], logprobs: [] })
  if (refusal !== undefined) content.push({ type: 'refusal', refusal })
  return [
    ...(thought === undefined ? [] : [reasoningItem(thought)]),
    ...(content.length === 0
      ? []
      : [{ id: 'msg_68a1', type: 'message', role: 'assistant', status, content }]),
    ...calls.map(callItem),
  ]
}

function reasoningItem({ text, proof }: Thought): JsonObject {
  const summary = [{ type: 'summary_text', text }]
  return { id: 'rs_68a1', type: 'reasoning', summary, encrypted_content: proof }
}

function callItem({ id, name, arguments: input }: Call, index: number): JsonObject {
  return {
    id: `fc_68a1${index}`,
    type: 'function_call',
    status: 'completed',
    call_id: id,
    name,
    arguments: JSON.stringify(input),
  }
}

function itemEvents(item: JsonObject, index: number, event: MakeEvent): string[] {
  const at = { output_index: index, item_id: item['id']! }
  const inner = { reasoning: summaryEvents, function_call: argumentEvents, message: contentEvents }
  return [
    event('response.output_item.added', { output_index: index, item: begunItem(item) }),
    ...inner[item['type'] as keyof typeof inner](item, at, event),
    event('response.output_item.done', { output_index: index, item }),
  ]
}

function begunItem(item: JsonObject): JsonObject {
  if (item['type'] === 'reasoning') return { ...item, summary: [] }
  if (item['type'] === 'function_call') return { ...item, status: 'in_progress', arguments: '' }
  return { ...item, status: 'in_progress', content: [] }
}

function summaryEvents(item: JsonObject, at: JsonObject, event: MakeEvent): string[] {
  const [part] = item['summary'] as { text: string }[] & JsonObject[]
  const where = { ...at, summary_index: 0 }
  const kind = 'response.reasoning_summary'
  return [
    event(`${kind}_part.added`, { ...where, part: { type: 'summary_text', text: '' } }),
    ...pieces(part!.text).map((delta) => event(`${kind}_text.delta`, { ...where, delta })),
    event(`${kind}_text.done`, { ...where, text: part!.text }),
    event(`${kind}_part.done`, { ...where, part: part! }),
  ]
}

function argumentEvents(item: JsonObject, at: JsonObject, event: MakeEvent): string[] {
  const input = item['arguments'] as string
  const kind = 'response.function_call_arguments'
  return [
    ...pieces(input).map((delta) => event(`${kind}.delta`, { ...at, delta, obfuscation: 'k2' })),
    event(`${kind}.done`, { ...at, arguments: input }),
  ]
}

function contentEvents(item: JsonObject, at: JsonObject, event: MakeEvent): string[] {
  return (item['content'] as JsonObject[]).flatMap((part, index) => {
    const where = { ...at, content_index: index }
    const isText = part['type'] === 'output_text'
    const field = isText ? 'text' : 'refusal'
    const text = part[field] as string
    const kind = isText ? 'response.output_text' : 'response.refusal'
    const extra: JsonObject = isText ? { logprobs: [] as Json } : {}
    return [
      event('response.content_part.added', { ...where, part: { ...part, [field]: '' } }),
      ...pieces(text).map((delta) => event(`${kind}.delta`, { ...where, delta, ...extra })),
      event(`${kind}.done`, { ...where, [field]: text, ...extra }),
      event('response.content_part.done', { ...where, part }),
    ]
  })
}
