import type { JsonObject } from '../../kit/json.ts'
import type { CacheMarker, CodecName, HubMessage, Native } from './conversation.ts'
import type { Concept } from './verdicts.ts'

/** A tool that the client runs. */
export interface FunctionTool {
  readonly type: 'function'
  readonly name: string
  readonly description?: string
  /** JSON Schema of the arguments, as it came; undefined where the client gave none. */
  readonly parameters?: JsonObject
  readonly strict?: boolean
  readonly cache?: CacheMarker
  readonly path: string
  readonly native?: Native
}

/** A tool that the client runs and that takes free text (OpenAI `custom`). */
export interface CustomTool {
  readonly type: 'custom'
  readonly name: string
  readonly description?: string
  /** OpenAI's `format`: text or a grammar. */
  readonly format?: JsonObject
  readonly path: string
  readonly native?: Native
}

/** A tool that the provider runs, such as web search; only its own dialect knows it. */
export interface BuiltinTool {
  readonly type: 'builtin'
  readonly dialect: CodecName
  /** What the provider calls it: `web_search_20250305`. */
  readonly name: string
  readonly value: JsonObject
  readonly path: string
}

/** Any tool of a request. */
export type Tool = FunctionTool | CustomTool | BuiltinTool

/** Which tools the model may or must call. */
export type ToolChoice =
  | { readonly type: 'auto' | 'none' | 'required' }
  | { readonly type: 'tool'; readonly name: string; readonly kind?: 'function' | 'custom' }
  /** Some of the tools; `required` where one of them must be called. */
  | {
      readonly type: 'subset'
      readonly mode: 'auto' | 'required'
      readonly names: readonly string[]
    }
  /** A choice that only its own dialect knows. */
  | { readonly type: 'native'; readonly name: string }

/** The form that the answer's text must have. */
export type OutputFormat =
  | { readonly type: 'text' }
  | { readonly type: 'jsonObject' }
  | {
      readonly type: 'jsonSchema'
      readonly schema: JsonObject
      readonly name?: string
      readonly description?: string
      readonly strict?: boolean
    }

/** How the next token is chosen. */
export interface Sampling {
  readonly temperature?: number
  readonly topP?: number
  readonly topK?: number
  readonly seed?: number
  readonly presencePenalty?: number
  readonly frequencyPenalty?: number
}

/** Efforts in rising order. */
export const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const

/** How hard the model should think. */
export type Effort = (typeof EFFORTS)[number]

/** How much the model thinks and what the client sees of it. */
export interface ReasoningControl {
  readonly effort?: Effort
  /** Tokens to think with, where the client counts; 0 for none, -1 for as many as the model likes. */
  readonly budgetTokens?: number
  /** Anthropic's `adaptive`: the model decides. */
  readonly isAdaptive?: boolean
  /** True where the client asked to see the thoughts or their summary, false where it asked not to. */
  readonly isVisible?: boolean
}

/** A request for an answer of a model, in no dialect. Built by decoders; encoders only read it. */
export interface HubRequest {
  /** The dialect that it was written in. */
  readonly source: CodecName
  readonly model: string
  /** The leading run of system prompts, one message per message or field of the source. */
  readonly system: readonly HubMessage[]
  /** The conversation. Later system prompts stand in their place. */
  readonly messages: readonly HubMessage[]
  readonly tools: readonly Tool[]
  readonly toolChoice?: ToolChoice
  /** False where the model may call one tool at a time only. */
  readonly parallelTools?: boolean
  readonly output?: OutputFormat
  readonly sampling: Sampling
  readonly maxOutputTokens?: number
  readonly stop?: readonly string[]
  /** How many alternatives to answer with, where that was said. */
  readonly choices?: number
  readonly reasoning?: ReasoningControl
  /** Places requests with the same prefix on the same cache. */
  readonly cacheKey?: string
  /** A cache marker behind the whole prompt. */
  readonly cache?: CacheMarker
  readonly metadata?: Readonly<Record<string, string>>
  /** An opaque name of the end user. */
  readonly user?: string
  readonly serviceTier?: string
  readonly verbosity?: string
  readonly store?: boolean
  readonly stream: boolean
  /** True where the client wants usage at a stream's end although its dialect doesn't always send it. */
  readonly wantsStreamUsage?: boolean
  /**
   * The client's own name of each field that was stated, by what it means: `{ maxOutputTokens: 'max_tokens' }`.
   * `judgeRequest` reads it, so each modelled top-level field belongs here.
   */
  readonly origins: Readonly<Partial<Record<Concept, string>>>
  /** Top-level fields that the decoder did not use, known or not. Null, which means the default, included. */
  readonly extras: JsonObject
  /** Top-level fields of the source whose exact value the model above narrows. */
  readonly native?: Native
}
