import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { Ask, Said, Thought } from '../../support/replay/conversation.ts'
import { PROOFS } from './cases.ts'
import type { Heard } from './clients/client.ts'

/** One cell of the matrix. */
export interface Cell {
  /** The client's name, and what it speaks. */
  readonly client: string
  readonly dialect: LlmDialect
  readonly upstream: LlmDialect
  readonly case: string
  readonly stream: boolean
}

/** What a client hears, or an upstream is asked, otherwise than in the other cells, and why that is right. */
export interface Difference {
  readonly why: string
  readonly in: (cell: Cell) => boolean
  readonly heard?: (heard: Heard, said: Said) => Heard
  readonly asked?: (asked: Ask) => Ask
  /** The field that the gateway's refusal names. */
  readonly refused?: string
}

const STOP_FIELDS: readonly [LlmDialect, string][] = [
  ['openai-chat', 'stop'],
  ['anthropic', 'stop_sequences'],
  ['gemini', 'generationConfig.stopSequences'],
]

/** All that may differ. What is not here must be equal. */
export const DIFFERENCES: readonly Difference[] = [
  {
    why: 'the Responses API has no stop sequences, so its clients cannot ask for any',
    in: (cell) => cell.dialect === 'openai-responses' && cell.case === 'stop',
    asked: ({ stop: _stop, ...asked }) => asked,
  },
  ...STOP_FIELDS.map(([dialect, refused]) => ({
    why: 'the Responses API has no stop sequences, and an answer that does not stop is another one',
    in: (cell: Cell) =>
      cell.dialect === dialect && cell.upstream === 'openai-responses' && cell.case === 'stop',
    refused,
  })),
  {
    why: 'Messages and generateContent have no field for a refusal in words: it is told as text',
    in: (cell) => cell.case === 'refusal' && !isOpenai(cell.dialect) && isOpenai(cell.upstream),
    heard: (heard, { refusal }) => ({ ...heard, text: refusal! }),
  },
  {
    why: 'the AI SDK tells a refusal as text, also the reason that Anthropic gives for one',
    in: (cell) =>
      cell.case === 'refusal' &&
      (isOpenai(cell.upstream) ? /^ai, openai/ : /^ai, openai[.-]/).test(cell.client),
    heard: (heard, { text = '', refusal = '' }) => ({ ...heard, text: text + refusal }),
  },
  {
    why: 'DeepSeek thinks without being told',
    in: (cell) =>
      isThinking(cell) && cell.upstream === 'openai-chat' && cell.dialect !== 'openai-chat',
    asked: withoutEffort,
  },
  {
    why: "the AI SDK's OpenAI provider asks no effort of models that it does not know",
    in: (cell) =>
      isThinking(cell) && cell.client === 'ai, openai' && cell.upstream !== 'openai-responses',
    asked: withoutEffort,
  },
  {
    why: "the AI SDK's Anthropic provider asks models that it does not know to think by a budget, which it adds",
    in: (cell) =>
      isThinking(cell) && cell.client === 'ai, anthropic' && cell.upstream !== 'anthropic',
    asked: ({ effort, ...asked }) => ({
      ...asked,
      maxTokens: 6458,
      ...(effort === undefined ? {} : { effort: 'medium' }),
    }),
  },
  {
    why: "the AI SDK's Anthropic provider asks models that it does not know for JSON by a forced tool",
    in: (cell) =>
      cell.case === 'json schema' &&
      cell.client === 'ai, anthropic' &&
      cell.upstream !== 'anthropic',
    asked: ({ schema, ...asked }) => ({
      ...asked,
      mustCall: true,
      tools: [{ name: 'json', description: 'Respond with a JSON object.', parameters: schema! }],
    }),
  },
  {
    why: "the AI SDK's OpenAI provider knows no thoughts in Chat Completions",
    in: (cell) => cell.client === 'ai, openai.chat' && isThinking(cell),
    heard: (heard) => ({ ...heard, thought: '' }),
    asked: withoutThought,
  },
  {
    why: 'the AI SDK hands no proofs back in Chat Completions, and nobody believes thoughts without one',
    in: (cell) =>
      isThinking(cell) &&
      cell.client === 'ai, openai-compatible' &&
      cell.upstream !== 'openai-chat' &&
      cell.upstream !== 'gemini',
    asked: withoutThought,
  },
  {
    why: 'thoughts have no proof in Chat Completions, and the AI SDK hands none back without',
    in: (cell) =>
      isThinking(cell) && cell.client === 'ai, openai' && cell.upstream === 'openai-chat',
    asked: withoutThought,
  },
  {
    why: 'Gemini signs calls, not thoughts, and asks for no more than the signature back',
    in: (cell) => isThinking(cell) && cell.dialect !== 'gemini' && cell.upstream === 'gemini',
    asked: (asked) => withThought(asked, { text: '', proof: PROOFS.gemini }),
  },
  {
    why: "Gemini wants each call signed; Google's own word stands for a signature that is lost",
    in: (cell) =>
      isThinking(cell) && cell.client === 'ai, openai.chat' && cell.upstream === 'gemini',
    asked: (asked) => withThought(asked, { text: '', proof: 'skip_thought_signature_validator' }),
  },
]

function isThinking(cell: Cell): boolean {
  return cell.case.startsWith('reasoning')
}

function isOpenai(dialect: LlmDialect): boolean {
  return dialect.startsWith('openai-')
}

function withoutEffort({ effort: _effort, ...asked }: Ask): Ask {
  return asked
}

function withoutThought(asked: Ask): Ask {
  const turns = asked.turns.map((turn) => {
    if (turn.role !== 'assistant') return turn
    const { thought: _thought, ...rest } = turn
    return rest
  })
  return { ...asked, turns }
}

function withThought(asked: Ask, thought: Thought): Ask {
  const turns = asked.turns.map((turn) => (turn.role === 'assistant' ? { ...turn, thought } : turn))
  return { ...asked, turns }
}
