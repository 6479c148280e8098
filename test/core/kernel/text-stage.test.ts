import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import { isObject } from '#core/kit/json.ts'
import { PERSONAL_DATA } from '#core/kit/personal-data.ts'
import { Redactor } from '#core/kit/redactor.ts'
import type { Hooks } from '#core/sdk.ts'
import { testPlugin } from '#core/testing.ts'
import { step } from '../../support/step.ts'
import { type Event, streamOf, type Told, textsOf } from './text-streams.ts'

const DIALECTS: readonly LlmDialect[] = ['openai-chat', 'openai-responses', 'anthropic', 'gemini']
const CARD = '4111 1111 1111 1111'

/** Sends a stream through one step, as the gateway would. */
async function run(dialect: LlmDialect | 'http', events: readonly Event[], hooks: Hooks) {
  const tested = await testPlugin(step('hook', hooks))
  const { chunks, error } = await tested.request(
    { path: '/x', dialect, method: 'POST' },
    { chunks: events },
  )
  expect(error).toBeUndefined()
  return chunks
}

const redactor = new Redactor(PERSONAL_DATA)

const redact: Hooks = {
  chunk: ({ texts }) =>
    texts.length === 0 ? undefined : { texts: texts.map((text) => redactor.redact(text)) },
}

const told = (kind: Told['kind'], ...pieces: string[]): Told => ({ kind, pieces })

/** A text cut at these places. */
function cut(text: string, at: readonly number[]): string[] {
  const cuts = [...new Set(at.map((one) => one % text.length))].filter((one) => one > 0)
  cuts.sort((a, b) => a - b)
  return [0, ...cuts].map((from, index) => text.slice(from, cuts[index]))
}

describe.each(DIALECTS)('a hook on a stream of %s', (dialect) => {
  const thought = `I think ${CARD} is a card`
  const said = `Pay with ${CARD}, ada@example.com, not 1234 5678 9012 3456. 🌍 ${CARD}`
  const clean = [redactor.redactAll(thought), redactor.redactAll(said)]
  const expected = { told: clean, isRepeated: dialect === 'openai-responses', isLeaked: false }

  /** What a client gets of the two texts, told in these pieces. */
  async function redacted(thoughts: readonly string[], sayings: readonly string[]) {
    const events = streamOf(dialect, [told('reasoning', ...thoughts), told('text', ...sayings)])
    const chunks = await run(dialect, events, redact)
    const { told: texts, repeated } = textsOf(dialect, chunks)
    const isRepeated = repeated.length === 7 && repeated.every((text) => clean.includes(text))
    return { told: texts, isRepeated, isLeaked: /4111|ada@/.test(JSON.stringify(chunks)) }
  }

  test('catches a card number that is cut in two, at any place', async () => {
    for (let at = 1; at < said.length; at++) {
      expect(await redacted([thought], cut(said, [at]))).toEqual(expected)
    }
    for (let at = 1; at < thought.length; at++) {
      expect(await redacted(cut(thought, [at]), [said])).toEqual(expected)
    }
  })

  test('catches it character by character', async () => {
    expect(await redacted(thought.split(''), said.split(''))).toEqual(expected)
  })

  test('comes to the same, however a text is cut', async () => {
    const cuts = fc.array(fc.nat(), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(cuts, cuts, async (one, two) => {
        expect(await redacted(cut(thought, one), cut(said, two))).toEqual(expected)
      }),
      { numRuns: 60, interruptAfterTimeLimit: 4_000 },
    )
  }, 15_000)

  test('sees what was held back before its text ends, and events stay numbered', async () => {
    const seen: unknown[] = []
    const chunks = await run(
      dialect,
      streamOf(dialect, [told('reasoning', 'a', 'b'), told('text', 'c', 'd')]),
      {
        chunk({ texts }) {
          for (const { kind, text, before, isLast } of texts)
            seen.push([kind, text, before, isLast])
          return {
            texts: texts.map(({ text, isLast }) =>
              isLast ? `<${text}>` : { text: '', hold: text },
            ),
          }
        },
      },
    )
    const isOne = dialect === 'gemini'
    expect(seen).toEqual([
      ['reasoning', 'a', '', false],
      ['reasoning', 'ab', '', false],
      ['reasoning', 'ab', '', true],
      ['text', 'c', '', false],
      ['text', 'cd', '', isOne],
      ...(isOne ? [] : [['text', 'cd', '', true]]),
    ])
    const { told: texts, repeated } = textsOf(dialect, chunks)
    expect(texts).toEqual(['<ab>', '<cd>'])
    expect(new Set(repeated)).toEqual(
      new Set(dialect === 'openai-responses' ? ['<ab>', '<cd>'] : []),
    )
    const numbers = chunks.flatMap(({ json }) =>
      isObject(json) ? (json['sequence_number'] ?? []) : [],
    )
    expect(numbers).toEqual(numbers.map((_, index) => index))
  })

  test('replaces what is said by `text`, whatever the events look like', async () => {
    const events = streamOf(dialect, [told('reasoning', 'hm'), told('text', 'Hello ', 'you')])
    const said: (string | undefined)[] = []
    const chunks = await run(dialect, events, {
      chunk({ text }) {
        said.push(text)
        return text === undefined ? undefined : { text: text.toUpperCase() }
      },
    })
    expect(said.filter((text) => text !== undefined)).toEqual(['Hello ', 'you'])
    expect(textsOf(dialect, chunks).told).toEqual(['hm', 'HELLO YOU'])
  })

  test('passes on what it lets pass, byte for byte, though it looks at all of it', async () => {
    const events = streamOf(dialect, [told('reasoning', 'a', 'b'), told('text', 'c', 'd')])
    const chunks = await run(dialect, events, { chunk: ({ texts }) => void texts.length })
    expect(chunks.map(({ data }) => data)).toEqual(events.map(({ data }) => data))
  })

  test('drops an event, and what repeats its text knows', async () => {
    const events = streamOf(dialect, [told('text', 'one ', 'two ', 'three')])
    const chunks = await run(dialect, events, {
      chunk: ({ text }) => (text === 'two ' ? null : undefined),
    })
    const { told: texts, repeated } = textsOf(dialect, chunks)
    expect(texts).toEqual(['one three'])
    for (const text of repeated) expect(text).toBe('one three')
  })

  test('puts several events in the place of one', async () => {
    const events = streamOf(dialect, [told('text', 'one ', 'two')])
    const chunks = await run(dialect, events, {
      chunk: ({ text }) => (text === 'one ' ? [{ text: '1' }, { text: ', ' }] : undefined),
    })
    const { told: texts, repeated } = textsOf(dialect, chunks)
    expect(texts).toEqual(['1, two'])
    for (const text of repeated) expect(text).toBe('1, two')
  })
})

