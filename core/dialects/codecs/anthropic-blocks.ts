import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import {
  type CacheMarker,
  type Citation,
  type DocumentPart,
  leftover,
  type MediaSource,
  type Part,
  type Proof,
  type ReasoningPart,
  type ToolCallPart,
  type ToolResultPart,
} from '../hub/conversation.ts'
import { booleanOf, compact, listOf, numberOf, objectOf, stringOf } from '../hub/fields.ts'
import type { NameRule } from '../hub/names.ts'
import { openProof, UNPROVEN } from '../hub/proof.ts'

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
function decodeToolUse(block: Fields): ToolCallPart {
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

/** Results hold no results: what is nested without end is not followed. */
function decodeInner(value: Json): Part {
  const block = objectOf(value)
  if (block['type'] !== 'tool_result') return decodeBlock(block, value)
  return { type: 'native', dialect: DIALECT, kind: 'tool_result', value }
}

function decodeToolResult(block: Fields): ToolResultPart {
  const { content } = block
  const isString = typeof content === 'string'
  const form = isString ? 'string' : content === undefined ? 'absent' : undefined
  return compact<ToolResultPart>({
    type: 'toolResult',
    callId: stringOf(block['tool_use_id']) ?? '',
    parts: isString ? [{ type: 'text', text: content }] : listOf(content).map(decodeInner),
    isError: booleanOf(block['is_error']),
    kind: 'function',
    ...leftover(DIALECT, block, RESULT_FIELDS, form),
  })
}

/** `thinking` or `redacted_thinking`. */
function decodeThinkingBlock(block: Fields): ReasoningPart {
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
