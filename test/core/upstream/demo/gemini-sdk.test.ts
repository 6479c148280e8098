import type { Server } from 'node:http'
import { FunctionCallingConfigMode, GoogleGenAI } from '@google/genai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DIALECTS } from '#core/dialects/index.ts'
import type { Upstream } from '#core/upstream/upstream.ts'
import { openDemo, serve } from './serve.ts'

let upstream: Upstream
let server: Server
let url: string
let client: GoogleGenAI

beforeAll(async () => {
  upstream = openDemo()
  ;({ server, url } = await serve(upstream))
  client = new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl: url } })
})

afterAll(async () => {
  await upstream.close()
  server.closeAllConnections()
  server.close()
})

const asked = { model: 'demo', contents: 'hello there' }
const tools = [
  {
    functionDeclarations: [
      {
        name: 'get_weather',
        parametersJsonSchema: {
          type: 'object',
          properties: { city: { type: 'string' } },
          required: ['city'],
        },
      },
    ],
  },
]

describe('the Google Gen AI SDK', () => {
  it('gets the same text and usage, streamed or not, and counts the same tokens', async () => {
    const plain = await client.models.generateContent(asked)
    expect(plain.text).toContain('hello there')
    expect(plain.candidates![0]!.finishReason).toBe('STOP')
    let text = ''
    let last = plain
    for await (const chunk of await client.models.generateContentStream(asked)) {
      text += chunk.text ?? ''
      last = chunk
    }
    expect(text).toBe(plain.text)
    expect(last.usageMetadata).toEqual(plain.usageMetadata)
    expect(last.candidates![0]!.finishReason).toBe('STOP')
    const counted = await client.models.countTokens(asked)
    expect(counted.totalTokens).toBe(plain.usageMetadata!.promptTokenCount)
  })

  it('calls a tool, then quotes its result', async () => {
    const config = {
      tools,
      toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } },
    }
    const first = await client.models.generateContent({ ...asked, config })
    expect(first.functionCalls).toMatchObject([{ name: 'get_weather', args: { city: 'demo' } }])
    const streamed = []
    for await (const chunk of await client.models.generateContentStream({ ...asked, config })) {
      streamed.push(...(chunk.functionCalls ?? []))
    }
    expect(streamed).toMatchObject([{ name: 'get_weather', args: { city: 'demo' } }])
    const { id, name } = first.functionCalls![0]!
    const second = await client.models.generateContent({
      ...asked,
      contents: [
        { role: 'user', parts: [{ text: 'hello there' }] },
        first.candidates![0]!.content!,
        {
          role: 'user',
          parts: [{ functionResponse: { id: id!, name: name!, response: { output: 'hail' } } }],
        },
      ],
      config,
    })
    expect(second.text).toBe('The tool answered: {"output":"hail"}')
  })

  it('stops at the token limit, and answers with JSON', async () => {
    const short = await client.models.generateContent({ ...asked, config: { maxOutputTokens: 4 } })
    expect(short.candidates![0]!.finishReason).toBe('MAX_TOKENS')
    const config = {
      responseMimeType: 'application/json',
      responseJsonSchema: { type: 'array', items: { type: 'integer' }, minItems: 2 },
    }
    expect((await client.models.generateContent({ ...asked, config })).text).toBe('[1,1]')
  })

  it('embeds, one text or many', async () => {
    const many = await client.models.embedContent({ model: 'demo', contents: ['one', 'two'] })
    expect(many.embeddings).toHaveLength(2)
    expect(many.embeddings![0]!.values).toHaveLength(256)
    const one = await fetch(`${url}/v1beta/models/demo:embedContent`, {
      method: 'POST',
      body: JSON.stringify({ content: { parts: [{ text: 'one' }] }, outputDimensionality: 8 }),
    })
    expect(await one.json()).toMatchObject({ embedding: { values: { length: 8 } } })
  })

  it('streams one JSON list to those who do not ask for events', async () => {
    const answer = await fetch(`${url}/v1beta/models/demo:streamGenerateContent`, {
      method: 'POST',
      body: JSON.stringify({ contents: [{ parts: [{ text: 'hi' }] }] }),
    })
    const list = (await answer.json()) as { candidates: unknown[] }[]
    expect(list.length).toBeGreaterThan(3)
    expect(DIALECTS.gemini.usageOf(list as never)).toMatchObject({ inputTokens: 1 })
  })

  it('throws as it would at Google', async () => {
    await expect(client.models.delete({ model: 'demo' })).rejects.toMatchObject({ status: 404 })
  })

  it('lists its models', async () => {
    const names = []
    for await (const { name } of await client.models.list()) names.push(name)
    expect(names).toEqual(['models/demo'])
  })
})