test.each(['openai-chat', 'openai-responses', 'anthropic'] as const)(
  'the arguments of a call are seen and changed: %s',
  async (dialect) => {
    const pieces = ['{"card":"4111 11', '11 1111 1111"}']
    const chunks = await run(
      dialect,
      streamOf(dialect, [told('text', 'x'), told('arguments', ...pieces)]),
      redact,
    )
    const { told: texts, repeated } = textsOf(dialect, chunks)
    expect(texts).toEqual(['x', '{"card":"[card]"}'])
    if (dialect === 'openai-responses') expect(repeated).toContain('{"card":"[card]"}')
  },
)

test('each choice is a text of its own', async () => {
  const chunk = (index: number, content: string, finish: string | null = null): Event => ({
    data: JSON.stringify({ choices: [{ index, delta: { content }, finish_reason: finish }] }),
  })
  const events = [
    chunk(0, '4111 1111 '),
    chunk(1, '4111 1111 '),
    chunk(0, '1111 1111'),
    chunk(1, 'x'),
    chunk(0, '', 'stop'),
    chunk(1, '', 'stop'),
  ]
  const chunks = await run('openai-chat', events, redact)
  const { told: texts } = textsOf('openai-chat', chunks)
  expect(texts).toEqual(['[card]', '4111 1111 x'])
})

test('what tells of a text that was changed goes with it', async () => {
  const logprobs = { content: [{ token: '4111', logprob: 0 }] }
  const events = [
    { data: JSON.stringify({ choices: [{ index: 0, delta: { content: CARD }, logprobs }] }) },
    { data: '[DONE]' },
  ]
  expect(JSON.stringify(await run('openai-chat', events, redact))).not.toContain('4111')
})

test('text that is not told in pieces before is seen where it first stands', async () => {
  const item = { id: 'i', type: 'message', content: [{ type: 'output_text', text: CARD }] }
  const events = [
    { data: JSON.stringify({ type: 'response.output_item.done', output_index: 0, item }) },
    { data: JSON.stringify({ type: 'response.completed', response: { output: [item] } }) },
  ]
  const text = JSON.stringify(await run('openai-responses', events, redact))
  expect(text).not.toContain('4111')
  expect(text.match(/\[card\]/g)!.length).toBeGreaterThan(1)
})

