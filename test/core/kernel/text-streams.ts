import type { LlmDialect } from '#core/dialects/dialect.ts'
import { isObject, type Json, type JsonObject } from '#core/kit/json.ts'

/** A text of an answer, in the pieces that it is sent in. */
export interface Told {
  readonly kind: 'text' | 'reasoning' | 'arguments'
  readonly pieces: readonly string[]
}

/** An event of a stream. */
export interface Event {
  readonly event?: string
  readonly data: string
}

/** A stream of a dialect that tells these texts one after the other, as its provider would. */
export function streamOf(dialect: LlmDialect, texts: readonly Told[]): readonly Event[] {
  return STREAMS[dialect](texts)
}

/** The texts that a client puts together from a stream, and those that the stream repeats. */
export function textsOf(
  dialect: LlmDialect,
  events: readonly { data: string }[],
): { told: string[]; repeated: string[] } {
  const told = new Map<string, string>()
  const repeated: string[] = []
  const add = (key: string, text: unknown) => {
    if (typeof text === 'string' && text !== '') told.set(key, (told.get(key) ?? '') + text)
  }
  for (const { data } of events) {
    if (data === '[DONE]') continue
    READERS[dialect](JSON.parse(data) as JsonObject, add, (text) => {
      if (typeof text === 'string' && text !== '') repeated.push(text)
    })
  }
  const sorted = [...told].sort(([one], [other]) => (one < other ? -1 : 1))
  return { told: sorted.map(([, text]) => text), repeated }
}

type Reader = (
  event: JsonObject,
  add: (key: string, text: unknown) => void,
  repeat: (text: unknown) => void,
) => void

const READERS: Record<LlmDialect, Reader> = {
  'openai-chat'(event, add) {
    for (const choice of event['choices'] as JsonObject[]) {
      const delta = choice['delta'] as JsonObject
      const index = String(choice['index'])
      add(`${index}r`, delta['reasoning_content'])
      add(`${index}t`, delta['content'])
      for (const call of (delta['tool_calls'] ?? []) as JsonObject[]) {
        add(`${index}x${String(call['index'])}`, (call['function'] as JsonObject)['arguments'])
      }
    }
  },
  anthropic(event, add) {
    const delta = event['delta']
    if (event['type'] !== 'content_block_delta' || !isObject(delta)) return
    add(String(event['index']), delta['text'] ?? delta['thinking'] ?? delta['partial_json'])
  },
  gemini(event, add) {
    for (const candidate of event['candidates'] as JsonObject[]) {
      for (const part of (candidate['content'] as JsonObject)['parts'] as JsonObject[]) {
        add(part['thought'] === true ? 'reasoning' : 'text', part['text'])
      }
    }
  },
  'openai-responses'(event, add, repeat) {
    const type = String(event['type'])
    if (type.endsWith('.delta')) add(String(event['output_index']), event['delta'])
    else if (type.endsWith('_text.done')) repeat(event['text'])
    else if (type.endsWith('arguments.done')) repeat(event['arguments'])
    const items = isObject(event['response'])
      ? (event['response']['output'] as Json[])
      : [event['item']]
    for (const item of items) {
      if (!isObject(item) || type.endsWith('.added')) continue
      repeat(item['arguments'])
      for (const part of [
        ...((item['content'] ?? []) as JsonObject[]),
        ...((item['summary'] ?? []) as JsonObject[]),
      ]) {
        repeat(part['text'])
      }
    }
    if (type === 'response.content_part.done') repeat((event['part'] as JsonObject)['text'])
  },
}

const data = (json: Json): Event => ({ data: JSON.stringify(json) })
const named = (json: JsonObject): Event => ({
  event: String(json['type']),
  data: JSON.stringify(json),
})

