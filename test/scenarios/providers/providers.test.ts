import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PROVIDER_DIALECTS, type ProviderDialect } from '#core/dialects/dialect.ts'
import type { JsonObject } from '#core/kit/json.ts'
import { openTestGateway, type TestGateway } from '../../support/gateway.ts'
import { PROVIDER_WIRES, SAID, THOUGHT, type Said } from '../../support/provider-wires.ts'
import type { Ask, Turn } from '../../support/replay/conversation.ts'
import { step } from '../../support/step.ts'
import { PIXEL } from '../matrix/cases.ts'
import type { Client, Fault } from '../matrix/clients/client.ts'
import { CLIENTS } from '../matrix/clients/index.ts'
import { ProviderUpstream, type Scripted } from './provider-upstream.ts'

const AFTER = 'It rains in Zürich and Bern.'
const JSON_TEXT = '{"city":"Zürich"}'
const said = (more: Partial<Said>): Said => ({ finish: 'stop', input: 40, output: 20, ...more })

const SCRIPTS: ReadonlyMap<string, Scripted> = new Map<string, Scripted>([
  ['say it', { said: SAID['text']! }],
  ['call it', { said: SAID['parallel calls']! }],
  // What a tool has given back.
  ['it rains hard', { said: said({ text: AFTER }) }],
  ['as JSON', { said: said({ text: JSON_TEXT }) }],
  ['at length', { said: SAID['too long']! }],
  ['think it', { said: THOUGHT }],
  ['limit it', { status: 429, message: 'rate limit reached' }],
  ['break it', { status: 500, message: 'broken inside' }],
  ['cut it', { said: SAID['text']!, cutAfter: 4 }],
  ['fail it', { said: SAID['text']!, failAfter: 4 }],
])

const TOOLS = [
  { name: 'get_weather', description: 'Weather', parameters: { type: 'object', properties: {} } },
  { name: 'get_time', description: 'Time', parameters: { type: 'object', properties: {} } },
]
const SCHEMA: JsonObject = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
}

const upstreams = Object.fromEntries(
  PROVIDER_DIALECTS.map((dialect) => [dialect, new ProviderUpstream(dialect, SCRIPTS)]),
) as Readonly<Record<ProviderDialect, ProviderUpstream>>
const ended: { prompt: string; isGuess: boolean }[] = []
let gateway: TestGateway

beforeAll(async () => {
  const lines = await Promise.all(
    PROVIDER_DIALECTS.map(async (dialect) => {
      const url = await upstreams[dialect].start()
      const version = dialect === 'azure-openai' ? ', apiVersion: "2024-10-21"' : ''
      const { model } = PROVIDER_WIRES[dialect]
      return `  ${dialect}: { dialect: ${dialect}, url: "${url}", keys: [k], models: { ${dialect}: "${model}" }${version} }`
    }),
  )
  const meter = step(
    'meter',
    {
      done: ({ req, usage }, { status }) => {
        const isGuess = status === 200 && usage?.isEstimated !== undefined
        ended.push({ prompt: JSON.stringify(req.body), isGuess })
      },
    },
    { reads: ['request.body'] },
  )
  gateway = await openTestGateway(
    `
server: { overload: { eventLoopDelay: 5m } }
upstreams:
${lines.join('\n')}
routes: [{ id: llm, match: { api: llm }, pipeline: [meter], upstream: { byModel: [] } }]
`,
    { plugins: [meter] },
  )
})

afterAll(async () => {
  await gateway.end()
  // Each exchange is counted once, and what was told as a whole is what the provider has counted.
  const asked = PROVIDER_DIALECTS.flatMap((dialect) => upstreams[dialect].requests)
  const guessed = ended.filter(({ isGuess, prompt }) => isGuess && !/(?:fail|cut) it/.test(prompt))
  if (ended.length < asked.length || guessed.length > 0) {
    throw new Error(
      `${ended.length} of ${asked.length} counted, ${JSON.stringify(guessed)} guessed`,
    )
  }
  await Promise.all(PROVIDER_DIALECTS.map((dialect) => upstreams[dialect].close()))
})

function ask(text: string, more: Partial<Ask> = {}): Ask {
  return { maxTokens: 900, turns: [{ role: 'user', text }], ...more }
}

