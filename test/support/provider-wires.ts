import type { ProviderDialect } from '#core/dialects/dialect.ts'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { eventFrames, exceptionFrame } from './event-frames.ts'

/** What a model said, in no dialect. */
export interface Said {
  readonly thoughts?: string
  readonly text?: string
  readonly calls?: readonly {
    readonly id: string
    readonly name: string
    readonly input: JsonObject
  }[]
  readonly finish: 'stop' | 'tool' | 'length'
  /** All of the prompt. */
  readonly input: number
  readonly output: number
}

/** How a provider says it, after its documents. */
export interface ProviderWire {
  answer(said: Said): JsonObject
  /** The events of a streamed answer; the last of them, or of them that count, completes it. */
  events(said: Said): readonly Json[]
  /** Events as the bytes that they are on the wire. */
  bytes(events: readonly Json[]): Buffer
  /** An error in the middle of a stream, as bytes. */
  readonly failure: Buffer
  readonly mediaType: string
  /** The body of an error with a status of its own. */
  error(message: string): JsonObject
  /** A model of the provider that takes tools, and thinks if any does. */
  readonly model: string
}

const pieces = (text: string): string[] => text.match(/.{1,4}/gsu) ?? []

const sse =
  (named: boolean, end = '') =>
  (events: readonly Json[]): Buffer =>
    Buffer.from(
      events
        .map((event) => {
          const name = named ? `event: ${String((event as JsonObject)['type'])}\n` : ''
          return `${name}data: ${JSON.stringify(event)}\n\n`
        })
        .join('') + end,
    )

const CHAT_FINISH = { stop: 'stop', tool: 'tool_calls', length: 'length' } as const

function chatUsage({ input, output }: Said): JsonObject {
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output }
}

function chatCalls({ calls = [] }: Said): JsonObject[] {
  return calls.map(({ id, input, name }, index) => ({
    id,
    index,
    type: 'function',
    function: { name, arguments: JSON.stringify(input) },
  }))
}

/** Content is a list where there are thoughts, each of them a list again. */
const mistral: ProviderWire = {
  model: 'magistral-medium-latest',
  mediaType: 'text/event-stream',
  answer(said) {
    const thinking = [{ type: 'text', text: said.thoughts ?? '' }]
    const content: Json =
      said.thoughts === undefined
        ? (said.text ?? '')
        : [
            { type: 'thinking', thinking },
            { type: 'text', text: said.text ?? '' },
          ]
    const calls = chatCalls(said)
    const message = { role: 'assistant', content, tool_calls: calls.length === 0 ? null : calls }
    return {
      id: 'cmpl-1',
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'magistral-medium-2509',
      choices: [{ index: 0, message, finish_reason: CHAT_FINISH[said.finish] }],
      usage: chatUsage(said),
    }
  },
  events(said) {
    const head = { id: 'cmpl-1', object: 'chat.completion.chunk', created: 1, model: 'magistral' }
    const chunk = (delta: JsonObject, reason: string | null = null, usage?: JsonObject) => ({
      ...head,
      choices: [{ index: 0, delta, finish_reason: reason }],
      ...(usage === undefined ? {} : { usage }),
    })
    const thinking = (text: string) => [{ type: 'thinking', thinking: [{ type: 'text', text }] }]
    const calls = chatCalls(said)
    const last = calls.length === 0 ? { content: '' } : { content: '', tool_calls: calls }
    return [
      chunk({ role: 'assistant', content: '' }),
      ...pieces(said.thoughts ?? '').map((text) => chunk({ content: thinking(text) })),
      ...pieces(said.text ?? '').map((text) => chunk({ content: text })),
      chunk(last, CHAT_FINISH[said.finish], chatUsage(said)),
    ]
  },
  bytes: sse(false, 'data: [DONE]\n\n'),
  failure: Buffer.from(
    'data: {"object":"error","error":{"message":"overheated","type":"internal_error"}}\n\n',
  ),
  error: (message) => ({
    object: 'error',
    message,
    type: 'invalid_request_error',
    param: null,
    code: '3051',
  }),
}

/** The first chunk has no choice, and the filter speaks after the text. */
const azure: ProviderWire = {
  model: 'gpt-4o',
  mediaType: 'text/event-stream',
  answer(said) {
    const calls = chatCalls(said)
    const message = {
      role: 'assistant',
      content: said.text ?? null,
      refusal: null,
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
    }
    const filter = { hate: { filtered: false, severity: 'safe' } }
    return {
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'gpt-4o-2024-11-20',
      prompt_filter_results: [{ prompt_index: 0, content_filter_results: filter }],
      choices: [
        {
          index: 0,
          message,
          logprobs: null,
          content_filter_results: filter,
          finish_reason: CHAT_FINISH[said.finish],
        },
      ],
      usage: chatUsage(said),
    }
  },
  events(said) {
    const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'gpt-4o' }
    const filter = { hate: { filtered: false, severity: 'safe' } }
    const chunk = (delta: JsonObject, reason: string | null = null) => ({
      ...head,
      choices: [{ index: 0, delta, finish_reason: reason, content_filter_results: {} }],
      usage: null,
    })
    return [
      {
        id: '',
        object: '',
        created: 0,
        model: '',
        choices: [],
        prompt_filter_results: [{ prompt_index: 0, content_filter_results: filter }],
      },
      chunk({ role: 'assistant', content: '', refusal: null }),
      ...pieces(said.text ?? '').map((text) => chunk({ content: text })),
      ...chatCalls(said).map((call) => chunk({ tool_calls: [call] })),
      chunk({}, CHAT_FINISH[said.finish]),
      { ...head, choices: [], usage: chatUsage(said) },
    ]
  },
  bytes: sse(false, 'data: [DONE]\n\n'),
  failure: Buffer.from(
    'data: {"error":{"message":"overheated","type":"server_error","code":null}}\n\n',
  ),
  error: (message) => ({
    error: { message, type: 'invalid_request_error', param: null, code: null },
  }),
}

