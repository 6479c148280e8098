import { describe, expect, it } from 'vitest'
import { upstreamCodec } from '#core/dialects/codecs/index.ts'
import { SSE } from '#core/dialects/framing.ts'
import type { HubEvent } from '#core/dialects/hub/stream.ts'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { chat, messages, plainCrossing } from './crossings.ts'
import { collected } from './following.ts'

/** What the hub makes of the bytes of a server that speaks like OpenAI. */
function read(text: string) {
  const decoder = chat.streamDecoder(plainCrossing(messages, chat))
  const events: HubEvent[] = []
  const reader = SSE.reader({
    event: (event) => events.push(...decoder.push(event)),
    done: () => events.push(...decoder.end()),
    idle: () => {},
    fault: () => {},
  })
  reader.push(Buffer.from(text))
  reader.end()
  return collected([...events, ...decoder.end()])
}

const frames = (...events: readonly Json[]): string =>
  events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')

const chunk = (delta: Json, reason: Json = null, more: JsonObject = {}): JsonObject => ({
  id: 'c1',
  object: 'chat.completion.chunk',
  model: 'm',
  choices: [{ index: 0, delta, finish_reason: reason }],
  ...more,
})
const call = (more: JsonObject): JsonObject => ({ tool_calls: [{ type: 'function', ...more }] })
const counts = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
const usage = { inputTokens: 3, outputTokens: 2, totalTokens: 5 }

