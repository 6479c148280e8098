import type { Json, JsonObject } from '../../kit/json.ts'
import type { LlmDialect, ProviderDialect } from '../dialect.ts'

/** The wire formats between which requests, answers and streams are converted, in both directions. */
export type CodecName = LlmDialect

/** The wire formats that a request can be converted to, and an answer from. Azure takes OpenAI's own. */
export type TargetName = CodecName | Exclude<ProviderDialect, 'azure-openai'>

/**
 * What a node of the hub does not model but its own dialect must find again: encoders of the same dialect spread
 * `fields` over what they write, all others pass by. Nodes are never changed in place; who replaces a modelled value
 * also removes what `fields` and `form` say of it.
 */
export interface Native {
  readonly dialect: CodecName
  /** JSON fields of the node that the hub has no word for, or whose exact value it narrows. */
  readonly fields?: JsonObject
  /** How the node was written, in the codec's own words, where one meaning has several forms. */
  readonly form?: string
}

/** Who speaks. `developer` is a system prompt in the newer OpenAI models; `tool` holds nothing but tool results. */
export type Role = 'system' | 'developer' | 'user' | 'assistant' | 'tool'

/** One message as its dialect delimits it. */
export interface HubMessage {
  readonly role: Role
  readonly parts: readonly Part[]
  /** Where it stood in the client's body, for reports: `messages[3]`. */
  readonly path: string
  /** The speaker's name, where the dialect has one. */
  readonly name?: string
  readonly native?: Native
}

/** A prompt-cache breakpoint behind a block. */
export interface CacheMarker {
  /** Seconds the prefix should live; undefined for the dialect's default. */
  readonly ttlSeconds?: number
  readonly native?: Native
}

/** What all parts may carry. */
interface PartBase {
  readonly cache?: CacheMarker
  readonly native?: Native
}

/** Plain text of any role. */
export interface TextPart extends PartBase {
  readonly type: 'text'
  readonly text: string
  /** Sources of the text, in an answer. */
  readonly citations?: readonly Citation[]
}

/** One source of a text, as far as all dialects can tell it; `native` holds the rest. */
export interface Citation {
  readonly url?: string
  readonly title?: string
  /** Characters of the text that it covers. */
  readonly start?: number
  readonly end?: number
  readonly quote?: string
  readonly native?: Native
}

/** Where the bytes of an image, a document, audio or video are. */
export type MediaSource =
  /** Base64, never decoded. `mediaType` is empty where the dialect did not say. */
  | { readonly kind: 'data'; readonly mediaType: string; readonly data: string }
  | { readonly kind: 'url'; readonly url: string; readonly mediaType?: string }
  /** An id that only its own provider knows. */
  | { readonly kind: 'file'; readonly id: string; readonly mediaType?: string }

/** An image of a message or of a tool's result. */
export interface ImagePart extends PartBase {
  readonly type: 'image'
  readonly source: MediaSource
  /** OpenAI's `detail`: `auto`, `low`, `high`, `original`. */
  readonly detail?: string
}

/** A PDF or another file; plain text documents have the source `text`. */
export interface DocumentPart extends PartBase {
  readonly type: 'document'
  readonly source: MediaSource | { readonly kind: 'text'; readonly text: string }
  readonly filename?: string
  readonly title?: string
  readonly context?: string
}

/** Spoken input or output. */
export interface AudioPart extends PartBase {
  readonly type: 'audio'
  readonly source: MediaSource
}

/** Moving pictures; only Gemini takes them. */
export interface VideoPart extends PartBase {
  readonly type: 'video'
  readonly source: MediaSource
}

/** The model's wish to call a tool. */
export interface ToolCallPart extends PartBase {
  readonly type: 'toolCall'
  readonly id: string
  readonly name: string
  /**
   * JSON text of the arguments (free text for a `custom` tool), byte for byte where the source had a string. May be
   * invalid or empty when it comes from a model.
   */
  readonly arguments: string
  /** The arguments as the source had them, where that was an object. */
  readonly input?: JsonObject
  readonly kind: 'function' | 'custom'
  /** Gemini signs the call itself. */
  readonly proof?: Proof
}

/** What a tool gave back. */
export interface ToolResultPart extends PartBase {
  readonly type: 'toolResult'
  readonly callId: string
  /** The tool's name, where the source says it; else `toolNames` knows. */
  readonly name?: string
  readonly parts: readonly Part[]
  readonly isError?: boolean
  readonly kind: 'function' | 'custom'
  /** Gemini's result is an object. Its text is in `parts` as well. */
  readonly output?: Json
}

/** The model's thoughts. Never shown as text. */
export interface ReasoningPart extends PartBase {
  readonly type: 'reasoning'
  /** Empty where only the proof was told. */
  readonly text: string
  /** True for a digest (`summary` of OpenAI) rather than the thoughts themselves. */
  readonly isSummary?: boolean
  readonly proof?: Proof
}

/** The model says no. */
export interface RefusalPart extends PartBase {
  readonly type: 'refusal'
  readonly text: string
}

/** A block that only its own dialect knows, such as a server tool's result. */
export interface NativePart {
  readonly type: 'native'
  readonly dialect: CodecName
  /** The block's own type, for reports. */
  readonly kind: string
  readonly value: Json
  readonly cache?: undefined
}

/** One piece of a message. */
export type Part =
  | TextPart
  | ImagePart
  | DocumentPart
  | AudioPart
  | VideoPart
  | ToolCallPart
  | ToolResultPart
  | ReasoningPart
  | RefusalPart
  | NativePart

/** Who can check a proof. */
export type ProofProvider = 'anthropic' | 'openai' | 'google' | 'other'

/** What a provider wants back, verbatim, to believe that reasoning is its own. */
export interface Proof {
  readonly provider: ProofProvider
  /** The model line it is good for, such as `claude`; empty where nothing is known. */
  readonly family: string
  /** `signature` of a readable block, or the block itself, `encrypted`. */
  readonly kind: 'signature' | 'encrypted'
  readonly data: string
  /** The provider's id of the reasoning item, where it has one. */
  readonly id?: string
}

/** The text of all text parts, joined by `separator`. */
export function textOf(parts: readonly Part[], separator = ''): string {
  return parts
    .filter((part) => part.type === 'text')
    .map((part) => part.text)
    .join(separator)
}

/** The tool's name by call id, for dialects whose results name the tool. */
export function toolNames(messages: readonly HubMessage[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>()
  for (const { parts } of messages) {
    for (const part of parts) if (part.type === 'toolCall') names.set(part.id, part.name)
  }
  return names
}

/** The fields that the node keeps for its own dialect, else none. */
export function nativeFields(native: Native | undefined, dialect: CodecName): JsonObject {
  return native?.dialect === dialect ? (native.fields ?? {}) : {}
}

/** The form that the node was written in, if it was written in this dialect. */
export function nativeForm(native: Native | undefined, dialect: CodecName): string | undefined {
  return native?.dialect === dialect ? native.form : undefined
}

/** A `native` property of the fields that are not among the `known`; nothing where none is left. */
export function leftover(
  dialect: CodecName,
  value: Readonly<Record<string, unknown>>,
  known: ReadonlySet<string>,
  form?: string,
): { native?: Native } {
  let fields: JsonObject | undefined
  for (const key in value) {
    if (!known.has(key) && value[key] !== undefined) (fields ??= {})[key] = value[key] as Json
  }
  if (fields === undefined && form === undefined) return {}
  return {
    native: {
      dialect,
      ...(fields === undefined ? {} : { fields }),
      ...(form === undefined ? {} : { form }),
    },
  }
}