const COHERE_FINISH = { stop: 'COMPLETE', tool: 'TOOL_CALL', length: 'MAX_TOKENS' } as const

function cohereUsage({ input, output }: Said): JsonObject {
  return {
    billed_units: { input_tokens: 1, output_tokens: 1 },
    tokens: { input_tokens: input, output_tokens: output },
  }
}

/** What is said before a call is its plan. */
const cohere: ProviderWire = {
  model: 'command-a-reasoning-08-2025',
  mediaType: 'text/event-stream',
  answer(said) {
    const calls = chatCalls(said).map((call) => ({ ...call, index: null }))
    const content: JsonObject[] = []
    if (said.thoughts !== undefined) content.push({ type: 'thinking', thinking: said.thoughts })
    if (said.text !== undefined && calls.length === 0)
      content.push({ type: 'text', text: said.text })
    const planned = { tool_plan: said.text ?? '', tool_calls: calls }
    return {
      id: 'c14c80c3',
      message: { role: 'assistant', content, ...(calls.length === 0 ? {} : planned) },
      finish_reason: COHERE_FINISH[said.finish],
      usage: cohereUsage(said),
    }
  },
  events(said) {
    const { calls = [], text = '', thoughts } = said
    const delta = (message: JsonObject) => ({ delta: { message } })
    const content = (index: number, type: 'text' | 'thinking', all: string): JsonObject[] => [
      { type: 'content-start', index, ...delta({ content: { type, [type]: '' } }) },
      ...pieces(all).map((piece) => ({
        type: 'content-delta',
        index,
        ...delta({ content: { [type]: piece } }),
      })),
      { type: 'content-end', index },
    ]
    const plan = pieces(text).map((piece) => ({
      type: 'tool-plan-delta',
      ...delta({ tool_plan: piece }),
    }))
    const called = calls.flatMap(({ id, input, name }, index): JsonObject[] => [
      {
        type: 'tool-call-start',
        index,
        ...delta({ tool_calls: { id, type: 'function', function: { name, arguments: '' } } }),
      },
      ...pieces(JSON.stringify(input)).map((piece) => ({
        type: 'tool-call-delta',
        index,
        ...delta({ tool_calls: { function: { arguments: piece } } }),
      })),
      { type: 'tool-call-end', index },
    ])
    const start = { role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] }
    return [
      { type: 'message-start', id: '29f14a5a', ...delta(start) },
      ...(thoughts === undefined ? [] : content(0, 'thinking', thoughts)),
      ...(calls.length > 0 ? plan : text === '' ? [] : content(1, 'text', text)),
      ...called,
      {
        type: 'message-end',
        delta: { finish_reason: COHERE_FINISH[said.finish], usage: cohereUsage(said) },
      },
    ]
  },
  bytes: sse(true),
  failure: Buffer.from(
    'event: message-end\ndata: {"type":"message-end","delta":{"error":"overheated","finish_reason":"ERROR"}}\n\n',
  ),
  error: (message) => ({ id: 'e1', message }),
}

/** Calls have no ids and come whole. */
const ollama: ProviderWire = {
  model: 'qwen3:8b',
  mediaType: 'application/x-ndjson',
  answer(said) {
    const calls = (said.calls ?? []).map(({ input, name }) => ({
      function: { name, arguments: input },
    }))
    return {
      model: 'qwen3:8b',
      created_at: '2025-10-17T23:14:07.414671Z',
      message: {
        role: 'assistant',
        content: said.text ?? '',
        ...(said.thoughts === undefined ? {} : { thinking: said.thoughts }),
        ...(calls.length === 0 ? {} : { tool_calls: calls }),
      },
      done: true,
      done_reason: said.finish === 'length' ? 'length' : 'stop',
      total_duration: 174_560_334,
      prompt_eval_count: said.input,
      eval_count: said.output,
    }
  },
  events(said) {
    const line = (message: JsonObject, rest: JsonObject = { done: false }) => ({
      model: 'qwen3:8b',
      created_at: '2025-10-17T23:14:07.414671Z',
      message: { role: 'assistant', ...message },
      ...rest,
    })
    return [
      ...pieces(said.thoughts ?? '').map((thinking) => line({ content: '', thinking })),
      ...pieces(said.text ?? '').map((content) => line({ content })),
      ...(said.calls ?? []).map(({ input, name }) =>
        line({ content: '', tool_calls: [{ function: { name, arguments: input } }] }),
      ),
      line(
        { content: '' },
        {
          done: true,
          done_reason: said.finish === 'length' ? 'length' : 'stop',
          prompt_eval_count: said.input,
          eval_count: said.output,
        },
      ),
    ]
  },
  bytes: (events) => Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join('')),
  failure: Buffer.from('{"error":"overheated"}\n'),
  error: (message) => ({ error: message }),
}

