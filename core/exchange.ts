import type Koa from 'koa'
import type { ClientDialect, TextKind, Usage, WireDialect } from './dialects/dialect.ts'
import type { ErrorCode, GatewayError } from './errors.ts'
import type { ByteSource } from './kit/byte-source.ts'
import type { Json, JsonObject } from './kit/json.ts'

/** Header fields by lower-case name; a null-prototype map. A field that came twice is joined with `, `. */
export type Headers = Record<string, string>

/** Answer header fields; only `set-cookie` may be a list. */
export type AnswerHeaders = Record<string, string | string[]>

/** The client's request as steps and expressions see it: `req`. */
export interface GatewayRequest {
  readonly method: string
  /** Normalised: decoded once, no dot segments, no empty segments. Without the query. */
  path: string
  /** First value of each parameter, decoded. A null-prototype map. */
  readonly query: Readonly<Record<string, string>>
  /** What goes upstream; credentials and hop-by-hop fields are still in it and stripped by the kernel. */
  readonly headers: Headers
  /** Values of `{name}` in the route's path pattern. */
  readonly params: Readonly<Record<string, string>>
  readonly host: string
  /** The client's address; behind trusted proxies, the one they vouch for. */
  readonly ip: string
  readonly protocol: 'http' | 'websocket'
  /** Wire format of the route's endpoint. */
  readonly dialect: ClientDialect
  /** The model that the request names, where its dialect has models. */
  readonly model: string | undefined
  /**
   * The parsed JSON body; undefined where it isn't JSON, or where no step said that it reads `request.body`.
   * Setting it replaces the body that goes upstream.
   */
  body: Json | undefined
  /**
   * The same as text, as the client wrote it where nobody has replaced it; undefined where the body isn't JSON, or where
   * no step said that it reads `request.text` or `request.body`. What no step parses may turn out to be broken JSON:
   * `body` says so with INVALID_JSON.
   */
  readonly bodyText: string | undefined
}

/** The answer on its way to the client as steps and expressions see it: `res`. */
export interface GatewayResponse {
  status: number
  /** A copy; change a field with `set` and `remove`. */
  readonly headers: Readonly<AnswerHeaders>
  set(name: string, value: string | string[]): void
  remove(name: string): void
  /**
   * The parsed JSON body; undefined where it is a stream or not JSON, or where no step said that it reads
   * `response.body`. Setting it replaces the body.
   */
  body: Json | undefined
  /** True for an answer that is passed on piece by piece. */
  readonly isStream: boolean
}

/** Who calls us, as an identify step established it. */
export interface Consumer extends JsonObject {
  id: string
}

/** The upstream of the latest attempt. */
export interface UpstreamView {
  readonly name: string
  readonly endpoint: string
  /** Position of the key in the config, never the key. */
  readonly key?: number
  readonly attempt: number
  /** What it was asked in, where that is not what the client speaks. */
  readonly dialect?: WireDialect
  /** Fields of the client's request that it was not told, and that the gateway imitates for it. */
  readonly dropped?: readonly string[]
  readonly emulated?: readonly string[]
}

/**
 * One client request and its answer, or one WebSocket session. A hook sees it as it stands; it is also the scope
 * that expressions are evaluated in, so each field below is a root of the expression language.
 */
export interface Exchange {
  /** The request id, in the answer's `x-request-id` and in every log line. */
  readonly id: string
  readonly route: string
  readonly req: GatewayRequest
  readonly res: GatewayResponse
  consumer: Consumer | undefined
  readonly upstream: UpstreamView | undefined
  /** Tokens of the answer; for a stream, once it has ended. */
  readonly usage: Usage | undefined
  /** Values that steps hand on to later steps and to expressions. */
  readonly vars: JsonObject
  readonly env: Readonly<Record<string, string>>
  /** Milliseconds since 1970, fixed when the exchange began. */
  readonly now: number
  /** Milliseconds since 1970 by which an HTTP exchange is over, retries included. */
  readonly deadline: number
  /** Aborted when the client leaves, the timeout of the route passes, a reload or shutdown cuts it, or it is over. Made on first use. */
  readonly signal: AbortSignal
  /** Says how the attempts from now on are made; what is left out stays as it was said last. For `handle`. */
  nextAttempt(options: AttemptOptions): void
  /** False where the body was too large to be kept, so that there can be no second attempt. */
  readonly canReplay: boolean
  /** Puts a source in the place of the answer's stream that reads from it. For `handle`; not where there is no stream. */
  wrapStream(wrap: (source: ByteSource) => ByteSource): void
  /**
   * Takes the place of the answer's body; whatever was there is given up. For `handle`. Where nothing has answered
   * yet the status is 404, as in Koa, so set that too; the same goes for `res.body`.
   */
  stream: ByteSource | undefined
}

/** What may be said of an attempt before it is made. */
export interface AttemptOptions {
  /** The upstream's name, over the routing rule. */
  readonly upstream?: string
  /** The model to ask for in the upstream's own words, over its aliases; undefined for the one that the request names. */
  readonly model?: string | undefined
  /** How long the answer's head may take, where the upstream allows for more. Milliseconds. */
  readonly firstByteMs?: number
}

/** An exchange as hooks get it: to look at. What a hook wants changed, it returns as a patch. */
export type ExchangeView = {
  readonly [
    K in keyof Omit<Exchange, 'stream' | 'nextAttempt' | 'canReplay' | 'wrapStream' | 'signal'>
  ]: Exchange[K] extends object ? Readonly<Exchange[K]> : Exchange[K]
}

/** Koa's own context, with the exchange: what `handle` gets. */
export type Context = Koa.Context & { readonly exchange: Exchange }

