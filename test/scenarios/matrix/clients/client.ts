import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { Ask, Call, Finish, Tokens } from '../../../support/replay/conversation.ts'

/** What an official client made of an answer. */
export interface Heard {
  readonly text: string
  readonly thought: string
  readonly calls: readonly Call[]
  readonly finish: Finish | 'other'
  readonly usage: Tokens
}

/** An answer, and what to hand back for the next turn. */
export interface Reply {
  readonly heard: Heard
  readonly history: unknown
}

/** How a question is put. */
export interface Manner {
  /** Of the gateway, without a path. */
  readonly url: string
  readonly model: string
  readonly stream: boolean
  /** From the reply before: the ask then holds the new turns only. */
  readonly history?: unknown
}

/** What went wrong, by the class of error that the SDK throws. */
export type Fault =
  | 'badRequest'
  | 'rateLimit'
  | 'server'
  /** An error that came within a stream. */
  | 'stream'
  | { readonly unexpected: unknown }

/** An official SDK, as a user holds it: no retries, no tricks. */
export interface Client {
  readonly name: string
  readonly dialect: LlmDialect
  ask(ask: Ask, manner: Manner): Promise<Reply>
  faultOf(error: unknown): Fault
  /** Fields of an error's answer; undefined where the SDK hides them. */
  headersOf?(error: unknown): Headers | undefined
}

/** The names of SDKs' finish reasons, by class. */
export type Finishes = Readonly<Record<string, Finish>>

/** The class of a reason; one that is missing or unheard of is `other`. */
export function finishOf(finishes: Finishes, reason: unknown): Heard['finish'] {
  return finishes[String(reason)] ?? 'other'
}
