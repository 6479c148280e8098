import { describe, expect, test } from 'vitest'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { Plugin } from '#core/sdk.ts'
import { ANSWERS, framed } from '../support/answers.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askFor, sendJson, startProvider } from '../support/providers.ts'
import { step } from '../support/step.ts'

const DIALECTS = Object.keys(ANSWERS) as LlmDialect[]

async function start(
  dialect: LlmDialect,
  { models = '', plugins = [] as readonly Plugin[], pipeline = '[]' } = {},
) {
  const provider = await startProvider(dialect)
  const gateway = await startTestGateway(
    `
upstreams: { provider: { dialect: ${dialect}, url: "${provider.url}"${models} } }
routes: [{ id: llm, match: { api: llm }, pipeline: ${pipeline}, upstream: provider }]
`,
    { plugins },
  )
  return { ...gateway, provider }
}

describe('a stream of Chat Completions whose client does not ask for its tokens', () => {
  const frames = framed('openai-chat', ANSWERS['openai-chat'].events)
  const untold = frames.filter((frame) => !frame.includes('prompt_tokens'))

  test('says them to a step that needs them, and to nobody else', async () => {
    const seen: unknown[] = []
    const chunks: string[] = []
    const budget = step(
      'budget',
      {
        done: (exchange) => void seen.push(exchange.usage),
        chunk: ({ data }) => void chunks.push(data),
      },
      { reads: ['usage'] },
    )
    const { url, provider } = await start('openai-chat', {
      plugins: [budget],
      pipeline: '[budget]',
    })
    const { text } = await askFor('openai-chat', url, {
      stream: true,
      body: { stream_options: { include_obfuscation: false } },
    })
    expect(text).toBe(untold.join(''))
    expect(provider.asked[0]!.body).toMatchObject({
      stream_options: { include_usage: true, include_obfuscation: false },
    })
    await expect
      .poll(() => seen)
      .toEqual([
        expect.objectContaining({ inputTokens: 100, outputTokens: 20, cacheReadTokens: 90 }),
      ])
    expect(chunks).toHaveLength(untold.length)
  })

  test('says them where an expression asks for them', async () => {
    const { url, provider, logs } = await start('openai-chat', {
      pipeline: '[{ logging: { destination: /dev/null, fields: { tokens: $usage.totalTokens } } }]',
    })
    await askFor('openai-chat', url, { stream: true })
    expect(provider.asked[0]!.body).toMatchObject({ stream_options: { include_usage: true } })
    expect(logs.filter(({ level }) => level === 'error')).toEqual([])
  })

  test('is left alone where the client asks itself, and where no step needs them', async () => {
    const look = step('look', { done: () => undefined })
    const need = step('need', { done: () => undefined }, { reads: ['usage'] })
    const asking = await start('openai-chat', { plugins: [need], pipeline: '[need]' })
    const body = { stream_options: { include_usage: true } }
    expect((await askFor('openai-chat', asking.url, { stream: true, body })).text).toBe(
      frames.join(''),
    )
    const plain = await start('openai-chat', { plugins: [look], pipeline: '[look]' })
    expect((await askFor('openai-chat', plain.url, { stream: true })).text).toBe(frames.join(''))
    expect(plain.provider.asked[0]!.body).not.toHaveProperty('stream_options')
    await askFor('openai-chat', asking.url)
    expect(asking.provider.asked[1]!.body).not.toHaveProperty('stream_options')
  })
})

describe.each(DIALECTS)('behind an alias, an answer of %s', (dialect) => {
  const models = ', models: { m: the-real-one }'

  test.each([false, true])('has the name that the client knows; a stream: %s', async (stream) => {
    const { url, provider } = await start(dialect, { models })
    const { text, headers } = await askFor(dialect, url, { stream })
    const asked = provider.asked[0]!
    expect(dialect === 'gemini' ? asked.url : JSON.stringify(asked.body)).toContain('the-real-one')
    const real = /"(model|modelVersion)":"(gpt|claude|gemini)-real"/g
    const events = framed(dialect, ANSWERS[dialect].events).join('')
    const whole = JSON.stringify(ANSWERS[dialect].whole)
    expect(text).toBe((stream ? events : whole).replaceAll(real, '"$1":"m"'))
    expect(headers.get('x-sluice-model')).toBe('the-real-one')
  })

  test('is untouched where the client names the model itself', async () => {
    const { url } = await start(dialect, { models: ', models: { other: the-real-one }' })
    const { text, headers } = await askFor(dialect, url)
    expect(JSON.parse(text)).toEqual(ANSWERS[dialect].whole)
    expect(headers.get('x-sluice-model')).toBeNull()
  })
})

test('a tool whose arguments have a model keeps it', async () => {
  const content = [
    { type: 'tool_use', id: 't', name: 'buy', input: { model: 'T-34', message: { model: 'x' } } },
  ]
  const provider = await startProvider('anthropic', (res) =>
    sendJson(res, 200, { content, model: 'claude-real', usage: {} }),
  )
  const { url } = await startTestGateway(`
upstreams: { provider: { dialect: anthropic, url: "${provider.url}", models: { m: claude-real } } }
routes: [{ id: llm, match: { api: llm }, upstream: provider }]
`)
  const { text } = await askFor('anthropic', url)
  expect(JSON.parse(text)).toMatchObject({ content, model: 'm' })
})
