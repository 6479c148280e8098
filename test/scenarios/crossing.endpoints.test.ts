import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '#core/kit/json.ts'
import { startTestGateway } from '../support/gateway.ts'
import { type Asked, sendJson } from '../support/providers.ts'
import { step } from '../support/step.ts'
import { bodyOf, startUpstream } from '../support/upstream.ts'

/** A provider of any endpoint, and a gateway for all SDKs in front of it. */
async function start(
  dialect: string,
  answer: (asked: Asked) => { readonly status?: number; readonly body: object },
  more = '',
) {
  const asked: Asked[] = []
  const upstream = await startUpstream(async (req, res) => {
    const body = JSON.parse((await bodyOf(req)).toString() || '{}') as JsonObject
    const one = { method: req.method!, url: req.url!, headers: req.headers, body }
    asked.push(one)
    const { status = 200, body: told } = answer(one)
    sendJson(res, status, told)
  })
  const usages: unknown[] = []
  const meter = step('meter', { done: ({ usage }) => void usages.push(usage) })
  const gateway = await startTestGateway(
    `
upstreams: { provider: { dialect: ${dialect}, url: "${upstream.url}"${more} } }
routes: [{ id: llm, match: { api: llm }, pipeline: [meter], upstream: provider }]
`,
    { plugins: [meter] },
  )
  return { ...gateway, ...clientsOf(gateway.url), asked, usages }
}

function clientsOf(url: string) {
  return {
    openai: new OpenAI({ apiKey: 'k', baseURL: `${url}/v1`, maxRetries: 0 }),
    anthropic: new Anthropic({ apiKey: 'k', baseURL: url, maxRetries: 0 }),
    gemini: new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl: url } }),
  }
}

const prompt = {
  model: 'm',
  system: 'Be brief',
  messages: [{ role: 'user' as const, content: 'Hi' }],
  tools: [{ name: 'look', input_schema: { type: 'object' as const } }],
}

describe('tokens are counted', () => {
  test('by Gemini for a client of Anthropic', async () => {
    const { anthropic, asked } = await start('gemini', () => ({ body: { totalTokens: 31 } }))
    expect(await anthropic.messages.countTokens(prompt)).toEqual({ input_tokens: 31 })
    expect(asked[0]).toMatchObject({
      url: '/v1beta/models/m:countTokens',
      body: {
        generateContentRequest: {
          model: 'models/m',
          contents: [{ role: 'user', parts: [{ text: 'Hi' }] }],
          systemInstruction: { parts: [{ text: 'Be brief' }] },
        },
      },
    })
  })

  test('by Anthropic for clients of Gemini and of Responses, without what only an answer needs', async () => {
    const { gemini, openai, asked } = await start('anthropic', () => ({
      body: { input_tokens: 31 },
    }))
    const config = { systemInstruction: 'Be brief' }
    const counted = await gemini.models.countTokens({ model: 'm', contents: 'Hi' })
    expect(counted.totalTokens).toBe(31)
    const input = { model: 'm', input: 'Hi', instructions: config.systemInstruction }
    expect(await openai.responses.inputTokens.count(input)).toMatchObject({ input_tokens: 31 })
    expect(asked.map(({ url }) => url)).toEqual(Array(2).fill('/v1/messages/count_tokens'))
    expect(asked[1]!.body).toEqual({
      model: 'm',
      system: 'Be brief',
      messages: [{ role: 'user', content: 'Hi' }],
    })
  })

  test('roughly where the upstream cannot, and that is said', async () => {
    const { anthropic, asked, usages } = await start('openai-chat', () => ({ body: {} }))
    const { data, response } = await anthropic.messages.countTokens(prompt).withResponse()
    expect(data.input_tokens).toBeGreaterThan(10)
    expect(response.headers.get('x-sluice-emulated')).toBe('input_tokens')
    expect(asked).toHaveLength(0)
    await expect.poll(() => usages).toEqual([undefined])
  })

  test('roughly where the upstream has no such endpoint after all', async () => {
    const { gemini } = await start('anthropic', () => ({ status: 404, body: {} }))
    expect(
      (await gemini.models.countTokens({ model: 'm', contents: 'Hi' })).totalTokens,
    ).toBeGreaterThan(0)
  })

  test('with the errors of the upstream in the words of the client', async () => {
    const { anthropic } = await start('gemini', () => ({
      status: 429,
      body: { error: { code: 429, message: 'Quota', status: 'RESOURCE_EXHAUSTED' } },
    }))
    await expect(anthropic.messages.countTokens(prompt)).rejects.toMatchObject({
      status: 429,
      error: { error: { type: 'rate_limit_error', message: 'Quota' } },
    })
  })
})

