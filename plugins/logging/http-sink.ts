import type { Host, Secret } from '#core/sdk.ts'
import { countLosses, type Sink } from './sink.ts'
import { revealed } from './sink-options.ts'

/** An HTTP service that takes lines. */
export interface HttpOptions {
  readonly url: string
  readonly headers?: Readonly<Record<string, Secret>>
  readonly flush: number
  readonly timeout: number
}

/** One request carries about this much. Bytes. */
const BATCH_BYTES = 256 * 1024

/** After a failure, the pause doubles from the first to the last. Milliseconds. */
const FIRST_PAUSE_MS = 1_000
const LAST_PAUSE_MS = 30_000

/** How long a close tries to send the rest. Milliseconds. */
const CLOSE_MS = 5_000

/**
 * Posts lines in batches, one request at a time. A batch that fails is sent again after a pause, for as long as there
 * is room for what comes meanwhile; a 4xx other than 408 and 429 says that it never will be taken, so it is dropped.
 */
export function openHttp(options: HttpOptions, bufferBytes: number, host: Host): Sink {
  return new HttpSink(options, bufferBytes, host)
}

class HttpSink implements Sink {
  readonly #options: HttpOptions
  readonly #headers: Record<string, string>
  readonly #room: number
  readonly #host: Host
  readonly #losses: ReturnType<typeof countLosses>
  #lines: string[] = []
  #size = 0
  #sending: Promise<void> | undefined
  #pauseMs = 0
  #notBefore = 0
  #isFailing = false

  constructor(options: HttpOptions, bufferBytes: number, host: Host) {
    this.#options = options
    this.#headers = { 'content-type': 'application/x-ndjson', ...revealed(options.headers) }
    this.#room = bufferBytes
    this.#host = host
    this.#losses = countLosses(new URL(options.url).host, host)
    host.every(options.flush, () => this.#send())
  }

  write(line: string): void {
    const size = Buffer.byteLength(line)
    if (this.#size + size > this.#room) return this.#losses.drop(1)
    this.#lines.push(line)
    this.#size += size
    if (this.#size >= BATCH_BYTES) void this.#send()
  }

  async close(): Promise<void> {
    const until = this.#host.now() + CLOSE_MS
    this.#notBefore = 0
    await this.#send()
    while (this.#lines.length > 0 && !this.#isFailing && this.#host.now() < until)
      await this.#send()
    if (this.#lines.length > 0) this.#losses.drop(this.#lines.length)
  }

  /** Sends one batch, or waits for the one that is under way. */
  #send(): Promise<void> {
    if (this.#lines.length === 0 || this.#host.now() < this.#notBefore) return Promise.resolve()
    this.#sending ??= this.#post().finally(() => {
      this.#sending = undefined
    })
    return this.#sending
  }

  async #post(): Promise<void> {
    const lines = this.#batch()
    const body = lines.join('')
    const { url, timeout } = this.#options
    let status: number
    try {
      const request = { method: 'POST', headers: this.#headers, body, timeoutMs: timeout }
      status = (await this.#host.fetch(url, request)).status
    } catch (err) {
      return this.#failed(err)
    }
    const isRefused = status >= 400 && status < 500 && status !== 408 && status !== 429
    if (status >= 300 && !isRefused) return this.#failed(new Error(`answered ${status}`))
    this.#lines.splice(0, lines.length)
    this.#size -= Buffer.byteLength(body)
    this.#pauseMs = 0
    this.#isFailing = isRefused
    if (!isRefused) return
    this.#losses.drop(lines.length)
    this.#host.log.error('log not written', { destination: new URL(url).host, status })
  }

  #batch(): string[] {
    let size = 0
    const end = this.#lines.findIndex((line) => (size += line.length) > BATCH_BYTES)
    return this.#lines.slice(0, end === -1 ? undefined : Math.max(end, 1))
  }

  #failed(err: unknown): void {
    // Once per failure, not for each try.
    if (!this.#isFailing) {
      const destination = new URL(this.#options.url).host
      this.#host.log.error('log not written', { destination, err })
    }
    this.#isFailing = true
    this.#pauseMs = Math.min(Math.max(this.#pauseMs * 2, FIRST_PAUSE_MS), LAST_PAUSE_MS)
    this.#notBefore = this.#host.now() + this.#pauseMs
  }
}
