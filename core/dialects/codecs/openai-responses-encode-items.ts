import type { Json, JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import {
  nativeFields,
  nativeForm,
  type CacheMarker,
  type DocumentPart,
  type HubMessage,
  type ImagePart,
  type NativePart,
  type Part,
  type ReasoningPart,
  type ToolCallPart,
  type ToolResultPart,
} from '../hub/conversation.ts'
import { json } from '../hub/fields.ts'
import { isProofFor } from '../hub/proof.ts'
import { dataUrl } from './media.ts'
import { textType } from './openai-responses-items.ts'
import { CALL_ID, TOOL_NAME } from './openai-responses-tools.ts'

const DIALECT = 'openai-responses'

/** Writes `input`: the text alone where it was one, else the items of all messages. */
export function encodeInput(messages: readonly HubMessage[], crossing: Crossing): Json {
  const [only] = messages
  const [part] = only?.parts ?? []
  if (
    messages.length === 1 &&
    part?.type === 'text' &&
    nativeForm(only!.native, DIALECT) === 'input'
  ) {
    return part.text
  }
  return messages.flatMap((message) => encodeMessage(message, crossing))
}

/** One item for all that is said, in its place between thoughts, calls and results. */
function encodeMessage(message: HubMessage, crossing: Crossing): JsonObject[] {
  const form = nativeForm(message.native, DIALECT)
  if (form === 'item') return [nativeFields(message.native, DIALECT)]
  const items: JsonObject[] = []
  let content: Part[] = []
  const flush = () => {
    if (content.length > 0) items.push(messageItem(message, content, crossing))
    content = []
  }
  for (const part of message.parts) {
    const item = encodeItem(part, message, crossing)
    if (item === 'content') content.push(part)
    else {
      flush()
      if (item !== undefined) items.push(item)
    }
  }
  flush()
  // An empty message of this dialect stays one.
  if (message.parts.length === 0 && message.native?.dialect === DIALECT) {
    items.push(messageItem(message, [], crossing))
  }
  return items
}

/** A part that is an item of its own; `content` for those that stand in a message. */
function encodeItem(
  part: Part,
  message: HubMessage,
  crossing: Crossing,
): JsonObject | 'content' | undefined {
  switch (part.type) {
    case 'reasoning':
      return encodeReasoning(part, message.path, crossing)
    case 'toolCall':
      return encodeCall(part, crossing)
    case 'toolResult':
      return encodeResult(part, message.path, crossing)
    case 'native':
      // Parts of a content have no role around them, items have no text of their own.
      if (part.dialect !== DIALECT) {
        judgeNative(part, message, crossing.report)
        return undefined
      }
      return part.kind.startsWith('input_') || part.kind.startsWith('output_')
        ? 'content'
        : (part.value as JsonObject)
    default:
      return 'content'
  }
}

/** What a foreign tool did in an earlier answer may be missing; what a user gave may not. */
export function judgeNative(
  { kind }: NativePart,
  { role, path }: Pick<HubMessage, 'role' | 'path'>,
  report: Crossing['report'],
): void {
  if (role !== 'assistant') report.judge('nativePart', path)
  else report.note('dropped', path, `the target knows no blocks of type ${kind}`)
}

function messageItem(message: HubMessage, parts: readonly Part[], crossing: Crossing): JsonObject {
  const { native, path } = message
  const isOwn = native?.dialect === DIALECT || crossing.request.source === DIALECT
  const role = message.role === 'tool' ? 'user' : message.role
  const [first] = parts
  const isPlain =
    nativeForm(native, DIALECT) === 'string' || nativeForm(native, DIALECT) === 'input'
  const content: Json =
    isPlain && parts.length === 1 && first?.type === 'text'
      ? first.text
      : encodeContent(parts, role, path, crossing)
  if (isOwn) return { role, content, ...nativeFields(native, DIALECT) }
  if (message.name !== undefined) crossing.report.judge('messageName', `${path}.name`)
  return { type: 'message', role: roleOf(message, crossing), content }
}

/** Anthropic's and Gemini's system prompts come from who builds the application: OpenAI's developer. */
function roleOf({ role }: HubMessage, { request }: Crossing): string {
  if (role === 'tool') return 'user'
  return role === 'system' && request.source !== 'openai-chat' ? 'developer' : role
}

/** Writes the parts of a message or of a tool's result. */
export function encodeContent(
  parts: readonly Part[],
  role: HubMessage['role'],
  path: string,
  crossing: Crossing,
): JsonObject[] {
  return parts
    .map((part) => encodePart(part, role, path, crossing))
    .filter((part) => part !== undefined)
}

function encodePart(
  part: Part,
  role: HubMessage['role'],
  path: string,
  crossing: Crossing,
): JsonObject | undefined {
  const { report, request } = crossing
  const own = nativeFields('native' in part ? part.native : undefined, DIALECT)
  switch (part.type) {
    case 'text': {
      const type = nativeForm(part.native, DIALECT) ?? textType(role)
      const annotations = type === 'output_text' && request.source !== DIALECT ? [] : undefined
      if (part.citations !== undefined && request.source !== DIALECT) report.judge('citation', path)
      const isPrompt = type !== 'output_text' || request.source === DIALECT
      if (part.cache !== undefined && !isPrompt) {
        report.note('dropped', path, 'the target takes cache markers in prompts only')
      }
      const marker = isPrompt ? encodeCache(part.cache) : {}
      return json({ type, text: part.text, annotations, ...marker, ...own })
    }
    case 'refusal':
      return { type: 'refusal', refusal: part.text, ...own }
    case 'image':
      return encodeImage(part, path, crossing, own)
    case 'document':
      return encodeDocument(part, path, crossing, own)
    case 'native':
      return part.value as JsonObject
    case 'audio':
      if (request.source === DIALECT && part.source.kind === 'data') {
        const format = part.source.mediaType.replace('audio/', '').replace('mpeg', 'mp3')
        return { type: 'input_audio', input_audio: { data: part.source.data, format }, ...own }
      }
      report.judge('audio', path)
      return undefined
    case 'video':
      report.judge('video', path)
      return undefined
    default:
      return undefined
  }
}

function encodeImage(
  { source, detail, cache }: ImagePart,
  path: string,
  crossing: Crossing,
  own: JsonObject,
): JsonObject {
  const isOwn = crossing.request.source === DIALECT
  const shared = { type: 'input_image', detail: detail ?? (isOwn ? undefined : 'auto') }
  if (source.kind === 'file') {
    judgeFile(path, crossing)
    return json({ ...shared, file_id: source.id, ...encodeCache(cache), ...own })
  }
  const url = source.kind === 'url' ? source.url : dataUrl(source.mediaType, source.data)
  return json({ ...shared, image_url: url, ...encodeCache(cache), ...own })
}

/** OpenAI refuses bytes without a name. */
const FILE_NAME = 'document.pdf'

function encodeDocument(
  { source, filename, title, context, cache }: DocumentPart,
  path: string,
  crossing: Crossing,
  own: JsonObject,
): JsonObject {
  const isOwn = crossing.request.source === DIALECT
  if (context !== undefined) crossing.report.judge('documentNote', `${path}.context`)
  const marker = encodeCache(cache)
  switch (source.kind) {
    case 'text':
      crossing.report.note('emulated', path, 'a plain text document is told as text')
      return json({ type: 'input_text', text: titled(source.text, title ?? filename), ...marker })
    case 'url':
      return json({ type: 'input_file', file_url: source.url, filename, ...marker, ...own })
    case 'file':
      judgeFile(path, crossing)
      return json({ type: 'input_file', file_id: source.id, filename, ...marker, ...own })
    default: {
      const type = source.mediaType === '' ? 'application/pdf' : source.mediaType
      const bare = isOwn && source.mediaType === ''
      return json({
        type: 'input_file',
        file_data: bare ? source.data : dataUrl(type, source.data),
        filename: filename ?? (isOwn ? undefined : (title ?? FILE_NAME)),
        ...marker,
        ...own,
      })
    }
  }
}

function titled(text: string, title: string | undefined): string {
  return title === undefined ? text : `${title}\n\n${text}`
}

/** The two OpenAI dialects know the same files. */
function judgeFile(path: string, { request, report }: Crossing): void {
  if (!request.source.startsWith('openai-')) report.judge('fileId', path)
}

function encodeCache(cache: CacheMarker | undefined): { prompt_cache_breakpoint?: JsonObject } {
  if (cache === undefined) return {}
  const own = nativeFields(cache.native, DIALECT)
  return { prompt_cache_breakpoint: Object.keys(own).length > 0 ? own : { mode: 'explicit' } }
}

/** Writes a thought that the upstream made itself. Others it would not believe: they are left out, and reported. */
function encodeReasoning(
  part: ReasoningPart,
  path: string,
  { capabilities, report }: Crossing,
): JsonObject | undefined {
  const { text, proof, native } = part
  const own = nativeFields(native, DIALECT)
  const { provider, family } = capabilities
  const isOwn = native?.dialect === DIALECT && (proof === undefined || proof.provider === 'openai')
  if (!isOwn && (proof === undefined || !isProofFor(proof, provider, family))) {
    report.note('dropped', path, 'reasoning without a proof of the target’s own is not believed')
    return undefined
  }
  return json({
    type: 'reasoning',
    id: proof?.id,
    summary: text === '' ? [] : [{ type: 'summary_text', text }],
    encrypted_content: proof?.data,
    ...own,
  })
}

function encodeCall(part: ToolCallPart, { names, request }: Crossing): JsonObject {
  const own = nativeFields(part.native, DIALECT)
  const isOwn = request.source === DIALECT
  const { namespace } = own
  const inner =
    typeof namespace === 'string' && part.name.startsWith(`${namespace}.`)
      ? part.name.slice(namespace.length + 1)
      : part.name
  const name = isOwn ? inner : names.encodeTool(inner, TOOL_NAME)
  const id = isOwn ? part.id : names.encodeId(part.id, CALL_ID)
  const text = part.arguments === '' && part.kind === 'function' && !isOwn ? '{}' : part.arguments
  return part.kind === 'custom'
    ? { type: 'custom_tool_call', call_id: id, name, input: text, ...own }
    : { type: 'function_call', call_id: id, name, arguments: text, ...own }
}

function encodeResult(part: ToolResultPart, path: string, crossing: Crossing): JsonObject {
  const { names, request, report } = crossing
  const isOwn = request.source === DIALECT
  const isPlain = isOwn ? nativeForm(part.native, DIALECT) === 'string' : part.parts.every(isText)
  if (part.isError === true) report.judge('toolError', path)
  return {
    type: part.kind === 'custom' ? 'custom_tool_call_output' : 'function_call_output',
    call_id: isOwn ? part.callId : names.encodeId(part.callId, CALL_ID),
    output: isPlain
      ? part.parts.map((inner) => (inner.type === 'text' ? inner.text : '')).join('\n')
      : encodeContent(part.parts, 'tool', path, crossing),
    ...nativeFields(part.native, DIALECT),
  }
}

function isText(part: Part): boolean {
  return part.type === 'text' && part.cache === undefined
}
