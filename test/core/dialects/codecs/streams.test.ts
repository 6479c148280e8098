import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BlockHead, HubEvent } from '#core/dialects/hub/stream.ts'
import type { Json, JsonObject } from '#core/kit/json.ts'
import {
  chat,
  crossStream,
  decodeStream,
  encodeStream,
  faultsOf,
  gistOfChat,
  gistOfMessage,
  messageFaultsOf,
  messages,
  parsed,
  plainCrossing,
  readByAnthropic,
  readByOpenai,
} from './crossings.ts'

function chunk(delta: JsonObject, reason: string | null = null, more: JsonObject = {}): JsonObject {
  const choices = [{ index: 0, delta, finish_reason: reason }]
  return { id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'm', choices, ...more }
}

function toolDelta(index: number, id?: string, name?: string, args = ''): JsonObject {
  const head = id === undefined ? {} : { id, type: 'function' }
  const named = name === undefined ? {} : { name }
  return { tool_calls: [{ index, ...head, function: { ...named, arguments: args } }] }
}

function toMessages(chunks: readonly Json[]) {
  return crossStream(chat, messages, chunks, plainCrossing(messages, chat))
}

const WITH_USAGE = { stream_options: { include_usage: true } }

function toChat(events: readonly Json[], extra: JsonObject = WITH_USAGE) {
  return crossStream(messages, chat, events, plainCrossing(chat, messages, extra))
}

const MESSAGE_START = {
  type: 'message_start',
  message: {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude',
    content: [],
    usage: { input_tokens: 10, cache_read_input_tokens: 90, output_tokens: 1 },
  },
}

function block(index: number, content: JsonObject, ...deltas: readonly JsonObject[]): JsonObject[] {
  return [
    { type: 'content_block_start', index, content_block: content },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ]
}

function messageEnd(reason: string): JsonObject[] {
  return [
    {
      type: 'message_delta',
      delta: { stop_reason: reason, stop_sequence: null },
      usage: { output_tokens: 20 },
    },
    { type: 'message_stop' },
  ]
}

