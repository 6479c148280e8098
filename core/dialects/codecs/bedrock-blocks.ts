import type { JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import type {
  CacheMarker,
  DocumentPart,
  MediaSource,
  Part,
  ReasoningPart,
  ToolCallPart,
  ToolResultPart,
} from '../hub/conversation.ts'
import { json } from '../hub/fields.ts'
import type { NameRule } from '../hub/names.ts'
import { isProofFor } from '../hub/proof.ts'
import { argumentsObject } from '../hub/tool-arguments.ts'

/** What Converse takes as the name of a tool or the id of a call (API reference, ToolSpecification and ToolUseBlock). */
export const BEDROCK_NAMES: NameRule = { pattern: /^[a-zA-Z0-9_-]+$/, maxLength: 64 }

/** The blocks of a message or of the system prompt; a cache marker is a block of its own behind the one it marks. */
export function encodeBlocks(
  parts: readonly Part[],
  path: string,
  crossing: Crossing,
): JsonObject[] {
  return parts.flatMap((part) => {
    const block = encodeBlock(part, path, crossing)
    if (block === undefined) return []
    return part.cache === undefined ? [block] : [block, encodeCachePoint(part.cache)]
  })
}

/** A breakpoint of the prompt cache. */
export function encodeCachePoint({ ttlSeconds }: CacheMarker): JsonObject {
  const isLong = ttlSeconds !== undefined && ttlSeconds >= 60 * 60
  return { cachePoint: json({ type: 'default', ttl: isLong ? '1h' : undefined }) }
}

function encodeBlock(part: Part, path: string, crossing: Crossing): JsonObject | undefined {
  const { report } = crossing
  switch (part.type) {
    case 'text':
      return { text: part.text }
    case 'refusal':
      report.judge('refusal', path)
      return { text: part.text }
    case 'image':
      if (part.detail !== undefined) report.judge('imageDetail', path)
      return encodeMedia('image', part.source, path, crossing)
    case 'video':
      return encodeMedia('video', part.source, path, crossing)
    case 'audio':
      report.judge('audio', path)
      return undefined
    case 'document':
      return encodeDocument(part, path, crossing)
    case 'toolCall':
      return encodeToolUse(part, path, crossing)
    case 'toolResult':
      return encodeToolResult(part, path, crossing)
    case 'reasoning':
      return encodeReasoning(part, path, crossing)
    case 'native':
      report.judge('nativePart', path)
      return undefined
    default:
      return undefined
  }
}

/** Formats whose name is not the end of their media type. */
const FORMATS: ReadonlyMap<string, string> = new Map([
  ['image/jpg', 'jpeg'],
  ['video/quicktime', 'mov'],
  ['video/x-matroska', 'mkv'],
  ['video/x-flv', 'flv'],
  ['video/x-ms-wmv', 'wmv'],
  ['video/3gpp', 'three_gp'],
])

function encodeMedia(
  kind: 'image' | 'video',
  source: MediaSource,
  path: string,
  { report }: Crossing,
): JsonObject | undefined {
  if (source.kind === 'data') {
    const { data, mediaType } = source
    const format = FORMATS.get(mediaType) ?? mediaType.slice(mediaType.indexOf('/') + 1)
    return { [kind]: { format, source: { bytes: data } } }
  }
  if (source.kind === 'file') report.judge('fileId', path)
  else if (kind === 'image') report.judge('imageUrl', path)
  else report.note('refused', path, 'the target does not fetch videos')
  return undefined
}

const DOCUMENTS: ReadonlyMap<string, string> = new Map([
  ['application/pdf', 'pdf'],
  ['application/msword', 'doc'],
  ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'docx'],
  ['application/vnd.ms-excel', 'xls'],
  ['application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'xlsx'],
  ['text/csv', 'csv'],
  ['text/html', 'html'],
  ['text/markdown', 'md'],
  ['text/plain', 'txt'],
])

function encodeDocument(
  part: DocumentPart,
  path: string,
  { report }: Crossing,
): JsonObject | undefined {
  const { context, filename, source, title } = part
  const name = documentName(title ?? filename ?? 'document')
  if (source.kind === 'text') {
    return { document: json({ format: 'txt', name, source: { text: source.text }, context }) }
  }
  if (source.kind === 'file') report.judge('fileId', path)
  else if (source.kind === 'url') report.judge('documentUrl', path)
  else {
    const format = DOCUMENTS.get(source.mediaType)
    if (format !== undefined) {
      return { document: json({ format, name, source: { bytes: source.data }, context }) }
    }
    report.note('refused', path, `the target takes no documents of type ${source.mediaType}`)
  }
  return undefined
}

/** Letters, digits, single spaces, hyphens and brackets are taken as the name of a document. */
function documentName(name: string): string {
  return name
    .replaceAll(/[^A-Za-z0-9\s\-()[\]]/g, '-')
    .replaceAll(/\s+/g, ' ')
    .slice(0, 200)
}

function encodeToolUse(part: ToolCallPart, path: string, { names, report }: Crossing): JsonObject {
  const input = argumentsObject(part)
  if (input === undefined) {
    report.note('refused', path, `the arguments of ${JSON.stringify(part.name)} are no JSON object`)
  }
  return {
    toolUse: {
      toolUseId: names.encodeId(part.id, BEDROCK_NAMES),
      name: names.encodeTool(part.name, BEDROCK_NAMES),
      input: input ?? {},
    },
  }
}

function encodeToolResult(part: ToolResultPart, path: string, crossing: Crossing): JsonObject {
  const spoken = part.parts.filter((inner) => inner.type !== 'text' || inner.text !== '')
  const content = spoken
    .map((inner) => encodeBlock(inner, path, crossing))
    .filter((block) => block !== undefined)
  return {
    toolResult: json({
      toolUseId: crossing.names.encodeId(part.callId, BEDROCK_NAMES),
      content: content.length === 0 ? [{ text: '(empty)' }] : content,
      status: part.isError === true ? 'error' : undefined,
    }),
  }
}

/** Anthropic's proofs are good on Bedrock too; thoughts of others are not asked back. */
function encodeReasoning(
  { proof, text }: ReasoningPart,
  path: string,
  { capabilities, report }: Crossing,
): JsonObject | undefined {
  if (proof === undefined || !isProofFor(proof, 'anthropic', capabilities.family)) {
    report.note('dropped', path, 'reasoning without a proof of this provider is not replayed')
    return undefined
  }
  if (proof.kind === 'encrypted') return { reasoningContent: { redactedContent: proof.data } }
  return { reasoningContent: { reasoningText: { text, signature: proof.data } } }
}
