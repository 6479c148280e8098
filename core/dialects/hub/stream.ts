import type { Json } from '../../kit/json.ts'
import type { Usage } from '../dialect.ts'
import type { Finish, HubError } from './answer.ts'
import type { Citation, CodecName, Native, Proof } from './conversation.ts'

/** What a block of a stream is, before its content. */
export type BlockHead =
  | { readonly type: 'text'; readonly native?: Native }
  /** `proof` where it is known from the start, as of a block that is all proof. */
  | {
      readonly type: 'reasoning'
      readonly isSummary?: boolean
      readonly proof?: Proof
      readonly native?: Native
    }
  | {
      readonly type: 'toolCall'
      readonly id: string
      readonly name: string
      readonly kind: 'function' | 'custom'
      readonly proof?: Proof
      readonly native?: Native
    }
  | { readonly type: 'refusal'; readonly native?: Native }
  /** A block that only its own dialect knows; its deltas are `raw` events. */
  | {
      readonly type: 'native'
      readonly dialect: CodecName
      readonly kind: string
      readonly value: Json
    }

/** A further piece of a block: text of text, reasoning and refusal, the arguments of a call, or a source. */
export type BlockDelta =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'arguments'; readonly text: string }
  | { readonly type: 'citation'; readonly citation: Citation }

/**
 * One event of a streamed answer, in no dialect. Order: `start`, blocks, then `finish` and `usage` in any order, then
 * `end` or `error`, after which there is nothing. Blocks are numbered in the order of their start, never used twice;
 * several may be open at once, and each delta names its block. Each block that is started is stopped before `finish`.
 */
export type HubEvent =
  | {
      readonly type: 'start'
      readonly id: string
      readonly model: string
      readonly created?: number
      /** What is known of usage already: Anthropic counts the input first. */
      readonly usage?: Usage
      readonly native?: Native
    }
  /** `choice` is the alternative that the block belongs to; undefined for the first. */
  | {
      readonly type: 'blockStart'
      readonly block: number
      readonly head: BlockHead
      readonly choice?: number
    }
  | { readonly type: 'blockDelta'; readonly block: number; readonly delta: BlockDelta }
  | { readonly type: 'blockStop'; readonly block: number; readonly proof?: Proof }
  | { readonly type: 'finish'; readonly finish: Finish; readonly choice?: number }
  /** The newest inclusive count; replaces what was told before. */
  | { readonly type: 'usage'; readonly usage: Usage; readonly raw?: Json }
  /** The upstream shows that it is alive. */
  | { readonly type: 'ping' }
  /** An event that only its own dialect can tell on. */
  | { readonly type: 'raw'; readonly dialect: CodecName; readonly event: Json }
  | { readonly type: 'error'; readonly error: HubError }
  /** The answer is complete. */
  | { readonly type: 'end' }

/** An event ready for `formatEvent`: its name, if the dialect names events, and its data line. */
export interface OutEvent {
  readonly event: string | undefined
  readonly data: string
}

/** Reads one streamed answer, event by event. */
export interface StreamDecoder {
  /** Takes the JSON of one event. */
  push(event: Json): readonly HubEvent[]
  /**
   * The stream is over: `[DONE]`, or the connection's end. Gives `end`, or an `error` where the answer was cut.
   * Later calls give nothing.
   */
  end(): readonly HubEvent[]
}

/** Writes one streamed answer, event by event. After `end` or `error` it gives nothing. */
export interface StreamEncoder {
  push(event: HubEvent): readonly OutEvent[]
}

/** What a stream that ends too early tells the client. */
export const CUT: HubError = {
  kind: 'server',
  status: 502,
  message: 'the upstream closed the stream before the answer was complete',
  code: 'upstream_cut',
}
