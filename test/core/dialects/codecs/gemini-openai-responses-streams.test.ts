import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ListFraming } from '#core/dialects/codecs/gemini-stream-encoder.ts'
import { CODECS } from '#core/dialects/codecs/index.ts'
import type { CodecName } from '#core/dialects/hub/conversation.ts'
import type { HubEvent, OutEvent } from '#core/dialects/hub/stream.ts'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { hasRecordings, recordings } from '../recordings.ts'
import { collected, crossingTo } from './following.ts'
import { OneAnswer, seenBy } from './sdk-clients.ts'

const responses = CODECS['openai-responses']
const { gemini } = CODECS

const toResponses = (target: CodecName = 'gemini', more: JsonObject = {}) =>
  crossingTo(responses.decodeRequest({ model: 'm', input: 'Hi', ...more })!, target)
const toGemini = (target: CodecName = 'openai-responses') =>
  crossingTo(gemini.decodeRequest({ contents: [] }, { model: 'm' })!, target)

/** Hub events as a client of Responses gets them. */
function told(events: readonly HubEvent[], crossing = toResponses()): JsonObject[] {
  const encoder = responses.streamEncoder(crossing)
  return events
    .flatMap((event) => encoder.push(event))
    .map(({ data }) => JSON.parse(data) as JsonObject)
}

const start: HubEvent = { type: 'start', id: 'up1', model: 'upstream-model' }
const stop: readonly HubEvent[] = [
  { type: 'finish', finish: { reason: 'stop', raw: 'STOP' } },
  {
    type: 'usage',
    usage: { inputTokens: 5, outputTokens: 7, totalTokens: 12, reasoningTokens: 3 },
  },
  { type: 'end' },
]

function textBlock(block: number, ...pieces: string[]): HubEvent[] {
  return [
    { type: 'blockStart', block, head: { type: 'text' } },
    ...pieces.map((text): HubEvent => ({
      type: 'blockDelta',
      block,
      delta: { type: 'text', text },
    })),
    { type: 'blockStop', block },
  ]
}

function callBlock(block: number, id: string, ...pieces: string[]): HubEvent[] {
  return [
    { type: 'blockStart', block, head: { type: 'toolCall', id, name: 'f', kind: 'function' } },
    ...pieces.map((text): HubEvent => ({
      type: 'blockDelta',
      block,
      delta: { type: 'arguments', text },
    })),
    { type: 'blockStop', block },
  ]
}

