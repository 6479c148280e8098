import type { Json, JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import {
  nativeFields,
  nativeForm,
  type CacheMarker,
  type DocumentPart,
  type MediaSource,
  type Native,
  type Part,
  type ToolCallPart,
} from '../hub/conversation.ts'
import { json } from '../hub/fields.ts'
import { dataUrl } from './media.ts'
import { CHAT_NAMES } from './openai-chat-names.ts'
import { writeToolProof } from './openai-chat-reasoning.ts'

const DIALECT = 'openai-chat'

/** The parts of a message's `content`; what cannot be one is reported and left out. */
export function encodeChatParts(
  parts: readonly Part[],
  path: string,
  crossing: Crossing,
): JsonObject[] {
  return parts.flatMap((part, index) => {
    const encoded = encodePart(part, `${path}.content[${index}]`, crossing)
    return encoded === undefined ? [] : [encoded]
  })
}

function encodePart(part: Part, path: string, crossing: Crossing): JsonObject | undefined {
  const { report } = crossing
  if (part.type === 'native') {
    if (part.dialect === DIALECT) return part.value as JsonObject
    report.note('refused', path, `the target knows no blocks of type ${part.kind}`)
    return undefined
  }
  const own = nativeFields(part.native, DIALECT)
  const marker = { ...encodeMarker(part.cache, part.native, crossing), ...own }
  if (nativeForm(part.native, DIALECT) === 'file') return { type: 'file', ...marker }
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text, ...marker }
    case 'refusal':
      return { type: 'refusal', refusal: part.text, ...marker }
    case 'image': {
      const url = encodeImage(part.source, path, crossing)
      if (url === undefined) return undefined
      return { type: 'image_url', image_url: json({ url, detail: part.detail }), ...marker }
    }
    case 'audio': {
      if (part.source.kind !== 'data') {
        report.note('refused', path, 'the target takes sound as base64 only')
        return undefined
      }
      const { data, mediaType } = part.source
      const format = /mp3|mpeg/.test(mediaType) ? 'mp3' : 'wav'
      return { type: 'input_audio', input_audio: { data, format }, ...marker }
    }
    case 'document': {
      const encoded = encodeDocument(part, path, crossing)
      return encoded === undefined ? undefined : { ...encoded, ...marker }
    }
    case 'video':
      report.judge('video', path)
      return undefined
    default:
      return undefined
  }
}

function encodeImage(source: MediaSource, path: string, { report }: Crossing): string | undefined {
  if (source.kind === 'data') return dataUrl(source.mediaType, source.data)
  if (source.kind === 'url') return source.url
  report.judge('fileId', path)
  return undefined
}

/** The only file that Chat Completions takes is a PDF; plain text is told as text. */
function encodeDocument(
  { source, title, context, filename }: DocumentPart,
  path: string,
  { report }: Crossing,
): JsonObject | undefined {
  if (title !== undefined || context !== undefined) report.judge('documentNote', path)
  if (source.kind === 'text') return { type: 'text', text: source.text }
  if (source.kind === 'url') report.judge('documentUrl', path)
  else if (source.kind === 'file') report.judge('fileId', path)
  else if (source.mediaType !== 'application/pdf') {
    report.note('refused', path, `the target takes no documents of type ${source.mediaType}`)
  } else {
    const name = filename ?? title ?? 'document.pdf'
    const file = { filename: name, file_data: dataUrl(source.mediaType, source.data) }
    return { type: 'file', file }
  }
  return undefined
}

const HALF_DAY_SECONDS = 12 * 60 * 60

/** Only models of OpenAI know breakpoints; Anthropic's hour becomes half an hour, since the next step costs more. */
function encodeMarker(
  cache: CacheMarker | undefined,
  native: Native | undefined,
  { capabilities }: Crossing,
): JsonObject {
  if (cache === undefined || native?.dialect === DIALECT) return {}
  if (capabilities.provider !== 'openai') return {}
  const { ttlSeconds } = cache
  const ttl = ttlSeconds === undefined ? undefined : ttlSeconds >= HALF_DAY_SECONDS ? '12h' : '30m'
  return { prompt_cache_breakpoint: json({ mode: 'explicit', ttl }) }
}

/** One of `tool_calls`, of a request or an answer. */
export function encodeToolCall(call: ToolCallPart, { names }: Crossing): JsonObject {
  const { '*': inner, ...outer } = nativeFields(call.native, DIALECT)
  const name = names.encodeTool(call.name, CHAT_NAMES)
  const isCustom = call.kind === 'custom'
  const isOwn = call.native?.dialect === DIALECT
  const text: Json = isOwn && call.input !== undefined ? call.input : call.arguments
  const body = isCustom ? { name, input: text } : { name, arguments: text === '' ? '{}' : text }
  return json({
    id: call.id,
    type: nativeForm(call.native, DIALECT) === 'untyped' ? undefined : call.kind,
    [call.kind]: { ...body, ...(inner as JsonObject | undefined) },
    ...writeToolProof(call.proof),
    ...outer,
  })
}
