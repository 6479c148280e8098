import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ClientDialect } from '#core/dialects/dialect.ts'
import { estimateTokens, withOutputBound } from '#core/dialects/estimate.ts'
import type { Json } from '#core/kit/json.ts'
import { DIALECTS } from '#core/dialects/index.ts'
import { hasRecordings, recordings } from './recordings.ts'

const CHAT = '/v1/chat/completions'
const MESSAGES = '/v1/messages'
const RESPONSES = '/v1/responses'
const GENERATE = '/v1beta/models/gemini-2.5-pro:generateContent'

function estimate(dialect: ClientDialect, path: string, body: Json, bytesPerToken = 1) {
  return estimateTokens({ dialect, path, body }, { bytesPerToken, maxOutputTokens: 4_096 })
}

const chat = (more: Record<string, Json>, bytesPerToken = 1) =>
  estimate('openai-chat', CHAT, { model: 'm', messages: [], ...more }, bytesPerToken)

describe('the input', () => {
  it('is never less than the bytes of its texts, whatever they are', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (texts) => {
        const messages = texts.map((content) => ({ role: 'user', content }))
        const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
        expect(chat({ messages }).inputTokens).toBeGreaterThanOrEqual(bytes)
      }),
      { numRuns: 200 },
    )
  })

  it('shrinks with the bytes that one token is taken to have', () => {
    const messages = [{ role: 'user', content: 'x'.repeat(10_000) }]
    expect(chat({ messages }, 2).inputTokens).toBeGreaterThan(5_000)
    expect(chat({ messages }, 2).inputTokens).toBeLessThan(5_100)
  })

  it('takes an image for the same whatever its size, in every dialect', () => {
    const data = 'A'.repeat(3_000_000)
    const url = `data:image/png;base64,${data}`
    const bodies: [ClientDialect, string, Json][] = [
      [
        'openai-chat',
        CHAT,
        { messages: [{ content: [{ type: 'image_url', image_url: { url } }] }] },
      ],
      [
        'openai-responses',
        RESPONSES,
        { input: [{ content: [{ type: 'input_image', image_url: url }] }] },
      ],
      [
        'anthropic',
        MESSAGES,
        { messages: [{ content: [{ type: 'image', source: { type: 'base64', data } }] }] },
      ],
      [
        'gemini',
        GENERATE,
        { contents: [{ parts: [{ inlineData: { mimeType: 'image/png', data } }] }] },
      ],
    ]
    for (const [dialect, path, body] of bodies) {
      const { inputTokens } = estimate(dialect, path, body)
      expect(inputTokens, dialect).toBeGreaterThan(4_784)
      expect(inputTokens, dialect).toBeLessThan(6_000)
    }
  })

  it('goes by the size of a document, but reads one of plain text', () => {
    const document = (source: Json) =>
      estimate('anthropic', MESSAGES, { messages: [{ content: [{ type: 'document', source }] }] })
    const data = 'A'.repeat(1_000_000)
    expect(document({ type: 'base64', data }).inputTokens).toBeGreaterThanOrEqual(200_000)
    expect(document({ type: 'base64', data }).inputTokens).toBeLessThan(201_000)
    expect(document({ type: 'text', data }).inputTokens).toBeGreaterThanOrEqual(1_000_000)
    expect(document({ type: 'url', url: 'https://example.com/a.pdf' }).inputTokens).toBeGreaterThan(
      20_000,
    )
  })

  it('is not fooled by text that looks like an image', () => {
    const content = `data:image/png;base64,${'A'.repeat(10_000)}`
    expect(chat({ messages: [{ role: 'user', content }] }).inputTokens).toBeGreaterThan(10_000)
  })

  it('is nothing where tokens are only counted, and outside of LLM APIs', () => {
    const body = { messages: [{ content: 'x' }] }
    expect(estimate('anthropic', '/v1/messages/count_tokens', body).inputTokens).toBe(0)
    expect(estimate('gemini', '/v1beta/models/g:countTokens', body).inputTokens).toBe(0)
    expect(estimate('http', '/anything', body).inputTokens).toBe(0)
  })

  it.skipIf(!hasRecordings)(
    'is no less than what providers have counted of recorded requests',
    () => {
      const paths = {
        'openai-chat': CHAT,
        'openai-responses': RESPONSES,
        anthropic: MESSAGES,
        gemini: GENERATE,
      }
      const compared = recordings().flatMap(({ name, dialect, request, response }) => {
        const usage = response && DIALECTS[dialect].usageOf(response)
        if (usage === undefined || NOT_SHOWN.test(name)) return []
        return [{ name, usage, ...estimate(dialect, paths[dialect], request, 2) }]
      })
      expect(compared.length).toBeGreaterThan(50)
      const short = compared.filter(({ inputTokens, usage }) => inputTokens < usage.inputTokens)
      expect(
        short.map(
          ({ name, inputTokens, usage }) => `${name} ${inputTokens} < ${usage.inputTokens}`,
        ),
      ).toEqual([])
    },
  )
})

