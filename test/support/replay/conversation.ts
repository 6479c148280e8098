import type { JsonObject } from '#core/kit/json.ts'

/** A call of a tool, in no dialect. */
export interface Call {
  readonly id: string
  readonly name: string
  readonly arguments: JsonObject
}

/** What a tool has answered. */
export interface Result {
  readonly id: string
  readonly name: string
  readonly output: string
}

/** One turn of a conversation, in no dialect. */
export type Turn =
  | { readonly role: 'user'; readonly text: string; readonly image?: Image }
  | {
      readonly role: 'assistant'
      readonly text?: string
      readonly thought?: Thought
      readonly calls?: readonly Call[]
    }
  | { readonly role: 'tool'; readonly results: readonly Result[] }

/** A small picture. */
export interface Image {
  readonly type: string
  /** Base64. */
  readonly data: string
}

/** What a model has thought, and its provider's proof of it, where there is one. */
export interface Thought {
  readonly text: string
  readonly proof: string
}

/** A function that the model may call. */
export interface ToolOffer {
  readonly name: string
  readonly description: string
  readonly parameters: JsonObject
}

/** What a client asks for, in no dialect. */
export interface Ask {
  readonly system?: string
  readonly turns: readonly Turn[]
  readonly tools?: readonly ToolOffer[]
  readonly mustCall?: boolean
  readonly schema?: JsonObject
  readonly stop?: readonly string[]
  readonly maxTokens?: number
  readonly effort?: 'low' | 'medium' | 'high'
}

/** Token counts, all inclusive. */
export interface Tokens {
  readonly input: number
  readonly output: number
  /** Of the input. */
  readonly cached?: number
  /** Of the output. */
  readonly reasoning?: number
}

/** Why an answer ended, as far as all dialects can tell. */
export type Finish = 'stop' | 'tool' | 'length' | 'contentFilter'

/** What a model answers, in no dialect. */
export interface Said {
  readonly text?: string
  readonly thought?: Thought
  readonly calls?: readonly Call[]
  readonly refusal?: string
  readonly finish: Finish
  /** The stop sequence that was met. */
  readonly stoppedAt?: string
  readonly usage: Tokens
}

/** The text in a few pieces, none of which ends within a character. */
export function pieces(text: string, size = 9): string[] {
  const characters = Array.from(text)
  const found: string[] = []
  for (let at = 0; at < characters.length; at += size) {
    found.push(characters.slice(at, at + size).join(''))
  }
  return found
}