describe('a stream for a Responses client', () => {
  test('has every event of the grammar in its order, numbered from zero', () => {
    const events = told([start, ...textBlock(0, 'a', 'b'), ...callBlock(1, 'c1', '{}'), ...stop])
    expect(events.map(({ type }) => type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.output_item.added',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.output_item.done',
      'response.completed',
    ])
    expect(events.map((event) => event['sequence_number'])).toEqual(events.map((_, index) => index))
    expect(events.at(-1)!['response']).toMatchObject({
      id: 'resp_req1',
      status: 'completed',
      model: 'upstream-model',
      output: [
        { id: 'msg_req1_0', content: [{ type: 'output_text', text: 'ab' }] },
        { id: 'fc_req1_1', call_id: 'c1', name: 'f', arguments: '{}' },
      ],
      usage: {
        input_tokens: 5,
        output_tokens: 7,
        output_tokens_details: { reasoning_tokens: 3 },
        total_tokens: 12,
      },
    })
  })

  test('repeats what the client asked for', () => {
    const more = {
      temperature: 0.5,
      instructions: 'Be brief.',
      tools: [{ type: 'web_search' }],
      stream: true,
    }
    const [created] = told([start], toResponses('gemini', more))
    expect(created!['response']).toMatchObject({
      temperature: 0.5,
      instructions: 'Be brief.',
      tools: [{ type: 'web_search' }],
      parallel_tool_calls: true,
    })
    expect(created!['response']).not.toHaveProperty('stream')
  })

  test('has a thought as a summary, with its proof at the end', () => {
    const proof = { provider: 'anthropic', family: 'claude', kind: 'signature', data: 'S' } as const
    const events = told([
      start,
      { type: 'blockStart', block: 0, head: { type: 'reasoning' } },
      { type: 'blockDelta', block: 0, delta: { type: 'text', text: 'Hm' } },
      { type: 'blockStop', block: 0, proof },
      ...stop,
    ])
    const done = events.find(({ type }) => type === 'response.output_item.done')!
    expect(done['item']).toMatchObject({
      type: 'reasoning',
      summary: [{ type: 'summary_text', text: 'Hm' }],
      encrypted_content: expect.stringMatching(/^sl1\.anthropic\.claude\./) as unknown,
    })
    const [again] = responses.decodeRequest({ model: 'm', input: [done['item']!] })!.messages
    expect(again!.parts).toMatchObject([{ type: 'reasoning', text: 'Hm', proof }])
  })

  test.each(['head', 'stop'] as const)(
    'has the proof of a hidden thought, told in its %s',
    (where) => {
      const proof = {
        provider: 'anthropic',
        family: 'claude',
        kind: 'encrypted',
        data: 'S',
      } as const
      const block: HubEvent[] = [
        {
          type: 'blockStart',
          block: 0,
          head: { type: 'reasoning', ...(where === 'head' ? { proof } : {}) },
        },
        { type: 'blockStop', block: 0, ...(where === 'stop' ? { proof } : {}) },
      ]
      const response = told([start, ...block, ...stop]).at(-1)!['response'] as JsonObject
      const [again] = responses.decodeRequest({ model: 'm', input: response['output']! })!.messages
      expect(again!.parts).toMatchObject([{ type: 'reasoning', proof }])
      const encoder = gemini.streamEncoder(toGemini())
      const [event] = [start, ...block].flatMap((one) => encoder.push(one))
      expect(JSON.parse(event!.data)).toMatchObject({
        candidates: [
          {
            content: {
              parts: [{ thought: true, thoughtSignature: expect.any(String) as unknown }],
            },
          },
        ],
      })
    },
  )

  test('tells the signature of a call of Gemini as a thought before it', () => {
    const parts = [{ functionCall: { name: 'f', args: {} }, thoughtSignature: 'U0lH' }]
    const crossing = toResponses()
    const decoder = gemini.streamDecoder(crossing)
    const event = { candidates: [{ content: { parts }, finishReason: 'STOP' }] }
    const events = told([...decoder.push(event), ...decoder.end()], crossing)
    const { output } = events.at(-1)!['response'] as { output: JsonObject[] }
    expect(output.map(({ type }) => type)).toEqual(['reasoning', 'function_call'])
    const request = { model: 'gemini-3-flash', input: [{ role: 'user', content: 'Hi' }, ...output] }
    const decoded = responses.decodeRequest(request)!
    const sent = gemini.encodeRequest(decoded, crossingTo(decoded, 'gemini'))
    expect((sent['contents'] as JsonObject[])[1]).toMatchObject({ parts })
  })

  test('has an empty object for a call without arguments', () => {
    const events = told([start, ...callBlock(0, 'c1'), ...stop])
    expect(events.at(-1)!['response']).toMatchObject({ output: [{ arguments: '{}' }] })
  })

  test('keeps blocks apart that are open at once', () => {
    const [one, two] = [callBlock(0, 'a', '{"a":', '1}'), callBlock(1, 'b', '{"b":', '2}')]
    const mixed = [0, 1, 2, 3].flatMap((index) => [one[index]!, two[index]!])
    const events = told([start, ...mixed, ...stop])
    expect(events.at(-1)!['response']).toMatchObject({
      output: [{ arguments: '{"a":1}' }, { arguments: '{"b":2}' }],
    })
  })

  test.each([
    ['length', { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } }],
    ['contentFilter', { status: 'incomplete', incomplete_details: { reason: 'content_filter' } }],
    ['malformed', { status: 'failed', error: { code: 'server_error' } }],
  ] as const)('ends for the reason %s as %j', (reason, meant) => {
    const events = told([
      start,
      ...textBlock(0, 'a'),
      { type: 'finish', finish: { reason, raw: 'X' } },
      { type: 'end' },
    ])
    expect(events.at(-1)!['response']).toMatchObject(meant)
  })

  test('ends with an error, then a failed response, and says nothing after it', () => {
    const error = { kind: 'overloaded', status: 503, message: 'busy' } as const
    const events = told([
      start,
      ...textBlock(0, 'a').slice(0, 2),
      { type: 'error', error },
      ...stop,
    ])
    expect(events.slice(-2)).toMatchObject([
      { type: 'error', message: 'busy', error: { message: 'busy' } },
      { type: 'response.failed', response: { status: 'failed', error: { message: 'busy' } } },
    ])
  })
})

