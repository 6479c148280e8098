import type { JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import {
  type DocumentPart,
  type MediaSource,
  nativeFields,
  nativeForm,
  type Part,
  type Proof,
  type ReasoningPart,
  type ToolCallPart,
  type ToolResultPart,
} from '../hub/conversation.ts'
import { json } from '../hub/fields.ts'
import { sealProof, UNPROVEN } from '../hub/proof.ts'
import { argumentsObject } from '../hub/tool-arguments.ts'
import { ANTHROPIC_NAMES, encodeCacheControl } from './anthropic-blocks.ts'

const DIALECT = 'anthropic'

/** A block of `content`; undefined for what the report says is left out. */
export function encodeBlock(part: Part, path: string, crossing: Crossing): JsonObject | undefined {
  if (part.type === 'native') return encodeNative(part, path, crossing)
  const own = nativeFields(part.native, DIALECT)
  const isOwn = part.native?.dialect === DIALECT
  const marked =
    part.cache === undefined || isOwn ? own : { cache_control: encodeCacheControl(part.cache) }
  switch (part.type) {
    case 'text':
    case 'refusal':
      return { type: 'text', text: part.text, ...marked }
    case 'image': {
      const source = isOwn ? {} : encodeSource(part.source, path, crossing)
      return source === undefined ? undefined : { type: 'image', source, ...marked }
    }
    case 'document': {
      if (isOwn) return { type: 'document', ...own }
      const document = encodeDocument(part, path, crossing)
      return document === undefined ? undefined : { ...document, ...marked }
    }
    case 'toolCall':
      return encodeToolUse(part, path, crossing, marked)
    case 'toolResult':
      return encodeToolResult(part, path, crossing, marked)
    case 'reasoning':
      return encodeThinkingBlock(part)
    default:
      crossing.report.judge(part.type, path)
      return undefined
  }
}

function encodeNative(
  part: Extract<Part, { type: 'native' }>,
  path: string,
  { report }: Crossing,
): JsonObject | undefined {
  if (part.dialect === DIALECT) return part.value as JsonObject
  report.note('refused', path, `the target knows no blocks of type ${JSON.stringify(part.kind)}`)
  return undefined
}

function encodeSource(
  source: MediaSource,
  path: string,
  { report }: Crossing,
): JsonObject | undefined {
  if (source.kind === 'url' && /^https?:/i.test(source.url)) return { type: 'url', url: source.url }
  if (source.kind === 'url') {
    report.note('refused', path, 'the target fetches from the web only')
    return undefined
  }
  if (source.kind === 'data') {
    return { type: 'base64', media_type: source.mediaType, data: source.data }
  }
  report.judge('fileId', path)
  return undefined
}

function encodeDocument(
  part: DocumentPart,
  path: string,
  crossing: Crossing,
): JsonObject | undefined {
  const { context, filename, title } = part
  const source = encodeDocumentSource(part, path, crossing)
  return source && json({ type: 'document', source, title: title ?? filename, context })
}

function encodeDocumentSource(
  { source }: DocumentPart,
  path: string,
  crossing: Crossing,
): JsonObject | undefined {
  if (source.kind === 'text') return { type: 'text', media_type: 'text/plain', data: source.text }
  if (source.kind !== 'data' || source.mediaType === 'application/pdf') {
    return encodeSource(source, path, crossing)
  }
  if (source.mediaType.startsWith('text/')) {
    const data = Buffer.from(source.data, 'base64').toString('utf8')
    return { type: 'text', media_type: 'text/plain', data }
  }
  crossing.report.note('refused', path, `the target takes no ${source.mediaType} documents`)
  return undefined
}

function encodeToolUse(
  part: ToolCallPart,
  path: string,
  { names, report }: Crossing,
  marked: JsonObject,
): JsonObject {
  const input = argumentsObject(part)
  if (input === undefined) {
    report.note('refused', path, `the arguments of ${JSON.stringify(part.name)} are no JSON object`)
  }
  return {
    type: 'tool_use',
    id: names.encodeId(part.id, ANTHROPIC_NAMES),
    name: names.encodeTool(part.name, ANTHROPIC_NAMES),
    input: input ?? {},
    ...marked,
  }
}

function encodeToolResult(
  { callId, isError, native, parts }: ToolResultPart,
  path: string,
  crossing: Crossing,
  marked: JsonObject,
): JsonObject {
  const form = nativeForm(native, DIALECT)
  const only = parts[0]
  const isText = parts.length === 1 && only?.type === 'text' && only.cache === undefined
  const isPlain = isText && (form === 'string' || native?.dialect !== DIALECT)
  const blocks = parts
    .filter((part) => native?.dialect === DIALECT || part.type !== 'text' || part.text !== '')
    .map((part) => encodeBlock(part, path, crossing))
    .filter((block) => block !== undefined)
  return json({
    type: 'tool_result',
    tool_use_id: crossing.names.encodeId(callId, ANTHROPIC_NAMES),
    content: form === 'absent' ? undefined : isPlain ? only.text : blocks,
    is_error: isError,
    ...marked,
  })
}

/** Thoughts with their proof, which is sealed where it is another provider's. */
function encodeThinkingBlock({ text, proof }: ReasoningPart): JsonObject {
  const data = proof === undefined ? UNPROVEN : signatureOf(proof)
  if (text === '' && proof !== undefined && isRedacted(proof)) {
    return { type: 'redacted_thinking', data }
  }
  return { type: 'thinking', thinking: text, signature: data }
}

/** True for a proof that has no readable thoughts beside it, whoever made it. */
export function isRedacted({ provider, kind }: Proof): boolean {
  return kind === 'encrypted' || provider === 'google'
}

/** A proof as the text of a signature. */
export function signatureOf(proof: Proof): string {
  return proof.provider === 'anthropic' ? proof.data : sealProof(proof)
}
