import { Buffer } from 'node:buffer'
import type { Dispatcher } from 'undici'
import type { UpstreamConfig } from '../config/model.ts'
import { isFramedAs, SSE } from '../dialects/framing.ts'
import { UPSTREAM_SIDES } from '../dialects/providers.ts'
import { GatewayError } from '../errors.ts'
import type { AnswerHeaders } from '../exchange.ts'
import type { ByteSink, ByteSource } from '../kit/byte-source.ts'
import { formatDuration } from '../kit/duration.ts'
import { isEventStream, streamedTextOf } from '../kit/media-types.ts'
import { answerHead, type ReceivedHeaders } from './answer-head.ts'
import type { Connection, Connections, Task } from './connections.ts'
import type { Deadlines, Timed } from './deadlines.ts'
import { decode } from './decode.ts'
import { describeFailure, type Phase } from './failure.ts'
import type { RequestHead } from './request-head.ts'
import { Upload } from './upload.ts'
import type { Attempt, UpstreamAnswer, UpstreamRequest } from './upstream.ts'

/** Interim answers (1xx) before the final one. */
const MAX_INTERIM = 16
/** Bytes of a streamed answer that wait for its reader. */
const MAX_HELD_BYTES = 65_536

/** RFC 9110 §9.2.2: a proxy may repeat these by itself. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** All that one attempt needs to know. */
export interface AttemptPlan {
  readonly request: UpstreamRequest
  readonly head: RequestHead
  readonly connections: Connections
  readonly deadlines: Deadlines
  readonly timeouts: Pick<UpstreamConfig['timeouts'], 'firstByteMs' | 'idleMs'>
  /** Until the deadline or the total timeout, whichever comes first. */
  readonly totalMs: number
  readonly endpoint: number
  readonly key: number | undefined
  readonly isHttpDialect: boolean
}

/** undici's parser is one for all connections and cannot be entered twice. */
let parsers = 0

/**
 * One try: undici's handler, the answer's body and the time limits in one object, so that a request costs few
 * allocations. undici calls the `on…` methods, the kernel those of Attempt and ByteSource.
 */
export class HttpAttempt implements Attempt, ByteSource, Task, Timed, Dispatcher.DispatchHandler {
  readonly answer: Promise<UpstreamAnswer>
  dueAt: number
  slot = -1
  readonly #plan: AttemptPlan
  readonly #totalAt: number
  #resolve!: (answer: UpstreamAnswer) => void
  #reject!: (error: Error) => void

  #connection: Connection | undefined
  #controller: Dispatcher.DispatchController | undefined
  #upload: Upload | undefined
  #wasReused = false
  #hasFirstByte = false
  #interim = 0
  /** Nothing more comes from the transport. */
  #isOver = false

  #status = 0
  #headers: AnswerHeaders | undefined
  /** True from the head of a streamed answer on. */
  #isStreamed = false
  #expectedBytes = -1
  #held: Buffer[] = []
  #heldBytes = 0

  #sink: ByteSink | undefined
  #isPaused = false
  /** The sink has asked to wait while chunks were still held for it. */
  #isHolding = false
  #failure: Error | undefined

  constructor(plan: AttemptPlan) {
    this.#plan = plan
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.dueAt = this.#totalAt = plan.deadlines.after(plan.totalMs)
    plan.deadlines.watch(this)
    try {
      plan.connections.acquire(this)
    } catch (error) {
      this.#end(error as Error)
    }
  }

  start(connection: Connection): void {
    const { head, request } = this.#plan
    this.#connection = connection
    const { body } = request
    if (body !== undefined && !Buffer.isBuffer(body)) this.#upload = new Upload(body)
    connection.client.dispatch(
      {
        path: head.path,
        method: request.method,
        headers: head.headers,
        body: this.#upload ?? (body as Buffer | undefined) ?? null,
      },
      this,
    )
  }

  abort(reason: Error): void {
    this.#end(reason)
  }