describe('servers that speak like OpenAI', () => {
  it('OpenRouter: comments while it waits, and an error in the midst', () => {
    const waiting = ': OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n'
    const failure = {
      ...chunk({ content: '' }, 'error'),
      error: { code: 502, message: 'Provider disconnected', metadata: { provider_name: 'X' } },
    }
    expect(read(waiting + frames(chunk({ content: 'Hi' }), failure))).toMatchObject({
      parts: [{ type: 'text' }],
      end: { type: 'error', error: { status: 502, message: 'Provider disconnected' } },
    })
  })

  it('Groq: the count under a name of its own, thoughts as reasoning', () => {
    const text = frames(
      chunk({ role: 'assistant', content: '' }, null, { x_groq: { id: 'req_1' } }),
      chunk({ reasoning: 'Hm.' }),
      chunk({ content: 'Hi' }),
      chunk({}, 'stop', { x_groq: { id: 'req_1', usage: counts } }),
    )
    expect(read(`${text}data: [DONE]\n\n`)).toMatchObject({
      parts: [
        { type: 'reasoning', text: 'Hm.' },
        { type: 'text', text: 'Hi' },
      ],
      usage,
      end: { type: 'end' },
    })
  })

  it('DeepSeek: thoughts as reasoning_content, cached tokens as hits', () => {
    const { parts, usage: counted } = read(
      frames(
        chunk({ content: null, reasoning_content: 'Hm.' }),
        chunk({ content: 'Hi', reasoning_content: null }),
        chunk({ content: '' }, 'stop', {
          usage: { ...counts, prompt_cache_hit_tokens: 2, prompt_cache_miss_tokens: 1 },
        }),
      ),
    )
    expect(parts.map(({ type }) => type)).toEqual(['reasoning', 'text'])
    expect(counted).toEqual({ ...usage, cacheReadTokens: 2 })
  })

  it('thoughts under two names at once are told once', () => {
    const both = { content: null, reasoning: 'Hm.', reasoning_content: 'Hm.' }
    expect(read(frames(chunk(both), chunk({ content: 'Hi' }, 'stop'))).parts).toMatchObject([
      { type: 'reasoning', text: 'Hm.' },
      { type: 'text', text: 'Hi' },
    ])
  })

  it('vLLM: empty lists of calls, a running count, arguments in one piece, an error of another form', () => {
    const running = (output: number) => ({
      usage: { prompt_tokens: 3, completion_tokens: output, total_tokens: 3 + output },
    })
    const whole = { name: 'look', arguments: '{"a":1}' }
    const told = read(
      frames(
        chunk({ content: 'Hi', tool_calls: [] }, null, running(1)),
        chunk(call({ index: 0, id: 'chatcmpl-tool-1', function: whole }), null, running(2)),
        chunk({ content: '', tool_calls: [] }, 'tool_calls', running(2)),
      ),
    )
    expect(told).toMatchObject({
      parts: [
        { type: 'text', text: 'Hi' },
        { type: 'toolCall', id: 'chatcmpl-tool-1', name: 'look', arguments: '{"a":1}' },
      ],
      finish: { reason: 'tool' },
      usage,
    })
    const failure = { object: 'error', message: 'too long', type: 'BadRequestError', code: 400 }
    expect(read(frames(chunk({ content: 'Hi' }), failure)).end).toMatchObject({
      error: { status: 400, message: 'too long' },
    })
  })

  it("Gemini's: calls without an index, which end with stop", () => {
    const told = read(
      frames(
        chunk(call({ id: 'a', function: { name: 'look', arguments: '{"a":1}' } })),
        chunk(call({ id: 'b', function: { name: 'look', arguments: '{"a":2}' } })),
        chunk({}, 'stop'),
      ),
    )
    expect(told.parts).toMatchObject([
      { id: 'a', arguments: '{"a":1}' },
      { id: 'b', arguments: '{"a":2}' },
    ])
    expect(told.finish).toMatchObject({ reason: 'tool' })
  })

  it('calls without an id get one that no other request has', () => {
    const { parts } = read(
      frames(
        chunk(call({ index: 0, function: { name: 'look', arguments: '{}' } })),
        chunk(call({ index: 1, function: { name: 'look', arguments: '{}' } })),
        chunk({}, 'tool_calls'),
      ),
    )
    expect(parts).toMatchObject([{ id: 'call_req1_0_0' }, { id: 'call_req1_0_1' }])
  })

  it('an empty finish reason ends nothing', () => {
    const told = read(
      frames(chunk({ content: 'H' }, ''), chunk({ content: 'i' }, ''), chunk({}, 'stop')),
    )
    expect(told).toMatchObject({ parts: [{ text: 'Hi' }], end: { type: 'end' } })
  })

  it('Azure: a first chunk without choices, and a filter that speaks last', () => {
    const filter = { hate: { filtered: false, severity: 'safe' } }
    const told = read(
      frames(
        { id: '', model: '', choices: [], prompt_filter_results: [] },
        chunk({ content: 'Hi' }),
        chunk({}, 'stop'),
        {
          id: '',
          model: '',
          choices: [{ index: 0, finish_reason: null, content_filter_results: filter }],
        },
        { id: 'c1', model: 'm', choices: [], usage: counts },
      ),
    )
    expect(told).toMatchObject({ parts: [{ text: 'Hi' }], usage, end: { type: 'end' } })
  })

  it('Perplexity: sources beside the choices', () => {
    const sources = {
      search_results: [{ title: 'A', url: 'https://a.example', date: '2026-01-01' }],
    }
    const answer = {
      ...sources,
      choices: [{ message: { content: 'Hi' }, finish_reason: 'stop' }],
    }
    const way = plainCrossing(messages, chat)
    expect(chat.decodeAnswer(answer, way)?.parts).toMatchObject([
      { text: 'Hi', citations: [{ title: 'A', url: 'https://a.example' }] },
    ])
    const old = { choices: answer.choices, citations: ['https://b.example'] }
    expect(chat.decodeAnswer(old, way)?.parts).toMatchObject([
      { citations: [{ url: 'https://b.example' }] },
    ])
    const decoder = chat.streamDecoder(way)
    decoder.push(chunk({ content: 'Hi' }, null, sources))
    const last = decoder.push(chunk({}, 'stop', sources))
    expect(last.filter(({ type }) => type === 'blockDelta')).toEqual([
      {
        type: 'blockDelta',
        block: 0,
        delta: { type: 'citation', citation: { title: 'A', url: 'https://a.example' } },
      },
    ])
  })

  it('Groq: an error says what the model tried', () => {
    const error = {
      message: 'Failed to call a function.',
      type: 'invalid_request_error',
      code: 'tool_use_failed',
      failed_generation: '<function=x>',
    }
    expect(chat.decodeError(400, { error })).toMatchObject({
      kind: 'badRequest',
      code: 'tool_use_failed',
    })
  })
})

describe('calls without arguments', () => {
  it.each([
    [
      'bedrock',
      [
        {
          contentBlockStart: {
            contentBlockIndex: 0,
            start: { toolUse: { toolUseId: 'a', name: 'x' } },
          },
        },
        { contentBlockStop: { contentBlockIndex: 0 } },
      ],
    ],
    [
      'cohere',
      [
        {
          type: 'tool-call-start',
          delta: { message: { tool_calls: { id: 'a', function: { name: 'x', arguments: '' } } } },
        },
        { type: 'tool-call-end' },
      ],
    ],
  ] as const)('have an empty object: %s', (provider, events) => {
    const decoder = upstreamCodec(provider).streamDecoder(plainCrossing(messages, chat))
    expect(events.flatMap((event) => decoder.push(event as unknown as Json))).toContainEqual({
      type: 'blockDelta',
      block: 0,
      delta: { type: 'arguments', text: '{}' },
    })
  })
})
