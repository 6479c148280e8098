import type { Server } from 'node:http'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Upstream } from '#core/upstream/upstream.ts'
import { openDemo, serve } from './serve.ts'

const WEATHER = {
  type: 'object',
  properties: {
    city: { type: 'string' },
    unit: { enum: ['celsius', 'fahrenheit'] },
    days: { type: 'integer', minimum: 3 },
  },
  required: ['city', 'unit'],
  additionalProperties: false,
}
const REPORT = {
  type: 'object',
  properties: { title: { type: 'string' }, pages: { type: 'integer', minimum: 2 } },
  required: ['title', 'pages'],
  additionalProperties: false,
}

let upstream: Upstream
let server: Server
let client: OpenAI

beforeAll(async () => {
  upstream = openDemo()
  let url: string
  ;({ server, url } = await serve(upstream))
  client = new OpenAI({ apiKey: 'none', baseURL: `${url}/v1`, maxRetries: 0 })
})

afterAll(async () => {
  await upstream.close()
  server.closeAllConnections()
  server.close()
})

const messages = [{ role: 'user' as const, content: 'Grüße from a test' }]
const tools = [
  { type: 'function' as const, function: { name: 'get_time', parameters: { type: 'object' } } },
  { type: 'function' as const, function: { name: 'get_weather', parameters: WEATHER } },
]

describe('the openai SDK: chat', () => {
  it('gets a text that tells a newcomer where he is', async () => {
    const answer = await client.chat.completions.create({ model: 'demo', messages })
    const { message, finish_reason } = answer.choices[0]!
    expect(message.content).toContain('demo upstream')
    expect(message.content).toContain('Grüße from a test')
    expect(message.content).toContain('OPENAI_API_KEY')
    expect(finish_reason).toBe('stop')
    expect(answer.usage).toMatchObject({
      prompt_tokens: Math.ceil(Buffer.byteLength('Grüße from a test') / 4),
      completion_tokens: Math.ceil(Buffer.byteLength(message.content!) / 4),
    })
    expect(answer._request_id).toMatch(/^req_/)
  })

  it('streams the same text and the same usage', async () => {
    const plain = await client.chat.completions.create({ model: 'demo', messages })
    const stream = client.chat.completions.stream({
      model: 'demo',
      messages,
      stream_options: { include_usage: true },
    })
    let deltas = 0
    stream.on('content.delta', () => deltas++)
    const streamed = await stream.finalChatCompletion()
    expect(deltas).toBeGreaterThan(5)
    expect(streamed.choices[0]!.message.content).toBe(plain.choices[0]!.message.content)
    expect(streamed.usage).toEqual(plain.usage)
  })

  it('sends usage only to those who ask', async () => {
    const stream = await client.chat.completions.create({ model: 'demo', messages, stream: true })
    for await (const chunk of stream) {
      expect(chunk.choices).toHaveLength(1)
      expect(chunk).not.toHaveProperty('usage')
    }
  })

  it.each([false, true])('stops at the token limit (stream: %s)', async (isStream) => {
    const params = { model: 'demo', messages, max_completion_tokens: 5 }
    const answer = isStream
      ? await client.chat.completions.stream(params).finalChatCompletion()
      : await client.chat.completions.create(params)
    expect(answer.choices[0]!.finish_reason).toBe('length')
    expect(answer.choices[0]!.message.content).toHaveLength(20)
  })

  it.each([false, true])('calls a tool that the user names (stream: %s)', async (isStream) => {
    const asked = [{ role: 'user' as const, content: 'please call get_weather for me' }]
    const params = { model: 'demo', messages: asked, tools }
    const answer = isStream
      ? await client.chat.completions.stream(params).finalChatCompletion()
      : await client.chat.completions.create(params)
    const { message, finish_reason } = answer.choices[0]!
    expect(finish_reason).toBe('tool_calls')
    const call = message.tool_calls![0]!
    expect(call).toMatchObject({ type: 'function', function: { name: 'get_weather' } })
    const json = (call as { function: { arguments: string } }).function.arguments
    expect(JSON.parse(json)).toEqual({ city: 'demo', unit: 'celsius' })
  })

  it('calls what it is forced to, and nothing when it must not', async () => {
    const calls = async (choice: OpenAI.ChatCompletionToolChoiceOption) => {
      const params = { model: 'demo', messages, tools, tool_choice: choice }
      const answer = await client.chat.completions.create(params)
      return answer.choices[0]!.message.tool_calls?.map(
        (call) => 'function' in call && call.function.name,
      )
    }
    expect(await calls('auto')).toBeUndefined()
    expect(await calls('none')).toBeUndefined()
    expect(await calls('required')).toEqual(['get_time'])
    expect(await calls({ type: 'function', function: { name: 'get_weather' } })).toEqual([
      'get_weather',
    ])
  })

  it('quotes the result of a tool, so that a loop of calls comes to an end', async () => {
    const runner = client.chat.completions.runTools({
      model: 'demo',
      messages: [{ role: 'user', content: 'call get_weather' }],
      tools: [
        {
          type: 'function',
          function: {
            name: 'get_weather',
            description: 'Tells the weather.',
            parameters: WEATHER,
            parse: JSON.parse,
            function: ({ city }: { city: string }) => `rain in ${city}`,
          },
        },
      ],
    })
    expect(await runner.finalContent()).toBe('The tool answered: rain in demo')
  })

  it('answers with JSON that fits the schema', async () => {
    const answer = await client.chat.completions.create({
      model: 'demo',
      messages,
      response_format: { type: 'json_schema', json_schema: { name: 'report', schema: REPORT } },
    })
    expect(JSON.parse(answer.choices[0]!.message.content!)).toEqual({ title: 'demo', pages: 2 })
    const loose = await client.chat.completions.create({
      model: 'demo',
      messages,
      response_format: { type: 'json_object' },
    })
    expect(JSON.parse(loose.choices[0]!.message.content!)).toEqual({ answer: 'Grüße from a test' })
  })

  it('throws as it would at OpenAI', async () => {
    const wrong = { model: 'demo' } as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming
    await expect(client.chat.completions.create(wrong)).rejects.toMatchObject({
      status: 400,
      type: 'invalid_request_error',
      param: 'messages',
    })
    await expect(client.moderations.create({ input: 'x' })).rejects.toMatchObject({ status: 404 })
  })
})

