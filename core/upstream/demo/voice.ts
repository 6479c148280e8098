import type { Json, JsonObject } from '../../kit/json.ts'
import type { Reply } from './reply.ts'

/** All that goes into one answer. */
export interface Speech {
  /** Of the request; ids in the answer are made from it. */
  readonly id: string
  readonly model: string
  /** Seconds since 1970. */
  readonly created: number
  /** The request's own body, for what an API repeats. */
  readonly body: JsonObject
  readonly reply: Reply
  /** The reply's text or arguments as they are streamed. */
  pieces(): Iterable<string>
}

/** How a reply sounds in one dialect. */
export interface Voice {
  /** A plain answer. */
  whole(speech: Speech): Json
  /** The events of a streamed answer, framed as SSE. */
  events(speech: Speech): Iterable<string>
}
