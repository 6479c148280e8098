import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import {
  textOf,
  type MediaSource,
  type Part,
  type Proof,
  type ReasoningPart,
  type TextPart,
  type ToolCallPart,
  type ToolResultPart,
} from '../hub/conversation.ts'
import { compact, json, listOf, objectOf, stringOf } from '../hub/fields.ts'
import { openProof, SEAL_BASE64, sealProof } from '../hub/proof.ts'
import { rest, type Wire } from './wire.ts'

const DIALECT = 'gemini'

/** The same object with its names in camel case: the API takes the names of its protocol buffers too. */
export function camel(value: unknown): Wire {
  const fields = objectOf(value)
  if (!Object.keys(fields).some((key) => key.includes('_'))) return fields
  return Object.fromEntries(
    Object.entries(fields).map(([key, field]) => [
      key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      field,
    ]),
  )
}

/** How a result finds the id of its call, where the client gave none: the oldest open call of that name. */
export class OpenCalls {
  readonly #byName = new Map<string, string[]>()

  /** A call was made. */
  add(name: string, id: string): void {
    const ids = this.#byName.get(name)
    if (ids === undefined) this.#byName.set(name, [id])
    else ids.push(id)
  }

  /** The id of the call that this result answers. */
  take(name: string, id: string | undefined): string | undefined {
    const ids = this.#byName.get(name) ?? []
    if (id === undefined) return ids.shift()
    const index = ids.indexOf(id)
    // The call may have had no id where its result has one.
    ids.splice(Math.max(index, 0), 1)
    return index === -1 ? undefined : id
  }
}

const TEXT_FIELDS: ReadonlySet<string> = new Set(['text'])
const THOUGHT_FIELDS: ReadonlySet<string> = new Set(['text', 'thought', 'thoughtSignature'])
const CALL_FIELDS: ReadonlySet<string> = new Set(['functionCall', 'thoughtSignature'])
const NONE: ReadonlySet<string> = new Set()
const SIGNATURE: ReadonlySet<string> = new Set(['thoughtSignature'])
const RESULT_FIELDS: ReadonlySet<string> = new Set(['functionResponse'])
const INLINE_FIELDS: ReadonlySet<string> = new Set(['inlineData'])
const FILE_FIELDS: ReadonlySet<string> = new Set(['fileData'])

/**
 * Reads one part. `id` names a call that has no id of its own. Where Gemini signs a text, that is kept as native:
 * only calls must be signed.
 */
export function decodePart(value: Json, id: string, calls: OpenCalls): Part {
  const part = camel(value)
  const { text } = part
  if (typeof text === 'string') {
    if (part['thought'] === true) return decodeThought(part, text)
    return { type: 'text', text, ...rest(DIALECT, part, TEXT_FIELDS) } satisfies TextPart
  }
  if (isObject(part['functionCall'])) return decodeCall(part, id, calls)
  if (isObject(part['functionResponse'])) return decodeResult(part, id, calls)
  if (isObject(part['inlineData'])) return decodeInline(part) ?? nativePart(value, part)
  if (isObject(part['fileData'])) return decodeFile(part) ?? nativePart(value, part)
  return nativePart(value, part)
}

function nativePart(value: Json, part: Wire): Part {
  return { type: 'native', dialect: DIALECT, kind: Object.keys(part)[0] ?? 'empty', value }
}

function decodeThought(part: Wire, text: string): ReasoningPart {
  return compact<ReasoningPart>({
    type: 'reasoning',
    text,
    isSummary: true,
    proof: proofOf(part['thoughtSignature']),
    ...rest(DIALECT, part, THOUGHT_FIELDS),
  })
}

/** Google's own word for a call that another model made: without it, Gemini 3 refuses a call that nobody signed. */
export const NO_SIGNATURE = 'skip_thought_signature_validator'

/** Reads a signature, base64 as all are here: Google's own, or one that an answer of another provider was given. */
export function proofOf(signature: Json | undefined): Proof | undefined {
  if (typeof signature !== 'string' || signature === '') return undefined
  const sealed = signature.startsWith(SEAL_BASE64)
    ? openProof(Buffer.from(signature, 'base64').toString('utf8'))
    : undefined
  return sealed ?? { provider: 'google', family: 'gemini', kind: 'signature', data: signature }
}

/** A proof as a signature that the client hands back without looking. */
export function signatureOf(proof: Proof): string {
  const isOwn = proof.provider === 'google' && proof.kind === 'signature'
  return isOwn ? proof.data : Buffer.from(sealProof(proof), 'utf8').toString('base64')
}

const CALL_KEYS: ReadonlySet<string> = new Set(['id', 'name', 'args'])

function decodeCall(part: Wire, id: string, calls: OpenCalls): ToolCallPart {
  const call = camel(part['functionCall'])
  const name = stringOf(call['name']) ?? ''
  const input = isObject(call['args']) ? call['args'] : {}
  const own = stringOf(call['id'])
  calls.add(name, own ?? id)
  const isExact = Object.keys(call).every((key) => CALL_KEYS.has(key))
  const known = isExact ? CALL_FIELDS : SIGNATURE
  const form = formOf(own === undefined && NO_ID, call['args'] === undefined && NO_BODY)
  return compact<ToolCallPart>({
    type: 'toolCall',
    id: own ?? id,
    name,
    arguments: JSON.stringify(input),
    input,
    kind: 'function',
    proof: proofOf(part['thoughtSignature']),
    ...rest(DIALECT, part, known, form),
  })
}

