import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { Ask } from '../../support/replay/conversation.ts'
import { REFUSAL } from './cases.ts'
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
  readonly heard?: (heard: Heard) => Heard
  readonly asked?: (asked: Ask) => Ask
  /** The field that the refusal names. */
  readonly refused?: string
}

/** All that may differ. What is not here must be equal. */
export const DIFFERENCES: readonly Difference[] = [
  {
    why: 'the Responses API has no stop sequences, so its clients cannot ask for any',
    in: (cell) => cell.dialect === 'openai-responses' && cell.case === 'stop',
    asked: ({ stop: _stop, ...asked }) => asked,
  },
  {
    why: 'the AI SDK tells a refusal as text',
    in: (cell) => cell.client.startsWith('ai, openai') && cell.case === 'refusal',
    heard: (heard) => ({ ...heard, text: REFUSAL }),
  },
  {
    why: "the AI SDK's OpenAI provider knows no thoughts in Chat Completions",
    in: (cell) => cell.client === 'ai, openai.chat' && isThinking(cell),
    heard: (heard) => ({ ...heard, thought: '' }),
    asked: withoutThought,
  },
]

function isThinking(cell: Cell): boolean {
  return cell.case.startsWith('reasoning')
}

function withoutThought(asked: Ask): Ask {
  const turns = asked.turns.map((turn) => {
    if (turn.role !== 'assistant') return turn
    const { thought: _thought, ...rest } = turn
    return rest
  })
  return { ...asked, turns }
}
