import { isObject, type Json } from '../../kit/json.ts'
import {
  type AudioPart,
  type CacheMarker,
  type DocumentPart,
  type HubMessage,
  leftover,
  type Part,
  type Role,
  type ToolCallPart,
  type VideoPart,
} from '../hub/conversation.ts'
import { compact, listOf, objectOf, stringOf, without } from '../hub/fields.ts'
import { sourceOfUrl } from './media.ts'
import { readReasoning, readToolProof } from './openai-chat-reasoning.ts'

const DIALECT = 'openai-chat'

/** Under this name `native` keeps the unknown fields of the object within a tool or a call. */
export const INNER = '*'

/** The messages of a request, each with its place. */
export function decodeMessages(messages: readonly Json[]): HubMessage[] {
  let functionCalls = 0
  return messages.map((value, index) => {
    const message = objectOf(value)
    if (isObject(message['function_call'])) functionCalls++
    return decodeMessage(message, `messages[${index}]`, `call_function_${functionCalls}`)
  })
}

const ROLES: ReadonlyMap<string, Role> = new Map([
  ['system', 'system'],
  ['developer', 'developer'],
  ['user', 'user'],
  ['assistant', 'assistant'],
  ['tool', 'tool'],
  ['function', 'tool'],
])

/** Known fields by role; a role that is not here, or outdated, keeps all of them, and so is written back as it came. */
const KNOWN: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['system', new Set(['role', 'content', 'name'])],
  ['developer', new Set(['role', 'content', 'name'])],
  ['user', new Set(['role', 'content', 'name'])],
  ['assistant', new Set(['role', 'content', 'name'])],
  ['tool', new Set(['role', 'content', 'tool_call_id'])],
])
const NONE: ReadonlySet<string> = new Set()

/** `functionId` stands for the id that the old function calls don't have. */
function decodeMessage(
  message: Readonly<Record<string, Json | undefined>>,
  path: string,
  functionId: string,
): HubMessage {
  const stated = stringOf(message['role']) ?? ''
  const role = ROLES.get(stated) ?? 'user'
  const content = decodeContent(message['content'])
  const parts =
    role === 'tool'
      ? [decodeResult(message, content, functionId)]
      : role === 'assistant'
        ? decodeAssistant(message, content, functionId)
        : content
  return compact<HubMessage>({
    role,
    parts,
    path,
    name: role === 'tool' ? undefined : stringOf(message['name']),
    ...leftover(
      DIALECT,
      role === 'assistant' ? withoutStated(message) : message,
      KNOWN.get(stated) ?? NONE,
      formOf(message['content']),
    ),
  })
}

/** An empty list of calls, or a refusal that is null, say nothing, but belong to the message as it came. */
function withoutStated({ refusal, tool_calls: calls, ...rest }: Record<string, Json | undefined>) {
  return compact<Record<string, Json>>({
    ...rest,
    refusal: typeof refusal === 'string' ? undefined : refusal,
    tool_calls: listOf(calls).length > 0 ? undefined : calls,
  })
}

function formOf(content: Json | undefined): string | undefined {
  if (content === undefined) return 'absent'
  if (content === null) return 'null'
  return typeof content === 'string' ? 'string' : 'parts'
}

function decodeResult(
  message: Readonly<Record<string, Json | undefined>>,
  parts: readonly Part[],
  functionId: string,
): Part {
  return compact<Extract<Part, { type: 'toolResult' }>>({
    type: 'toolResult',
    callId: stringOf(message['tool_call_id']) ?? functionId,
    name: stringOf(message['name']),
    parts,
    kind: 'function',
  })
}

function decodeAssistant(
  message: Readonly<Record<string, Json | undefined>>,
  content: readonly Part[],
  functionId: string,
): Part[] {
  const parts: Part[] = [...readReasoning(message), ...content]
  const refusal = stringOf(message['refusal'])
  if (refusal !== undefined) {
    parts.push({ type: 'refusal', text: refusal, native: { dialect: DIALECT, form: 'field' } })
  }
  for (const call of listOf(message['tool_calls'])) parts.push(decodeToolCall(objectOf(call)))
  if (isObject(message['function_call'])) {
    const call = objectOf(message['function_call'])
    parts.push({
      type: 'toolCall',
      id: functionId,
      name: stringOf(call['name']) ?? '',
      arguments: stringOf(call['arguments']) ?? '',
      kind: 'function',
      native: { dialect: DIALECT, form: 'function_call' },
    })
  }
  return parts
}

const CALL_FIELDS: ReadonlySet<string> = new Set(['id', 'type', 'function', 'custom'])
const FUNCTION_FIELDS: ReadonlySet<string> = new Set(['name', 'arguments', 'input'])

