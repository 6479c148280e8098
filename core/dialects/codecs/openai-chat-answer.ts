import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import type { Usage } from '../dialect.ts'
import type { Finish, FinishReason, HubAnswer, HubChoice } from '../hub/answer.ts'
import type { Crossing } from '../hub/codec.ts'
import type { Citation, Part, TextPart } from '../hub/conversation.ts'
import { compact, json, listOf, numberOf, objectOf, stringOf } from '../hub/fields.ts'
import { unwrapAnswer } from '../hub/unwrap.ts'
import { openaiUsage } from '../openai-chat.ts'
import { decodeContent, decodeToolCall } from './openai-chat-decode-messages.ts'
import { encodeToolCall } from './openai-chat-parts.ts'
import { readReasoning, writeReasoning } from './openai-chat-reasoning.ts'

const DIALECT = 'openai-chat'

type Fields = Readonly<Record<string, Json | undefined>>

/** Reads a chat completion; undefined where the body has no choices. */
export function decodeChatAnswer(body: Json, crossing: Crossing): HubAnswer | undefined {
  if (!isObject(body) || !Array.isArray(body['choices'])) return undefined
  const found = readSearchResults(body as Fields)
  const [first, ...others] = listOf(body['choices']).map((choice) =>
    decodeChoice(objectOf(choice), found),
  )
  const usage = openaiUsage(body['usage']) ?? openaiUsage(objectOf(body['x_groq'])['usage'])
  const answer = compact<HubAnswer>({
    ...(first ?? { parts: [], finish: { reason: 'stop', raw: '' } }),
    id: stringOf(body['id']) ?? '',
    model: stringOf(body['model']) ?? '',
    created: numberOf(body['created']),
    usage,
    rawUsage: isObject(body['usage']) ? body['usage'] : undefined,
    alternatives: others.length === 0 ? undefined : others,
  })
  return unwrapAnswer(answer, crossing)
}

function decodeChoice(choice: Fields, found: readonly Citation[]): HubChoice {
  const message = objectOf(choice['message'])
  const parts: Part[] = [...readReasoning(message), ...decodeAnswerContent(message, found)]
  const refusal = stringOf(message['refusal'])
  if (refusal !== undefined && refusal !== '') parts.push({ type: 'refusal', text: refusal })
  for (const call of listOf(message['tool_calls'])) parts.push(decodeToolCall(objectOf(call)))
  const old = objectOf(message['function_call'])
  if (typeof old['name'] === 'string') {
    parts.push(decodeToolCall({ id: `call_${old['name']}`, type: 'function', function: json(old) }))
  }
  const has = (type: Part['type']) => parts.some((part) => part.type === type)
  const raw = stringOf(choice['finish_reason'])
  return { parts, finish: decodeFinish(raw, has('toolCall'), has('refusal')) }
}

/** Text, which some servers send as a list of parts with thoughts among them (Mistral). */
function decodeAnswerContent(message: Fields, found: readonly Citation[]): Part[] {
  const parts = decodeContent(message['content']).flatMap(readThinkingPart)
  const citations = [...listOf(message['annotations']).map(decodeAnnotation), ...found]
  const last = parts.findLastIndex(({ type }) => type === 'text')
  if (citations.length > 0 && last !== -1) {
    parts[last] = { ...(parts[last] as TextPart), citations }
  }
  return parts.filter((part) => part.type !== 'text' || part.text !== '')
}

/** Mistral's part of type `thinking`; any other as it is. */
export function readThinkingPart(part: Part): Part[] {
  if (part.type !== 'native' || part.kind !== 'thinking') return [part]
  const { thinking } = objectOf(part.value)
  const text =
    stringOf(thinking) ??
    listOf(thinking)
      .map((piece) => stringOf(objectOf(piece)['text']) ?? '')
      .join('')
  return [{ type: 'reasoning', text }]
}

/** A source, in OpenAI's form. */
export function decodeAnnotation(value: Json): Citation {
  const annotation = objectOf(value)
  const source = objectOf(annotation['url_citation'])
  return compact<Citation>({
    url: stringOf(source['url']),
    title: stringOf(source['title']),
    start: numberOf(source['start_index']),
    end: numberOf(source['end_index']),
    native: { dialect: DIALECT, fields: annotation as JsonObject },
  })
}

/** Perplexity's sources of an answer, which stand beside the choices: pages with titles, in older versions URLs. */
export function readSearchResults(body: Fields): readonly Citation[] {
  const pages = listOf(body['search_results']).map(objectOf)
  if (pages.length > 0) {
    return pages.map(({ title, url }) =>
      compact<Citation>({ url: stringOf(url), title: stringOf(title) }),
    )
  }
  return listOf(body['citations']).flatMap((url) => (typeof url === 'string' ? [{ url }] : []))
}

