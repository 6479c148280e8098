import type { Readable } from 'node:stream'
import type { ClientDialect, WireDialect } from '../dialects/dialect.ts'
import type { AnswerHeaders } from '../exchange.ts'
import type { ByteSource } from '../kit/byte-source.ts'
import type { Handshake } from './websocket.ts'

/** One attempt's request. Header fields as the client sent them: the upstream strips what must not be forwarded. */
export interface UpstreamRequest {
  readonly id: string
  readonly method: string
  /** What the request is written in; decides how path and credentials are understood. */
  readonly dialect: WireDialect
  /** The upstream's own name of the model, where the request's is known. */
  readonly model?: string | undefined
  /** Normalised path without the query, after the route's rewrite. */
  readonly path: string
  /** Query string without `?`, as it came; empty where there is none. */
  readonly query: string
  readonly headers: Readonly<Record<string, string | string[]>>
  readonly body: Buffer | Readable | undefined
  /** The client's address and the host that it asked for, for `x-forwarded-*`. */
  readonly client: {
    readonly ip: string
    readonly host: string
    readonly protocol: 'http' | 'https'
  }
  /** Milliseconds since 1970 after which the attempt is over, retries and queueing included. */
  readonly deadline: number
  /** Answers up to this many bytes that say their length come as a Buffer rather than as a source. */
  readonly bufferUpTo: number
  /** True where a step reads the answer: collected whole up to `bufferUpTo`, decompressed, else ANSWER_TOO_LARGE. Event streams stay streams. */
  readonly mustBuffer: boolean
  /** True where JSON by line, and plain text of no known length, are streams too. */
  readonly readsPieces?: boolean
  /** Positions of the endpoint and the key to use; chosen in turn where undefined. */
  readonly endpoint: number | undefined
  readonly key: number | undefined
  /** What earlier attempts of the same exchange have used: chosen again only where all were. */
  readonly tried?: Tried | undefined
  /** How long the answer's head may take at most, where that is less than the upstream's own timeout. Milliseconds. */
  readonly firstByteMs?: number | undefined
}

/** Positions of the endpoints and keys of one upstream that an exchange has tried; an attempt adds its own. */
export interface Tried {
  readonly endpoints: Set<number>
  readonly keys: Set<number>
}

/** An upstream's answer, head first. Hop-by-hop fields are gone. */
export interface UpstreamAnswer {
  readonly status: number
  readonly headers: AnswerHeaders
  readonly body: Buffer | ByteSource
  /** Which endpoint and which key were used, by position. */
  readonly endpoint: number
  readonly key: number | undefined
}

/** A try that is under way. */
export interface Attempt {
  /** Rejects with a GatewayError: UPSTREAM_UNREACHABLE, UPSTREAM_TIMEOUT, UPSTREAM_REFUSED, UPSTREAM_PROTOCOL, UPSTREAM_CUT. */
  readonly answer: Promise<UpstreamAnswer>
  /** Frees the connection at once; `answer`, or the body's sink, hears of the reason. */
  abort(reason: Error): void
}

/** A provider or service behind the gateway, live: its pools are open. */
export interface Upstream {
  readonly name: string
  /** The client dialects that it can be asked in, bytes untouched. */
  readonly dialects: readonly ClientDialect[]
  /** Base URLs, as configured. */
  readonly endpoints: readonly string[]
  send(request: UpstreamRequest): Attempt
  /** Opens a WebSocket connection; absent where the upstream cannot speak it. */
  connect?(request: UpstreamRequest): Handshake
  /** Ends idle connections now and busy ones when they are done. */
  close(): Promise<void>
}
