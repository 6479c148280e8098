import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import { readFile } from 'node:fs/promises'
import OpenAI from 'openai'
import { expect, test } from 'vitest'
import { startTestGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

/** The config that `npm start` runs, on free ports. */
async function startDefault() {
  return startTestGateway(await readFile('gateway.yaml', 'utf8'))
}

const question = { role: 'user' as const, content: 'Say hello.' }
const weather = {
  name: 'get_weather',
  description: 'The weather at a place.',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
  },
}

test('the OpenAI SDK chats through the default config', async () => {
  const { url } = await startDefault()
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'unused' })
  const answer = await openai.chat.completions.create({ model: 'gpt-4o', messages: [question] })
  expect(answer.choices[0]?.message.content).toContain('Say hello.')
  expect(answer.usage?.total_tokens).toBeGreaterThan(0)
})

test('the OpenAI SDK streams through the default config, to the same text', async () => {
  const { url } = await startDefault()
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'unused' })
  const stream = openai.chat.completions.stream({ model: 'gpt-4o', messages: [question] })
  const streamed = await stream.finalChatCompletion()
  const plain = await openai.chat.completions.create({ model: 'gpt-4o', messages: [question] })
  expect(streamed.choices[0]?.message.content).toBe(plain.choices[0]?.message.content)
})

test('the OpenAI SDK gets a tool call through the default config', async () => {
  const { url } = await startDefault()
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'unused' })
  const answer = await openai.chat.completions.create({
    model: 'gpt-4o',
    messages: [question],
    tools: [{ type: 'function', function: weather }],
    tool_choice: 'required',
  })
  const call = answer.choices[0]?.message.tool_calls?.[0]
  expect(call?.type === 'function' && call.function.name).toBe('get_weather')
  expect(answer.choices[0]?.finish_reason).toBe('tool_calls')
})

test('the OpenAI SDK uses the Responses API through the default config', async () => {
  const { url } = await startDefault()
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'unused' })
  const answer = await openai.responses.create({ model: 'gpt-4o', input: 'Say hello.' })
  expect(answer.output_text).toContain('Say hello.')
})

test('the Anthropic SDK sends and streams messages through the default config', async () => {
  const { url } = await startDefault()
  const anthropic = new Anthropic({ baseURL: url, apiKey: 'unused' })
  const request = { model: 'claude-sonnet-5', max_tokens: 500, messages: [question] }
  const plain = await anthropic.messages.create(request)
  const streamed = await anthropic.messages.stream(request).finalMessage()
  expect(plain.content[0]?.type === 'text' && plain.content[0].text).toContain('Say hello.')
  expect(streamed.content).toEqual(plain.content)
})

test('the Google SDK generates content through the default config', async () => {
  const { url } = await startDefault()
  const google = new GoogleGenAI({ apiKey: 'unused', httpOptions: { baseUrl: url } })
  const answer = await google.models.generateContent({
    model: 'gemini-3.5-flash',
    contents: 'Say hello.',
  })
  expect(answer.text).toContain('Say hello.')
})

test('with a key in the environment the same file asks the real provider, key and all', async () => {
  const seen: { path: string; credential: unknown }[] = []
  const provider = await startUpstream((req, res) => {
    const { authorization, 'x-api-key': key } = req.headers
    seen.push({ path: req.url!, credential: authorization ?? key })
    req.resume()
    res.setHeader('content-type', 'application/json').end('{}')
  })
  const yaml = await readFile('gateway.yaml', 'utf8')
  const { url } = await startTestGateway(
    yaml
      .replace('https://api.openai.com', provider.url)
      .replace('https://api.anthropic.com', provider.url),
    { env: { OPENAI_API_KEY: 'key-o', ANTHROPIC_API_KEY: 'key-a' } },
  )
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }
  for (const path of ['/v1/chat/completions', '/v1/responses', '/v1/messages']) {
    expect((await fetch(url + path, post)).status).toBe(200)
  }
  // No key for this one: still the demo, which finds the request wanting by itself.
  const gemini = await fetch(`${url}/v1beta/models/g:generateContent`, post)
  expect(gemini.status).toBe(400)
  expect(seen).toEqual([
    { path: '/v1/chat/completions', credential: 'Bearer key-o' },
    { path: '/v1/responses', credential: 'Bearer key-o' },
    { path: '/v1/messages', credential: 'key-a' },
  ])
})
