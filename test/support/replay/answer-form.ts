import type { JsonObject } from '#core/kit/json.ts'
import type { Said } from './conversation.ts'

/** How one provider writes its answers. Written after its documentation, not after our codecs. */
export interface AnswerForm {
  /** A complete answer to the request. */
  plain(said: Said, request: JsonObject): JsonObject
  /** The same as a stream, one frame of bytes for each event. */
  frames(said: Said, request: JsonObject): string[]
  refusedRequest(message: string): Failure
  rateLimit(): Failure
  serverError(): Failure
  /** What the provider sends where it fails within a stream. */
  errorFrame(): string
}

/** An answer that is an error. */
export interface Failure {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: JsonObject
}

/** One event without a name. */
export function dataFrame(event: JsonObject): string {
  return `data: ${JSON.stringify(event)}\n\n`
}

/** One event that is named by its type. */
export function namedFrame(event: JsonObject): string {
  return `event: ${String(event['type'])}\ndata: ${JSON.stringify(event)}\n\n`
}
