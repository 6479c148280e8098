import { Readable } from 'node:stream'
import { GatewayError } from '../errors.ts'

/**
 * Lets undici read a client's body without owning it: undici destroys what it has read, and takes the socket from an
 * IncomingMessage when an attempt fails, but the client still has to get an answer over it.
 */
export class Upload extends Readable {
  readonly #source: Readable

  constructor(source: Readable) {
    super({ highWaterMark: source.readableHighWaterMark })
    this.#source = source
    if (source.errored) {
      this.destroy(asFailure(source.errored))
      return
    }
    if (source.readableEnded) {
      this.push(null)
      return
    }
    source.on('data', this.#onData).on('end', this.#onEnd)
    source.on('error', this.#onError).on('close', this.#onClose)
  }

  override _read(): void {
    this.#source.resume()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const source = this.#source
    source.off('data', this.#onData).off('end', this.#onEnd)
    source.off('close', this.#onClose)
    if (!source.readableEnded) source.pause()
    // The error listener stays: a source that breaks later is nobody's crash.
    done(error)
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.push(chunk)) this.#source.pause()
  }

  readonly #onEnd = (): void => {
    this.push(null)
  }

  readonly #onError = (error: Error): void => {
    this.destroy(asFailure(error))
  }

  readonly #onClose = (): void => {
    if (!this.#source.readableEnded) this.destroy(asFailure(undefined))
  }
}

/** A limit that was passed says so itself; all else that stops a client's body is the client leaving. */
function asFailure(cause: Error | undefined): GatewayError {
  if (cause instanceof GatewayError) return cause
  return new GatewayError('CLIENT_CLOSED', 'the client broke off its request', { cause })
}