describe('embeddings', () => {
  const vectorOf = (at: number) => [at, 0.25, -1.5]

  const fromGemini = ({ body }: Asked) => {
    const requests = body['requests'] as { content: { parts: { text: string }[] } }[]
    const numbers = requests.map(({ content }) => Number(content.parts[0]!.text))
    return { body: { embeddings: numbers.map((at) => ({ values: vectorOf(at) })) } }
  }

  test("of Gemini reach OpenAI's SDK, which asks for base64", async () => {
    const { openai, asked } = await start('gemini', fromGemini)
    const input = { model: 'm', input: ['0', '1'], dimensions: 3 }
    const { data, response } = await openai.embeddings.create(input).withResponse()
    expect(data.data.map(({ embedding }) => embedding)).toEqual([vectorOf(0), vectorOf(1)])
    expect(data).toMatchObject({ model: 'm', usage: { prompt_tokens: 1 } })
    expect(response.headers.get('x-sluice-emulated')).toBe('usage')
    expect(asked[0]).toMatchObject({
      url: '/v1beta/models/m:batchEmbedContents',
      body: {
        requests: [
          { model: 'models/m', content: { parts: [{ text: '0' }] }, outputDimensionality: 3 },
          { model: 'models/m', content: { parts: [{ text: '1' }] }, outputDimensionality: 3 },
        ],
      },
    })
  })

  test('are asked for in as many requests as the upstream wants, and joined in their order', async () => {
    const { openai, asked } = await start('gemini', fromGemini)
    const input = Array.from({ length: 250 }, (_, at) => String(at))
    const params = { model: 'm', input, encoding_format: 'float' } as const
    const { data } = await openai.embeddings.create(params)
    expect(data.map(({ embedding }) => embedding[0])).toEqual(input.map(Number))
    expect(asked.map(({ body }) => (body['requests'] as unknown[]).length)).toEqual([100, 100, 50])
  })

  test("of OpenAI reach Google's SDK", async () => {
    const { gemini, asked, usages } = await start('openai-chat', ({ body }) => ({
      body: {
        data: (body['input'] as string[]).map((text, index) => ({
          index,
          embedding: vectorOf(text.length),
        })),
        usage: { prompt_tokens: 7, total_tokens: 7 },
      },
    }))
    const { embeddings } = await gemini.models.embedContent({
      model: 'm',
      contents: ['a', 'bb'],
      config: { outputDimensionality: 3, taskType: 'RETRIEVAL_QUERY' },
    })
    expect(embeddings!.map(({ values }) => values)).toEqual([vectorOf(1), vectorOf(2)])
    expect(asked[0]!.body).toEqual({
      model: 'm',
      input: ['a', 'bb'],
      encoding_format: 'float',
      dimensions: 3,
    })
    await expect.poll(() => usages).toEqual([expect.objectContaining({ inputTokens: 7 })])
  })

  test('of tokens are refused where the upstream takes texts only', async () => {
    const { openai, asked } = await start('gemini', fromGemini)
    await expect(openai.embeddings.create({ model: 'm', input: [1, 2] })).rejects.toMatchObject({
      status: 400,
      param: 'input',
      code: 'unsupported_parameter',
    })
    expect(asked).toHaveLength(0)
  })

  test.each([
    ['an answer for fewer inputs', { body: { embeddings: [] } }, 502],
    ['no answer', { body: {} }, 502],
    ['an error', { status: 404, body: { error: { code: 404, message: 'no such model' } } }, 404],
  ])('that come back as %s are an error', async (_, answer, status) => {
    const { openai } = await start('gemini', () => answer)
    await expect(openai.embeddings.create({ model: 'm', input: 'x' })).rejects.toMatchObject({
      status,
    })
  })

  test('are not asked of an API that has none', async () => {
    const { openai } = await start('anthropic', () => ({ body: {} }))
    await expect(openai.embeddings.create({ model: 'm', input: 'x' })).rejects.toMatchObject({
      status: 501,
      code: 'dialect_unsupported',
    })
  })
})