  expire(): void {
    const { timeouts, totalMs, deadlines } = this.#plan
    let detail: string
    if (this.#totalAt <= deadlines.now) detail = `not done within ${text(totalMs)} (total)`
    else if (this.#headers === undefined)
      detail = `no answer within ${text(timeouts.firstByteMs)} (first byte)`
    else detail = `nothing more of the answer within ${text(timeouts.idleMs)} (idle)`
    this.#end(new GatewayError('UPSTREAM_TIMEOUT', detail))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#isOver) {
      controller.abort(this.#failure ?? new Error('aborted'))
      return
    }
    this.#controller = controller
    this.#wasReused = this.#connection!.served++ > 0
    if (this.#upload === undefined) this.#allow(this.#plan.timeouts.firstByteMs)
  }

  onRequestSent(): void {
    if (!this.#isOver && this.#headers === undefined) this.#allow(this.#plan.timeouts.firstByteMs)
  }

  onResponseStarted(): void {
    this.#hasFirstByte = true
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    received: ReceivedHeaders,
  ): void {
    if (this.#isOver) return
    if (status < 200) {
      if (++this.#interim <= MAX_INTERIM) return
      this.#end(new GatewayError('UPSTREAM_PROTOCOL', 'too many interim answers (1xx)'))
      return
    }
    const { request, isHttpDialect, timeouts } = this.#plan
    this.#status = status
    const headers = answerHead(received, isHttpDialect)
    this.#headers = headers
    this.#allow(timeouts.idleMs)
    const isEmpty = request.method === 'HEAD' || status === 204 || status === 304
    if (isEmpty) return
    const length = received['content-length']
    if (typeof length === 'string') this.#expectedBytes = Number(length)
    const isEvents = this.#arrivesInPieces(headers)
    if (request.mustBuffer && !isEvents) {
      if (this.#expectedBytes > request.bufferUpTo) this.#refuseSize()
      return
    }
    if (!isEvents && this.#expectedBytes >= 0 && this.#expectedBytes <= request.bufferUpTo) return
    if (request.mustBuffer && headers['content-encoding'] !== undefined) {
      const encoding = JSON.stringify(headers['content-encoding'])
      const detail = `the event stream is encoded as ${encoding} though identity was asked for`
      this.#end(new GatewayError('UPSTREAM_PROTOCOL', detail))
      return
    }
    this.#isStreamed = true
    this.#settle(this)
  }

  /** Event streams and the dialect's own kind of them; where it is read in pieces also JSON by line and plain text of no known length. */
  #arrivesInPieces(headers: AnswerHeaders): boolean {
    const type = String(headers['content-type'] ?? '')
    if (isEventStream(type)) return true
    const { framing } = UPSTREAM_SIDES[this.#plan.request.dialect]
    if (framing !== SSE && isFramedAs(framing, type)) return true
    if (!this.#plan.request.readsPieces || headers['content-encoding'] !== undefined) return false
    const streamed = streamedTextOf(type)
    return streamed === 'lines' || (streamed === 'text' && this.#expectedBytes < 0)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isOver) return
    this.#allow(this.#plan.timeouts.idleMs)
    if (this.#sink === undefined || this.#isHolding) {
      this.#hold(controller, chunk)
      return
    }
    parsers++
    try {
      if (!this.#sink.data(chunk) && !this.#isOver) this.#pause(controller)
    } finally {
      parsers--
    }
  }

  onResponseEnd(): void {
    if (this.#isOver) return
    // undici takes a reset for the end of a body that says neither its length nor its end.
    const reset = this.#connection!.socket?.errored
    if (reset) {
      this.#end(describeFailure(reset, 'body'))
      return
    }
    this.#leave(false)
    parsers++
    try {
      if (!this.#isStreamed) this.#settleWhole()
      else if (this.#sink !== undefined && !this.#isHolding) this.#sink.end()
    } finally {
      parsers--
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, cause: Error): void {
    if (this.#isOver) return
    if (this.#mayRetry()) {
      this.#controller = undefined
      this.dueAt = this.#totalAt
      this.#plan.connections.replace(this.#connection!, this)
      return
    }
    this.#end(describeFailure(cause, this.#phase()))
  }

  pipe(sink: ByteSink): void {
    this.#sink = sink
    this.#flush()
  }

  resume(): void {
    if (!this.#isPaused && !this.#isHolding) return
    // Resuming makes undici parse at once what the socket holds.
    if (parsers > 0) queueMicrotask(() => this.#resumeNow())
    else this.#resumeNow()
  }

  #resumeNow(): void {
    if (this.#isHolding) {
      this.#isHolding = false
      this.#flush()
    } else this.#unpause()
  }

  #unpause(): void {
    if (!this.#isPaused || this.#isOver) return
    this.#isPaused = false
    this.#allow(this.#plan.timeouts.idleMs)
    this.#controller!.resume()
  }

  #pause(controller: Dispatcher.DispatchController): void {
    this.#isPaused = true
    // While we don't read, the upstream cannot be late.
    this.dueAt = this.#totalAt
    controller.pause()
  }

  #hold(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    if (this.#isStreamed) {
      if (this.#isHolding || this.#heldBytes >= MAX_HELD_BYTES) this.#pause(controller)
    } else if (this.#heldBytes > this.#plan.request.bufferUpTo) this.#refuseSize()
  }

  /** Hands over what came before the sink did. */
  #flush(): void {
    const sink = this.#sink!
    let chunk: Buffer | undefined
    while ((chunk = this.#held.shift()) !== undefined) {
      this.#heldBytes -= chunk.length
      if (sink.data(chunk)) continue
      this.#isHolding = true
      return
    }
    if (this.#failure !== undefined) sink.error(this.#failure)
    else if (this.#isOver) sink.end()
    else this.#unpause()
  }

  #settle(body: UpstreamAnswer['body']): void {
    const { endpoint, key } = this.#plan
    this.#resolve({ status: this.#status, headers: this.#headers!, body, endpoint, key })
  }

  #settleWhole(): void {
    const held = this.#held
    const body = held.length === 1 ? held[0]! : Buffer.concat(held, this.#heldBytes)
    this.#held = []
    const { mustBuffer } = this.#plan.request
    const encoding = this.#headers!['content-encoding']
    if (!mustBuffer || encoding === undefined || body.length === 0) {
      this.#settle(body)
      return
    }
    void this.#settleDecoded(String(encoding), body)
  }

  async #settleDecoded(encoding: string, body: Buffer): Promise<void> {
    try {
      const plain = await decode(encoding, body, this.#plan.request.bufferUpTo)
      delete this.#headers!['content-encoding']
      this.#headers!['content-length'] = String(plain.length)
      this.#settle(plain)
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #fail(error: Error): void {
    // An attempt that was aborted may have nobody left who awaits it.
    void ignoreFailure(this.answer)
    this.#reject(error)
  }

  #refuseSize(): void {
    const limit = this.#plan.request.bufferUpTo
    const detail = `the answer is longer than the ${limit} bytes that may be read as a whole`
    this.#end(new GatewayError('ANSWER_TOO_LARGE', detail))
  }

  /** The next sign of life must come within `ms`. */
  #allow(ms: number): void {
    const dueAt = this.#plan.deadlines.after(ms)
    this.dueAt = dueAt < this.#totalAt ? dueAt : this.#totalAt
  }

  #phase(): Phase {
    if (this.#headers !== undefined) return 'body'
    return this.#controller === undefined ? 'connect' : 'head'
  }

  /**
   * A kept connection may be closed by the upstream in the moment in which it is used again. What was not sent at
   * all, or may be repeated, gets one more try on a new connection; there it is not a kept one any more.
   */
  #mayRetry(): boolean {
    const { method, body } = this.#plan.request
    if (this.#hasFirstByte || this.#upload !== undefined) return false
    if (this.#controller === undefined) return this.#connection!.served > 0
    return (
      this.#wasReused && IDEMPOTENT.has(method) && (body === undefined || Buffer.isBuffer(body))
    )
  }

  #end(error: Error): void {
    if (this.#isOver) {
      // The transport is done, but the sink has not had all of it.
      if (this.#held.length > 0 && this.#isStreamed && this.#failure === undefined) {
        this.#held = []
        this.#failure = error
        this.#isHolding = false
        this.#sink?.error(error)
      }
      return
    }
    this.#failure = error
    this.#held = []
    this.#isHolding = false
    this.#isOver = true
    this.#controller?.abort(error)
    this.#leave(true)
    this.#upload?.destroy()
    if (!this.#isStreamed) this.#fail(error)
    else this.#sink?.error(error)
  }

  #leave(isBroken: boolean): void {
    const { deadlines, connections } = this.#plan
    this.#isOver = true
    deadlines.forget(this)
    const connection = this.#connection
    if (connection === undefined) connections.leave(this)
    else connections.release(connection, isBroken)
  }
}

async function ignoreFailure(promise: Promise<unknown>): Promise<void> {
  try {
    await promise
  } catch {
    // Who awaits the answer hears of it; this is only not to be an unhandled rejection.
  }
}

function text(ms: number): string {
  return formatDuration(Math.round(ms))
}
