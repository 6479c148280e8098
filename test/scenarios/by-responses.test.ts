import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import { sealProof } from '#core/dialects/hub/proof.ts'
import type { JsonObject } from '#core/kit/json.ts'
import { ANSWERS, framed, TEXT } from '../support/answers.ts'
import { startTestGateway } from '../support/gateway.ts'
import { type Asked, askFor, sendJson, startProvider } from '../support/providers.ts'
import { bodyOf, startUpstream } from '../support/upstream.ts'

const tools = [{ type: 'function' as const, function: { name: 'look', parameters: {} } }]
const messages = [{ role: 'user' as const, content: 'Hi' }]

/** A provider of both of OpenAI's APIs. */
async function start(more = '') {
  const asked: Asked[] = []
  const upstream = await startUpstream(async (req, res) => {
    const body = JSON.parse((await bodyOf(req)).toString()) as JsonObject
    asked.push({ method: req.method!, url: req.url!, headers: req.headers, body })
    const dialect = req.url === '/v1/responses' ? 'openai-responses' : 'openai-chat'
    if (body['stream'] !== true) return sendJson(res, 200, ANSWERS[dialect].whole)
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.end(framed(dialect, ANSWERS[dialect].events).join(''))
  })
  const { url } = await startTestGateway(`
upstreams: { openai: { dialect: [openai-chat, openai-responses], url: "${upstream.url}/v1"${more} } }
routes: [{ id: llm, match: { api: llm }, upstream: openai }]
`)
  const client = new OpenAI({ apiKey: 'k', baseURL: `${url}/v1`, maxRetries: 0 })
  return { url, client, asked }
}

describe('a chat with tools and an effort, which a model takes by Responses only', () => {
  const ask = { model: 'gpt-5.4-mini', messages, tools, reasoning_effort: 'high' } as const

  test('is asked for by Responses, and answered as a chat', async () => {
    const { client, asked } = await start()
    const whole = await client.chat.completions.create(ask)
    expect(whole.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { content: TEXT.join(''), tool_calls: [{ function: { name: 'look' } }] },
    })
    const streamed = await client.chat.completions.stream(ask).finalChatCompletion()
    expect(streamed.choices[0]!.message.content).toBe(TEXT.join(''))
    expect(asked.map(({ url }) => url)).toEqual(['/v1/responses', '/v1/responses'])
    expect(asked[0]!.body).toMatchObject({
      reasoning: { effort: 'high' },
      tools: [{ name: 'look' }],
    })
  })

  test.each([
    ['another model', { ...ask, model: 'gpt-4o' }],
    ['no tools', { ...ask, tools: [] }],
    ['no effort', { model: ask.model, messages, tools }],
    ['what Responses cannot say', { ...ask, stop: ['x'] }],
  ])('passes as it is with %s', async (_, params) => {
    const { client, asked } = await start()
    await client.chat.completions.create(params)
    expect(asked).toMatchObject([{ url: '/v1/chat/completions', body: params }])
  })

  test('is asked for by Responses where the config says so of the model', async () => {
    const { client, asked } = await start(', capabilities: { own: { chatToolsWithEffort: false } }')
    await client.chat.completions.create({ ...ask, model: 'own' })
    expect(asked[0]!.url).toBe('/v1/responses')
  })

  test('is asked for by Responses for clients of other APIs too', async () => {
    const { url, asked } = await start()
    const body = {
      model: ask.model,
      max_tokens: 9_000,
      thinking: { type: 'enabled', budget_tokens: 8_000 },
      tools: [{ name: 'look', input_schema: { type: 'object' } }],
    }
    const { text, headers } = await askFor('anthropic', url, { body })
    expect(JSON.parse(text)).toMatchObject({ type: 'message', stop_reason: 'tool_use' })
    expect(headers.get('x-sluice-dropped-params')).toBeNull()
    expect(asked[0]!.url).toBe('/v1/responses')
  })
})

describe('a conversation that was with another provider before', () => {
  const proof = {
    provider: 'openai',
    family: 'gpt',
    kind: 'encrypted',
    data: 'abc',
    id: 'rs_1',
  } as const
  const turns = [
    { role: 'user', content: 'Hi' },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Hm', signature: sealProof(proof) },
        { type: 'text', text: 'Hello' },
      ],
    },
    { role: 'user', content: 'And now?' },
  ]

  async function startMixed() {
    const claude = await startProvider('anthropic')
    const openai = await startProvider('openai-responses')
    const { url } = await startTestGateway(`
upstreams:
  claude: { dialect: anthropic, url: "${claude.url}", models: ['claude-*'] }
  openai: { dialect: openai-responses, url: "${openai.url}/v1", models: ['gpt-*'] }
routes: [{ id: llm, match: { api: llm }, upstream: { byModel: [] } }]
`)
    return { url, claude, openai }
  }

  test('goes on without the proofs that only the other can read', async () => {
    const { url, claude } = await startMixed()
    const body = { model: 'claude-sonnet-4-5', messages: turns, unknown_field: { a: 1 } }
    expect((await askFor('anthropic', url, { body })).status).toBe(200)
    const sent = JSON.stringify(claude.asked[0]!.body)
    expect(sent).not.toContain('sl1.')
    expect(sent).toContain('Hello')
    expect(claude.asked[0]!.body).toMatchObject({ unknown_field: { a: 1 } })
  })

  test("takes the provider's own options along, whichever is asked", async () => {
    const { url, claude } = await startMixed()
    const body = {
      model: 'claude-sonnet-4-5',
      provider_options: { anthropic: { inference_geo: 'eu' }, openai: { store: true } },
    }
    expect((await askFor('anthropic', url, { body })).status).toBe(200)
    expect(claude.asked[0]!.body).toMatchObject({ inference_geo: 'eu' })
    expect(claude.asked[0]!.body).not.toHaveProperty('provider_options')
    const watched = { model: 'claude-x', extra_body: { max_tokens: 9 } }
    const { status, text } = await askFor('anthropic', url, { body: watched })
    expect(status).toBe(400)
    expect(text).toContain('extra_body.max_tokens')
  })

  test('gives the other its proofs back', async () => {
    const { url, openai } = await startMixed()
    await askFor('anthropic', url, { body: { model: 'gpt-5.1', messages: turns } })
    expect(JSON.stringify(openai.asked[0]!.body)).toContain('"encrypted_content":"abc"')
  })
})