describe('the openai SDK: responses', () => {
  it('gets text and usage, streamed or not', async () => {
    const params = { model: 'demo', input: 'hello there', instructions: 'be kind' }
    const plain = await client.responses.create(params)
    expect(plain.output_text).toContain('hello there')
    expect(plain.usage).toMatchObject({ input_tokens: Math.ceil(18 / 4) })
    const stream = client.responses.stream(params)
    const sequence: number[] = []
    stream.on('event', ({ sequence_number }) => sequence.push(sequence_number))
    const streamed = await stream.finalResponse()
    expect(streamed.output_text).toBe(plain.output_text)
    expect(streamed.usage).toEqual(plain.usage)
    expect(sequence).toEqual(sequence.map((_, index) => index))
    const counted = await client.responses.inputTokens.count(params)
    expect(counted.input_tokens).toBe(plain.usage!.input_tokens)
  })

  it.each([false, true])('calls a tool, then quotes its result (stream: %s)', async (isStream) => {
    const said: OpenAI.Responses.ResponseInput = [{ role: 'user', content: 'call get_weather' }]
    const tool = { type: 'function' as const, name: 'get_weather', parameters: WEATHER }
    const params = { model: 'demo', input: said, tools: [{ ...tool, strict: false }] }
    const run = async (given: typeof params) =>
      isStream ? client.responses.stream(given).finalResponse() : client.responses.create(given)
    const first = await run(params)
    const call = first.output[0]!
    expect(call).toMatchObject({ type: 'function_call', name: 'get_weather', status: 'completed' })
    const { call_id, arguments: json } = call as OpenAI.Responses.ResponseFunctionToolCall
    expect(JSON.parse(json)).toEqual({ city: 'demo', unit: 'celsius' })
    const result = { type: 'function_call_output' as const, call_id, output: 'sunny' }
    const input = [...said, result]
    expect((await run({ ...params, input })).output_text).toBe('The tool answered: sunny')
  })

  it.each([false, true])('is incomplete at the token limit (stream: %s)', async (isStream) => {
    const params = { model: 'demo', input: 'hi', max_output_tokens: 16 }
    const answer = isStream
      ? await client.responses.stream(params).finalResponse()
      : await client.responses.create(params)
    expect(answer.status).toBe('incomplete')
    expect(answer.incomplete_details).toEqual({ reason: 'max_output_tokens' })
    expect(answer.usage!.output_tokens).toBe(16)
  })

  it('answers with JSON that fits the schema', async () => {
    const answer = await client.responses.parse({
      model: 'demo',
      input: 'hi',
      text: { format: { type: 'json_schema', name: 'report', schema: REPORT, strict: true } },
    })
    expect(answer.output_parsed).toEqual({ title: 'demo', pages: 2 })
  })
})

describe('the openai SDK: embeddings and models', () => {
  it('gets the same vector as floats and, as it asks by itself, as base64', async () => {
    const input = ['one', 'two']
    const encoded = await client.embeddings.create({ model: 'demo', input })
    const floats = await client.embeddings.create({
      model: 'demo',
      input,
      encoding_format: 'float',
    })
    expect(encoded.data).toHaveLength(2)
    expect(encoded.data[0]!.embedding).toHaveLength(256)
    expect(encoded.data[0]!.embedding).toEqual(floats.data[0]!.embedding)
    expect(floats.usage).toEqual({ prompt_tokens: 2, total_tokens: 2 })
    const short = await client.embeddings.create({ model: 'demo', input: 'one', dimensions: 64 })
    expect(short.data[0]!.embedding).toHaveLength(64)
  })

  it('finds texts that share words nearer to each other', async () => {
    const input = ['the weather in Paris', 'weather for Paris', 'a loaf of bread']
    const { data } = await client.embeddings.create({ model: 'demo', input })
    const [one, two, three] = data.map(({ embedding }) => embedding)
    const near = (a: number[], b: number[]) => a.reduce((sum, value, at) => sum + value * b[at]!, 0)
    expect(near(one!, one!)).toBeCloseTo(1)
    expect(near(one!, two!)).toBeGreaterThan(near(one!, three!) + 0.2)
  })

  it('lists its models', async () => {
    expect((await client.models.list()).data).toMatchObject([{ id: 'demo', object: 'model' }])
    expect(await client.models.retrieve('x')).toMatchObject({ id: 'x' })
  })
})
