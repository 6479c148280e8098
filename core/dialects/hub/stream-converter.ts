import { jsonOf } from '../../kit/json.ts'
import { formatEvent, Frame, SseParser } from '../../kit/sse.ts'
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
 * Turns the bytes of an upstream's event stream into the text of the client's: event by event, wherever the bytes are
 * cut, with no more memory than one event and what the encoder keeps.
 */
export class StreamConverter {
  readonly #decoder: StreamDecoder
  readonly #encoder: StreamEncoder
  readonly #framing: Framing
  readonly #parser: SseParser
  #out = ''
  #usage: Usage | undefined
  #isComplete = false
  #deliveredBytes = 0
  #failure: HubError | undefined

  constructor(decoder: StreamDecoder, encoder: StreamEncoder, framing: Framing) {
    this.#decoder = decoder
    this.#encoder = encoder
    this.#framing = framing
    this.#parser = new SseParser((frame) => this.#take(frame))
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

  /** Converts a piece of the stream. Throws a FrameTooLargeError. */
  push(chunk: Buffer): string {
    this.#parser.push(chunk)
    return this.#flush()
  }

  /** The stream is over, as it should be or not: `isComplete` or `failure` knows. */
  end(): string {
    const rest = this.#parser.end()
    // An upstream that left out the last blank line.
    if (rest.length > 0) this.#take(new Frame(rest))
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

  #take(frame: Frame): void {
    if (this.#failure !== undefined || this.#isComplete) return
    if (frame.isComment) return void (this.#out += this.#framing.keepAlive)
    const { data } = frame
    if (data === '[DONE]') return this.#tell(this.#decoder.end())
    const event = jsonOf(data)
    if (event === undefined) this.#failure = notJson(data)
    else this.#tell(this.#decoder.push(event))
  }

  #tell(events: readonly HubEvent[]): void {
    for (const event of events) {
      if (this.#failure !== undefined || this.#isComplete) return
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
