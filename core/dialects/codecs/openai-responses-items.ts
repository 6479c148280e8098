import { isObject, type Json } from '../../kit/json.ts'
import {
  type CacheMarker,
  type Citation,
  type CodecName,
  type HubMessage,
  type NativePart,
  type Native,
  type Part,
  type Proof,
  type ReasoningPart,
  type Role,
  type TextPart,
} from '../hub/conversation.ts'
import { compact, listOf, objectOf, stringOf } from '../hub/fields.ts'
import { openProof } from '../hub/proof.ts'
import { sourceOfUrl } from './media.ts'
import { rest, type Wire } from './wire.ts'

const DIALECT: CodecName = 'openai-responses'

const ROLES: Readonly<Record<string, Role>> = {
  system: 'system',
  developer: 'developer',
  user: 'user',
  assistant: 'assistant',
}

const NOTHING: ReadonlySet<string> = new Set()
const MESSAGE_FIELDS: ReadonlySet<string> = new Set(['role', 'content'])
const CALL_FIELDS: ReadonlySet<string> = new Set(['type', 'call_id', 'name', 'arguments', 'input'])
const RESULT_FIELDS: ReadonlySet<string> = new Set(['type', 'call_id', 'output'])

/** Reads one item of `input`: a message, a thought, a call or a result. Each is a message of its own. */
export function decodeItem(value: Json, path: string): HubMessage {
  const item = objectOf(value)
  switch (stringOf(item['type']) ?? (item['role'] === undefined ? '' : 'message')) {
    case 'message':
      return decodeMessage(item, path)
    case 'reasoning': {
      const part = decodeReasoning(item)
      // Without words and proof there is nothing to lose.
      if (part.text !== '' || part.proof !== undefined)
        return { role: 'assistant', parts: [part], path }
      return { role: 'assistant', parts: [], path, ...rest(DIALECT, item, NOTHING, 'item') }
    }
    case 'function_call':
    case 'custom_tool_call':
      return { role: 'assistant', parts: [decodeCall(item)], path }
    case 'function_call_output':
    case 'custom_tool_call_output':
      return { role: 'tool', parts: [decodeResult(item)], path }
    case 'additional_tools':
      // Its tools are hoisted; only the same dialect says where they were brought in.
      return { role: 'developer', parts: [], path, ...rest(DIALECT, item, NOTHING, 'item') }
    default: {
      const part = nativePart(value)
      return { role: TRACE.test(part.kind) ? 'assistant' : 'user', parts: [part], path }
    }
  }
}

/** Items that tell what a tool of OpenAI's own has done. The others are what a model must know, or answers to it. */
const TRACE = /_call$|^program|^mcp_list_tools$/

function decodeMessage(item: Wire, path: string): HubMessage {
  const role = ROLES[stringOf(item['role']) ?? '']
  if (role === undefined) return { role: 'user', parts: [nativePart(item as Json)], path }
  const form = typeof item['content'] === 'string' ? 'string' : undefined
  const parts = decodeContent(item['content'], role)
  return { role, parts, path, ...rest(DIALECT, item, MESSAGE_FIELDS, form) }
}

/** Reads a content: text, or a list of parts. */
export function decodeContent(content: Json | undefined, role: Role): Part[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  return listOf(content).map((part) => decodePart(part, role))
}

const TEXT_FIELDS: ReadonlySet<string> = new Set(['type', 'text', 'prompt_cache_breakpoint'])
const REFUSAL_FIELDS: ReadonlySet<string> = new Set(['type', 'refusal'])
const IMAGE_FIELDS: ReadonlySet<string> = new Set([
  'type',
  'image_url',
  'file_id',
  'detail',
  'prompt_cache_breakpoint',
])
const FILE_FIELDS: ReadonlySet<string> = new Set([
  'type',
  'file_data',
  'file_url',
  'file_id',
  'filename',
  'prompt_cache_breakpoint',
])

/** The type that a text of this role has. */
export function textType(role: Role): string {
  return role === 'assistant' ? 'output_text' : 'input_text'
}

function decodePart(value: Json, role: Role): Part {
  const part = objectOf(value)
  const cache = decodeCache(part['prompt_cache_breakpoint'])
  switch (part['type']) {
    case 'input_text':
    case 'output_text': {
      if (typeof part['text'] !== 'string') return nativePart(value)
      const form = part['type'] === textType(role) ? undefined : part['type']
      return compact<TextPart>({
        type: 'text',
        text: part['text'],
        citations: decodeCitations(part['annotations']),
        cache,
        ...rest(DIALECT, part, TEXT_FIELDS, form),
      })
    }
    case 'refusal':
      return {
        type: 'refusal',
        text: stringOf(part['refusal']) ?? '',
        ...rest(DIALECT, part, REFUSAL_FIELDS),
      }
    case 'input_image':
      return decodeImage(part, cache) ?? nativePart(value)
    case 'input_file':
      return decodeFile(part, cache) ?? nativePart(value)
    case 'input_audio':
      return decodeAudio(part) ?? nativePart(value)
    default:
      return nativePart(value)
  }
}

function decodeImage(part: Wire, cache: CacheMarker | undefined): Part | undefined {
  const url = stringOf(part['image_url'])
  const id = stringOf(part['file_id'])
  if (url === undefined && id === undefined) return undefined
  return compact<Part & { type: 'image' }>({
    type: 'image',
    source: url === undefined ? { kind: 'file', id: id! } : sourceOfUrl(url),
    detail: stringOf(part['detail']),
    cache,
    ...rest(DIALECT, part, IMAGE_FIELDS),
  })
}

