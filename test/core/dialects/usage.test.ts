import { describe, expect, it } from 'vitest'
import type { LlmDialect, Usage } from '#core/dialects/dialect.ts'
import { DIALECTS } from '#core/dialects/index.ts'
import { isObject, type Json, type JsonObject } from '#core/kit/json.ts'
import { getPath } from '#core/kit/paths.ts'
import { formatEvent, Frame } from '#core/kit/sse.ts'
import { hasRecordings, recordings } from './recordings.ts'

/** The recorded numbers, taken by hand from where each API puts them: an answer, or the last of its events. */
const RECORDED: Record<LlmDialect, (answer: JsonObject) => Partial<Usage>> = {
  'openai-chat': (answer) => ({
    inputTokens: number(answer, 'usage.prompt_tokens'),
    outputTokens: number(answer, 'usage.completion_tokens'),
    totalTokens: number(answer, 'usage.total_tokens'),
  }),
  'openai-responses': (answer) => ({
    inputTokens: number(answer, 'usage.input_tokens'),
    outputTokens: number(answer, 'usage.output_tokens'),
    totalTokens: number(answer, 'usage.total_tokens'),
  }),
  anthropic(answer) {
    const input =
      number(answer, 'usage.input_tokens') +
      number(answer, 'usage.cache_read_input_tokens') +
      number(answer, 'usage.cache_creation_input_tokens')
    const output = number(answer, 'usage.output_tokens')
    return { inputTokens: input, outputTokens: output, totalTokens: input + output }
  },
  gemini: (answer) => ({
    inputTokens:
      number(answer, 'usageMetadata.promptTokenCount') +
      number(answer, 'usageMetadata.toolUsePromptTokenCount'),
    outputTokens:
      number(answer, 'usageMetadata.candidatesTokenCount') +
      number(answer, 'usageMetadata.thoughtsTokenCount'),
    totalTokens: number(answer, 'usageMetadata.totalTokenCount'),
  }),
}

function number(answer: JsonObject, path: string): number {
  return Number(getPath(answer, path.split('.')) ?? 0)
}

/** The fields that were recorded. */
function pick(usage: Usage | undefined, recorded: Partial<Usage> | undefined) {
  if (usage === undefined || recorded === undefined) return usage
  return Object.fromEntries(Object.entries(usage).filter(([name]) => name in recorded))
}

/** What a recorded stream says in the end, in the shape of a plain answer. */
function lastWord(dialect: LlmDialect, events: readonly JsonObject[]): JsonObject | undefined {
  if (dialect === 'openai-responses') return events.at(-1)!['response'] as JsonObject
  if (dialect === 'gemini') return events.at(-1)
  if (dialect === 'openai-chat') return events.find(({ usage }) => isObject(usage))
  const start = getPath(events[0], ['message', 'usage']) as JsonObject
  const end = events.find(({ type }) => type === 'message_delta')!['usage'] as JsonObject
  return { usage: { ...start, ...end } }
}

function frames(dialect: LlmDialect, events: readonly JsonObject[]): Frame[] {
  const named = dialect === 'anthropic' || dialect === 'openai-responses'
  const texts = events.map((event) =>
    formatEvent(named ? (event['type'] as string) : undefined, JSON.stringify(event)),
  )
  if (dialect === 'openai-chat') texts.push('data: [DONE]\n\n')
  return texts.map((text) => new Frame(Buffer.from(text)))
}

const all = recordings()

describe.skipIf(!hasRecordings)('usage of recorded traffic (skipped without recordings)', () => {
  it.each(all.filter(({ response }) => response !== undefined))(
    'counts the plain answer of $name as recorded',
    ({ dialect, response }) => {
      expect(DIALECTS[dialect].usageOf(response!)).toMatchObject(RECORDED[dialect](response!))
    },
  )

  it.each(all.filter(({ events }) => events !== undefined))(
    'counts the stream of $name as recorded, parsed or not',
    ({ dialect, events }) => {
      const byEvent = DIALECTS[dialect].usageReader()
      for (const event of events!) byEvent.read(event)
      const byFrame = DIALECTS[dialect].usageReader()
      for (const frame of frames(dialect, events!)) byFrame.readFrame(frame)
      const last = lastWord(dialect, events!)
      const recorded = last === undefined ? undefined : RECORDED[dialect](last)
      expect(pick(byFrame.usage(), recorded)).toEqual(recorded)
      expect(byEvent.usage()).toEqual(byFrame.usage())
      expect(byFrame.isComplete()).toBe(true)
      expect(byEvent.isComplete()).toBe(true)
    },
  )

  it.each(all.filter(({ events }) => events !== undefined))(
    'takes $name for cut where it lacks its end',
    ({ dialect, events }) => {
      const whole = frames(dialect, events!)
      const end = events!.findIndex((event) => {
        const reader = DIALECTS[dialect].usageReader()
        reader.read(event)
        return reader.isComplete()
      })
      const reader = DIALECTS[dialect].usageReader()
      for (const frame of whole.slice(0, end)) reader.readFrame(frame)
      expect(reader.isComplete()).toBe(false)
    },
  )
})

