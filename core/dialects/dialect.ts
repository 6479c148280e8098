import type { ErrorCode } from '../errors.ts'
import type { Json } from '../kit/json.ts'
import type { Frame } from '../kit/sse.ts'

/** The wire formats that clients speak. `http` is any API. */
export const CLIENT_DIALECTS = [
  'openai-chat',
  'openai-responses',
  'anthropic',
  'gemini',
  'http',
] as const

/** A wire format that a client speaks. */
export type ClientDialect = (typeof CLIENT_DIALECTS)[number]

/** The dialects of LLM APIs: what `match: { api: llm }` stands for. */
export type LlmDialect = Exclude<ClientDialect, 'http'>

/** The wire formats that only providers speak: clients reach them in a dialect of their own. */
export const PROVIDER_DIALECTS = ['azure-openai', 'bedrock', 'cohere', 'mistral', 'ollama'] as const

/** A wire format that only a provider speaks. */
export type ProviderDialect = (typeof PROVIDER_DIALECTS)[number]

/** What an upstream may speak; `demo` answers by itself, in any of the clients' dialects. */
export const UPSTREAM_DIALECTS = [...CLIENT_DIALECTS, ...PROVIDER_DIALECTS, 'demo'] as const

/** What an upstream speaks, by its name in YAML. */
export type UpstreamDialect = (typeof UPSTREAM_DIALECTS)[number]

/** A wire format in which requests go over the wire to an upstream. */
export type WireDialect = Exclude<UpstreamDialect, 'demo'>

/**
 * What a text is: what a model says (`text`, `refusal`), thinks (`reasoning`), hands to a tool (`arguments`, JSON as
 * text) or repeats of what it said (`quote`); or, where no LLM API is spoken, any text in the JSON (`field`).
 */
export type TextKind = 'text' | 'refusal' | 'reasoning' | 'arguments' | 'quote' | 'field'

/** One known endpoint of an API, such as chat completions. */
export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Path pattern in the routes' own grammar, under the client's base: `/v1/chat/completions`. */
  readonly path: string
  /** What the endpoint does, such as `chat`, `responses`, `messages`, `generate`, `models`, `count-tokens`. */
  readonly operation: string
  /** A request header that tells this endpoint from another dialect's at the same path. */
  readonly header?: string
}

/**
 * Token counts of one answer, all inclusive: `inputTokens` contains what was read from or written to a prompt
 * cache, `outputTokens` contains reasoning. Counts that the upstream did not state are left out.
 */
export interface Usage {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly totalTokens: number
  readonly cacheReadTokens?: number
  readonly cacheWriteTokens?: number
  readonly reasoningTokens?: number
  /** True where the gateway has counted by itself, for a stream that was cut or does not say what it used. */
  readonly isEstimated?: true
}

/** An error as `respond` hands it to a dialect: everything in it may be shown. */
export interface PublicError {
  readonly status: number
  readonly code: ErrorCode
  readonly title: string
  readonly detail: string
  readonly param?: string | undefined
  /** When it is worth another try. */
  readonly retryAfterMs?: number | undefined
  readonly requestId: string
}

/** What is known of a stream of events, at any time. */
export interface StreamFollower {
  /** What the upstream has told so far. May parse a few events: not for every chunk. */
  usage(): Usage | undefined
  /**
   * Bytes of what was generated and delivered so far: text, reasoning, arguments of tools. Exact for the events that
   * were parsed; those between are judged by a sample. May parse a few events, as `usage`.
   */
  deliveredBytes(): number
  /**
   * True once the event that ends a complete answer was seen: a stream that ends before it was cut. The upstream's
   * own error event counts too, since the client has been told.
   */
  isComplete(): boolean
}

/** Collects usage from the events of one stream. Each event is shown to it once, by either `readFrame` or `read`. */
export interface UsageReader extends StreamFollower {
  /** Takes one frame as it came, and parses it only if it can matter: for streams that nobody else parses. */
  readFrame(frame: Frame): void
  /** Takes the JSON of one event that has been parsed already. */
  read(event: Json): void
}

/** What the gateway must know of a wire format to pass it on, to answer errors in it and to count tokens. */
export interface Dialect {
  readonly name: ClientDialect
  readonly endpoints: readonly Endpoint[]
  /** The answer header, in lower case, in which clients look for the request id. */
  readonly requestIdHeader: string
  /** Request headers, in lower case, that carry the client's credential. Never forwarded. */
  readonly credentialHeaders: readonly string[]
  /** Query parameters that carry the client's credential. Never forwarded. */
  readonly credentialQuery: readonly string[]
  /** The header fields that present `key` to an upstream of this dialect; the request may decide the form. */
  authorize(
    key: string,
    headers: Readonly<Record<string, string | string[]>>,
  ): Record<string, string>
  /** The model that a request names: from its body, or from its path where the dialect puts it there. */
  modelOf(path: string, body: Json | undefined): string | undefined
  /** True where the request asks for a streamed answer. */
  isStreaming(path: string, query: string, body: Json | undefined): boolean
  /** An error answer: status (a dialect may have its own), header fields and body. */
  renderError(error: PublicError): { status: number; headers: Record<string, string>; body: string }
  /**
   * The bytes that end a stream which has begun, so that the client's SDK sees an error. `sent` is how many events
   * went before, for the dialect that numbers them.
   */
  renderStreamError(error: PublicError, sent?: number): string
  /** Usage of a plain answer, or of its last members: `usageMember` and what follows it. */
  usageOf(body: Json): Usage | undefined
  /** The member of a plain answer that tells the usage; undefined where nothing is known of any. */
  readonly usageMember: string | undefined
  /** A reader for one streamed answer. */
  usageReader(): UsageReader
}
