import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import {
  leftover,
  nativeFields,
  nativeForm,
  type CacheMarker,
  type Citation,
  type DocumentPart,
  type MediaSource,
  type Part,
  type Proof,
  type ReasoningPart,
  type ToolCallPart,
  type ToolResultPart,
} from '../hub/conversation.ts'
import { booleanOf, compact, json, listOf, numberOf, objectOf, stringOf } from '../hub/fields.ts'
import type { NameRule } from '../hub/names.ts'
import { openProof, sealProof, UNPROVEN } from '../hub/proof.ts'
import { argumentsObject } from '../hub/tool-arguments.ts'

const DIALECT = 'anthropic'

/** What Anthropic takes as a tool's name or a call's id. */
export const ANTHROPIC_NAMES: NameRule = { pattern: /^[a-zA-Z0-9_-]+$/, maxLength: 128 }

type Fields = Readonly<Record<string, Json | undefined>>

/** The parts of `content`, of a request or an answer. */
export function decodeBlocks(blocks: readonly Json[]): Part[] {
  return attachProofs(blocks.map((block) => decodeBlock(objectOf(block), block)))
}

/** A call that Gemini signed was told behind a block of nothing but the sealed signature, which goes back to it. */
function attachProofs(parts: readonly Part[]): Part[] {
  const attached: Part[] = []
  for (const part of parts) {
    const proof = attached.at(-1)
    if (part.type === 'toolCall' && proof?.type === 'reasoning' && isCallProof(proof)) {
      attached[attached.length - 1] = { ...part, proof: proof.proof! }
    } else attached.push(part)
  }
  return attached
}

function isCallProof({ text, proof }: ReasoningPart): boolean {
  return text === '' && proof?.provider === 'google' && proof.kind === 'signature'
}

const TEXT_FIELDS: ReadonlySet<string> = new Set(['type', 'text'])
const TYPE_FIELD: ReadonlySet<string> = new Set(['type'])
const CALL_FIELDS: ReadonlySet<string> = new Set(['type', 'id', 'name', 'input'])
const RESULT_FIELDS: ReadonlySet<string> = new Set(['type', 'tool_use_id', 'content', 'is_error'])

function decodeBlock(block: Fields, raw: Json): Part {
  const cache = decodeCacheControl(block['cache_control'])
  const marked = cache === undefined ? {} : { cache }
  const media = leftover(DIALECT, block, TYPE_FIELD)
  switch (block['type']) {
    case 'text': {
      const citations = listOf(block['citations']).map((value) => decodeCitation(objectOf(value)))
      return {
        type: 'text',
        text: stringOf(block['text']) ?? '',
        ...(citations.length === 0 ? {} : { citations }),
        ...marked,
        ...leftover(DIALECT, block, TEXT_FIELDS),
      }
    }
    case 'image':
      return { type: 'image', source: decodeSource(objectOf(block['source'])), ...marked, ...media }
    case 'document':
      return { ...decodeDocument(block), ...marked, ...media }
    case 'tool_use':
      return { ...decodeToolUse(block), ...marked }
    case 'tool_result':
      return { ...decodeToolResult(block), ...marked }
    case 'thinking':
    case 'redacted_thinking':
      return decodeThinkingBlock(block)
    default: {
      const kind = stringOf(block['type']) ?? 'unknown'
      return { type: 'native', dialect: DIALECT, kind, value: raw }
    }
  }
}

function decodeSource(source: Fields): MediaSource {
  switch (source['type']) {
    case 'url':
      return { kind: 'url', url: stringOf(source['url']) ?? '' }
    case 'file':
      return { kind: 'file', id: stringOf(source['file_id']) ?? '' }
    default: {
      const mediaType = stringOf(source['media_type']) ?? ''
      return { kind: 'data', mediaType, data: stringOf(source['data']) ?? '' }
    }
  }
}

function decodeDocument(block: Fields): DocumentPart {
  const source = objectOf(block['source'])
  const isText = source['type'] === 'text' || source['type'] === 'content'
  const text = stringOf(source['data'] ?? source['content']) ?? textOfBlocks(source['content'])
  return compact<DocumentPart>({
    type: 'document',
    source: isText ? { kind: 'text', text } : decodeSource(source),
    title: stringOf(block['title']),
    context: stringOf(block['context']),
  })
}

function textOfBlocks(blocks: Json | undefined): string {
  return listOf(blocks)
    .map((block) => stringOf(objectOf(block)['text']) ?? '')
    .join('\n')
}

/** A `tool_use` block, of a request or an answer. */
export function decodeToolUse(block: Fields): ToolCallPart {
  const input = objectOf(block['input']) as JsonObject
  return {
    type: 'toolCall',
    id: stringOf(block['id']) ?? '',
    name: stringOf(block['name']) ?? '',
    arguments: JSON.stringify(input),
    input,
    kind: 'function',
    ...leftover(DIALECT, block, CALL_FIELDS),
  }
}

function decodeToolResult(block: Fields): ToolResultPart {
  const { content } = block
  const isString = typeof content === 'string'
  const form = isString ? 'string' : content === undefined ? 'absent' : undefined
  return compact<ToolResultPart>({
    type: 'toolResult',
    callId: stringOf(block['tool_use_id']) ?? '',
    parts: isString ? [{ type: 'text', text: content }] : decodeBlocks(listOf(content)),
    isError: booleanOf(block['is_error']),
    kind: 'function',
    ...leftover(DIALECT, block, RESULT_FIELDS, form),
  })
}

/** `thinking` or `redacted_thinking`. */
export function decodeThinkingBlock(block: Fields): ReasoningPart {
  const isRedacted = block['type'] === 'redacted_thinking'
  const data = stringOf(block[isRedacted ? 'data' : 'signature']) ?? ''
  const text = isRedacted ? '' : (stringOf(block['thinking']) ?? '')
  const proof = decodeProof(data, isRedacted)
  return { type: 'reasoning', text, ...(proof === undefined ? {} : { proof }) }
}

/** The proof in a signature, which may be another provider's, sealed. */
export function decodeProof(data: string, isRedacted: boolean): Proof | undefined {
  if (data === '' || data === UNPROVEN) return undefined
  const kind = isRedacted ? 'encrypted' : 'signature'
  return openProof(data) ?? { provider: 'anthropic', family: 'claude', kind, data }
}

/** One of a text's `citations`. */
export function decodeCitation(citation: Fields): Citation {
  return compact<Citation>({
    url: stringOf(citation['url']),
    title: stringOf(citation['title']) ?? stringOf(citation['document_title']),
    quote: stringOf(citation['cited_text']),
    start: numberOf(citation['start_char_index']),
    end: numberOf(citation['end_char_index']),
    native: { dialect: DIALECT, fields: citation as JsonObject },
  })
}

const HOUR_SECONDS = 60 * 60

/** A `cache_control` field. */
export function decodeCacheControl(value: Json | undefined): CacheMarker | undefined {
  if (!isObject(value)) return undefined
  if (value['ttl'] === '1h') return { ttlSeconds: HOUR_SECONDS }
  return value['ttl'] === '5m' ? { ttlSeconds: HOUR_SECONDS / 12 } : {}
}

/** Anthropic keeps a prefix for five minutes or an hour. */
export function encodeCacheControl({ ttlSeconds = 0 }: CacheMarker): JsonObject {
  return ttlSeconds > HOUR_SECONDS / 12 ? { type: 'ephemeral', ttl: '1h' } : { type: 'ephemeral' }
}

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
export function encodeThinkingBlock({ text, proof }: ReasoningPart): JsonObject {
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