describe('models', () => {
  const claudes = { data: ['claude-a', 'claude-b', 'other'].map((id) => ({ id, type: 'model' })) }

  test('are listed by the names that clients use, in the API of each', async () => {
    const more = ", models: { fast: claude-a, 'claude-*': claude-a }"
    const { openai, anthropic, url, asked } = await start(
      'anthropic',
      () => ({ body: claudes }),
      more,
    )
    const names = ['fast', 'claude-a', 'claude-b']
    const listed = await openai.models.list()
    expect(listed.data.map(({ id, object }) => [id, object])).toEqual(
      names.map((id) => [id, 'model']),
    )
    const claude = await anthropic.models.list()
    expect(claude.data.map(({ id }) => id)).toEqual(names)
    const gemini = await fetch(`${url}/v1beta/models`)
    expect(await gemini.json()).toMatchObject({
      models: names.map((name) => ({ name: `models/${name}` })),
    })
    expect(asked.map((one) => one.url)).toEqual(Array(3).fill('/v1/models?limit=1000'))
    expect(asked[0]!.headers).toMatchObject({ 'anthropic-version': '2023-06-01' })
  })

  test('are listed without asking where all of them are named', async () => {
    const more = ', models: { fast: claude-a, smart: claude-b }'
    const { openai, asked } = await start('anthropic', () => ({ body: claudes }), more)
    expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(['fast', 'smart'])
    expect(await openai.models.retrieve('fast')).toMatchObject({ id: 'fast', object: 'model' })
    await expect(openai.models.retrieve('slow')).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    })
    expect(asked).toHaveLength(0)
  })

  test('of an upstream of another API are told in the API of the client', async () => {
    const { openai, asked } = await start('gemini', () => ({
      body: { models: [{ name: 'models/gemini-x' }] },
    }))
    expect((await openai.models.list()).data).toMatchObject([{ id: 'gemini-x', object: 'model' }])
    expect(asked[0]!.url).toBe('/v1beta/models?pageSize=1000')
  })

  test('pass as they come from an upstream of the same API that lists none', async () => {
    const { openai } = await start('openai-chat', () => ({
      body: { object: 'list', data: [{ id: 'x', object: 'model', owned_by: 'them' }] },
    }))
    expect((await openai.models.list()).data).toMatchObject([{ id: 'x', owned_by: 'them' }])
  })

  test('of several upstreams are one list, also where the model decides who is asked', async () => {
    const claude = await startUpstream((_, res) => sendJson(res, 200, claudes))
    const broken = await startUpstream((_, res) => void res.writeHead(500).end())
    const { url } = await startTestGateway(`
upstreams:
  claude: { dialect: anthropic, url: "${claude.url}", models: ['claude-*'] }
  broken: { dialect: openai-chat, url: "${broken.url}", models: ['gpt-*', known] }
routes: [{ id: llm, match: { api: llm }, upstream: { byModel: [] } }]
`)
    const { data } = await clientsOf(url).openai.models.list()
    expect(data.map(({ id }) => id)).toEqual(['claude-a', 'claude-b', 'known'])
  })
})