describe('a stream for a Gemini client', () => {
  const events = (list: readonly HubEvent[]) => {
    const encoder = gemini.streamEncoder(toGemini())
    return list.flatMap((event) => encoder.push(event))
  }

  test('has calls whole, and reason and usage in the last event', () => {
    const written = events([
      start,
      ...textBlock(0, 'a', 'b'),
      ...callBlock(1, 'c1', '{"n":', '1}'),
      ...stop,
    ])
    expect(written.map(({ data }) => JSON.parse(data) as unknown)).toMatchObject([
      { candidates: [{ content: { parts: [{ text: 'a' }] } }], responseId: 'up1' },
      { candidates: [{ content: { parts: [{ text: 'b' }] } }] },
      {
        candidates: [
          { content: { parts: [{ functionCall: { id: 'c1', name: 'f', args: { n: 1 } } }] } },
        ],
      },
      {
        candidates: [{ finishReason: 'STOP' }],
        usageMetadata: {
          promptTokenCount: 5,
          candidatesTokenCount: 4,
          thoughtsTokenCount: 3,
          totalTokenCount: 12,
        },
      },
    ])
  })

  test('ends as Gemini does after a call whose arguments are no object', () => {
    const written = events([start, ...callBlock(0, 'c1', '{"n":'), ...stop])
    expect(written).toHaveLength(1)
    expect(written[0]!.data).toContain('MALFORMED_FUNCTION_CALL')
  })

  test('is one JSON list without alt=sse', () => {
    const framing = new ListFraming()
    const written = events([start, ...textBlock(0, 'a', 'b'), ...stop])
    const body = written.map((event) => framing.frame(event)).join('') + framing.end()
    expect(JSON.parse(body)).toEqual(written.map(({ data }) => JSON.parse(data) as unknown))
    expect(new ListFraming().end()).toBe('[]')
  })
})

describe('a stream of Gemini', () => {
  const event = (parts: Json[], more: JsonObject = {}) => ({
    responseId: 'r',
    candidates: [{ content: { role: 'model', parts }, index: 0, ...more }],
  })
  const read = (list: readonly Json[], crossing = toResponses()) => {
    const decoder = gemini.streamDecoder(crossing)
    return collected([...list.flatMap((one) => decoder.push(one)), ...decoder.end()])
  }

  test('waits for tools although call and STOP are in different events', () => {
    const functionCall = { name: 'f', args: { n: 1 } }
    const { finish, parts } = read([
      event([{ functionCall }, { functionCall }]),
      event([{ text: '' }], { finishReason: 'STOP' }),
    ])
    expect(finish!.reason).toBe('tool')
    // Parallel calls of one name stay two, with ids of their own.
    expect(parts).toMatchObject([
      { type: 'toolCall', id: 'call_req1_0' },
      { type: 'toolCall', id: 'call_req1_1' },
    ])
  })

  test('is cut where no reason was given, also after usage', () => {
    const { end, usage } = read([
      {
        ...event([{ text: 'a' }]),
        usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 1 },
      },
    ])
    expect(end).toMatchObject({ type: 'error', error: { code: 'upstream_cut' } })
    expect(usage).toMatchObject({ inputTokens: 3, outputTokens: 1 })
  })

  test('ends filtered where the prompt was blocked before anything was said', () => {
    const { finish, parts } = read([{ promptFeedback: { blockReason: 'SAFETY' } }])
    expect(parts).toEqual([])
    expect(finish).toMatchObject({ reason: 'contentFilter', raw: 'SAFETY' })
  })

  test('tells of an error in a list of one, with the time to wait', () => {
    const retry = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.4s' }
    const { end } = read([
      [{ error: { code: 429, message: 'slow', status: 'X', details: [retry] } }],
    ])
    expect(end).toMatchObject({
      type: 'error',
      error: { kind: 'rateLimit', status: 429, retryAfterMs: 34_400 },
    })
  })
})