describe('a chat told as a message', () => {
  // https://github.com/BerriAI/litellm/issues/25321
  it('keeps the delta that brings another kind of block', async () => {
    const events = toMessages([
      chunk({ role: 'assistant', content: '' }),
      chunk({ reasoning_content: 'Hm' }),
      chunk({ content: 'Let me look' }),
      chunk(toolDelta(0, 'a', 'look', '{"n":1}')),
      chunk(toolDelta(1, 'b', 'look', '{"n":2}')),
      chunk({}, 'tool_calls'),
    ])
    expect(messageFaultsOf(parsed(events))).toEqual([])
    const message = await readByAnthropic(events)
    expect(message.content).toMatchObject([
      { type: 'thinking', thinking: 'Hm' },
      { type: 'text', text: 'Let me look' },
      { type: 'tool_use', id: 'a', input: { n: 1 } },
      { type: 'tool_use', id: 'b', input: { n: 2 } },
    ])
    expect(message.stop_reason).toBe('tool_use')
  })

  // https://github.com/BerriAI/litellm/issues/32357 and 29286
  it('opens no block before its first content, and no call for an empty list of calls', () => {
    const events = parsed(
      toMessages([
        chunk({ role: 'assistant', content: '', tool_calls: [] }),
        chunk({ content: 'Yes', tool_calls: [] }),
        chunk({}, 'stop'),
      ]),
    )
    const starts = events.filter(({ type }) => type === 'content_block_start')
    expect(starts).toMatchObject([{ index: 0, content_block: { type: 'text' } }])
    expect(events[0]).toMatchObject({ type: 'message_start' })
  })

  // https://github.com/BerriAI/litellm/issues/24176
  it('begins with all counts of usage, and ends with the true ones', async () => {
    const usage = {
      prompt_tokens: 100,
      completion_tokens: 7,
      total_tokens: 107,
      prompt_tokens_details: { cached_tokens: 90 },
    }
    const events = toMessages([
      chunk({ content: 'Yes' }),
      chunk({}, 'stop'),
      { ...chunk({}), choices: [], usage },
    ])
    expect(parsed(events)[0]).toMatchObject({
      message: {
        usage: {
          input_tokens: 0,
          output_tokens: 0,
          cache_read_input_tokens: 0,
          cache_creation_input_tokens: 0,
        },
      },
    })
    expect((await readByAnthropic(events)).usage).toMatchObject({
      input_tokens: 10,
      cache_read_input_tokens: 90,
      output_tokens: 7,
    })
  })

  it('puts calls that are told side by side in a row', async () => {
    const events = toMessages([
      chunk(toolDelta(0, 'a', 'look', '{"n":')),
      chunk(toolDelta(1, 'b', 'look', '{"n":')),
      chunk(toolDelta(0, undefined, undefined, '1}')),
      chunk(toolDelta(1, undefined, undefined, '2}')),
      chunk({}, 'tool_calls'),
    ])
    expect(messageFaultsOf(parsed(events))).toEqual([])
    expect(gistOfMessage(await readByAnthropic(events)).calls).toEqual([
      { name: 'look', arguments: { n: 1 } },
      { name: 'look', arguments: { n: 2 } },
    ])
  })

  it('closes a call as soon as the next begins, so that clients need not wait for the end', () => {
    const events = parsed(
      toMessages([
        chunk(toolDelta(0, 'a', 'look', '{"n":"}{"}')),
        chunk(toolDelta(1, 'b', 'look', '{}')),
      ]),
    )
    expect(events.slice(1, -1).map(({ index, type }) => [type, index])).toEqual([
      ['content_block_start', 0],
      ['content_block_delta', 0],
      ['content_block_stop', 0],
      ['content_block_start', 1],
      ['content_block_delta', 1],
    ])
  })

  it.each([
    ['the index is missing', [undefined, undefined]],
    ['each has the same index', [0, 0]],
    ['the index has gaps', [1, 4]],
  ])('tells calls of the same name apart where %s', async (_, indexes) => {
    const deltas = indexes.map((index, position) => {
      const call = { id: `id${position}`, type: 'function' }
      const body = { name: 'look', arguments: `{"n":${position}}` }
      return chunk({
        tool_calls: [{ ...call, function: body, ...(index === undefined ? {} : { index }) }],
      })
    })
    const message = await readByAnthropic(toMessages([...deltas, chunk({}, 'stop')]))
    expect(message.content).toMatchObject([
      { id: 'id0', input: { n: 0 } },
      { id: 'id1', input: { n: 1 } },
    ])
    expect(message.stop_reason).toBe('tool_use')
  })

  it('takes a call without arguments, and one that is repeated with its name', async () => {
    const events = toMessages([
      chunk(toolDelta(0, 'a', 'now', '')),
      chunk(toolDelta(0, 'a', 'now', '')),
      chunk({}, 'tool_calls'),
    ])
    expect(gistOfMessage(await readByAnthropic(events)).calls).toEqual([
      { name: 'now', arguments: {} },
    ])
  })

  it('reads thoughts in each form that is in use', () => {
    const thoughts = (delta: JsonObject) =>
      decodeStream(chat, [chunk(delta), chunk({ content: 'x' }, 'stop')], plainCrossing(chat, chat))
    const detail = { type: 'reasoning.text', text: 'Hm', format: 'unknown' }
    for (const delta of [
      { reasoning_content: 'Hm' },
      { reasoning: 'Hm' },
      { reasoning: 'Hm', reasoning_details: [detail] },
      { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] }] },
    ]) {
      expect(thoughts(delta)).toContainEqual({
        type: 'blockDelta',
        block: 0,
        delta: { type: 'text', text: 'Hm' },
      })
    }
  })

  it('begins with the first chunk of Azure that has a choice', () => {
    const filter = { id: '', model: '', choices: [], prompt_filter_results: [] }
    const events = decodeStream(
      chat,
      [filter, chunk({ content: 'Yes' }), chunk({}, 'stop')],
      plainCrossing(chat, chat),
    )
    expect(events[0]).toMatchObject({ type: 'start', id: 'c1' })
  })

  it('tells an error in the middle as one, and nothing after it', async () => {
    const events = toMessages([
      chunk({ content: 'Half' }),
      { error: { message: 'overloaded', code: 503 } },
      chunk({ content: 'late' }),
    ])
    expect(events.at(-1)).toMatchObject({ event: 'error' })
    await expect(readByAnthropic(events)).rejects.toThrow(/overloaded/)
  })

  it('tells a stream without an end as an error, not as a short answer', async () => {
    await expect(readByAnthropic(toMessages([chunk({ content: 'Half' })]))).rejects.toThrow(
      /closed/,
    )
  })

  it('tells a refusal', async () => {
    const message = await readByAnthropic(
      toMessages([chunk({ refusal: 'No.' }), chunk({}, 'stop')]),
    )
    expect(message).toMatchObject({ stop_reason: 'refusal', content: [{ text: 'No.' }] })
  })
})

