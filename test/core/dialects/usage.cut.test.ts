import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LlmDialect, UsageReader } from '#core/dialects/dialect.ts'
import { DIALECTS } from '#core/dialects/index.ts'
import { usageOfStream } from '#core/dialects/usage.ts'
import type { Json } from '#core/kit/json.ts'
import { formatEvent, Frame } from '#core/kit/sse.ts'

/** One event that brings a text, as each API sends it. */
const EVENTS: Record<LlmDialect, (text: string) => Json> = {
  'openai-chat': (content) => ({ id: 'c', choices: [{ index: 0, delta: { content } }] }),
  'openai-responses': (delta) => ({ type: 'response.output_text.delta', item_id: 'm', delta }),
  anthropic: (text) => ({
    type: 'content_block_delta',
    index: 0,
    delta: { type: 'text_delta', text },
  }),
  gemini: (text) => ({ candidates: [{ content: { role: 'model', parts: [{ text }] } }] }),
}

const DIALECT_NAMES = Object.keys(EVENTS) as LlmDialect[]

function frame(event: Json): Frame {
  const type = (event as { type?: string }).type
  return new Frame(Buffer.from(formatEvent(type, JSON.stringify(event))))
}

function show(reader: UsageReader, dialect: LlmDialect, texts: readonly string[]): number {
  for (const text of texts) reader.readFrame(frame(EVENTS[dialect](text)))
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
}

const words = (count: number) =>
  Array.from({ length: count }, (_, index) => ' word'.repeat(1 + (index % 3)))

describe.each(DIALECT_NAMES)('what a cut %s stream has delivered', (dialect) => {
  it('is known exactly where it is short, and when its events are parsed anyway', () => {
    const reader = DIALECTS[dialect].usageReader()
    expect(reader.deliveredBytes()).toBe(0)
    const bytes = show(reader, dialect, words(10))
    expect(reader.deliveredBytes()).toBe(bytes)
    const parsed = DIALECTS[dialect].usageReader()
    for (const text of words(500)) parsed.read(EVENTS[dialect](text))
    expect(parsed.deliveredBytes()).toBe(Buffer.byteLength(words(500).join('')))
  })

  it('is known within a tenth where it is long, asked once or often', () => {
    const pieces = fc.array(fc.string({ minLength: 1, maxLength: 40 }), {
      minLength: 300,
      maxLength: 600,
    })
    fc.assert(
      fc.property(pieces, fc.boolean(), (texts, isAskedOften) => {
        const reader = DIALECTS[dialect].usageReader()
        let bytes = 0
        for (const [index, text] of texts.entries()) {
          bytes += show(reader, dialect, [text])
          if (isAskedOften && index % 50 === 0) reader.usage()
        }
        const delivered = reader.deliveredBytes()
        // Pieces of 1 to 40 characters: one in sixteen of them is the sample.
        expect(Math.abs(delivered - bytes) / bytes).toBeLessThan(0.35)
      }),
      { numRuns: 20 },
    )
    const reader = DIALECTS[dialect].usageReader()
    const bytes = show(reader, dialect, words(2_000))
    expect(Math.abs(reader.deliveredBytes() - bytes) / bytes).toBeLessThan(0.1)
  })
})

describe('the usage of a stream', () => {
  const INPUT = () => 77

  it('is never what Anthropic says at its beginning, but what was delivered', () => {
    const reader = DIALECTS.anthropic.usageReader()
    const start = { usage: { input_tokens: 12, cache_read_input_tokens: 8, output_tokens: 1 } }
    reader.readFrame(frame({ type: 'message_start', message: start }))
    const bytes = show(reader, 'anthropic', words(300))
    const usage = usageOfStream(reader, INPUT)!
    expect(usage).toMatchObject({ inputTokens: 20, cacheReadTokens: 8, isEstimated: true })
    expect(usage.outputTokens).toBeGreaterThan(bytes / 4)
    expect(usage.outputTokens).toBeLessThan(bytes / 2)
    expect(usage.totalTokens).toBe(usage.inputTokens + usage.outputTokens)
  })

  it('is what was told, where that is more', () => {
    const reader = DIALECTS.gemini.usageReader()
    show(reader, 'gemini', ['hi'])
    const usageMetadata = { promptTokenCount: 5, candidatesTokenCount: 2, thoughtsTokenCount: 900 }
    reader.readFrame(frame({ candidates: [], usageMetadata }))
    expect(usageOfStream(reader, INPUT)).toMatchObject({
      inputTokens: 5,
      outputTokens: 902,
      reasoningTokens: 900,
      isEstimated: true,
    })
  })

  it('is left as it was told where the end was seen', () => {
    const reader = DIALECTS['openai-chat'].usageReader()
    show(reader, 'openai-chat', words(100))
    reader.readFrame(frame({ choices: [{ finish_reason: 'stop' }] }))
    reader.readFrame(frame({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } }))
    expect(usageOfStream(reader, INPUT)).toEqual({
      inputTokens: 1,
      outputTokens: 2,
      totalTokens: 3,
    })
  })

  it('is counted by us where an upstream never tells it', () => {
    const reader = DIALECTS['openai-chat'].usageReader()
    show(reader, 'openai-chat', words(3))
    reader.readFrame(frame({ choices: [{ finish_reason: 'stop' }] }))
    expect(usageOfStream(reader, INPUT)).toEqual({
      inputTokens: 77,
      outputTokens: 10,
      totalTokens: 87,
      isEstimated: true,
    })
  })

  it('is the prompt where it was cut before it brought anything, and nothing where it ended so', () => {
    const reader = DIALECTS['openai-chat'].usageReader()
    expect(usageOfStream(reader, INPUT)).toMatchObject({
      inputTokens: 77,
      outputTokens: 0,
    })
    reader.readFrame(frame({ error: { message: 'overloaded' } }))
    expect(usageOfStream(reader, INPUT)).toBeUndefined()
  })

  it('counts tools, thoughts and refusals as text, and what OpenAI repeats once', () => {
    const chat = DIALECTS['openai-chat'].usageReader()
    const call = { function: { name: 'find', arguments: '{"a":1}' } }
    chat.read({
      choices: [{ delta: { reasoning_content: 'hm', refusal: 'no', tool_calls: [call] } }],
    })
    expect(chat.deliveredBytes()).toBe(15)
    const anthropic = DIALECTS.anthropic.usageReader()
    anthropic.read({ type: 'content_block_delta', delta: { thinking: 'hm' } })
    anthropic.read({ type: 'content_block_delta', delta: { partial_json: '{"a":1}' } })
    expect(anthropic.deliveredBytes()).toBe(9)
    const responses = DIALECTS['openai-responses'].usageReader()
    const bytes = show(responses, 'openai-responses', words(100))
    const done = { type: 'response.output_text.done', text: words(100).join('') }
    for (let times = 0; times < 30; times++) responses.readFrame(frame(done))
    expect(Math.abs(responses.deliveredBytes() - bytes) / bytes).toBeLessThan(0.1)
  })
})