function decodeFile(part: Wire, cache: CacheMarker | undefined): Part | undefined {
  const data = stringOf(part['file_data'])
  const url = stringOf(part['file_url'])
  const id = stringOf(part['file_id'])
  if (data === undefined && url === undefined && id === undefined) return undefined
  const source =
    data !== undefined
      ? fileData(data)
      : url === undefined
        ? ({ kind: 'file', id: id! } as const)
        : ({ kind: 'url', url } as const)
  return compact<Part & { type: 'document' }>({
    type: 'document',
    source,
    filename: stringOf(part['filename']),
    cache,
    ...rest(DIALECT, part, FILE_FIELDS),
  })
}

/** Some clients send bare base64, which then is a PDF. */
function fileData(data: string) {
  const source = sourceOfUrl(data)
  if (source.kind === 'data') return source
  return { kind: 'data', mediaType: '', data } as const
}

function decodeAudio(part: Wire): Part | undefined {
  const audio = objectOf(part['input_audio'])
  const data = stringOf(audio['data'])
  const format = stringOf(audio['format'])
  if (data === undefined || format === undefined) return undefined
  const mediaType = format === 'mp3' ? 'audio/mpeg' : `audio/${format}`
  return { type: 'audio', source: { kind: 'data', mediaType, data } }
}

const TTL = /^(\d+)(m|h)$/

function decodeCache(value: Json | undefined): CacheMarker | undefined {
  if (!isObject(value)) return undefined
  const match = TTL.exec(stringOf(value['ttl']) ?? '')
  const native: Native = { dialect: DIALECT, fields: value }
  if (match === null) return { native }
  return { ttlSeconds: Number(match[1]) * (match[2] === 'h' ? 3600 : 60), native }
}

const URL_FIELDS: ReadonlySet<string> = new Set(['url', 'title', 'start_index', 'end_index'])

function decodeCitations(value: Json | undefined): readonly Citation[] | undefined {
  const citations = listOf(value)
  return citations.length === 0 ? undefined : citations.map(decodeCitation)
}

/** Reads an annotation; all that isn't a web page is only told in its own dialect. */
export function decodeCitation(value: Json): Citation {
  const annotation = objectOf(value)
  const start = annotation['start_index']
  const end = annotation['end_index']
  return compact<Citation>({
    url: stringOf(annotation['url']),
    title: stringOf(annotation['title']),
    start: typeof start === 'number' ? start : undefined,
    end: typeof end === 'number' ? end : undefined,
    ...rest(DIALECT, annotation, URL_FIELDS),
  })
}

const REASONING_FIELDS: ReadonlySet<string> = new Set(['type', 'encrypted_content'])

/** Reads a reasoning item; its exact parts stay with it for the same dialect. */
export function decodeReasoning(
  item: Wire,
  author: Pick<Proof, 'provider' | 'family'> = { provider: 'openai', family: '' },
): ReasoningPart {
  const summary = joined(item['summary'])
  const thoughts = joined(item['content'])
  const encrypted = stringOf(item['encrypted_content'])
  return compact<ReasoningPart>({
    type: 'reasoning',
    text: thoughts === '' ? summary : thoughts,
    isSummary: thoughts === '' ? true : undefined,
    proof: encrypted === undefined ? undefined : proofOf(encrypted, item['id'], author),
    ...rest(DIALECT, item, REASONING_FIELDS),
  })
}

function proofOf(
  encrypted: string,
  id: Json | undefined,
  author: Pick<Proof, 'provider' | 'family'>,
): Proof {
  const sealed = openProof(encrypted)
  if (sealed !== undefined) return sealed
  return compact<Proof>({ ...author, kind: 'encrypted', data: encrypted, id: stringOf(id) })
}

/** Paragraphs of a summary, as one text. */
const PARAGRAPH = '\n\n'

function joined(parts: Json | undefined): string {
  return listOf(parts)
    .map((part) => stringOf(objectOf(part)['text']) ?? '')
    .join(PARAGRAPH)
}

/** Reads a call. A tool of a namespace is known by `<namespace>.<name>`. */
export function decodeCall(item: Wire): Part & { type: 'toolCall' } {
  const isCustom = item['type'] === 'custom_tool_call'
  const namespace = stringOf(item['namespace'])
  const name = stringOf(item['name']) ?? ''
  return {
    type: 'toolCall',
    id: stringOf(item['call_id']) ?? '',
    name: namespace === undefined ? name : qualified(namespace, name),
    arguments: stringOf(item[isCustom ? 'input' : 'arguments']) ?? '',
    kind: isCustom ? 'custom' : 'function',
    ...rest(DIALECT, item, CALL_FIELDS),
  }
}

/** The hub's name of a namespace's tool. */
export function qualified(namespace: string, name: string): string {
  return `${namespace}.${name}`
}

function decodeResult(item: Wire): Part {
  const { output } = item
  return {
    type: 'toolResult',
    callId: stringOf(item['call_id']) ?? '',
    parts: decodeContent(output, 'tool'),
    kind: item['type'] === 'custom_tool_call_output' ? 'custom' : 'function',
    ...rest(DIALECT, item, RESULT_FIELDS, typeof output === 'string' ? 'string' : undefined),
  }
}

function nativePart(value: Json): NativePart {
  const kind = stringOf(objectOf(value)['type']) ?? 'unknown'
  return { type: 'native', dialect: DIALECT, kind, value }
}
