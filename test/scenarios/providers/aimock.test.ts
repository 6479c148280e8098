import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JsonObject } from '#core/kit/json.ts'
import { openTestGateway, type TestGateway } from '../../support/gateway.ts'
import { PROVIDER_WIRES } from '../../support/provider-wires.ts'
import type { Ask, Turn } from '../../support/replay/conversation.ts'
import { CLIENTS } from '../matrix/clients/index.ts'

const TEXT = 'Grüße: 12 °C, “clear” 🌦️ and dry.'
const CALLS = [
  { id: 'call_1', name: 'look', arguments: '{"city":"Zürich"}' },
  { id: 'call_2', name: 'look', arguments: '{"city":"Bern"}' },
]

/** Providers as somebody else has written them down. */
const PROVIDERS = ['bedrock', 'cohere', 'ollama'] as const
const mock = new LLMock({ port: 0, chunkSize: 7 })
let gateway: TestGateway

beforeAll(async () => {
  mock.onMessage('say it', { content: TEXT })
  mock.on({ userMessage: 'call it', hasToolResult: false }, { toolCalls: CALLS })
  mock.on({ userMessage: 'call it', hasToolResult: true }, { content: TEXT })
  mock.onMessage('cut it', { content: TEXT.repeat(20) }, { truncateAfterChunks: 5 })
  mock.onMessage('limit it', {
    error: { message: 'rate limit reached', type: 'rate_limit_error' },
    status: 429,
  })
  mock.onMessage('break it', { error: { message: 'broken', type: 'server_error' }, status: 500 })
  await mock.start()
  const lines = PROVIDERS.map((dialect) => {
    const { model } = PROVIDER_WIRES[dialect]
    return `  ${dialect}: { dialect: ${dialect}, url: "${mock.url}", keys: [k], models: { ${dialect}: "${model}" } }`
  })
  gateway = await openTestGateway(`
server: { overload: { eventLoopDelay: 5m } }
upstreams:
${lines.join('\n')}
routes: [{ id: llm, match: { api: llm }, upstream: { byModel: [] } }]
`)
})

afterAll(async () => {
  await gateway.end()
  await mock.stop()
})

const tools = [
  {
    name: 'look',
    description: 'Looks',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
]
const ask = (text: string): Ask => ({ maxTokens: 900, tools, turns: [{ role: 'user', text }] })

const ways = PROVIDERS.flatMap((provider) =>
  CLIENTS.map((client) => ({ name: client.name, client, provider })),
)

describe.each(ways)('$name in front of $provider of aimock', ({ client, provider }) => {
  const manner = (stream: boolean) => ({ url: gateway.url, model: provider, stream })
  const faultOf = async (text: string, stream: boolean) =>
    client.ask(ask(text), manner(stream)).then(
      ({ heard }) => ({ unexpected: heard }),
      (error: unknown) => client.faultOf(error),
    )
  const modes = [false, true]

  test.concurrent.each(modes)('gets text, streamed: %s', async (stream) => {
    const { heard } = await client.ask(ask('say it'), manner(stream))
    expect(heard).toMatchObject({ text: TEXT, calls: [], finish: 'stop' })
  })

  test.concurrent.each(modes)('gets calls and answers them, streamed: %s', async (stream) => {
    const { heard, history } = await client.ask(ask('call it'), manner(stream))
    const calls = CALLS.map(({ name, arguments: input }) => ({
      name,
      arguments: JSON.parse(input) as JsonObject,
    }))
    // Cohere's models tell their plan before they call.
    const plan = provider === 'cohere' && stream ? 'I will use the requested tool.' : ''
    expect(heard).toMatchObject({ text: plan, calls, finish: 'tool' })
    const results = heard.calls.map(({ id, name }) => ({ id, name, output: 'cold' }))
    const turns: Turn[] = [{ role: 'tool', results }]
    const next = await client.ask({ ...ask(''), turns }, { ...manner(stream), history })
    expect(next.heard).toMatchObject({ text: TEXT, finish: 'stop' })
  })

  test.concurrent.each(modes)('is told what went wrong, streamed: %s', async (stream) => {
    expect(await faultOf('limit it', stream)).toBe('rateLimit')
    expect(await faultOf('break it', stream)).toBe('server')
  })

  test.concurrent('is told of a stream that is cut', async () => {
    // It may be cut before the gateway has begun to answer.
    expect(await faultOf('cut it', true)).toMatch(/^(?:stream|server)$/)
  })
})