test('a repeat that does not agree with its pieces is seen as a text of its own', async () => {
  const at = { output_index: 0, content_index: 0 }
  const events = [
    { data: JSON.stringify({ type: 'response.output_text.delta', ...at, delta: 'harmless' }) },
    { data: JSON.stringify({ type: 'response.output_text.done', ...at, text: CARD }) },
  ]
  expect(JSON.stringify(await run('openai-responses', events, redact))).not.toContain('4111')
})

test('text without JSON is one text, also where a piece of it looks like a number', async () => {
  const events = ['4111', '1111', '1111', '1111', ' end'].map((data) => ({ data }))
  const chunks = await run('http', events, redact)
  expect(chunks.map(({ data }) => data).join('')).toBe('[card] end')
})

test('in JSON of no known API each text is one by itself', async () => {
  const events = [
    { data: '{"id":"e4111","note":["4111 1111 1111 1111"]}' },
    { data: '{"id":"1111"}' },
  ]
  const chunks = await run('http', events, redact)
  expect(chunks.map(({ json }) => json)).toEqual([
    { id: 'e4111', note: ['[card]'] },
    { id: '1111' },
  ])
})

test.each([
  [
    'a text for a chunk that has none',
    () => ({ text: 'x' }),
    'a text was given for a chunk that has none',
  ],
  [
    'more texts than it has',
    () => ({ texts: ['a', 'b'] }),
    '2 texts were given for a chunk that has 0',
  ],
])('%s is a broken step', async (_, chunk, message) => {
  const tested = await testPlugin(step('hook', { chunk }))
  const request = { path: '/x', dialect: 'openai-chat', method: 'POST' } as const
  await expect(tested.request(request, { chunks: ['{"choices":[]}'] })).rejects.toThrow(message)
})

describe('a plain answer', () => {
  const answers: Record<LlmDialect, object> = {
    'openai-chat': {
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: CARD, reasoning_content: CARD },
          logprobs: { content: [{ token: '4111' }] },
        },
        {
          index: 1,
          message: {
            content: [{ type: 'text', text: CARD }],
            tool_calls: [{ function: { arguments: `{"a":"${CARD}"}` } }],
          },
        },
      ],
    },
    'openai-responses': {
      output: [
        { type: 'reasoning', summary: [{ type: 'summary_text', text: CARD }] },
        {
          type: 'message',
          content: [
            { type: 'output_text', text: CARD },
            { type: 'refusal', refusal: CARD },
          ],
        },
        { type: 'function_call', arguments: `{"a":"${CARD}"}` },
      ],
    },
    anthropic: {
      content: [
        { type: 'thinking', thinking: CARD },
        { type: 'text', text: CARD },
        { type: 'tool_use', input: { a: CARD } },
      ],
    },
    gemini: {
      candidates: [
        {
          content: {
            parts: [
              { text: CARD, thought: true },
              { text: '4111 1111 ' },
              { text: '1111 1111' },
              { functionCall: { args: { a: CARD } } },
            ],
          },
        },
      ],
    },
  }

  test.each(DIALECTS)('passes the same hook as a stream: %s', async (dialect) => {
    const seen: string[] = []
    const tested = await testPlugin(
      step('hook', {
        chunk(chunk) {
          for (const { kind, isLast } of chunk.texts) {
            expect(isLast).toBe(true)
            seen.push(kind)
          }
          return redact.chunk!(chunk, undefined as never)
        },
      }),
    )
    const { body } = await tested.request(
      { path: '/x', dialect, method: 'POST' },
      { body: answers[dialect] as never },
    )
    expect(JSON.stringify(body)).not.toContain('4111')
    expect(JSON.stringify(body).match(/\[card\]/g)!.length).toBeGreaterThan(2)
    expect(seen).toContain('text')
    expect(seen).toContain('reasoning')
    expect(seen).toContain('arguments')
  })

  test('a single text for several choices is a broken step', async () => {
    const tested = await testPlugin(step('hook', { chunk: () => ({ text: 'x' }) }))
    const asked = tested.request(
      { path: '/x', dialect: 'openai-chat', method: 'POST' },
      { body: answers['openai-chat'] as never },
    )
    await expect(asked).rejects.toThrow('one text was given for a chunk of several choices')
  })
})
