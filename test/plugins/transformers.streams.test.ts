import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { testPlugin, type TestAnswer, type TestRequest } from '#core/testing.ts'
import transformers from '#plugins/transformers/transformers.ts'
import { streamOf, textsOf } from '../core/kernel/text-streams.ts'
import { startTestGateway } from '../support/gateway.ts'

const REQUESTS: Readonly<Record<LlmDialect, TestRequest>> = {
  'openai-chat': { path: '/v1/chat/completions', body: { model: 'm', messages: [] } },
  'openai-responses': { path: '/v1/responses', body: { model: 'm', input: 'hi' } },
  anthropic: { path: '/v1/messages', body: { model: 'm', max_tokens: 1, messages: [] } },
  gemini: { path: '/v1beta/models/m:streamGenerateContent', body: { contents: [] } },
}
const DIALECTS = Object.keys(REQUESTS) as LlmDialect[]

async function answered(output: Json[], answer: TestAnswer, dialect: LlmDialect) {
  return (await testPlugin(transformers, { output })).request(REQUESTS[dialect], answer)
}

describe('filterContent on streams', () => {
  const text = 'Call +49 170 1234567 or pay with 4111 1111 1111 1111.'
  const clean = 'Call [phone] or pay with [card].'

  it.each(DIALECTS)(
    'catches what spans events, wherever %s cuts it',
    async (dialect) => {
      const tested = await testPlugin(transformers, { output: [{ type: 'filterContent' }] })
      await fc.assert(
        fc.asyncProperty(fc.array(fc.nat(text.length), { maxLength: 8 }), async (at) => {
          const places = at.toSorted((a, b) => a - b)
          const pieces = [0, ...places].map((from, index) => text.slice(from, places[index]))
          const chunks = streamOf(dialect, [
            { kind: 'text', pieces: pieces.filter((one) => one !== '') },
          ])
          const answer = await tested.request(REQUESTS[dialect], { chunks })
          const { told, repeated } = textsOf(dialect, answer.chunks)
          expect(told).toEqual([clean])
          for (const one of repeated) expect(one).toBe(clean)
        }),
        { numRuns: 40, interruptAfterTimeLimit: 3_000 },
      )
    },
    10_000,
  )

  it('goes with other rules on the same events', async () => {
    const output = [
      { type: 'filterContent', patterns: ['falcon'], replacement: '#' },
      { type: 'removeFields', fields: ['created'] },
      { type: 'filterContent', patterns: ['eagle'], replacement: '##' },
    ]
    const pieces = ['a fal', 'con and an ea', 'gle']
    const { chunks } = await answered(
      output,
      { chunks: streamOf('openai-chat', [{ kind: 'text', pieces }]) },
      'openai-chat',
    )
    expect(textsOf('openai-chat', chunks).told).toEqual(['a # and an ##'])
    expect(JSON.stringify(chunks)).not.toContain('created')
  })

  it('leaves the events of a stream without a match as they are', async () => {
    const events = streamOf('anthropic', [{ kind: 'text', pieces: ['one ', 'two'] }])
    const output = [{ type: 'filterContent', patterns: ['falcon'] }]
    const { chunks } = await answered(output, { chunks: events }, 'anthropic')
    expect(chunks.map(({ data }) => data)).toEqual(events.map(({ data }) => data))
  })

  it('can be told of which texts', async () => {
    const output = [{ type: 'filterContent', kinds: ['arguments'] }]
    const events = streamOf('openai-chat', [
      { kind: 'text', pieces: ['ada@example.com'] },
      { kind: 'arguments', pieces: ['{"to":"ada@exam', 'ple.com"}'] },
    ])
    const { chunks } = await answered(output, { chunks: events }, 'openai-chat')
    expect(textsOf('openai-chat', chunks).told).toEqual(['ada@example.com', '{"to":"[email]"}'])
  })

  it('replaces in plain text too', async () => {
    const { body } = await answered(
      [{ type: 'filterContent' }],
      { body: 'write to ada@example.com' },
      'openai-chat',
    )
    expect(body).toBe('write to [email]')
  })
})