describe('a message told as a chat', () => {
  it('numbers calls from 0, though text stands before them, and gives each its arguments', async () => {
    const events = toChat([
      MESSAGE_START,
      ...block(0, { type: 'text', text: '' }, { type: 'text_delta', text: 'Looking' }),
      { type: 'ping' },
      ...block(
        1,
        { type: 'tool_use', id: 'a', name: 'look', input: {} },
        { type: 'input_json_delta', partial_json: '' },
        { type: 'input_json_delta', partial_json: '{"n":1}' },
      ),
      ...block(2, { type: 'tool_use', id: 'b', name: 'now', input: {} }),
      ...messageEnd('tool_use'),
    ])
    const deltas = parsed(events).flatMap(({ choices }) =>
      (choices as { delta: { tool_calls?: { index: number }[] } }[]).flatMap(
        ({ delta }) => delta.tool_calls ?? [],
      ),
    )
    expect(deltas.map(({ index }) => index)).toEqual([0, 0, 1, 1])
    const completion = await readByOpenai(events)
    expect(gistOfChat(completion)).toEqual({
      text: 'Looking',
      calls: [
        { name: 'look', arguments: { n: 1 } },
        { name: 'now', arguments: {} },
      ],
      finish: 'tool_calls',
      input: 100,
      output: 20,
    })
    expect(completion.usage?.prompt_tokens_details).toMatchObject({ cached_tokens: 90 })
  })

  it('gives a call without arguments some JSON', () => {
    const call = { type: 'tool_use', id: 'a', name: 'now', input: {} }
    const source = [MESSAGE_START, ...block(0, call), ...messageEnd('tool_use')]
    expect(decodeStream(messages, source, plainCrossing(messages, messages))).toContainEqual({
      type: 'blockDelta',
      block: 0,
      delta: { type: 'arguments', text: '{}' },
    })
  })

  it('tells usage in a chunk of its own, only where the client asked', () => {
    const source = [MESSAGE_START, ...messageEnd('end_turn')]
    expect(parsed(toChat(source)).at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 },
    })
    const quiet = parsed(toChat(source, {}))
    expect(quiet.every((event) => !('usage' in event))).toBe(true)
    expect(toChat(source, {}).at(-1)).toEqual({ event: undefined, data: '[DONE]' })
  })

  it('tells the role once, and thoughts with their proof', () => {
    const events = parsed(
      toChat([
        MESSAGE_START,
        ...block(
          0,
          { type: 'thinking', thinking: '', signature: '' },
          { type: 'thinking_delta', thinking: 'Hm' },
          { type: 'signature_delta', signature: 'c2ln' },
        ),
        ...block(1, { type: 'redacted_thinking', data: 'cmVk' }),
        ...messageEnd('end_turn'),
      ]),
    )
    const deltas = events.flatMap(({ choices }) =>
      (choices as { delta: JsonObject }[]).map(({ delta }) => delta),
    )
    expect(deltas.filter(({ role }) => role === 'assistant')).toHaveLength(1)
    expect(deltas).toContainEqual({ reasoning_content: 'Hm' })
    expect(deltas.flatMap((delta) => (delta['reasoning_details'] ?? []) as Json[])).toMatchObject([
      { type: 'reasoning.text', signature: 'c2ln', format: 'anthropic-claude-v1' },
      { type: 'reasoning.encrypted', data: 'cmVk', format: 'anthropic-claude-v1' },
    ])
  })

  it('tells a refusal with its reason', () => {
    const [delta] = messageEnd('refusal')
    const details = { type: 'refusal', category: 'bio', explanation: 'Not this.' }
    const told = { ...delta, delta: { stop_reason: 'refusal', stop_details: details } }
    const events = parsed(toChat([MESSAGE_START, told, { type: 'message_stop' }]))
    expect(events).toContainEqual(
      expect.objectContaining({
        choices: [expect.objectContaining({ delta: { refusal: 'Not this.' } })],
      }),
    )
    expect(events).toContainEqual(
      expect.objectContaining({
        choices: [expect.objectContaining({ finish_reason: 'content_filter' })],
      }),
    )
  })

  it('passes over blocks and events that only Anthropic knows', async () => {
    const events = toChat([
      MESSAGE_START,
      ...block(
        0,
        { type: 'server_tool_use', id: 's', name: 'web_search', input: {} },
        { type: 'input_json_delta', partial_json: '{"query":"x"}' },
      ),
      ...block(1, { type: 'web_search_tool_result', tool_use_id: 's', content: [] }),
      { type: 'novelty' },
      ...block(2, { type: 'text', text: '' }, { type: 'text_delta', text: 'Found' }),
      ...messageEnd('end_turn'),
    ])
    expect(gistOfChat(await readByOpenai(events))).toMatchObject({ text: 'Found', calls: [] })
  })

  it('tells an error in the middle as one', async () => {
    const error = { type: 'overloaded_error', message: 'Overloaded' }
    const events = toChat([MESSAGE_START, { type: 'error', error }])
    await expect(readByOpenai(events)).rejects.toThrow(/Overloaded/)
    expect(events.some(({ data }) => data === '[DONE]')).toBe(false)
  })

  it('tells the same dialect blocks that only it knows, in their places', () => {
    const search = { type: 'server_tool_use', id: 's', name: 'web_search', input: {} }
    const source = [
      MESSAGE_START,
      ...block(0, search, { type: 'input_json_delta', partial_json: '{"query":"x"}' }),
      ...block(1, { type: 'text', text: '' }, { type: 'text_delta', text: 'Found' }),
      ...messageEnd('end_turn'),
    ]
    const crossing = plainCrossing(messages, messages)
    const events = parsed(crossStream(messages, messages, source, crossing))
    expect(events.slice(1, 4)).toEqual(source.slice(1, 4))
  })
})