const REASONS: ReadonlyMap<string, FinishReason> = new Map([
  ['stop', 'stop'],
  ['tool_calls', 'tool'],
  ['function_call', 'tool'],
  ['length', 'length'],
  ['model_length', 'context'],
  ['content_filter', 'contentFilter'],
  ['error', 'malformed'],
])

/**
 * Some servers say `stop` although there are calls, and so does OpenAI where one was forced, or where the model has
 * refused in words.
 */
export function decodeFinish(
  raw: string | undefined,
  hasCall: boolean,
  hasRefusal: boolean,
): Finish {
  const reason = REASONS.get(raw ?? '') ?? 'stop'
  const meant = hasCall ? 'tool' : hasRefusal ? 'contentFilter' : reason
  return {
    reason: reason === 'stop' ? meant : reason,
    raw: raw ?? '',
    native: { dialect: DIALECT },
  }
}

const WORDS: Readonly<Record<FinishReason, string>> = {
  stop: 'stop',
  stopSequence: 'stop',
  tool: 'tool_calls',
  length: 'length',
  context: 'length',
  contentFilter: 'content_filter',
  pause: 'stop',
  malformed: 'stop',
}

/**
 * The finish reason in OpenAI's words: those of the upstream itself, where it is of this dialect. What the model has
 * refused in words of its own is complete.
 */
export function encodeFinish({ native, raw, reason }: Finish, hasRefusal: boolean): string {
  if (native?.dialect === DIALECT && REASONS.has(raw)) return raw
  return reason === 'contentFilter' && hasRefusal ? 'stop' : WORDS[reason]
}

/** Writes a chat completion. */
export function encodeChatAnswer(answer: HubAnswer, crossing: Crossing): JsonObject {
  const choices = [answer, ...(answer.alternatives ?? [])]
  return json({
    id: chatId(answer.id, crossing),
    object: 'chat.completion',
    created: answer.created ?? crossing.created,
    model: crossing.modelName ?? answer.model,
    choices: choices.map((choice, index) => encodeChoice(choice, index, crossing)),
    usage: answer.usage && encodeChatUsage(answer.usage),
  })
}

/** OpenAI's own ids are kept; of others, the request's id makes one. */
export function chatId(id: string, { requestId, target }: Crossing): string {
  return target === DIALECT && id !== '' ? id : `chatcmpl-${requestId}`
}

function encodeChoice({ finish, parts }: HubChoice, index: number, crossing: Crossing): JsonObject {
  const texts = parts.filter((part) => part.type === 'text')
  const refusals = parts.filter((part) => part.type === 'refusal')
  const calls = parts.filter((part) => part.type === 'toolCall')
  const content = texts.map((part) => part.text).join('')
  const refusal = refusals.map((part) => part.text).join('') || finish.explanation
  const annotations = encodeAnnotations(texts)
  return {
    index,
    message: json({
      role: 'assistant',
      content: texts.length === 0 ? null : content,
      refusal: refusal ?? null,
      annotations: annotations.length === 0 ? undefined : annotations,
      ...writeReasoning(parts.filter((part) => part.type === 'reasoning')),
      tool_calls:
        calls.length === 0 ? undefined : calls.map((call) => encodeToolCall(call, crossing)),
    }),
    logprobs: null,
    finish_reason: encodeFinish(finish, refusals.length > 0),
  }
}

/** OpenAI counts the characters of the whole text, others of the block that cites. */
function encodeAnnotations(texts: readonly TextPart[]): JsonObject[] {
  const annotations: JsonObject[] = []
  let offset = 0
  for (const { citations = [], text } of texts) {
    for (const citation of citations) {
      const annotation = encodeAnnotation(citation, offset, offset + text.length)
      if (annotation !== undefined) annotations.push(annotation)
    }
    offset += text.length
  }
  return annotations
}

/** A source in OpenAI's form, which knows only URLs; `start` and `end` are those of the text that cites it. */
export function encodeAnnotation(
  { native, title, url }: Citation,
  start: number,
  end: number,
): JsonObject | undefined {
  if (native?.dialect === DIALECT) return native.fields
  if (url === undefined) return undefined
  const source = { url, title: title ?? url, start_index: start, end_index: end }
  return { type: 'url_citation', url_citation: source }
}

/** Usage in OpenAI's form: all counts are inclusive, as the gateway's own are. */
export function encodeChatUsage(usage: Usage): JsonObject {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.totalTokens,
    prompt_tokens_details: json({
      cached_tokens: usage.cacheReadTokens ?? 0,
      cache_write_tokens: usage.cacheWriteTokens,
    }),
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
  }
}