describe('filterContent on requests', () => {
  it.each<[LlmDialect, Json, Json]>([
    [
      'openai-chat',
      {
        messages: [
          { role: 'user', content: 'ada@example.com' },
          { role: 'tool', content: [{ type: 'text', text: 'ada@example.com' }] },
        ],
        user: 'ada@example.com',
      },
      {
        messages: [
          { role: 'user', content: '[email]' },
          { role: 'tool', content: [{ type: 'text', text: '[email]' }] },
        ],
        user: 'ada@example.com',
      },
    ],
    [
      'openai-responses',
      {
        instructions: 'ada@example.com',
        input: [
          { role: 'user', content: [{ type: 'input_text', text: 'ada@example.com' }] },
          { type: 'function_call_output', output: 'ada@example.com' },
        ],
      },
      {
        instructions: '[email]',
        input: [
          { role: 'user', content: [{ type: 'input_text', text: '[email]' }] },
          { type: 'function_call_output', output: '[email]' },
        ],
      },
    ],
    [
      'anthropic',
      {
        system: [{ type: 'text', text: 'ada@example.com' }],
        messages: [
          {
            role: 'user',
            content: [
              { type: 'tool_result', content: [{ type: 'text', text: 'ada@example.com' }] },
            ],
          },
        ],
      },
      {
        system: [{ type: 'text', text: '[email]' }],
        messages: [
          {
            role: 'user',
            content: [{ type: 'tool_result', content: [{ type: 'text', text: '[email]' }] }],
          },
        ],
      },
    ],
    [
      'gemini',
      {
        systemInstruction: { parts: [{ text: 'ada@example.com' }] },
        contents: [
          { parts: [{ text: 'ada@example.com' }, { inlineData: { data: 'ada@example.com' } }] },
        ],
      },
      {
        systemInstruction: { parts: [{ text: '[email]' }] },
        contents: [{ parts: [{ text: '[email]' }, { inlineData: { data: 'ada@example.com' } }] }],
      },
    ],
  ])('replaces in what the model is told: %s', async (dialect, body, wanted) => {
    const tested = await testPlugin(transformers, { input: [{ type: 'filterContent' }] })
    const { upstream } = await tested.request({ ...REQUESTS[dialect], body })
    expect(upstream?.body).toEqual(wanted)
  })
})

describe('addMetadata on requests', () => {
  it('tells the upstream, in header fields and where the operator says', async () => {
    const tested = await testPlugin(transformers, {
      input: [{ type: 'addMetadata', field: 'metadata.gateway' }],
    })
    const { upstream } = await tested.request(REQUESTS['openai-chat'])
    expect(upstream?.headers).toMatchObject({
      'x-sluice-request-id': 'test-1',
      'x-sluice-route': 'test',
    })
    expect(upstream?.body).toMatchObject({
      metadata: { gateway: { requestId: 'test-1', route: 'test' } },
    })
  })
})

describe('validateSchema on answers', () => {
  const schema = { type: 'object', required: ['id'], properties: { id: { type: 'string' } } }

  it('puts an error in the place of an answer that does not fit, with the field at fault', async () => {
    const { status, body } = await answered(
      [{ type: 'validateSchema', schema }],
      { body: { id: 1 } },
      'openai-chat',
    )
    expect(status).toBe(502)
    expect(body).toMatchObject({
      error: {
        message: 'the answer does not fit its schema: id is not of type string',
        param: 'id',
      },
    })
  })

  it('tells the log alone where that is enough', async () => {
    const tested = await testPlugin(transformers, {
      output: [{ type: 'validateSchema', schema, onFail: 'log' }],
    })
    expect((await tested.request(REQUESTS['openai-chat'], { body: {} })).body).toEqual({})
    expect(tested.log).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        message: 'answer does not fit its schema',
        fields: { id: 'test-1', param: 'id', detail: 'id is missing' },
      }),
    )
  })

  it('leaves errors alone', async () => {
    const answer = { status: 429, body: { error: { message: 'slow' } } }
    expect(
      (await answered([{ type: 'validateSchema', schema }], answer, 'openai-chat')).status,
    ).toBe(429)
  })

  it('holds the events of a stream against the schema of events', async () => {
    const output = [{ type: 'validateSchema', schema: 'openai-chat', on: ['events'] }]
    const events = streamOf('openai-chat', [{ kind: 'text', pieces: ['a'] }])
    expect((await answered(output, { chunks: events }, 'openai-chat')).error).toBeUndefined()
    const { error } = await answered(
      output,
      { chunks: [...events.slice(0, 2), '{"choices":[{}]}'] },
      'openai-chat',
    )
    expect(error).toMatchObject({ code: 'UPSTREAM_PROTOCOL', param: 'choices[0].delta' })
  })
})