describe('emulations in a stream', () => {
  it('tells the forced tool of a schema as text', async () => {
    const schema = { type: 'object', properties: {} }
    const format = { type: 'json_schema', json_schema: { name: 'x', schema } }
    const crossing = plainCrossing(chat, messages, { response_format: format, ...WITH_USAGE })
    crossing.schemaTool = 'json'
    const source = [
      MESSAGE_START,
      ...block(
        0,
        { type: 'tool_use', id: 'a', name: 'json', input: {} },
        { type: 'input_json_delta', partial_json: '{"a":' },
        { type: 'input_json_delta', partial_json: '1}' },
      ),
      ...messageEnd('tool_use'),
    ]
    const gist = gistOfChat(await readByOpenai(crossStream(messages, chat, source, crossing)))
    expect(gist).toMatchObject({ text: '{"a":1}', calls: [], finish: 'stop' })
  })

  it('unwraps the text of a custom tool', () => {
    const crossing = plainCrossing(chat, messages)
    crossing.wrappedTools.add('patch')
    const source = [
      MESSAGE_START,
      ...block(
        0,
        { type: 'tool_use', id: 'a', name: 'patch', input: {} },
        { type: 'input_json_delta', partial_json: '{"input":"x' },
        { type: 'input_json_delta', partial_json: '\\ny"}' },
      ),
      ...messageEnd('tool_use'),
    ]
    const events = parsed(crossStream(messages, chat, source, crossing))
    expect(JSON.stringify(events)).toContain('"custom":{"input":"x\\ny"}')
  })
})

