import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { JsonObject } from '#core/kit/json.ts'
import type { Ask, Call, Said, ToolOffer, Turn } from '../../support/replay/conversation.ts'

/** One thing that clients do with models, and what a model answers to it. */
export interface Case {
  readonly name: string
  readonly ask: Ask
  /** One answer for each request. */
  readonly answers: readonly Said[]
  /** The outputs that the client gives back for the calls of the first answer, in their order. */
  readonly outputs?: readonly string[]
  /** True where thoughts are asked for, which not every model has. */
  readonly thinks?: boolean
}

/** A model of each dialect, and one that thinks. */
export const MODELS: Readonly<Record<LlmDialect, { plain: string; thinking: string }>> = {
  'openai-chat': { plain: 'gpt-4.1', thinking: 'deepseek-reasoner' },
  'openai-responses': { plain: 'gpt-5-mini', thinking: 'gpt-5-mini' },
  anthropic: { plain: 'claude-sonnet-4-6', thinking: 'claude-sonnet-4-6' },
  gemini: { plain: 'gemini-2.5-flash', thinking: 'gemini-3-pro' },
}

/** Proofs of thoughts as each provider writes them; Chat Completions has none. */
export const PROOFS: Readonly<Record<LlmDialect, string>> = {
  'openai-chat': '',
  'openai-responses': 'gAAAAABpJx0FZ2hvc3Q=',
  anthropic: 'ErUBCkYIBxgCIkBzaWduYXR1cmU=',
  gemini: 'CiQBjz1rX3Byb29mX29mX3Rob3VnaHQ=',
}

const TEXT = 'Grüße aus Zürich: 12 °C, 🌦️ showers, then “clear”.\nBring an umbrella.'
const USAGE = { input: 120, output: 50, cached: 40, reasoning: 0 }

/** How OpenAI's models refuse. */
const REFUSAL = 'I cannot help with that.'

/** A picture of one pixel. */
export const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

const WEATHER: ToolOffer = {
  name: 'get_weather',
  description: 'The weather of a city',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' }, days: { type: 'integer' } },
    required: ['city'],
    additionalProperties: false,
  },
}

const SCHEMA: JsonObject = {
  type: 'object',
  properties: { city: { type: 'string' }, degrees: { type: 'integer' } },
  required: ['city', 'degrees'],
  additionalProperties: false,
}

/** Ids as each provider makes them. */
const IDS: Readonly<Record<LlmDialect, readonly [string, string]>> = {
  'openai-chat': ['call_9aBcD1', 'call_9aBcD2'],
  'openai-responses': ['call_7xYzA1', 'call_7xYzA2'],
  anthropic: ['toolu_01AbCd', 'toolu_01EfGh'],
  gemini: ['fc-13-a', 'fc-13-b'],
}

function user(text: string): [Turn] {
  return [{ role: 'user', text }]
}

/** The cases, as an upstream of the dialect answers them. */
export function casesOf(upstream: LlmDialect): readonly Case[] {
  return rawCases(upstream).map((one) => ({ ...one, ask: { maxTokens: 900, ...one.ask } }))
}

function rawCases(upstream: LlmDialect): readonly Case[] {
  const [first, second] = IDS[upstream]
  const zurich: Call = { id: first, name: WEATHER.name, arguments: { city: 'Zürich', days: 2 } }
  const bern: Call = { id: second, name: WEATHER.name, arguments: { city: 'Bern' } }
  const tools = [WEATHER]
  const text: Said = { text: TEXT, finish: 'stop', usage: USAGE }
  const thought = { text: 'Rain is likely… let me look.', proof: PROOFS[upstream] }
  const thinking = { ...USAGE, reasoning: 20 }
  return [
    { name: 'text', ask: { turns: user('How is the weather? ') }, answers: [text] },
    {
      name: 'system',
      ask: { system: 'Answer in “short” sentences.', turns: user('Weather? ') },
      answers: [text],
    },
    {
      name: 'earlier turns',
      ask: {
        turns: [
          { role: 'user', text: 'Hello ' },
          { role: 'assistant', text: 'Hello, how can I help?' },
          { role: 'user', text: 'Weather? ' },
        ],
      },
      answers: [text],
    },
    {
      name: 'image',
      ask: {
        turns: [{ role: 'user', text: 'What is it? ', image: { type: 'image/png', data: PIXEL } }],
      },
      answers: [text],
    },
    {
      name: 'tool call',
      ask: { tools, mustCall: true, turns: user('Weather in Zürich? ') },
      answers: [{ calls: [zurich], finish: 'tool', usage: USAGE }],
    },
    {
      name: 'tool call without arguments',
      ask: { tools, turns: user('Weather here? ') },
      answers: [{ calls: [{ ...zurich, arguments: {} }], finish: 'tool', usage: USAGE }],
    },
    {
      name: 'parallel tools',
      ask: { tools, turns: user('Weather in Zürich and Bern? ') },
      answers: [{ calls: [zurich, bern], finish: 'tool', usage: USAGE }],
    },
    {
      name: 'tool results in a second turn',
      ask: { tools, turns: user('Weather in Zürich and Bern? ') },
      answers: [
        { text: 'Let me look.', calls: [zurich, bern], finish: 'tool', usage: USAGE },
        text,
      ],
      outputs: ['{"degrees":12}', 'it rains “hard”'],
    },
    {
      name: 'json schema',
      ask: { schema: SCHEMA, turns: user('Weather as JSON? ') },
      answers: [{ text: '{"city":"Zürich","degrees":12}', finish: 'stop', usage: USAGE }],
    },
    {
      name: 'reasoning',
      thinks: true,
      ask: { effort: 'high', maxTokens: 4000, turns: user('Think: will it rain? ') },
      answers: [{ thought, text: TEXT, finish: 'stop', usage: thinking }],
    },
    {
      name: 'reasoning over a tool call',
      thinks: true,
      ask: { effort: 'high', maxTokens: 4000, tools, turns: user('Think: rain in Zürich? ') },
      answers: [{ thought, calls: [zurich], finish: 'tool', usage: thinking }, text],
      outputs: ['{"degrees":12}'],
    },
    {
      name: 'stop',
      ask: { stop: ['###', 'END'], turns: user('Count to END. ') },
      answers: [{ text: 'One, two, ', finish: 'stop', stoppedAt: 'END', usage: USAGE }],
    },
    {
      name: 'length',
      ask: { maxTokens: 50, turns: user('A long story? ') },
      answers: [{ text: 'Once upon a ti', finish: 'length', usage: USAGE }],
    },
    {
      name: 'refusal',
      ask: { turns: user('Something bad? ') },
      answers: [{ ...REFUSALS[upstream], finish: 'contentFilter', usage: USAGE }],
    },
  ]
}

/** OpenAI's models refuse in words of their own field; the others stop, and may have said something before. */
const REFUSALS: Readonly<Record<LlmDialect, Pick<Said, 'text' | 'refusal'>>> = {
  'openai-chat': { refusal: REFUSAL },
  'openai-responses': { refusal: REFUSAL },
  anthropic: { text: 'I would', refusal: 'It asks for harm.' },
  gemini: { text: 'I would' },
}

/** Thoughts, a text and two calls: all kinds of events that a stream may be cut at. */
export const THINKING_ABOUT_TOOLS = Object.fromEntries(
  (Object.keys(MODELS) as LlmDialect[]).map((upstream) => {
    const cases = casesOf(upstream)
    const said = (name: string) => cases.find((one) => one.name === name)!.answers[0]!
    return [upstream, { ...said('reasoning'), ...said('tool results in a second turn') }]
  }),
) as { [D in LlmDialect]: Said }