/** How a call or a result was written, where it says less than the hub does. */
export const NO_ID = 'no id'
/** See NO_ID: without arguments, or without a response. */
export const NO_BODY = 'no body'

function formOf(...flags: readonly (string | false)[]): string | undefined {
  const form = flags.filter((flag) => flag !== false).join(', ')
  return form === '' ? undefined : form
}

const RESULT_KEYS: ReadonlySet<string> = new Set(['id', 'name', 'response'])

function decodeResult(part: Wire, id: string, calls: OpenCalls): ToolResultPart {
  const result = camel(part['functionResponse'])
  const name = stringOf(result['name']) ?? ''
  const own = stringOf(result['id'])
  const { response } = result
  const media = listOf(result['parts']).map((inner) => decodePart(inner, id, calls))
  const isExact = Object.keys(result).every((key) => RESULT_KEYS.has(key))
  const known = isExact ? RESULT_FIELDS : NONE
  const form = formOf(own === undefined && NO_ID, response === undefined && NO_BODY)
  const error =
    isObject(response) && Object.keys(response).length === 1 ? response['error'] : undefined
  return compact<ToolResultPart>({
    type: 'toolResult',
    callId: calls.take(name, own) ?? own ?? id,
    name,
    parts: [{ type: 'text', text: responseText(response, name) }, ...media],
    isError: error === undefined ? undefined : true,
    kind: 'function',
    output: response,
    ...rest(DIALECT, part, known, form),
  })
}

/** The usual wrappers of a text that is no object. */
const WRAPPERS = ['output', 'result', 'error'] as const

/** What a result of the function `called` says. */
function responseText(response: Json | undefined, called: string): string {
  if (response === undefined) return ''
  if (isObject(response)) {
    const [key, ...others] = Object.keys(response)
    const inner = WRAPPERS.find((wrapper) => wrapper === key)
    const value = inner === undefined || others.length > 0 ? undefined : response[inner]
    if (typeof value === 'string') return value
    // The AI SDK tells the name again beside a result that is text.
    const { content, name } = response
    const isTold = others.length === 1 && content !== undefined && name !== undefined
    if (isTold && name === called && typeof content === 'string') return content
  }
  return JSON.stringify(response)
}

function decodeInline(part: Wire): Part | undefined {
  const inline = camel(part['inlineData'])
  const data = stringOf(inline['data'])
  if (data === undefined) return undefined
  const mediaType = stringOf(inline['mimeType']) ?? ''
  const hasMore = Object.keys(inline).length > (inline['mimeType'] === undefined ? 1 : 2)
  const known = hasMore ? NONE : INLINE_FIELDS
  return media(mediaType, { kind: 'data', mediaType, data }, inline, rest(DIALECT, part, known))
}

/** Files that Google holds, rather than the web. */
const GOOGLE_FILE = /^gs:\/\/|^https:\/\/generativelanguage\.googleapis\.com\//

function decodeFile(part: Wire): Part | undefined {
  const file = camel(part['fileData'])
  const uri = stringOf(file['fileUri'])
  if (uri === undefined) return undefined
  const mediaType = stringOf(file['mimeType'])
  const typed = mediaType === undefined ? {} : { mediaType }
  const source: MediaSource = GOOGLE_FILE.test(uri)
    ? { kind: 'file', id: uri, ...typed }
    : { kind: 'url', url: uri, ...typed }
  const hasMore = Object.keys(file).some((key) => key !== 'fileUri' && key !== 'mimeType')
  const native = rest(DIALECT, part, hasMore ? NONE : FILE_FIELDS)
  return media(mediaType ?? (isVideo(uri) ? 'video/*' : ''), source, file, native)
}

/** Films that Gemini watches itself. */
export function isVideo(url: string): boolean {
  return /^https:\/\/(?:(?:www|m)\.)?(?:youtube\.com|youtu\.be)\//.test(url)
}

function media(
  mediaType: string,
  source: MediaSource,
  { displayName }: Wire,
  native: ReturnType<typeof rest>,
): Part {
  switch (mediaType.split('/')[0]) {
    case 'image':
      return { type: 'image', source, ...native }
    case 'audio':
      return { type: 'audio', source, ...native }
    case 'video':
      return { type: 'video', source, ...native }
    default: {
      const filename = stringOf(displayName)
      return {
        type: 'document',
        source,
        ...(filename === undefined ? {} : { filename }),
        ...native,
      }
    }
  }
}

/** What Gemini takes as a result: an object. */
export function responseOf({
  parts,
  isError,
}: Pick<ToolResultPart, 'parts' | 'isError'>): JsonObject {
  const text = textOf(parts, '\n')
  if (isError === true) return { error: text }
  return objectIn(text) ?? { output: text }
}

/** Numbers that JavaScript would round stay text. */
const LONG_NUMBER = /\d{16}/

function objectIn(text: string): JsonObject | undefined {
  if (!text.startsWith('{') || LONG_NUMBER.test(text)) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? (value as JsonObject) : undefined
  } catch {
    return undefined
  }
}

/** The `functionCall` part of a call. */
export function callPart(
  id: string | undefined,
  name: string,
  args: JsonObject | undefined,
  signature: string | undefined,
): JsonObject {
  return json({ functionCall: json({ id, name, args }), thoughtSignature: signature })
}
