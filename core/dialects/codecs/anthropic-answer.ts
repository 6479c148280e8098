import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import { anthropicUsage } from '../anthropic.ts'
import type { Usage } from '../dialect.ts'
import type { Finish, FinishReason, HubAnswer } from '../hub/answer.ts'
import type { Crossing } from '../hub/codec.ts'
import type { Part } from '../hub/conversation.ts'
import { compact, json, objectOf, stringOf } from '../hub/fields.ts'
import { unwrapAnswer } from '../hub/unwrap.ts'
import { encodeBlock } from './anthropic-blocks-encode.ts'
import { decodeBlocks } from './anthropic-blocks.ts'

const DIALECT = 'anthropic'

type Fields = Readonly<Record<string, Json | undefined>>

/** Reads a message; undefined where the body has no content. */
export function decodeMessageAnswer(body: Json, crossing: Crossing): HubAnswer | undefined {
  if (!isObject(body) || !Array.isArray(body['content'])) return undefined
  const answer = compact<HubAnswer>({
    id: stringOf(body['id']) ?? '',
    model: stringOf(body['model']) ?? '',
    parts: decodeBlocks(body['content']),
    finish: decodeStopReason(body),
    usage: anthropicUsage(body['usage']),
    rawUsage: isObject(body['usage']) ? body['usage'] : undefined,
  })
  return unwrapAnswer(answer, crossing)
}

const REASONS: ReadonlyMap<string, FinishReason> = new Map([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stopSequence'],
  ['tool_use', 'tool'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'context'],
  ['refusal', 'contentFilter'],
  ['pause_turn', 'pause'],
])

/** The end of a message: `stop_reason` and what belongs to it, of a message or a `message_delta`. */
export function decodeStopReason(fields: Fields): Finish {
  const raw = stringOf(fields['stop_reason']) ?? ''
  return compact<Finish>({
    reason: REASONS.get(raw) ?? 'stop',
    raw,
    stopSequence: stringOf(fields['stop_sequence']),
    explanation: stringOf(objectOf(fields['stop_details'])['explanation']),
    native: { dialect: DIALECT, fields: json({ stop_details: fields['stop_details'] }) },
  })
}

const WORDS: Readonly<Record<FinishReason, string>> = {
  stop: 'end_turn',
  stopSequence: 'stop_sequence',
  tool: 'tool_use',
  length: 'max_tokens',
  context: 'model_context_window_exceeded',
  contentFilter: 'refusal',
  pause: 'pause_turn',
  malformed: 'end_turn',
}

/** `stop_reason` and what belongs to it. `refusal` is what the model said instead of an answer. */
export function encodeStopReason(finish: Finish, refusal: string | undefined): JsonObject {
  const isOwn = finish.native?.dialect === DIALECT
  const isRefusal = finish.reason === 'contentFilter' || refusal !== undefined
  const explanation = finish.explanation ?? refusal ?? null
  const details = isRefusal ? { type: 'refusal', category: null, explanation } : null
  const own = isOwn ? finish.native?.fields?.['stop_details'] : undefined
  return {
    stop_reason:
      isOwn && finish.raw !== '' ? finish.raw : WORDS[isRefusal ? 'contentFilter' : finish.reason],
    stop_sequence: finish.stopSequence ?? null,
    stop_details: own ?? details,
  }
}

/** Writes a message. */
export function encodeMessageAnswer(answer: HubAnswer, crossing: Crossing): JsonObject {
  const { finish, id, model, parts, rawUsage, usage } = answer
  const refusal = parts.find((part) => part.type === 'refusal')
  return {
    id: messageId(id, crossing),
    type: 'message',
    role: 'assistant',
    model: crossing.modelName ?? model,
    content: parts.flatMap((part) => encodeAnswerPart(part, crossing)),
    container: null,
    ...encodeStopReason(finish, refusal?.text),
    usage: crossing.target === DIALECT && rawUsage ? rawUsage : encodeMessageUsage(usage),
  }
}

/** Anthropic's own ids are kept; of others, the request's id makes one. */
export function messageId(id: string, { requestId, target }: Crossing): string {
  return target === DIALECT && id !== '' ? id : `msg_${requestId}`
}

/** A signed call is told behind a block with the sealed signature: clients send such blocks back untouched. */
function encodeAnswerPart(part: Part, crossing: Crossing): JsonObject[] {
  if (part.type === 'native' && part.dialect !== DIALECT) return []
  const block = encodeBlock(part, 'content', crossing)
  if (block === undefined) return []
  if (part.type === 'text') return [{ ...block, citations: block['citations'] ?? null }]
  if (part.type !== 'toolCall' || part.proof === undefined) return [block]
  const signed = encodeBlock(
    { type: 'reasoning', text: '', proof: part.proof },
    'content',
    crossing,
  )
  return [signed!, block]
}

/**
 * Usage in Anthropic's form, whose input leaves out what a cache took part in. All counts are there, also those that
 * are zero: clients add them up without looking.
 */
export function encodeMessageUsage(usage: Usage | undefined): JsonObject {
  const read = usage?.cacheReadTokens ?? 0
  const write = usage?.cacheWriteTokens ?? 0
  return json({
    input_tokens: Math.max(0, (usage?.inputTokens ?? 0) - read - write),
    cache_creation_input_tokens: write,
    cache_read_input_tokens: read,
    cache_creation: { ephemeral_5m_input_tokens: write, ephemeral_1h_input_tokens: 0 },
    output_tokens: usage?.outputTokens ?? 0,
    output_tokens_details:
      usage?.reasoningTokens === undefined ? undefined : { thinking_tokens: usage.reasoningTokens },
    service_tier: 'standard',
  })
}
