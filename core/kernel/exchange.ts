import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ClientDialect, Dialect, StreamFollower, Usage } from '../dialects/dialect.ts'
import { DIALECTS } from '../dialects/index.ts'
import type { FrameEdit } from '../dialects/same-dialect.ts'
import { likelyInput, usageOfAnswer, usageOfStream } from '../dialects/usage.ts'
import type { GatewayError } from '../errors.ts'
import type {
  AnswerHeaders,
  AttemptOptions,
  Consumer,
  Context,
  Exchange,
  GatewayRequest,
  GatewayResponse,
  Headers,
  UpstreamView,
} from '../exchange.ts'
import type { ByteSource } from '../kit/byte-source.ts'
import type { Slotted } from '../kit/dense-set.ts'
import type { Tried } from '../upstream/upstream.ts'
import { type Json, jsonOf, type JsonObject } from '../kit/json.ts'
import type { LimitedBody } from './body.ts'
import type { UnparsedJson } from './body-json.ts'
import { parseQuery, strippedPath } from './normalise.ts'

/** Fields that describe the bytes of a body, and are wrong once the body is another. */
export const BODY_FIELDS = [
  'content-length',
  'content-encoding',
  'content-range',
  'content-md5',
  'digest',
  'repr-digest',
  'content-digest',
  'etag',
  'accept-ranges',
]

/** How long an exchange may take where no upstream says so. */
export const DEFAULT_TOTAL_MS = 600_000

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze(Object.create(null))

/** What the listener knows of a request before a route is found. */
export interface RequestHead {
  readonly raw: IncomingMessage
  readonly id: string
  readonly method: string
  readonly path: string
  /** The query as it came, without `?`. */
  readonly search: string
  readonly headers: Headers
  /** As the client asked for it, with a port where it gave one. */
  readonly host: string
  readonly ip: string
  readonly scheme: 'http' | 'https'
  readonly protocol: 'http' | 'websocket'
  /** True where the head announces a body. */
  readonly hasBody: boolean
}

/** The request side of a live exchange. */
export class LiveRequest implements GatewayRequest {
  readonly raw: IncomingMessage
  readonly method: string
  path: string
  search: string
  readonly headers: Headers
  /** With the port, where the client gave one. */
  readonly authority: string
  readonly ip: string
  readonly scheme: 'http' | 'https'
  readonly protocol: 'http' | 'websocket'
  readonly hasBody: boolean
  dialect: ClientDialect = 'http'
  /** What the route takes off the path before it goes upstream. */
  stripPrefix = ''
  params: Readonly<Record<string, string>> = NO_PARAMS
  /** The body's bytes as they came, once they were read as a whole. */
  bytes: Buffer | undefined
  #query: Record<string, string> | undefined
  #body: Json | undefined
  /** What was not parsed yet. */
  #text: UnparsedJson | undefined
  #isReplaced = false

  constructor(head: RequestHead) {
    this.raw = head.raw
    this.method = head.method
    this.path = head.path
    this.search = head.search
    this.headers = head.headers
    this.authority = head.host
    this.ip = head.ip
    this.scheme = head.scheme
    this.protocol = head.protocol
    this.hasBody = head.hasBody
  }

  /** Lower case, without the port. */
  get host(): string {
    return this.authority.toLowerCase().replace(/:\d+$/, '')
  }

  get query(): Readonly<Record<string, string>> {
    this.#query ??= parseQuery(this.search)
    return this.#query
  }