async function faultOf(client: Client, provider: ProviderDialect, text: string, stream: boolean) {
  return client.ask(ask(text), { url: gateway.url, model: provider, stream }).then(
    ({ heard }): Fault => ({ unexpected: heard }),
    (error: unknown) => client.faultOf(error),
  )
}

/** Azure has an API of its own for Responses; bytes pass untouched there. */
const ways = PROVIDER_DIALECTS.flatMap((provider) =>
  CLIENTS.filter(
    ({ dialect }) => provider !== 'azure-openai' || dialect !== 'openai-responses',
  ).map((client) => ({ name: client.name, client, provider })),
)

describe.each(ways)('$name in front of $provider', ({ client, provider }) => {
  const manner = (stream: boolean) => ({ url: gateway.url, model: provider, stream })
  const modes = [false, true]

  test.concurrent.each(modes)('gets text and its count, streamed: %s', async (stream) => {
    const { text, input, output } = SAID['text']!
    const { heard } = await client.ask(ask('say it'), manner(stream))
    expect(heard).toMatchObject({ text, calls: [], finish: 'stop', usage: { input, output } })
  })

  test.concurrent.each(modes)(
    'is told that an answer is too long, streamed: %s',
    async (stream) => {
      const { heard } = await client.ask(ask('at length'), manner(stream))
      expect(heard).toMatchObject({ text: 'It was a', finish: 'length' })
    },
  )

  test.concurrent.each(modes)(
    'calls tools and gives back results, streamed: %s',
    async (stream) => {
      const asked = ask('call it', { tools: TOOLS })
      const { heard, history } = await client.ask(asked, manner(stream))
      const calls = SAID['parallel calls']!.calls!
      expect(heard.calls).toMatchObject(
        calls.map(({ input, name }) => ({ name, arguments: input })),
      )
      expect(heard.finish).toBe('tool')
      expect(new Set(heard.calls.map(({ id }) => id)).size).toBe(calls.length)
      const results = heard.calls.map(({ id, name }) => ({ id, name, output: 'it rains hard' }))
      const turns: Turn[] = [{ role: 'tool', results }]
      const next = await client.ask({ ...asked, turns }, { ...manner(stream), history })
      expect(next.heard).toMatchObject({ text: AFTER, finish: 'stop' })
    },
  )

  test.concurrent('is answered as a schema says', async () => {
    const { heard } = await client.ask(ask('as JSON', { schema: SCHEMA }), manner(false))
    expect(heard.text).toBe(JSON_TEXT)
  })

  test.concurrent.each(modes)('hears what went wrong, streamed: %s', async (stream) => {
    expect(await faultOf(client, provider, 'limit it', stream)).toBe('rateLimit')
    expect(await faultOf(client, provider, 'break it', stream)).toBe('server')
  })

  test.concurrent('never takes a stream for whole that is cut or fails', async () => {
    // The AI SDK makes an error of the call out of one that comes before anything that it tells.
    expect(await faultOf(client, provider, 'cut it', true)).toMatch(/^(?:stream|server)$/)
    expect(await faultOf(client, provider, 'fail it', true)).toMatch(/^(?:stream|server)$/)
  })
})

describe.each(PROVIDER_DIALECTS.map((provider) => ({ provider })))('$provider', ({ provider }) => {
  const image = { type: 'image/png', data: PIXEL }
  const [openai] = CLIENTS as [Client]

  test('is shown a picture, unless its model sees none', async () => {
    const asked = ask('', { turns: [{ role: 'user', text: 'say it', image }] })
    const before = upstreams[provider].requests.length
    const reply = openai.ask(asked, { url: gateway.url, model: provider, stream: false })
    if (provider === 'cohere') {
      await expect(reply).rejects.toThrow('the model takes no images')
      return
    }
    await reply
    expect(JSON.stringify(upstreams[provider].requests.slice(before))).toContain(PIXEL)
  })

  test('tells thoughts apart from the answer, to clients that know thoughts', async () => {
    if (provider === 'azure-openai') return
    const asked = ask('think it', { effort: 'high', maxTokens: 4000 })
    for (const stream of [false, true]) {
      const { heard } = await openai.ask(asked, { url: gateway.url, model: provider, stream })
      expect(heard).toMatchObject({ text: THOUGHT.text, thought: THOUGHT.thoughts })
    }
  })
})