describe('normalizeResponse', () => {
  const output = [{ type: 'normalizeResponse' }]

  it('puts in what is missing of a plain answer, and leaves what is there', async () => {
    const body = {
      id: 'x',
      choices: [{ message: { content: 'hi', refusal: 'no' } }],
      usage: { prompt_tokens: 2, completion_tokens: 3 },
    }
    expect((await answered(output, { body }, 'openai-chat')).body).toMatchObject({
      id: 'x',
      object: 'chat.completion',
      created: 1_767_225_600,
      model: 'm',
      choices: [
        {
          index: 0,
          logprobs: null,
          finish_reason: 'stop',
          message: { role: 'assistant', content: 'hi', refusal: 'no' },
        },
      ],
      usage: { total_tokens: 5, prompt_tokens_details: { cached_tokens: 0 } },
    })
  })

  it('gives all events of a stream the same id and time', async () => {
    const chunks = [
      '{"choices":[{"delta":{"content":"a"}}]}',
      '{"choices":[{"delta":{}}]}',
      '[DONE]',
    ]
    const answer = await answered(output, { chunks }, 'openai-chat')
    const heads = answer.chunks.slice(0, 2).map(({ json }) => {
      const { id, created, object, model } = json as JsonObject
      return [id, created, object, model]
    })
    expect(heads).toEqual([heads[1], heads[1]])
    expect(heads[0]).toEqual(['chatcmpl-test-1', 1_767_225_600, 'chat.completion.chunk', 'm'])
    expect(answer.chunks[0]!.json).toMatchObject({
      choices: [{ index: 0, logprobs: null, finish_reason: null }],
    })
    expect(answer.chunks[2]!.data).toBe('[DONE]')
  })

  it.each<[LlmDialect, Json, object]>([
    [
      'anthropic',
      { content: [{ type: 'text', text: 'hi' }] },
      {
        type: 'message',
        role: 'assistant',
        stop_sequence: null,
        content: [{ type: 'text', text: 'hi', citations: null }],
        usage: { input_tokens: 0, cache_read_input_tokens: 0 },
      },
    ],
    [
      'openai-responses',
      { output: [{ type: 'message', content: [{ type: 'output_text', text: 'hi' }] }] },
      {
        object: 'response',
        status: 'completed',
        error: null,
        parallel_tool_calls: true,
        output: [{ role: 'assistant', content: [{ annotations: [] }] }],
      },
    ],
    [
      'gemini',
      {
        candidates: [{ content: { parts: [] } }],
        usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 2 },
      },
      {
        candidates: [{ index: 0, content: { role: 'model' } }],
        usageMetadata: { totalTokenCount: 3 },
      },
    ],
  ])('knows what %s has', async (dialect, body, wanted) => {
    expect((await answered(output, { body }, dialect)).body).toMatchObject(wanted)
  })

  it('numbers the events of a Responses stream that does not', async () => {
    const chunks = [
      { json: { type: 'response.created', response: {} } },
      { json: { type: 'response.completed', response: {} } },
    ]
    const answer = await answered(output, { chunks }, 'openai-responses')
    expect(answer.chunks.map(({ json }) => (json as JsonObject)['sequence_number'])).toEqual([0, 1])
  })

  it('adds fields of the operator, and leaves errors and other dialects alone', async () => {
    const own = [
      {
        type: 'normalizeResponse',
        dialect: 'openai-chat',
        fields: { system_fingerprint: null, 'choices[].message.annotations': [] },
      },
    ]
    const body = { choices: [{ message: { content: 'x' } }] }
    expect((await answered(own, { body }, 'openai-chat')).body).toMatchObject({
      system_fingerprint: null,
      choices: [{ message: { annotations: [] } }],
    })
    const error = { error: { message: 'no' } }
    expect((await answered(own, { status: 400, body: error }, 'openai-chat')).body).toEqual(error)
    expect((await answered(own, { body: { content: [] } }, 'anthropic')).body).toEqual({
      content: [],
    })
  })
})

describe('transformers of messages', () => {
  async function start(options: string) {
    const got: string[] = []
    const http = createServer()
    const server = new WebSocketServer({ server: http })
    server.on('connection', (socket) =>
      socket.on('message', (data: Buffer) => {
        got.push(String(data))
        socket.send(String(data))
      }),
    )
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    onTestFinished(async () => {
      for (const client of server.clients) client.terminate()
      await new Promise((resolve) => http.close(resolve))
    })
    const gateway = await startTestGateway(`
upstreams: { live: { dialect: http, url: "ws://127.0.0.1:${(http.address() as AddressInfo).port}" } }
pipelines: { live: [{ transformers: ${options} }] }
routes: [{ id: live, match: { path: /live, protocol: websocket }, pipeline: live, upstream: live }]
`)
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/live`)
    onTestFinished(() => socket.terminate())
    const messages: string[] = []
    socket.on('message', (data: Buffer) => messages.push(String(data)))
    await once(socket, 'open')
    return { socket, messages, got }
  }

  it('change those of the client as input, those of the upstream as output', async () => {
    const { socket, messages, got } = await start(
      '{ input: [{ type: removeFields, fields: [secret] }, { type: filterContent }], output: [{ type: modifyBody, rules: [{ set: seen, value: $res.body.text }] }] }',
    )
    socket.send('{"text":"ada@example.com","secret":1}')
    await expect.poll(() => messages).toEqual(['{"text":"[email]","seen":"[email]"}'])
    expect(got).toEqual(['{"text":"[email]"}'])
  })

  it('close the session where a message does not fit its schema', async () => {
    const { socket, got } = await start(
      '{ input: [{ type: validateSchema, on: [messages], schema: { type: object, required: [text] } }] }',
    )
    socket.send('{"text":"a"}')
    socket.send('{}')
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer]
    expect([code, String(reason)]).toEqual([1008, 'text is missing'])
    expect(got).toEqual(['{"text":"a"}'])
  })

  it('do not look at messages where no rule is for them', async () => {
    const { socket, messages } = await start('{ input: [{ type: filterContent, on: [request] }] }')
    socket.send('ada@example.com')
    await expect.poll(() => messages).toEqual(['ada@example.com'])
  })
})
