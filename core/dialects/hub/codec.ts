import type { Json, JsonObject } from '../../kit/json.ts'
import type { Capabilities } from '../capabilities.ts'
import type { HubAnswer, HubError } from './answer.ts'
import type { CodecName, TargetName } from './conversation.ts'
import type { ToolNames } from './names.ts'
import type { Report } from './report.ts'
import type { HubRequest } from './request.ts'
import type { StreamDecoder, StreamEncoder } from './stream.ts'

/**
 * One request's way from a client of one dialect to an upstream of another and back. Encoders of requests write down
 * in it what decoders of the answer need to undo.
 */
export interface Crossing {
  readonly request: HubRequest
  readonly target: TargetName
  /** What the upstream's model can do. */
  readonly capabilities: Capabilities
  readonly report: Report
  /** Tool names and call ids that were changed for the upstream. */
  readonly names: ToolNames
  /** Names, as the upstream knows them, of custom tools that were wrapped as functions with one string `input`. */
  readonly wrappedTools: Set<string>
  /** Name of the forced tool that stands for a JSON schema; its arguments are the answer's text. */
  schemaTool?: string
  /** The gateway's id of the request: answers without an id of their own are named by it. */
  readonly requestId: string
  /** The model's name that the client shall read; undefined for the upstream's own. */
  readonly modelName: string | undefined
  /** Unix seconds at the start of the request, for answers that don't state a time. */
  readonly created: number
}

/** Where a request goes, under the upstream's base. */
export interface Destination {
  readonly path: string
  /** Without the question mark; empty where there is none. */
  readonly query: string
  /** Header fields that the body depends on. */
  readonly headers: Readonly<Record<string, string>>
}

/** What a dialect says outside of the body: Gemini has model and streaming in the path. */
export interface Envelope {
  readonly model?: string
  readonly stream?: boolean
}

/** An error answer's body, and the status of it in this dialect. */
export interface EncodedError {
  readonly status: number
  readonly body: JsonObject
}

/**
 * A dialect as an upstream speaks it. All functions are pure: nothing is read but the arguments, nothing is changed but
 * the crossing. Decoders accept whatever JSON comes; what they cannot read they carry as native or extras.
 */
export interface UpstreamCodec {
  readonly name: TargetName
  /** Writes the upstream's body. Refusals are in the report, which the caller must read before it sends anything. */
  encodeRequest(request: HubRequest, crossing: Crossing): JsonObject
  destination(request: HubRequest, crossing: Crossing): Destination
  /** Reads an upstream's complete answer; undefined where it is none. */
  decodeAnswer(body: Json, crossing: Crossing): HubAnswer | undefined
  streamDecoder(crossing: Crossing): StreamDecoder
  /** Reads an error's body; anything at all may come, also no JSON. `retryAfterMs` of the headers is the caller's. */
  decodeError(status: number, body: Json | undefined): HubError
}

/** A dialect as a client speaks it; what is said of `UpstreamCodec` holds here too. */
export interface ClientCodec {
  readonly name: CodecName
  /** Reads a client's body; undefined where it is no request of this dialect at all. */
  decodeRequest(body: Json, envelope?: Envelope): HubRequest | undefined
  encodeAnswer(answer: HubAnswer, crossing: Crossing): JsonObject
  streamEncoder(crossing: Crossing): StreamEncoder
  encodeError(error: HubError, requestId: string): EncodedError
}

/** Both directions of one dialect. */
export interface Codec extends UpstreamCodec, ClientCodec {
  readonly name: CodecName
}
