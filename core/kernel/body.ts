import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { GatewayError } from '../errors.ts'

export { decodeBody } from './body-decode.ts'
export { checkJson, parseJson } from './body-json.ts'

/** Clients that wait for `100 Continue` before they send their body; they get it when somebody wants the body. */
const waiting = new WeakMap<IncomingMessage, ServerResponse>()

/** Remembers that the client of `req` sends its body only after a `100 Continue`. For the listener. */
export function awaitContinue(req: IncomingMessage, res: ServerResponse): void {
  waiting.set(req, res)
}

/**
 * Reads a request's body whole. Rejects with BODY_TOO_LARGE as soon as more than `limitBytes` have come, or were
 * announced, and with CLIENT_CLOSED when the client leaves before the end.
 */
export function readBody(req: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const refusal = refusedBody(req, limitBytes)
  if (refusal !== undefined) return Promise.reject(refusal)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size > limitBytes) fail(tooLarge(limitBytes))
      else chunks.push(chunk)
    }
    const onEnd = () => {
      stop()
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size))
    }
    const onClose = () => fail(clientClosed())
    const fail = (error: GatewayError) => {
      stop()
      // The rest is thrown away, so that the client gets to read why.
      req.resume()
      reject(error)
    }
    const stop = () => {
      req.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
      // Somebody has to listen: a client that leaves later would otherwise be an uncaught error.
      req.on('error', () => {})
    }
    req.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
    wantBody(req)
  })
}

/**
 * A request's body as a stream that fails with BODY_TOO_LARGE above `limitBytes` and with CLIENT_CLOSED when the
 * client leaves. Pauses the client while nobody reads. Destroying it does not touch the client's connection, so an
 * answer can still be sent; what remains of the body is thrown away. Throws BODY_TOO_LARGE where more was announced.
 */
export function limitBody(req: IncomingMessage, limitBytes: number): LimitedBody {
  const refusal = refusedBody(req, limitBytes)
  if (refusal !== undefined) throw refusal
  return new LimitedBody(req, limitBytes)
}

/** A body on its way; see `limitBody`. */
export class LimitedBody extends Readable {
  readonly #req: IncomingMessage
  readonly #limit: number
  #size = 0
  #isStarted = false

  constructor(req: IncomingMessage, limit: number) {
    super()
    this.#req = req
    this.#limit = limit
    req.on('error', this.#onClose).on('close', this.#onClose)
  }

  /** How many bytes have come so far. */
  get received(): number {
    return this.#size
  }

  override _read(): void {
    if (this.#isStarted) {
      this.#req.resume()
      return
    }
    this.#isStarted = true
    this.#req.on('data', this.#onData).on('end', this.#onEnd)
    wantBody(this.#req)
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const req = this.#req
    req.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose)
    // What remains is thrown away, so that the connection can be used again; `timeouts.request` bounds it. A client
    // that still waits for its 100 Continue sends nothing.
    if (!waiting.has(req)) req.resume()
    callback(error)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#size += chunk.length
    if (this.#size > this.#limit) this.destroy(tooLarge(this.#limit))
    else if (!this.push(chunk)) this.#req.pause()
  }

  readonly #onEnd = (): void => {
    this.push(null)
  }

  readonly #onClose = (): void => {
    if (!this.#req.complete || !this.#isStarted) this.destroy(clientClosed())
  }
}

function wantBody(req: IncomingMessage): void {
  const res = waiting.get(req)
  if (res === undefined) return
  waiting.delete(req)
  res.writeContinue()
}

function refusedBody(req: IncomingMessage, limit: number): GatewayError | undefined {
  if (req.destroyed && !req.complete) return clientClosed()
  // Its end would never come.
  if (req.readableEnded) return new GatewayError('INTERNAL', 'a step has read the body itself')
  if (Number(req.headers['content-length'] ?? 0) > limit) return tooLarge(limit)
  return undefined
}

function tooLarge(limit: number): GatewayError {
  return new GatewayError('BODY_TOO_LARGE', `the body is larger than ${limit} bytes`, {
    headers: { connection: 'close' },
  })
}

function clientClosed(): GatewayError {
  return new GatewayError('CLIENT_CLOSED', 'the client left before its body was complete')
}