describe('usage', () => {
  it('includes what Anthropic read from a cache and wrote to it', () => {
    const usage = {
      input_tokens: 10,
      cache_read_input_tokens: 200,
      cache_creation_input_tokens: 30,
      output_tokens: 5,
    }
    expect(DIALECTS.anthropic.usageOf({ usage })).toEqual({
      inputTokens: 240,
      outputTokens: 5,
      totalTokens: 245,
      cacheReadTokens: 200,
      cacheWriteTokens: 30,
    })
  })

  it('includes the thoughts and the tool prompts of Gemini', () => {
    const usageMetadata = {
      promptTokenCount: 7,
      toolUsePromptTokenCount: 3,
      candidatesTokenCount: 5,
      thoughtsTokenCount: 20,
      totalTokenCount: 35,
    }
    const counted = { inputTokens: 10, outputTokens: 25, totalTokens: 35, reasoningTokens: 20 }
    expect(DIALECTS.gemini.usageOf({ usageMetadata })).toEqual(counted)
    // Not asked for as SSE, a stream is one list.
    expect(DIALECTS.gemini.usageOf([{ candidates: [] }, { usageMetadata }])).toEqual(counted)
  })

  it('reads OpenAI details, embeddings, and the names of compatible servers', () => {
    const usageOf = (body: Json) => DIALECTS['openai-chat'].usageOf(body)
    const prompt = { prompt_tokens: 9, total_tokens: 9 }
    expect(usageOf({ usage: prompt })).toEqual({ inputTokens: 9, outputTokens: 0, totalTokens: 9 })
    expect(usageOf({ usage: { ...prompt, prompt_cache_hit_tokens: 4 } })).toMatchObject({
      cacheReadTokens: 4,
    })
    const details = {
      prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 2 },
      completion_tokens_details: { reasoning_tokens: 3 },
    }
    expect(usageOf({ usage: { ...prompt, ...details } })).toMatchObject({
      cacheReadTokens: 4,
      cacheWriteTokens: 2,
      reasoningTokens: 3,
    })
  })

  it.each([null, 'x', [], { usage: null }, { usage: { prompt_tokens: 'many' } }, { usage: [] }])(
    'makes nothing of %j',
    (body) => {
      for (const dialect of Object.values(DIALECTS)) {
        expect(dialect.usageOf(body as Json)).toBeUndefined()
      }
    },
  )

  it('ignores comments, rubbish and counts that no provider would send', () => {
    for (const dialect of Object.values(DIALECTS)) {
      const reader = dialect.usageReader()
      for (const text of [': x', 'data: {', 'data: null', 'data: {"usage":{"prompt_tokens":-1}}']) {
        reader.readFrame(new Frame(Buffer.from(`${text}\n\n`)))
      }
      expect(reader.usage()).toBeUndefined()
      expect(reader.isComplete()).toBe(dialect.name === 'http')
    }
  })

  it('finds the count behind a long stream, and again when asked in between', () => {
    const reader = DIALECTS['openai-chat'].usageReader()
    const chunk = (json: Json) =>
      new Frame(Buffer.from(formatEvent(undefined, JSON.stringify(json))))
    for (let index = 0; index < 50; index++) reader.readFrame(chunk({ choices: [], usage: null }))
    expect(reader.usage()).toBeUndefined()
    reader.readFrame(chunk({ choices: [{ index: 0, finish_reason: 'stop' }] }))
    reader.readFrame(chunk({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } }))
    for (let index = 0; index < 5; index++) reader.readFrame(chunk({ choices: [] }))
    expect(reader.usage()).toMatchObject({ totalTokens: 3 })
    expect(reader.isComplete()).toBe(true)
  })

  it('forgets neither what came first nor what came before many comments', () => {
    const reader = DIALECTS.anthropic.usageReader()
    const show = (text: string) => reader.readFrame(new Frame(Buffer.from(text)))
    const event = (json: JsonObject) =>
      show(formatEvent(json['type'] as string, JSON.stringify(json)))
    event({ type: 'ping' })
    event({ type: 'message_start', message: { usage: { input_tokens: 7, output_tokens: 1 } } })
    for (let index = 0; index < 50; index++) event({ type: 'content_block_delta', index: 0 })
    event({ type: 'message_delta', usage: { output_tokens: 9, input_tokens: null } })
    event({ type: 'message_stop' })
    for (let index = 0; index < 50; index++) show(': still there\n\n')
    expect(reader.usage()).toEqual({ inputTokens: 7, outputTokens: 9, totalTokens: 16 })
    expect(reader.isComplete()).toBe(true)
  })

  it('takes an error event of the upstream for an end that the client knows of', () => {
    const error = { type: 'error', error: { message: 'overloaded' } }
    for (const name of ['openai-chat', 'openai-responses', 'anthropic', 'gemini'] as const) {
      const reader = DIALECTS[name].usageReader()
      reader.read(error)
      expect(reader.isComplete()).toBe(true)
    }
  })
})
