import { type Json, jsonOf } from '../kit/json.ts'
import { Line, LineParser } from '../kit/lines.ts'
import { Frame, SseParser } from '../kit/sse.ts'
import { EventStreamParser } from './event-stream.ts'

/** Hears what a stream holds, in order. */
export interface FrameSink {
  /** The JSON of an event. */
  event(event: Json): void
  /** `[DONE]`: the stream is complete. */
  done(): void
  /** The upstream shows that it is alive. */
  idle(): void
  /** An event that is no JSON. */
  fault(text: string): void
}

/** Takes the bytes of one stream, in pieces of any size. Throws where they cannot be followed any further. */
export interface FrameReader {
  push(chunk: Buffer): void
  /** No more bytes come; what is left over counts as an event where the format allows it. */
  end(): void
}

/**
 * How streamed answers are cut into events. What comes out does not depend on how the bytes were split; no more than one
 * event is held.
 */
export interface StreamFraming {
  /** The media type of such answers, in lower case. */
  readonly mediaType: string
  reader(sink: FrameSink): FrameReader
}

/** Server-sent events, each with JSON as its data. */
export const SSE: StreamFraming = {
  mediaType: 'text/event-stream',
  reader(sink) {
    const take = (frame: Frame) => {
      if (frame.isComment) sink.idle()
      else if (frame.data === '[DONE]') sink.done()
      else tell(frame.data, sink)
    }
    const parser = new SseParser(take)
    return {
      push: (chunk) => parser.push(chunk),
      end() {
        // An upstream that left out the last blank line.
        const rest = parser.end()
        if (rest.length > 0) take(new Frame(rest))
      },
    }
  },
}

/** A JSON text on each line. */
export const NDJSON: StreamFraming = {
  mediaType: 'application/x-ndjson',
  reader(sink) {
    const take = (line: Line) => (line.isComment ? sink.idle() : tell(line.data, sink))
    const parser = new LineParser(take)
    return {
      push: (chunk) => parser.push(chunk),
      end() {
        const rest = parser.end()
        if (rest.length > 0) take(new Line(rest))
      },
    }
  },
}

/** Amazon's binary frames, each with a checksum; an event is `{ [its type]: payload }`. */
export const EVENT_STREAM: StreamFraming = {
  mediaType: 'application/vnd.amazon.eventstream',
  reader: (sink) => new EventStreamParser((event) => sink.event(event)),
}

function tell(data: string, sink: FrameSink): void {
  const event = jsonOf(data)
  if (event === undefined) sink.fault(data)
  else sink.event(event)
}

/** True where an answer of this media type is a stream of events in that framing. */
export function isFramedAs({ mediaType }: StreamFraming, contentType: string): boolean {
  return contentType.split(';', 1)[0]!.trim().toLowerCase() === mediaType
}
