import type { JsonObject } from '../../kit/json.ts'
import type { Usage } from '../dialect.ts'
import type { Native, Part } from './conversation.ts'

/** Why an answer ended. */
export type FinishReason =
  | 'stop'
  /** A stop sequence was met. */
  | 'stopSequence'
  /** The model waits for tool results. */
  | 'tool'
  | 'length'
  /** The context window is full. */
  | 'context'
  /** A safety system or the model itself refused. */
  | 'contentFilter'
  /** The turn is not over: send it back to go on. */
  | 'pause'
  /** The model broke its own grammar. */
  | 'malformed'

/** The end of one answer. */
export interface Finish {
  readonly reason: FinishReason
  /** The upstream's own word. */
  readonly raw: string
  readonly stopSequence?: string
  /** Why it was refused, in words, where the provider says it. */
  readonly explanation?: string
  readonly native?: Native
}

/** One alternative of an answer. */
export interface HubChoice {
  readonly parts: readonly Part[]
  readonly finish: Finish
  readonly native?: Native
}

/** A complete answer of a model, in no dialect. */
export interface HubAnswer extends HubChoice {
  /** The upstream's id; empty where it has none. */
  readonly id: string
  /** The model that answered, in the upstream's words. */
  readonly model: string
  /** Unix seconds, where the upstream says it. */
  readonly created?: number
  readonly usage?: Usage
  /** The upstream's own usage object, for its own dialect. */
  readonly rawUsage?: JsonObject
  /** Alternatives after the first. */
  readonly alternatives?: readonly HubChoice[]
}

/** Classes of failure that all providers share. */
export type ErrorKind =
  | 'badRequest'
  | 'contextLength'
  | 'authentication'
  | 'billing'
  | 'permission'
  | 'notFound'
  | 'conflict'
  | 'tooLarge'
  | 'rateLimit'
  | 'server'
  | 'overloaded'
  | 'timeout'

/** An upstream's error, in no dialect. */
export interface HubError {
  readonly kind: ErrorKind
  /** HTTP status; for an error inside a stream, the one it would have had. */
  readonly status: number
  readonly message: string
  /** The provider's machine-readable code or type. */
  readonly code?: string
  readonly param?: string
  /** How long the provider asks to wait. */
  readonly retryAfterMs?: number
}

const KINDS: Readonly<Record<number, ErrorKind>> = {
  401: 'authentication',
  402: 'billing',
  403: 'permission',
  404: 'notFound',
  408: 'timeout',
  409: 'conflict',
  413: 'tooLarge',
  429: 'rateLimit',
  503: 'overloaded',
  504: 'timeout',
  529: 'overloaded',
}

/** The class of failure that a status stands for. */
export function kindOfStatus(status: number): ErrorKind {
  return KINDS[status] ?? (status < 500 ? 'badRequest' : 'server')
}

/** How all providers say that the prompt is too long, since few have a code for it. */
const TOO_LONG =
  /prompt is too long|context.?length|context window|maximum context|too many tokens/i

/** The class of an error by its status and words. */
export function kindOfError(status: number, message: string, code = ''): ErrorKind {
  if (code === 'insufficient_quota' || code === 'billing_error') return 'billing'
  if (status === 400 && (code === 'context_length_exceeded' || TOO_LONG.test(message))) {
    return 'contextLength'
  }
  return kindOfStatus(status)
}