/** A refusal, as data: the same as throwing a GatewayError, and possible from a sandbox. */
export interface Denial {
  /** Default DENIED. */
  readonly code?: ErrorCode
  readonly status?: number
  readonly message: string
  readonly headers?: Readonly<Record<string, string>>
  readonly param?: string
}

/** What a `request` hook may return. Header and query values of null remove. */
export interface RequestPatch {
  readonly deny?: Denial
  /** Answers without going further down; the steps above still see the answer. */
  readonly answer?: {
    readonly status?: number
    readonly headers?: Record<string, string>
    readonly body?: Json
  }
  readonly headers?: Readonly<Record<string, string | null>>
  readonly path?: string
  readonly query?: Readonly<Record<string, string | null>>
  readonly body?: Json
  readonly upstream?: string
  readonly consumer?: Consumer
  readonly vars?: JsonObject
}

/** What a `response` hook may return. */
export interface ResponsePatch {
  readonly deny?: Denial
  readonly status?: number
  readonly headers?: Readonly<Record<string, string | null>>
  readonly body?: Json
  readonly vars?: JsonObject
}

/**
 * One event of a streamed answer, or a plain answer as a whole.
 * `data` is the text of the event; `json` is parsed on first use and undefined where the text isn't JSON.
 */
export interface Chunk {
  /** The SSE event name; `message` where it has none. */
  readonly event: string
  readonly data: string
  readonly json: Json | undefined
  /** True for a plain answer, seen as one chunk. */
  readonly isWhole: boolean
  /** What the model says in this chunk, whatever the dialect; undefined where it says nothing. */
  readonly text: string | undefined
  /** Every text in this chunk, also what the model thinks and hands to tools. */
  readonly texts: readonly Text[]
}

/** A text in a chunk or message, as the step before has left it. */
export interface Text {
  /** What was held back of it before, and what has come. */
  readonly text: string
  /**
   * `text` and `refusal` are said, `reasoning` is thought, `arguments` (JSON) go to a tool, a `quote` repeats what was
   * said. Where no LLM API is spoken, each text in the JSON is a `field`.
   */
  readonly kind: TextKind
  /** Which alternative it belongs to, where the client asked for several. */
  readonly choice: number
  /** The character that went before it; empty at its beginning. */
  readonly before: string
  /** True where nothing more of it comes: nothing can be held back any further. */
  readonly isLast: boolean
}

/** What takes the place of a text. */
export interface NewText {
  readonly text: string
  /** Held back: it comes again at the beginning of the next piece of the same text, at the latest where that ends. */
  readonly hold?: string
}

/** What a `chunk` hook may return: nothing (pass it on), null (drop it), what takes its place, or a refusal. */
export type ChunkPatch = undefined | null | NewChunk | readonly NewChunk[] | Refusal

/** Ends the answer: a stream by the error event of the client's dialect, a plain answer by an error in its place. */
export interface Refusal {
  readonly deny: Denial
}

/**
 * A chunk to send: text, JSON that is written as text, or the chunk as it is with other texts in it. Events that repeat
 * a text, such as `response.completed`, follow by themselves.
 */
export interface NewChunk {
  readonly event?: string
  readonly data?: string
  readonly json?: Json
  /** Takes the place of `text`; what it says in several parts is put into the first. */
  readonly text?: string
  /** With `text`: what is held back of it. */
  readonly hold?: string
  /** Take the places of `texts`, one by one; null leaves one as it is. With `json`, which has the same shape, they are put into that. */
  readonly texts?: readonly (string | NewText | null)[]
}

/** One WebSocket message, put together from its frames. */
export interface Message {
  readonly from: 'client' | 'upstream'
  readonly isBinary: boolean
  /** The text; base64 where the message is binary. */
  readonly data: string
  readonly json: Json | undefined
  /** What is said in this message: by the model, in events of a known API, else the message itself where it isn't JSON. */
  readonly text: string | undefined
  /** Every text in this message. */
  readonly texts: readonly Text[]
}

/** What a `message` hook may return: nothing (pass it on), null (drop it), what takes its place, an answer, or an end. */
export type MessagePatch =
  | undefined
  | null
  | readonly NewMessage[]
  | (NewMessage & {
      /** Sent back to where the message came from. Without new text the message goes no further. */
      readonly reply?: string | NewMessage | readonly NewMessage[]
      /** Ends the session with this code, after the reply. */
      readonly close?: { readonly code: number; readonly reason?: string }
      /** Ends the session as refused: code 1008, with the message as its reason. */
      readonly deny?: Denial
    })

/** A message to send: text, JSON that is written as text, or the message with other texts in it; base64 where it is binary. */
export interface NewMessage {
  readonly data?: string
  readonly json?: Json
  readonly text?: string
  readonly hold?: string
  readonly texts?: readonly (string | NewText | null)[]
  /** As the message that it stands for, where it is left out; text where it is JSON, or a reply. */
  readonly isBinary?: boolean
}

/** How an exchange ended. */
export interface Outcome {
  /** `completed`: all bytes were handed to the client's socket. */
  readonly end: 'completed' | 'client-closed' | 'upstream-cut' | 'timeout' | 'error'
  readonly status: number
  /** The error that was answered, or that cut the answer. */
  readonly error: GatewayError | undefined
  /** How often an upstream was asked. */
  readonly attempts: number
  /** Tokens of earlier attempts, whose answers were given up; as far as they told. */
  readonly earlierTokens: number
  readonly durationMs: number
  /** Milliseconds until the answer's first byte was written; undefined where there was none. */
  readonly firstByteMs: number | undefined
  readonly requestBytes: number
  readonly responseBytes: number
}
