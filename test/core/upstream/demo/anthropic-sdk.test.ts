import type { Server } from 'node:http'
import Anthropic, { NotFoundError } from '@anthropic-ai/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Upstream } from '#core/upstream/upstream.ts'
import { openDemo, serve } from './serve.ts'

let upstream: Upstream
let server: Server
let client: Anthropic

beforeAll(async () => {
  upstream = openDemo({}, { models: [{ pattern: 'claude-demo', as: undefined }] })
  let baseURL: string
  ;({ server, url: baseURL } = await serve(upstream))
  client = new Anthropic({ apiKey: 'none', baseURL, maxRetries: 0 })
})

afterAll(async () => {
  await upstream.close()
  server.closeAllConnections()
  server.close()
})

const tools: Anthropic.Tool[] = [
  {
    name: 'get_weather',
    input_schema: {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
    },
  },
]
const params: Anthropic.MessageCreateParamsNonStreaming = {
  model: 'claude-demo',
  max_tokens: 1_000,
  system: 'be kind',
  messages: [{ role: 'user', content: [{ type: 'text', text: 'hello there' }] }],
}

function run(given: typeof params, isStream: boolean): Promise<Anthropic.Message> {
  return isStream ? client.messages.stream(given).finalMessage() : client.messages.create(given)
}

describe('the Anthropic SDK', () => {
  it('gets the same text and usage, streamed or not, and counts the same tokens', async () => {
    const plain = await run(params, false)
    const streamed = await run(params, true)
    const text = (message: Anthropic.Message) =>
      message.content.map((block) => (block.type === 'text' ? block.text : '')).join('')
    expect(text(plain)).toContain('hello there')
    expect(text(streamed)).toBe(text(plain))
    expect(plain.stop_reason).toBe('end_turn')
    expect(streamed.usage).toEqual(plain.usage)
    expect(plain.usage.input_tokens).toBe(Math.ceil('be kindhello there'.length / 4))
    const { model, system, messages } = params
    const counted = await client.messages.countTokens({ model, system: system!, messages })
    expect(counted.input_tokens).toBe(plain.usage.input_tokens)
  })

  it.each([false, true])('calls a tool, then quotes its result (stream: %s)', async (isStream) => {
    const asked = { ...params, tools, tool_choice: { type: 'any' as const } }
    const first = await run(asked, isStream)
    expect(first.stop_reason).toBe('tool_use')
    const call = first.content[0] as Anthropic.ToolUseBlock
    expect(call).toMatchObject({ type: 'tool_use', name: 'get_weather', input: { city: 'demo' } })
    const messages: Anthropic.MessageParam[] = [
      ...params.messages,
      { role: 'assistant', content: first.content },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: call.id, content: [{ type: 'text', text: 'fog' }] },
        ],
      },
    ]
    const second = await run({ ...asked, messages }, isStream)
    expect(second.content).toMatchObject([{ type: 'text', text: 'The tool answered: fog' }])
  })

  it.each([false, true])('stops at the token limit (stream: %s)', async (isStream) => {
    const message = await run({ ...params, max_tokens: 3 }, isStream)
    expect(message.stop_reason).toBe('max_tokens')
    expect(message.usage.output_tokens).toBe(3)
  })

  it('answers with JSON that fits the schema', async () => {
    const schema = { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] }
    const message = await run(
      { ...params, output_config: { format: { type: 'json_schema', schema } } },
      false,
    )
    expect(message.content).toMatchObject([{ text: '{"ok":true}' }])
  })

  it('lists its models in its own way', async () => {
    expect((await client.models.list()).data).toMatchObject([{ id: 'claude-demo', type: 'model' }])
  })

  it('throws as it would at Anthropic', async () => {
    await expect(client.messages.batches.list()).rejects.toBeInstanceOf(NotFoundError)
  })
})