const STREAMS: Record<LlmDialect, (texts: readonly Told[]) => Event[]> = {
  'openai-chat'(texts) {
    const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm' }
    const chunk = (delta: JsonObject, finish: string | null = null) =>
      data({ ...head, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] })
    const deltas = texts.flatMap(({ kind, pieces }, index) =>
      pieces.map((text, at) => {
        if (kind === 'reasoning') return chunk({ reasoning_content: text })
        if (kind === 'text') return chunk({ content: text })
        const named = at === 0 ? { id: `call_${index}`, type: 'function' } : {}
        const call = { name: at === 0 ? 'tool' : undefined, arguments: text }
        return chunk({ tool_calls: [{ index, ...named, function: call as JsonObject }] })
      }),
    )
    const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 }
    return [
      chunk({ role: 'assistant', content: '' }),
      ...deltas,
      chunk({}, 'stop'),
      data({ ...head, choices: [], usage }),
      { data: '[DONE]' },
    ]
  },

  anthropic(texts) {
    const start = { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [] }
    const blocks = texts.flatMap(({ kind, pieces }, index) => {
      const block = {
        text: { type: 'text', text: '' },
        reasoning: { type: 'thinking', thinking: '', signature: '' },
        arguments: { type: 'tool_use', id: 't', name: 'tool', input: {} },
      }[kind]
      const delta = (text: string) =>
        ({
          text: { type: 'text_delta', text },
          reasoning: { type: 'thinking_delta', thinking: text },
          arguments: { type: 'input_json_delta', partial_json: text },
        })[kind]
      return [
        named({ type: 'content_block_start', index, content_block: block }),
        ...pieces.map((text) => named({ type: 'content_block_delta', index, delta: delta(text) })),
        named({ type: 'content_block_stop', index }),
      ]
    })
    return [
      named({
        type: 'message_start',
        message: { ...start, usage: { input_tokens: 1, output_tokens: 1 } },
      }),
      ...blocks,
      named({
        type: 'message_delta',
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: { output_tokens: 9 },
      }),
      named({ type: 'message_stop' }),
    ]
  },

  gemini(texts) {
    const parts = texts.flatMap(({ kind, pieces }) =>
      pieces.map((text) => ({ text, ...(kind === 'reasoning' && { thought: true }) })),
    )
    return parts.map((part, at) => {
      const isLast = at === parts.length - 1
      const candidate = { content: { parts: [part], role: 'model' }, index: 0 }
      return data({
        candidates: [isLast ? { ...candidate, finishReason: 'STOP' } : candidate],
        usageMetadata: { promptTokenCount: 1, totalTokenCount: 2 },
        modelVersion: 'm',
      })
    })
  },

  'openai-responses'(texts) {
    let number = 0
    const event = (json: JsonObject) => named({ ...json, sequence_number: number++ })
    const response = { id: 'resp_1', object: 'response', status: 'in_progress', output: [] }
    const created = event({ type: 'response.created', response })
    const output: Json[] = []
    const items = texts.flatMap(({ kind, pieces }, index) => {
      const text = pieces.join('')
      const at = { item_id: `i_${index}`, output_index: index }
      if (kind === 'arguments') {
        const item = {
          id: at.item_id,
          type: 'function_call',
          name: 'tool',
          call_id: 'c',
          arguments: text,
        }
        output.push(item)
        return [
          event({
            type: 'response.output_item.added',
            output_index: index,
            item: { ...item, arguments: '' },
          }),
          ...pieces.map((delta) =>
            event({ type: 'response.function_call_arguments.delta', ...at, delta }),
          ),
          event({ type: 'response.function_call_arguments.done', ...at, arguments: text }),
          event({ type: 'response.output_item.done', output_index: index, item }),
        ]
      }
      const isText = kind === 'text'
      const part = isText
        ? { type: 'output_text', text, annotations: [] }
        : { type: 'summary_text', text }
      const item = isText
        ? { id: at.item_id, type: 'message', role: 'assistant', content: [part] }
        : { id: at.item_id, type: 'reasoning', summary: [part] }
      output.push(item)
      const name = isText ? 'response.output_text' : 'response.reasoning_summary_text'
      const where = isText ? { ...at, content_index: 0 } : { ...at, summary_index: 0 }
      return [
        event({
          type: 'response.output_item.added',
          output_index: index,
          item: { id: at.item_id, type: item.type },
        }),
        ...pieces.map((delta) => event({ type: `${name}.delta`, ...where, delta })),
        event({ type: `${name}.done`, ...where, text }),
        ...(isText ? [event({ type: 'response.content_part.done', ...where, part })] : []),
        event({ type: 'response.output_item.done', output_index: index, item }),
      ]
    })
    return [
      created,
      ...items,
      event({ type: 'response.completed', response: { ...response, status: 'completed', output } }),
    ]
  },
}