  /** Sets or, with null, removes query parameters; the others stay as they came. */
  patchQuery(changes: Readonly<Record<string, string | null>>): void {
    const search = new URLSearchParams(this.search)
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) search.delete(name)
      else search.set(name, value)
    }
    this.search = search.toString()
    this.#query = undefined
  }

  /** The path as the API knows it: without what the route takes off. */
  get apiPath(): string {
    return strippedPath(this.path, this.stripPrefix)
  }

  get model(): string | undefined {
    return DIALECTS[this.dialect].modelOf(this.apiPath, this.#body)
  }

  get body(): Json | undefined {
    if (this.#body === undefined && this.#text !== undefined) this.#body = this.#text.parse()
    return this.#body
  }

  set body(value: Json | undefined) {
    this.#body = value
    this.#text = undefined
    this.#isReplaced = true
  }

  get bodyText(): string | undefined {
    if (this.#text !== undefined) return this.#text.text
    return this.#body === undefined ? undefined : JSON.stringify(this.#body)
  }

  /** Keeps what the bytes say, to be parsed for who asks. */
  unparsed(text: UnparsedJson): void {
    this.#text = text
  }

  /** Keeps what the bytes were parsed to, without counting as a change. */
  parsed(body: Json | undefined): void {
    this.#body = body
  }

  /** True where the body that goes upstream is no longer the client's. */
  get isReplaced(): boolean {
    return this.#isReplaced
  }
}

/**
 * The answer side of a live exchange. Its head is the head of Node's response, which is also what Koa's context
 * shows, so there is one truth. The body is one of: none yet, bytes, JSON, a stream.
 */
export class LiveResponse implements GatewayResponse {
  readonly raw: ServerResponse
  /** True where a step reads bodies; else `body` stays undefined and nothing is parsed. */
  canRead = false
  #content: Buffer | ByteSource | undefined
  #json: Json | undefined
  #state: 'none' | 'bytes' | 'parsed' | 'replaced' | 'stream' = 'none'

  constructor(raw: ServerResponse) {
    this.raw = raw
  }

  get status(): number {
    return this.raw.statusCode
  }

  set status(status: number) {
    this.raw.statusCode = status
    // Node would send the old reason with the new number.
    this.raw.statusMessage = ''
  }

  get headers(): Readonly<AnswerHeaders> {
    return this.raw.getHeaders() as AnswerHeaders
  }

  header(name: string): string | undefined {
    const value = this.raw.getHeader(name)
    return value === undefined ? undefined : String(value)
  }

  set(name: string, value: string | string[]): void {
    this.raw.setHeader(name, value)
  }

  remove(name: string): void {
    this.raw.removeHeader(name)
  }

  get isStream(): boolean {
    return this.#state === 'stream'
  }

  /** True once anything has answered. */
  get isAnswered(): boolean {
    return this.#state !== 'none'
  }

  get isEventStream(): boolean {
    return this.header('content-type')?.startsWith('text/event-stream') ?? false
  }

  get isJson(): boolean {
    const type = this.header('content-type') ?? ''
    return type.startsWith('application/json') || type.includes('+json')
  }

  get body(): Json | undefined {
    if (this.#state === 'bytes' && this.canRead && this.isJson) {
      this.#json = jsonOf(this.#content as Buffer)
      this.#state = 'parsed'
    }
    return this.#state === 'parsed' || this.#state === 'replaced' ? this.#json : undefined
  }

  set body(value: Json | undefined) {
    this.dropStream()
    this.#json = value
    this.#content = undefined
    this.#state = 'replaced'
    for (const name of BODY_FIELDS) this.raw.removeHeader(name)
    if (!this.isJson && typeof value !== 'string') {
      this.raw.setHeader('content-type', 'application/json; charset=utf-8')
    }
  }

  get stream(): ByteSource | undefined {
    return this.#state === 'stream' ? (this.#content as ByteSource) : undefined
  }

  set stream(source: ByteSource | undefined) {
    this.dropStream()
    this.#content = source
    this.#state = source === undefined ? 'none' : 'stream'
  }

  /** Bytes as they are to be sent; undefined for a stream and where nothing has answered. */
  get bytes(): Buffer | undefined {
    if (this.#state === 'replaced') {
      const text = typeof this.#json === 'string' ? this.#json : JSON.stringify(this.#json)
      this.#content = Buffer.from(text ?? '')
      this.#state = 'parsed'
    }
    return this.#state === 'bytes' || this.#state === 'parsed'
      ? (this.#content as Buffer)
      : undefined
  }

  set bytes(content: Buffer) {
    this.dropStream()
    this.#content = content
    this.#state = 'bytes'
  }

  /** Takes the stream away to be read: nobody aborts it here any more. */
  takeStream(): ByteSource {
    const source = this.#content as ByteSource
    this.#content = undefined
    return source
  }

  /** Forgets the answer and puts the head back to `head`: another attempt begins. */
  reset(head: { status: number; headers: Readonly<AnswerHeaders> }): void {
    this.dropStream()
    this.#content = undefined
    this.#state = 'none'
    this.#json = undefined
    this.status = head.status
    for (const name of this.raw.getHeaderNames()) this.raw.removeHeader(name)
    for (const [name, value] of Object.entries(head.headers)) this.raw.setHeader(name, value)
  }

  private dropStream(): void {
    if (this.#state === 'stream' && this.#content !== undefined) {
      const source = this.#content as ByteSource
      // The sink of a dropped source hears nothing: there is none.
      source.abort(new Error('the answer was replaced'))
    }
  }
}

/** One exchange under way. Hooks see it as an ExchangeView, expressions as a scope. */
export class LiveExchange implements Exchange, Slotted {
  readonly id: string
  readonly route: string
  readonly req: LiveRequest
  readonly res: LiveResponse
  readonly env: Readonly<Record<string, string>>
  readonly now: number
  readonly startedAt: number = performance.now()
  readonly deadline: number
  consumer: Consumer | undefined
  upstream: UpstreamView | undefined
  /** The generation that answers for it; set when a route was found. */
  home: { leave(exchange: LiveExchange): void } | undefined
  /** Equal to that of a route in the next generation that serves it just as well. */
  routeKey: string | undefined
  /** Where its generation keeps it. */
  slot = -1
  /** Koa's context, made when the first step that wraps is reached. */
  ctx: Context | undefined
  /** The upstream that a step chose over the routing rule. */
  chosen: string | undefined
  /** The model that a step chose, in the upstream's own words. */
  chosenModel: string | undefined
  /** How long a step lets an attempt take to begin its answer. */
  firstByteMs: number | undefined
  /** Endpoints and keys of earlier attempts, by upstream: the next one goes elsewhere where it can. */
  tried: Map<string, Tried> | undefined
  /** How many steps the answer passes on its way up: the position of whoever answered. */
  depth = 0
  /** How many steps were entered: these hear `done`. */
  reached = 0
  /** What `when` said, by the step's position; undefined where it was not asked. */
  whens: (boolean | undefined)[] | undefined
  attempts = 0
  /** Tokens of attempts whose answers were given up. */
  earlierTokens = 0
  firstByteAt: number | undefined
  error: GatewayError | undefined
  requestBytes = 0
  responseBytes = 0
  /** Set once the exchange is over or must end. */
  ended: Error | undefined
  /** Why what runs below a step is to stop, where the step goes on without it. */
  givenUp: Error | undefined
  /** The request's body, where it is passed on as it comes. */
  upload: LimitedBody | undefined
  /**
   * What works on it at the moment, to be given up: the attempt, then the answer on its way. The attempt itself, for a
   * closure around it would keep it alive: see core/decisions/garbage-dies-young.md.
   */
  underWay: { abort(reason: Error): void } | undefined
  /** The upstream's side of a WebSocket session, before it is relayed. */
  session: { readonly socket: Socket; readonly head: Buffer } | undefined
  /** A plain answer as the upstream gave it: tokens were spent on it, whatever steps make of it. */
  upstreamBytes: Buffer | undefined
  /** Knows what a stream of events has told and brought so far. */
  follower: StreamFollower | undefined
  /** Usage of a stream that is one JSON text, once it was read. */
  streamUsage: (() => Usage | undefined) | undefined
  /** Usage of an answer that was converted: the client's dialect may not tell all of it. */
  upstreamUsage: (() => Usage | undefined) | undefined
  /** Changes events of a stream of the client's own dialect. */
  editFrame: FrameEdit | undefined
  /** The end of a converted stream that was cut: only its encoder knows what was said before. */
  cutText: ((error: GatewayError) => string) | undefined
  #vars: JsonObject | undefined
  #usage: Usage | undefined
  #inputTokens: number | undefined
  #usageBytes: Buffer | undefined
  #controller: AbortController | undefined

  constructor(init: {
    id: string
    route: string
    req: LiveRequest
    res: LiveResponse
    env: Readonly<Record<string, string>>
    now: number
    /** How long it may take. */
    totalMs?: number
  }) {
    this.id = init.id
    this.route = init.route
    this.req = init.req
    this.res = init.res
    this.env = init.env
    this.now = init.now
    this.deadline = init.now + (init.totalMs ?? DEFAULT_TOTAL_MS)
  }

  get vars(): JsonObject {
    this.#vars ??= Object.create(null) as JsonObject
    return this.#vars
  }

  get dialect(): Dialect {
    return DIALECTS[this.req.dialect]
  }

  get usage(): Usage | undefined {
    if (this.follower !== undefined) {
      return usageOfStream(this.follower, () => this.likelyInput())
    }
    if (this.upstreamUsage !== undefined) return this.upstreamUsage()
    if (this.streamUsage !== undefined) return this.streamUsage()
    const bytes = this.upstreamBytes ?? this.res.bytes
    if (bytes !== this.#usageBytes) {
      this.#usageBytes = bytes
      this.#usage = this.usageOfBody(bytes)
    }
    return this.#usage
  }

  get stream(): ByteSource | undefined {
    return this.res.stream
  }

  set stream(source: ByteSource | undefined) {
    this.res.stream = source
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.ended !== undefined) this.#controller.abort(this.ended)
    }
    return this.#controller.signal
  }

  nextAttempt(options: AttemptOptions): void {
    if (options.upstream !== undefined) this.chosen = options.upstream
    if ('model' in options) this.chosenModel = options.model
    if (options.firstByteMs !== undefined) this.firstByteMs = options.firstByteMs
  }

  get canReplay(): boolean {
    return this.upload === undefined
  }

  wrapStream(wrap: (source: ByteSource) => ByteSource): void {
    this.res.stream = wrap(this.res.takeStream())
  }

  /** Another attempt begins: what the last one has cost is not forgotten with its answer. */
  dropAttempt(): void {
    this.earlierTokens += this.usage?.totalTokens ?? 0
    this.upstreamBytes = undefined
    this.upstreamUsage = undefined
    this.follower = undefined
    this.streamUsage = undefined
  }

  /** Ends the exchange for whoever still works on it; the first reason stays. */
  end(reason: Error): void {
    if (this.ended !== undefined) return
    this.ended = reason
    this.underWay?.abort(reason)
    this.#controller?.abort(reason)
  }

  /** Stops the attempt that is under way; the exchange itself goes on. */
  giveUp(reason: Error): void {
    this.givenUp = reason
    this.underWay?.abort(reason)
  }

  /** Tokens of the prompt where the upstream has not told them; the body may not have been parsed before. */
  private likelyInput(): number {
    const { dialect, path, bytes, body } = this.req
    this.#inputTokens ??= likelyInput({ dialect, path, body: body ?? (bytes && jsonOf(bytes)) })
    return this.#inputTokens
  }

  private usageOfBody(bytes: Buffer | undefined): Usage | undefined {
    if (bytes === undefined || !this.res.isJson) return undefined
    return usageOfAnswer(this.dialect, bytes)
  }
}
