import { createHash, randomBytes } from 'node:crypto'
import { type IncomingMessage, request as httpRequest } from '../kit/node-http.ts'
import type { Socket } from 'node:net'
import { GatewayError } from '../errors.ts'
import type { AnswerHeaders } from '../exchange.ts'
import { formatDuration } from '../kit/duration.ts'
import { answerHead } from './answer-head.ts'
import type { Dial, Target } from './connect.ts'
import { describeFailure } from './failure.ts'
import type { RequestHead } from './request-head.ts'

/** RFC 6455 §1.3: what both sides add to the key, so that only a WebSocket server gives this answer. */
const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Bytes of a refusal's body that are passed on. */
const REFUSAL_BYTES = 64 * 1024

/** An upstream's answer to a handshake: with 101 a connection that speaks WebSocket, else a plain answer. */
export interface HandshakeAnswer {
  readonly status: number
  readonly headers: AnswerHeaders
  /** Only with 101. `head` holds the bytes that came behind the handshake. */
  readonly session: { readonly socket: Socket; readonly head: Buffer } | undefined
  readonly body: Buffer
  /** Which endpoint and which key were used, by position. */
  readonly endpoint: number
  readonly key: number | undefined
}

/** A handshake under way. */
export interface Handshake {
  readonly answer: Promise<HandshakeAnswer>
  abort(reason: Error): void
}

/** What a handshake needs to know. */
export interface HandshakeOptions {
  readonly dial: Dial
  readonly target: Target
  readonly head: RequestHead
  readonly isHttpDialect: boolean
  /** For all of it, connecting included. Milliseconds. */
  readonly timeoutMs: number
  readonly endpoint: number
  readonly key: number | undefined
}

/** The `sec-websocket-accept` that belongs to a `sec-websocket-key` (RFC 6455 §4.2.2). */
export function acceptOf(key: string): string {
  return createHash('sha1')
    .update(key + MAGIC)
    .digest('base64')
}

/**
 * Opens a WebSocket connection to an upstream. No extensions are offered: compressed frames could not be looked at,
 * and deflate costs many times the relay (performance notes in test/bench).
 */
export function shakeHands(options: HandshakeOptions): Handshake {
  const { dial, target, timeoutMs, endpoint, key: credential } = options
  const head = withoutHandshake(options.head)
  const key = randomBytes(16).toString('base64')
  const request = httpRequest({
    method: 'GET',
    path: head.path,
    headers: [
      'host',
      authorityOf(target),
      'connection',
      'Upgrade',
      'upgrade',
      'websocket',
      'sec-websocket-version',
      '13',
      'sec-websocket-key',
      key,
      ...head.headers,
    ],
    setHost: false,
    // Called with the connected socket: what dial returns at once is not ready yet.
    createConnection: (_, done) => void dial(target, (error, socket) => done(error, socket!)),
  })
  const { promise, resolve, reject } = Promise.withResolvers<HandshakeAnswer>()
  const timer = setTimeout(() => {
    const limit = formatDuration(timeoutMs)
    fail(new GatewayError('UPSTREAM_TIMEOUT', `no WebSocket within ${limit} (handshake)`))
  }, timeoutMs)

  function fail(reason: Error): void {
    clearTimeout(timer)
    reject(reason)
    request.destroy()
  }

  request.on('error', (cause) => fail(describeFailure(cause, 'connect')))
  request.on('upgrade', (response, socket: Socket, rest) => {
    clearTimeout(timer)
    // Until somebody relays it: a connection that breaks shows in its close.
    socket.on('error', () => {})
    const fault = faultOf(response, key, head)
    if (fault !== undefined) {
      socket.destroy()
      return reject(new GatewayError('UPSTREAM_PROTOCOL', fault))
    }
    const headers = answerHead(response.headers, options.isHttpDialect)
    const session = { socket, head: rest }
    resolve({ status: 101, headers, session, body: Buffer.alloc(0), endpoint, key: credential })
  })
  request.on('response', (response) => {
    const refuse = (body: Buffer) => {
      clearTimeout(timer)
      const headers = answerHead(response.headers, options.isHttpDialect)
      const status = response.statusCode!
      resolve({ status, headers, session: undefined, body, endpoint, key: credential })
    }
    readRefusal(response).then(refuse, (cause: unknown) => fail(describeFailure(cause, 'body')))
  })
  request.end()
  return { answer: promise, abort: fail }
}

/** The client's handshake is the gateway's to answer; all but the protocols that it offers ends here. */
function withoutHandshake({ path, headers }: RequestHead): RequestHead {
  const kept: string[] = []
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!.toLowerCase()
    if (name.startsWith('sec-websocket-') && name !== 'sec-websocket-protocol') continue
    kept.push(name, headers[index + 1]!)
  }
  return { path, headers: kept }
}

/** RFC 6455 §4.1: what makes a 101 valid. */
function faultOf(response: IncomingMessage, key: string, head: RequestHead): string | undefined {
  const { headers } = response
  if (headers['upgrade']?.toLowerCase() !== 'websocket')
    return 'the upstream switched to another protocol'
  if (headers['sec-websocket-accept'] !== acceptOf(key))
    return 'the upstream accepted another handshake'
  if (headers['sec-websocket-extensions'])
    return 'the upstream chose an extension that nobody offered'
  const chosen = headers['sec-websocket-protocol']
  const at = head.headers.indexOf('sec-websocket-protocol')
  const offered = at === -1 ? [] : head.headers[at + 1]!.split(',').map((name) => name.trim())
  if (chosen !== undefined && !offered.includes(chosen))
    return 'the upstream chose a protocol that nobody offered'
  return undefined
}

async function readRefusal(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > REFUSAL_BYTES) {
      throw new GatewayError('ANSWER_TOO_LARGE', 'the upstream refused the WebSocket at length')
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function authorityOf({ hostname, port }: Target): string {
  const host = hostname.includes(':') ? `[${hostname}]` : hostname
  return port === '' ? host : `${host}:${port}`
}