/** One of `tool_calls`, of a request or an answer. */
export function decodeToolCall(call: Readonly<Record<string, Json | undefined>>): ToolCallPart {
  const isCustom = call['type'] === 'custom'
  const inner = objectOf(call[isCustom ? 'custom' : 'function'])
  const text = inner[isCustom ? 'input' : 'arguments']
  // Some compatible servers send the arguments as an object.
  const input = isObject(text) ? text : undefined
  const innerFields = without(inner, FUNCTION_FIELDS)
  return compact<ToolCallPart>({
    type: 'toolCall',
    id: stringOf(call['id']) ?? '',
    name: stringOf(inner['name']) ?? '',
    arguments: input === undefined ? (stringOf(text) ?? '') : JSON.stringify(input),
    input,
    kind: isCustom ? 'custom' : 'function',
    proof: readToolProof(call),
    ...leftover(
      DIALECT,
      innerFields === undefined ? call : { ...call, [INNER]: innerFields },
      CALL_FIELDS,
      call['type'] === undefined ? 'untyped' : undefined,
    ),
  })
}

const TEXT_FIELDS: ReadonlySet<string> = new Set(['type', 'text'])
const REFUSAL_FIELDS: ReadonlySet<string> = new Set(['type', 'refusal'])
const MEDIA_FIELDS: ReadonlySet<string> = new Set(['type'])

/** The parts of a message's `content`, in any of its forms. */
export function decodeContent(content: Json | undefined): Part[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  return listOf(content).map((part) => decodePart(objectOf(part), part))
}

function decodePart(part: Readonly<Record<string, Json | undefined>>, raw: Json): Part {
  const cache = decodeMarker(part)
  const marked = cache === undefined ? {} : { cache }
  const media = leftover(DIALECT, part, MEDIA_FIELDS)
  switch (part['type']) {
    case 'text':
      return {
        type: 'text',
        text: stringOf(part['text']) ?? '',
        ...marked,
        ...leftover(DIALECT, part, TEXT_FIELDS),
      }
    case 'refusal':
      return {
        type: 'refusal',
        text: stringOf(part['refusal']) ?? '',
        ...leftover(DIALECT, part, REFUSAL_FIELDS),
      }
    case 'image_url': {
      const image = objectOf(part['image_url'])
      const detail = stringOf(image['detail'])
      return {
        type: 'image',
        source: sourceOfUrl(stringOf(image['url']) ?? ''),
        ...(detail === undefined ? {} : { detail }),
        ...marked,
        ...media,
      }
    }
    case 'input_audio': {
      const audio = objectOf(part['input_audio'])
      const mediaType = `audio/${stringOf(audio['format']) ?? 'wav'}`
      const source = { kind: 'data', mediaType, data: stringOf(audio['data']) ?? '' } as const
      return { type: 'audio', source, ...marked, ...media }
    }
    case 'file':
      return {
        ...decodeFile(objectOf(part['file'])),
        ...marked,
        ...leftover(DIALECT, part, MEDIA_FIELDS, 'file'),
      }
    default:
      return {
        type: 'native',
        dialect: DIALECT,
        kind: stringOf(part['type']) ?? 'unknown',
        value: raw,
      }
  }
}

/** Files that are no documents, by their names: clients of several providers send any kind as a file. */
const SOUND = /\.(?:aac|flac|m4a|mp3|ogg|wav)$/i
const FILM = /\.(?:avi|mkv|mov|mp4|mpeg|webm)$/i

/** `file_data` is a data URL by the book; URLs and bare base64 of a PDF are seen as well. */
function decodeFile(
  file: Readonly<Record<string, Json | undefined>>,
): DocumentPart | AudioPart | VideoPart {
  const name = stringOf(file['filename'])
  const named = name === undefined ? {} : { filename: name }
  const id = stringOf(file['file_id'])
  if (id !== undefined) return { type: 'document', source: { kind: 'file', id }, ...named }
  const data = stringOf(file['file_data']) ?? ''
  const source = /^[a-z][a-z0-9+.-]*:/i.test(data)
    ? sourceOfUrl(data)
    : ({ kind: 'data', mediaType: 'application/pdf', data } as const)
  const known = name ?? (source.kind === 'url' ? source.url : '')
  if (SOUND.test(known)) return { type: 'audio', source }
  if (FILM.test(known)) return { type: 'video', source }
  return { type: 'document', source, ...named }
}

const MINUTE_SECONDS = 60
const TTL_SECONDS: ReadonlyMap<string, number> = new Map([
  ['5m', 5 * MINUTE_SECONDS],
  ['30m', 30 * MINUTE_SECONDS],
  ['1h', 60 * MINUTE_SECONDS],
  ['12h', 12 * 60 * MINUTE_SECONDS],
])

/** OpenAI's breakpoint, or Anthropic's marker, which clients of several providers put on parts as well. */
export function decodeMarker(
  part: Readonly<Record<string, Json | undefined>>,
): CacheMarker | undefined {
  const marker = part['prompt_cache_breakpoint'] ?? part['cache_control']
  if (!isObject(marker)) return undefined
  const ttlSeconds = TTL_SECONDS.get(stringOf(marker['ttl']) ?? '')
  return ttlSeconds === undefined ? {} : { ttlSeconds }
}
