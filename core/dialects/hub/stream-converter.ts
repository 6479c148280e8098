import { formatEvent } from '../../kit/sse.ts'
import type { FrameReader, StreamFraming } from '../framing.ts'
import type { Usage } from '../dialect.ts'
import type { HubError } from './answer.ts'
import type { HubEvent, OutEvent, StreamDecoder, StreamEncoder } from './stream.ts'

/** How events are written to the client. */
export interface Framing {
  readonly contentType: string
  frame(event: OutEvent): string
  /** The text behind the last event of a complete answer. */
  end(): string
  /** Said where the upstream only shows that it is alive; empty where nothing can be said. */
  readonly keepAlive: string
}

/** Server-sent events. */
export const EVENTS: Framing = {
  contentType: 'text/event-stream; charset=utf-8',
  frame: ({ event, data }) => formatEvent(event, data),
  end: () => '',
  keepAlive: ': ping\n\n',
}

/**
 * Turns the bytes of an upstream's stream, in its own framing, into the text of the client's: event by event, wherever the
 * bytes are cut, with no more memory than one event and what the encoder keeps.
 */
export class StreamConverter {
  readonly #decoder: StreamDecoder
  readonly #encoder: StreamEncoder
  readonly #framing: Framing
  readonly #reader: FrameReader
  #out = ''
  #usage: Usage | undefined
  #isComplete = false
  #deliveredBytes = 0
  #failure: HubError | undefined

  constructor(
    upstream: StreamFraming,
    decoder: StreamDecoder,
    encoder: StreamEncoder,
    framing: Framing,
  ) {
    this.#decoder = decoder
    this.#encoder = encoder
    this.#framing = framing
    this.#reader = upstream.reader({
      event: (event) => this.#tell(this.#isOver() ? [] : decoder.push(event)),
      done: () => this.#tell(this.#isOver() ? [] : decoder.end()),
      idle: () => {
        if (!this.#isOver()) this.#out += framing.keepAlive
      },
      fault: (text) => {
        if (!this.#isOver()) this.#failure = notJson(text)
      },
    })
  }

  /** True once the client has been told that the answer is complete. */
  get isComplete(): boolean {
    return this.#isComplete
  }

  /** Why the answer is broken off; nothing but `fail` comes after it. */
  get failure(): HubError | undefined {
    return this.#failure
  }

  /** The newest count that the upstream has told. */
  get usage(): Usage | undefined {
    return this.#usage
  }

  /** Text, reasoning and arguments that went through. */
  get deliveredBytes(): number {
    return this.#deliveredBytes
  }

  /** Converts a piece of the stream. Throws where it cannot be followed any further. */
  push(chunk: Buffer): string {
    this.#reader.push(chunk)
    return this.#flush()
  }

  /** The stream is over, as it should be or not: `isComplete` or `failure` knows. */
  end(): string {
    this.#reader.end()
    this.#tell(this.#decoder.end())
    return this.#flush()
  }

  /** The connection was lost: takes what the decoder still knows of usage. */
  cut(): void {
    for (const event of this.#decoder.end()) if (event.type === 'usage') this.#usage = event.usage
  }

  /** The text that tells the client of a failure, in its own grammar; empty where it can be told nothing any more. */
  fail(error: HubError): string {
    this.#write({ type: 'error', error })
    return this.#flush()
  }

  #isOver(): boolean {
    return this.#failure !== undefined || this.#isComplete
  }

  #tell(events: readonly HubEvent[]): void {
    for (const event of events) {
      if (this.#isOver()) return
      if (event.type === 'error') this.#failure = event.error
      else this.#write(event)
    }
  }

  #write(event: HubEvent): void {
    if ((event.type === 'usage' || event.type === 'start') && event.usage !== undefined) {
      this.#usage = event.usage
    }
    if (event.type === 'blockDelta' && event.delta.type !== 'citation') {
      this.#deliveredBytes += Buffer.byteLength(event.delta.text)
    }
    const told = this.#encoder.push(event)
    for (const one of told) this.#out += this.#framing.frame(one)
    if (event.type === 'ping' && told.length === 0) this.#out += this.#framing.keepAlive
    if (event.type !== 'end') return
    this.#isComplete = true
    this.#out += this.#framing.end()
  }

  #flush(): string {
    const out = this.#out
    this.#out = ''
    return out
  }
}

function notJson(data: string): HubError {
  const shown = JSON.stringify(data.length > 60 ? `${data.slice(0, 60)}…` : data)
  return {
    kind: 'server',
    status: 502,
    message: `the upstream sent an event that is no JSON: ${shown}`,
    code: 'upstream_protocol',
  }
}