const server = new OneAnswer()

describe.skipIf(!hasRecordings)('a stream that is cut', () => {
  const samples = recordings().filter(
    ({ name, events }) => events !== undefined && /^(?:toolCallRequest|simpleRequest)\//.test(name),
  )
  const clients = ['openai-responses', 'gemini'] as const

  test.each(
    samples.flatMap((sample) =>
      clients
        .filter((client) => client !== sample.dialect)
        .map((client) => ({ ...sample, client })),
    ),
  )(
    'looks like an error to a $client client, wherever $name is cut',
    async ({ client, dialect, events }) => {
      await server.start()
      try {
        const cuts = [0, 1, Math.floor(events!.length / 2), events!.length - 2]
        for (const cut of cuts.filter((at) => at < events!.length && at >= 0)) {
          const crossing = client === 'gemini' ? toGemini(dialect) : toResponses(dialect)
          const decoder = CODECS[dialect].streamDecoder(crossing)
          const encoder = CODECS[client].streamEncoder(crossing)
          const hub = [
            ...events!.slice(0, cut).flatMap((one) => decoder.push(one)),
            ...decoder.end(),
          ]
          const written: OutEvent[] = hub.flatMap((one) => encoder.push(one))
          server.events(written)
          await expect(seenBy(client, server.url, true)).rejects.toThrow(/./)
        }
      } finally {
        await server.close()
      }
    },
  )
})

describe('decoders', () => {
  const junk = fc.jsonValue({ maxDepth: 4 }).map((value) => value as Json)
  const fields = [
    'type',
    'item',
    'output',
    'content',
    'candidates',
    'parts',
    'functionCall',
    'input',
    'contents',
    'tools',
    'delta',
    'response',
    'output_index',
    'text',
    'role',
    'error',
  ]
  const shaped = fc
    .dictionary(
      fc.constantFrom(...fields),
      fc.oneof(
        junk,
        fc.array(junk),
        fc.constantFrom<Json>(
          'message',
          'reasoning',
          'response.output_item.done',
          'response.completed',
        ),
      ),
    )
    .map((value) => value as JsonObject)

  test.each([responses, gemini])('of $name never throw, whatever comes', (codec) => {
    fc.assert(
      fc.property(fc.array(shaped, { maxLength: 6 }), junk, (events, body) => {
        const crossing = codec === gemini ? toResponses('gemini') : toGemini()
        const decoder = codec.streamDecoder(crossing)
        const hub = [...events.flatMap((event) => decoder.push(event)), ...decoder.end()]
        const encoder = (codec === gemini ? responses : gemini).streamEncoder(crossing)
        for (const event of hub) encoder.push(event)
        expect(['end', 'error']).toContain(hub.at(-1)!.type)
        codec.decodeAnswer(body, crossing)
        codec.decodeError(500, body)
        const request = codec.decodeRequest({ input: events, contents: events, tools: events })
        expect(request).toBeDefined()
        for (const target of Object.values(CODECS)) {
          target.encodeRequest(request!, crossingTo(request!, target.name))
        }
      }),
      { numRuns: 300 },
    )
  })
})
