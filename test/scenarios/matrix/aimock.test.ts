import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JsonObject } from '#core/kit/json.ts'
import { openTestGateway, type TestGateway } from '../../support/gateway.ts'
import { step } from '../../support/step.ts'
import type { Ask, Turn } from '../../support/replay/conversation.ts'
import { MODELS } from './cases.ts'
import type { Manner } from './clients/client.ts'
import { COLUMNS, DIALECTS } from './lanes.ts'

const TEXT = 'Grüße: 12 °C, “clear” 🌦️ and dry.'
const CALLS = [
  { id: 'call_1', name: 'look', arguments: '{"city":"Zürich"}' },
  { id: 'call_2', name: 'look', arguments: '{"city":"Bern"}' },
]

/** Providers as somebody else has written them down, behind a gateway that counts its exchanges. */
const mock = new LLMock({ port: 0, chunkSize: 7 })
const ends: string[] = []
let gateway: TestGateway

beforeAll(async () => {
  mock.onMessage('say it', { content: TEXT })
  // aimock ends a call of Gemini's in a word that Gemini does not have.
  const calls = { toolCalls: CALLS }
  mock.on(
    { userMessage: 'call it', hasToolResult: false, model: /gemini/ },
    { ...calls, finishReason: 'stop' },
  )
  mock.on({ userMessage: 'call it', hasToolResult: false }, calls)
  mock.on({ userMessage: 'call it', hasToolResult: true }, { content: TEXT })
  mock.onMessage('cut it', { content: TEXT.repeat(20) }, { truncateAfterChunks: 5 })
  mock.onMessage('limit it', {
    error: { message: 'rate limit reached', type: 'rate_limit_error' },
    status: 429,
    retryAfter: 7,
  })
  mock.onMessage('break it', { error: { message: 'broken', type: 'server_error' }, status: 500 })
  mock.onMessage('drop it', { content: TEXT }, { chaos: { disconnectRate: 1 } })
  mock.onMessage('garble it', { content: TEXT }, { chaos: { malformedRate: 1 } })
  await mock.start()
  const upstreams = DIALECTS.map((dialect) => {
    const base =
      dialect === 'anthropic' ? mock.url : `${mock.url}${dialect === 'gemini' ? '/v1beta' : '/v1'}`
    return `  ${dialect}: { dialect: ${dialect}, url: "${base}", keys: [k], models: [${MODELS[dialect].plain}] }`
  })
  gateway = await openTestGateway(
    `
server: { overload: { eventLoopDelay: 5m } }
upstreams:
${upstreams.join('\n')}
routes: [{ id: llm, match: { api: llm }, pipeline: [meter], upstream: { byModel: [] } }]
`,
    { plugins: [step('meter', { done: (_, { end }) => void ends.push(end) })] },
  )
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

function ask(text: string): Ask {
  return { maxTokens: 900, tools, turns: [{ role: 'user', text }] }
}

describe.each(COLUMNS)('$name in front of $upstream of aimock', ({ client, upstream }) => {
  const manner = (stream: boolean): Manner => ({
    url: gateway.url,
    model: MODELS[upstream].plain,
    stream,
  })
  const faultOf = async (text: string, stream: boolean) =>
    client.ask(ask(text), manner(stream)).then(
      ({ heard }) => heard,
      (error: unknown) => client.faultOf(error),
    )

  test.concurrent.each([false, true])('gets text, streamed: %s', async (stream) => {
    const { heard } = await client.ask(ask('say it'), manner(stream))
    expect(heard).toMatchObject({ text: TEXT, calls: [], finish: 'stop' })
  })

  test.concurrent.each([false, true])(
    'gets calls and answers them, streamed: %s',
    async (stream) => {
      const { heard, history } = await client.ask(ask('call it'), manner(stream))
      const calls = CALLS.map(({ name, arguments: input }) => ({
        name,
        arguments: JSON.parse(input) as JsonObject,
      }))
      expect(heard).toMatchObject({ text: '', calls, finish: 'tool' })
      const results = heard.calls.map(({ id, name }) => ({ id, name, output: 'cold' }))
      const turns: Turn[] = [{ role: 'tool', results }]
      const next = await client.ask({ ...ask(''), turns }, { ...manner(stream), history })
      expect(next.heard).toMatchObject({ text: TEXT, finish: 'stop' })
    },
  )

  test.concurrent.each([false, true])('is told what went wrong, streamed: %s', async (stream) => {
    expect(await faultOf('limit it', stream)).toBe('rateLimit')
    expect(await faultOf('break it', stream)).toBe('server')
    expect(await faultOf('drop it', stream)).toBe('server')
    // Between equal dialects bytes pass as they are, also those that are no JSON.
    if (client.dialect !== upstream) expect(await faultOf('garble it', stream)).toBe('server')
  })

  test.concurrent('is told of a stream that is cut', async () => {
    // It may be cut before the gateway has begun to answer.
    expect(await faultOf('cut it', true)).toMatch(/^(?:stream|server)$/)
  })
})

test('each exchange has ended once', async () => {
  await expect.poll(() => ends.length).toBe(mock.getRequests().length)
})
