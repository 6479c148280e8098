import { describe, expect, test } from 'vitest'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { JsonObject } from '#core/kit/json.ts'
import { answerWith, type Asked, askFor, sendJson, startProvider } from '../support/providers.ts'
import { startTestGateway } from '../support/gateway.ts'

/** How each API words a refusal of one field. */
const REFUSALS: Readonly<Record<LlmDialect, (field: string) => object>> = {
  'openai-chat': (field) => ({
    error: {
      message: `Unsupported parameter: '${field}' is not supported with this model.`,
      type: 'invalid_request_error',
      param: field,
      code: 'unsupported_parameter',
    },
  }),
  'openai-responses': (field) => ({
    error: {
      message: `Unknown parameter: '${field}'.`,
      type: 'invalid_request_error',
      param: field,
    },
  }),
  anthropic: (field) => ({
    type: 'error',
    error: { type: 'invalid_request_error', message: `${field}: Extra inputs are not permitted` },
  }),
  gemini: (field) => ({
    error: {
      code: 400,
      message: `Invalid JSON payload received. Unknown name "${field}" at 'generation_config': Cannot find field.`,
      status: 'INVALID_ARGUMENT',
    },
  }),
}

/** A provider whose models do not take some fields. */
async function start(dialect: LlmDialect, untaken: readonly string[], more = '') {
  const isTold = ({ body }: Asked, field: string) =>
    field in body || field in ((body['generationConfig'] ?? {}) as JsonObject)
  const provider = await startProvider(dialect, (res, asked) => {
    const field = untaken.find((name) => isTold(asked, name))
    if (field === undefined) answerWith(res, dialect, asked)
    else sendJson(res, 400, REFUSALS[dialect](field))
  })
  const gateway = await startTestGateway(`
upstreams: { provider: { dialect: ${dialect}, url: "${provider.url}"${more} } }
routes: [{ id: llm, match: { api: llm }, upstream: provider }]
`)
  return { ...gateway, provider }
}

describe('a field that a model does not take', () => {
  test.each([
    ['openai-responses', 'openai-chat', { temperature: 0.5 }, 'temperature', 'temperature'],
    ['openai-chat', 'openai-responses', { top_p: 0.5 }, 'top_p', 'top_p'],
    ['gemini', 'anthropic', { generationConfig: { topK: 5 } }, 'top_k', 'generationConfig.topK'],
    ['openai-chat', 'gemini', { seed: 5 }, 'seed', 'seed'],
  ] as const)(
    'is left out once the provider has refused it, and remembered: %s to %s',
    async (client, dialect, body, field, told) => {
      const capabilities = ", capabilities: { '*': { topK: true, classicTuning: true } }"
      const { url, provider } = await start(dialect, [field], capabilities)
      for (let turn = 0; turn < 2; turn++) {
        const got = await askFor(client, url, { body: body as JsonObject })
        expect(got.status).toBe(200)
        expect(got.headers.get('x-sluice-dropped-params')).toBe(told)
      }
      // Refused, asked again without; and then known.
      expect(provider.asked).toHaveLength(3)
    },
  )

  test('is refused by each name where there are several', async () => {
    const { url, provider } = await start('openai-chat', ['temperature', 'top_p'])
    const body = { temperature: 0.5, top_p: 0.5 }
    const got = await askFor('openai-responses', url, { body, stream: true })
    expect(got.status).toBe(200)
    expect(got.headers.get('x-sluice-dropped-params')).toBe('temperature, top_p')
    expect(provider.asked).toHaveLength(3)
  })

  test('is known by model, and not for another', async () => {
    const { url, provider } = await start('openai-chat', ['temperature'])
    for (const model of ['a', 'b', 'a', 'b']) {
      await askFor('openai-responses', url, { body: { model, temperature: 0.5 } })
    }
    expect(provider.asked).toHaveLength(6)
  })

  test('is told under its newer name where the provider wants that', async () => {
    const { url, provider } = await start('openai-chat', ['max_tokens'])
    const got = await askFor('anthropic', url, { body: { max_tokens: 77 } })
    expect(got.status).toBe(200)
    expect(provider.asked[1]!.body).toMatchObject({ max_completion_tokens: 77 })
    expect(got.headers.get('x-sluice-dropped-params')).toBeNull()
  })

  test.each([
    ['in strict mode', { headers: { 'x-sluice-strict': 'true' }, body: { temperature: 0.5 } }],
    ["in the provider's own words", { body: { extra_body: { temperature: 0.5 } } }],
  ])('is an error %s, and nothing is learned', async (_, asked) => {
    const { url, provider } = await start('openai-chat', ['temperature'])
    const got = await askFor('openai-responses', url, asked)
    expect(got.status).toBe(400)
    expect(got.text).toContain('temperature')
    await askFor('openai-responses', url, asked)
    expect(provider.asked).toHaveLength(2)
  })

  test('that is no tuning is an error', async () => {
    const { url, provider } = await start('openai-chat', ['messages'])
    expect((await askFor('anthropic', url)).status).toBe(400)
    expect(provider.asked).toHaveLength(1)
  })
})

describe('capabilities in the config', () => {
  test('go over what the gateway knows of a model', async () => {
    const more =
      ", capabilities: { 'claude-*-4-7': { temperature: true }, '*': { maxOutputTokens: 77 } }"
    const { url, provider } = await start('anthropic', [], more)
    const ask = (model: string) => askFor('openai-chat', url, { body: { model, temperature: 0.5 } })
    expect((await ask('claude-opus-4-7')).headers.get('x-sluice-dropped-params')).toBeNull()
    expect((await ask('claude-opus-4-8')).headers.get('x-sluice-dropped-params')).toBe(
      'temperature',
    )
    expect(provider.asked[0]!.body).toMatchObject({ temperature: 0.5 })
    expect(provider.asked[0]!.body['max_tokens']).not.toBe(77)
    expect(provider.asked[1]!.body).toMatchObject({ max_tokens: 77 })
  })

  test('say that a stream cannot be asked for its tokens', async () => {
    const more = ', capabilities: { m: { streamUsage: false } }'
    const { url, provider } = await start('openai-chat', [], more)
    await askFor('anthropic', url, { stream: true })
    expect(provider.asked[0]!.body).not.toHaveProperty('stream_options')
  })
})