const heads: fc.Arbitrary<BlockHead> = fc.constantFrom(
  { type: 'text' },
  { type: 'reasoning' },
  { type: 'refusal' },
  { type: 'toolCall', id: 'a', name: 'look', kind: 'function' },
)

/** Any order of blocks that the hub allows: side by side, in a row, empty. */
const hubStreams = fc
  .array(fc.tuple(heads, fc.array(fc.constantFrom('', '{}', 'x', 'yz'), { maxLength: 3 })), {
    maxLength: 6,
  })
  .chain((blocks) => {
    const steps = blocks.flatMap(([, deltas], index) => Array(deltas.length + 2).fill(index))
    return fc
      .shuffledSubarray(steps as number[], { minLength: steps.length, maxLength: steps.length })
      .map((order) => hubEvents(blocks, order))
  })

/** Each time that a block's number comes up, its next event is told. */
function hubEvents(
  blocks: readonly (readonly [BlockHead, readonly string[]])[],
  order: readonly number[],
): HubEvent[] {
  const told = new Map<number, number>()
  const numbers = new Map<number, number>()
  const events: HubEvent[] = [{ type: 'start', id: 'x', model: 'm' }]
  for (const index of order) {
    const [head, deltas] = blocks[index]!
    const step = told.get(index) ?? 0
    told.set(index, step + 1)
    if (step === 0) numbers.set(index, numbers.size)
    const number = numbers.get(index)!
    const type = head.type === 'toolCall' ? 'arguments' : 'text'
    if (step === 0) events.push({ type: 'blockStart', block: number, head })
    else if (step > deltas.length) events.push({ type: 'blockStop', block: number })
    else
      events.push({ type: 'blockDelta', block: number, delta: { type, text: deltas[step - 1]! } })
  }
  const finish = { reason: 'stop', raw: '' } as const
  return [...events, { type: 'finish', finish }, { type: 'end' }]
}

describe('any stream of the hub', () => {
  it('is told in the grammar of messages, and nothing of it is lost', () => {
    fc.assert(
      fc.property(hubStreams, (events) => {
        expect(faultsOf(events)).toEqual([])
        const told = parsed(encodeStream(messages, events, plainCrossing(messages, chat)))
        expect(messageFaultsOf(told)).toEqual([])
        const deltas = told.filter(({ type }) => type === 'content_block_delta')
        const texts = deltas.flatMap(({ delta }) => {
          const { signature: _, type: __, ...rest } = delta as JsonObject
          return Object.values(rest)
        })
        const given = events.flatMap((event) =>
          event.type === 'blockDelta' && event.delta.type !== 'citation' ? [event.delta.text] : [],
        )
        expect(texts.join('').length).toBe(given.join('').length)
      }),
      { numRuns: 300 },
    )
  })
})

describe('any JSON at all', () => {
  it('breaks no decoder', () => {
    const keys = fc.constantFrom(
      'messages',
      'role',
      'content',
      'tool_calls',
      'function',
      'choices',
      'delta',
      'index',
      'type',
      'tools',
      'system',
      'message',
      'usage',
      'content_block',
      'thinking',
      'error',
      'text',
      'input',
    )
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom<Json>(
          null,
          0,
          1,
          '',
          'assistant',
          'tool',
          'text',
          'tool_use',
          'message_start',
        ),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(keys, tie('value'), { maxKeys: 5 }),
      ),
    }))
    fc.assert(
      fc.property(value, (any) => {
        const body = any as Json
        for (const codec of [chat, messages]) {
          const other = codec === chat ? messages : chat
          const crossing = plainCrossing(other, codec)
          codec.decodeAnswer(body, crossing)
          codec.decodeError(500, body)
          decodeStream(codec, [body, body], crossing)
          const request = codec.decodeRequest({ messages: [body], tools: [body] })!
          const way = { ...plainCrossing(codec, other), request }
          expect(other.encodeRequest(request, way)).toHaveProperty('messages')
        }
      }),
      { numRuns: 500 },
    )
  })
})