/** Recordings in which a provider brings in what the body does not show: web pages, a film by reference, many passes. */
const NOT_SHOWN = /^(webSearch|urlContext|chatCompletionsGcs|responsesGpt56ReasoningMaxPro)/

describe('the output', () => {
  it('is what the request sets as its bound, times the answers that it asks for', () => {
    expect(chat({ max_tokens: 100 }).outputTokens).toBe(100)
    expect(chat({ max_completion_tokens: 50, max_tokens: 100 }).outputTokens).toBe(50)
    expect(chat({ max_tokens: 100, n: 3 }).outputTokens).toBe(300)
    const responses = { input: 'hi', max_output_tokens: 70 }
    expect(estimate('openai-responses', RESPONSES, responses).outputTokens).toBe(70)
    const messages = { messages: [], max_tokens: 80 }
    expect(estimate('anthropic', MESSAGES, messages).outputTokens).toBe(80)
    const generate = { contents: [], generationConfig: { maxOutputTokens: 90, candidateCount: 2 } }
    expect(estimate('gemini', GENERATE, generate).outputTokens).toBe(180)
    const prompt = { prompt: 'hi', max_tokens: 10, best_of: 4, n: 2 }
    expect(estimate('openai-chat', '/v1/completions', prompt).outputTokens).toBe(40)
  })

  it('is the given default where there is no bound, or none that makes sense', () => {
    expect(chat({}).outputTokens).toBe(4_096)
    expect(chat({ n: 2 }).outputTokens).toBe(8_192)
    expect(chat({ max_tokens: -5 }).outputTokens).toBe(4_096)
    expect(chat({ max_tokens: '10' }).outputTokens).toBe(4_096)
    expect(chat({ n: 1e300 }).outputTokens).toBe(4_096)
    expect(estimate('gemini', GENERATE, { contents: [] }).outputTokens).toBe(4_096)
  })

  it('is nothing where nothing is generated', () => {
    expect(estimate('openai-chat', '/v1/embeddings', { input: 'x' }).outputTokens).toBe(0)
    expect(estimate('openai-chat', '/v1/images/generations', { prompt: 'x' }).outputTokens).toBe(0)
    const embed = estimate('gemini', '/v1/models/e:embedContent', { content: { parts: [] } })
    expect(embed.outputTokens).toBe(0)
  })
})

describe('a body without a bound', () => {
  const bound = (dialect: ClientDialect, path: string, body: Json) =>
    withOutputBound({ dialect, path, body }, 500)

  it('is given one in the field of its API', () => {
    expect(bound('openai-chat', CHAT, { model: 'gpt-5', messages: [] })).toEqual({
      model: 'gpt-5',
      messages: [],
      max_completion_tokens: 500,
    })
    expect(bound('openai-chat', '/v1/completions', { prompt: 'x' })).toMatchObject({
      max_tokens: 500,
    })
    expect(bound('openai-responses', RESPONSES, { input: 'x' })).toMatchObject({
      max_output_tokens: 500,
    })
    expect(bound('anthropic', MESSAGES, { messages: [] })).toMatchObject({ max_tokens: 500 })
    const generate = { contents: [], generationConfig: { temperature: 0 } }
    expect(bound('gemini', GENERATE, generate)).toEqual({
      contents: [],
      generationConfig: { temperature: 0, maxOutputTokens: 500 },
    })
  })

  it('keeps its own, and is left alone where nothing is generated', () => {
    expect(bound('openai-chat', CHAT, { messages: [], max_tokens: 9 })).toBeUndefined()
    expect(bound('openai-chat', '/v1/embeddings', { input: 'x' })).toBeUndefined()
    expect(bound('http', '/x', { messages: [] })).toBeUndefined()
  })
})