const BEDROCK_FINISH = { stop: 'end_turn', tool: 'tool_use', length: 'max_tokens' } as const

/** Of the prompt, ten tokens were read from a cache: they are counted beside the rest. */
const CACHED = 10

function bedrockUsage({ input, output }: Said): JsonObject {
  return {
    inputTokens: input - CACHED,
    outputTokens: output,
    totalTokens: input + output,
    cacheReadInputTokens: CACHED,
    cacheWriteInputTokens: 0,
  }
}

/** Only calls have a start, and each payload has padding. */
const bedrock: ProviderWire = {
  model: 'us.anthropic.claude-haiku-4-5-20251001-v1:0',
  mediaType: 'application/vnd.amazon.eventstream',
  answer(said) {
    const content: JsonObject[] = []
    if (said.thoughts !== undefined) {
      const reasoningText = { text: said.thoughts, signature: 'c2lnbmVk' }
      content.push({ reasoningContent: { reasoningText } })
    }
    if (said.text !== undefined) content.push({ text: said.text })
    for (const { id, input, name } of said.calls ?? []) {
      content.push({ toolUse: { toolUseId: id, name, input } })
    }
    return {
      output: { message: { role: 'assistant', content } },
      stopReason: BEDROCK_FINISH[said.finish],
      usage: bedrockUsage(said),
      metrics: { latencyMs: 5090 },
    }
  },
  events(said) {
    let at = 0
    const block = (deltas: readonly JsonObject[], start?: JsonObject): Json[] => {
      const contentBlockIndex = at++
      return [
        ...(start === undefined ? [] : [{ contentBlockStart: { start, contentBlockIndex } }]),
        ...deltas.map((delta) => ({ contentBlockDelta: { delta, contentBlockIndex, p: 'abcd' } })),
        { contentBlockStop: { contentBlockIndex, p: 'abcdefgh' } },
      ]
    }
    const thoughts = [
      ...pieces(said.thoughts ?? '').map((text) => ({ reasoningContent: { text } })),
      { reasoningContent: { signature: 'c2lnbmVk' } },
    ]
    return [
      { messageStart: { role: 'assistant', p: 'ab' } },
      ...(said.thoughts === undefined ? [] : block(thoughts)),
      ...(said.text === undefined ? [] : block(pieces(said.text).map((text) => ({ text })))),
      ...(said.calls ?? []).flatMap(({ id, input, name }) =>
        block(
          ['', ...pieces(JSON.stringify(input))].map((piece) => ({ toolUse: { input: piece } })),
          { toolUse: { toolUseId: id, name } },
        ),
      ),
      { messageStop: { stopReason: BEDROCK_FINISH[said.finish] } },
      { metadata: { usage: bedrockUsage(said), metrics: { latencyMs: 1099 } } },
    ]
  },
  bytes: eventFrames,
  failure: exceptionFrame('modelStreamErrorException', 'overheated'),
  error: (message) => ({ message }),
}

/** Every provider that clients reach only through another dialect. */
export const PROVIDER_WIRES: Readonly<Record<ProviderDialect, ProviderWire>> = {
  'azure-openai': azure,
  bedrock,
  cohere,
  mistral,
  ollama,
}

/** Answers that every provider can give. */
export const SAID: Readonly<Record<string, Said>> = {
  text: { text: 'Grüße aus Zürich: 😀!', finish: 'stop', input: 21, output: 9 },
  'a call': {
    text: 'I will look.',
    calls: [{ id: 'a1B2c3D4e', name: 'get_weather', input: { city: 'Zürich', days: 2 } }],
    finish: 'tool',
    input: 80,
    output: 30,
  },
  'parallel calls': {
    calls: [
      { id: 'a1B2c3D4e', name: 'get_weather', input: { city: 'Zürich' } },
      { id: 'f5G6h7I8j', name: 'get_weather', input: { city: 'Bern' } },
      { id: 'k9L0m1N2o', name: 'get_time', input: {} },
    ],
    finish: 'tool',
    input: 90,
    output: 40,
  },
  'too long': { text: 'It was a', finish: 'length', input: 15, output: 4 },
}

/** An answer with thoughts, for those whose models tell them. */
export const THOUGHT: Said = {
  thoughts: 'Two and two, let me see.',
  text: 'Four.',
  finish: 'stop',
  input: 33,
  output: 22,
}
