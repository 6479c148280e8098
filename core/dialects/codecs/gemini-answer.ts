import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import type { Usage } from '../dialect.ts'
import { geminiUsage } from '../gemini.ts'
import type { Finish, FinishReason, HubAnswer, HubChoice } from '../hub/answer.ts'
import type { Crossing } from '../hub/codec.ts'
import { nativeFields, type Citation, type Part, type ToolCallPart } from '../hub/conversation.ts'
import { compact, json, listOf, numberOf, objectOf, stringOf } from '../hub/fields.ts'
import { argumentsObject } from '../hub/tool-arguments.ts'
import { unwrapAnswer } from '../hub/unwrap.ts'
import {
  callPart,
  camel,
  decodePart,
  NO_SIGNATURE,
  OpenCalls,
  signatureOf,
} from './gemini-parts.ts'
import { rest, type Wire } from './wire.ts'

const DIALECT = 'gemini'

const ANSWER_FIELDS: ReadonlySet<string> = new Set([
  'candidates',
  'modelVersion',
  'responseId',
  'usageMetadata',
])
const CANDIDATE_FIELDS: ReadonlySet<string> = new Set(['content', 'finishReason', 'index'])

const FINISHES: Readonly<Record<string, FinishReason>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  SAFETY: 'contentFilter',
  RECITATION: 'contentFilter',
  LANGUAGE: 'contentFilter',
  BLOCKLIST: 'contentFilter',
  PROHIBITED_CONTENT: 'contentFilter',
  SPII: 'contentFilter',
  IMAGE_SAFETY: 'contentFilter',
  IMAGE_PROHIBITED_CONTENT: 'contentFilter',
  IMAGE_RECITATION: 'contentFilter',
  IMAGE_OTHER: 'contentFilter',
  NO_IMAGE: 'contentFilter',
  CONTINUATION: 'pause',
  MALFORMED_FUNCTION_CALL: 'malformed',
  MALFORMED_RESPONSE: 'malformed',
  UNEXPECTED_TOOL_CALL: 'malformed',
  TOO_MANY_TOOL_CALLS: 'malformed',
}

/** Why a candidate ended: `STOP` with a call in it waits for the tool. */
export function finishOf(raw: string, hasCall: boolean, explanation?: string): Finish {
  const reason = FINISHES[raw] ?? 'stop'
  return compact<Finish>({
    reason: reason === 'stop' && hasCall ? 'tool' : reason,
    raw,
    explanation: explanation === undefined || reason === 'stop' ? undefined : explanation,
  })
}

/** The end of a prompt that was blocked before anything was said; undefined where it was not. */
export function blockOf(body: Wire): Finish | undefined {
  const feedback = camel(body['promptFeedback'])
  const raw = stringOf(feedback['blockReason'])
  if (raw === undefined) return undefined
  const explanation = stringOf(feedback['blockReasonMessage'])
  return compact<Finish>({ reason: 'contentFilter', raw, explanation })
}

/** The id of a call that the upstream did not name, unlike any of other answers. */
export function callId({ requestId }: Crossing, number: number): string {
  return `call_${requestId.replaceAll(/[^A-Za-z0-9_-]/g, '')}_${number}`
}

/** Reads a complete answer; undefined where it has neither candidates nor a reason why. */
export function decodeGeminiAnswer(body: Json, crossing: Crossing): HubAnswer | undefined {
  const response = camel(body)
  const candidates = listOf(response['candidates'])
  const block = blockOf(response)
  if (candidates.length === 0 && block === undefined) return undefined
  const choices = candidates.map((candidate) => decodeCandidate(camel(candidate), crossing))
  const [first = { parts: [], finish: block! }, ...alternatives] = choices
  const answer = compact<HubAnswer>({
    ...first,
    id: stringOf(response['responseId']) ?? '',
    model: stringOf(response['modelVersion']) ?? '',
    usage: geminiUsage(response),
    rawUsage: isObject(response['usageMetadata']) ? response['usageMetadata'] : undefined,
    alternatives: alternatives.length === 0 ? undefined : alternatives,
    ...rest(DIALECT, response, ANSWER_FIELDS),
  })
  return unwrapAnswer(answer, crossing)
}

function decodeCandidate(candidate: Wire, crossing: Crossing): HubChoice {
  const calls = new OpenCalls()
  const position = numberOf(candidate['index']) ?? 0
  const parts = listOf(camel(candidate['content'])['parts']).flatMap((value, index) => {
    const part = decodePart(value, callId(crossing, position * 1000 + index), calls)
    return crossing.request.source === DIALECT ? [part] : signedApart(part)
  })
  const cited = withCitations(merged(parts, crossing), citationsOf(candidate))
  const raw = stringOf(candidate['finishReason']) ?? 'STOP'
  const hasCall = parts.some(({ type }) => type === 'toolCall')
  return {
    parts: cited,
    finish: {
      ...finishOf(raw, hasCall, stringOf(candidate['finishMessage'])),
      ...rest(DIALECT, candidate, CANDIDATE_FIELDS),
    },
  }
}

/** A signed text, for dialects that do not sign texts: the text, then a thought that is nothing but the signature. */
export function signedApart(part: Part): Part[] {
  if (part.type !== 'text') return [part]
  const data = stringOf(nativeFields(part.native, DIALECT)['thoughtSignature'])
  const text: Part[] = part.text === '' ? [] : [part]
  if (data === undefined) return text
  const proof = { provider: 'google', family: 'gemini', kind: 'signature', data } as const
  return [...text, { type: 'reasoning', text: '', proof }]
}

/** Streams cut texts at will, so neighbours are one to other dialects. */
function merged(parts: readonly Part[], { request }: Crossing): Part[] {
  if (request.source === DIALECT) return [...parts]
  const result: Part[] = []
  for (const part of parts) {
    const last = result.at(-1)
    const isThought = part.type === 'reasoning' && part.proof === undefined
    if (part.type === 'text' && last?.type === 'text') {
      result[result.length - 1] = { type: 'text', text: last.text + part.text }
    } else if (isThought && last?.type === 'reasoning' && last.proof === undefined) {
      result[result.length - 1] = { ...last, text: last.text + part.text }
    } else result.push(part)
  }
  return result
}

/** The web pages that a search found, by the words that they prove. */
export function citationsOf(candidate: Wire): readonly Citation[] {
  const grounding = camel(candidate['groundingMetadata'])
  const chunks = listOf(grounding['groundingChunks']).map((chunk) => objectOf(camel(chunk)['web']))
  return listOf(grounding['groundingSupports']).flatMap((value) => {
    const support = camel(value)
    const quote = stringOf(camel(support['segment'])['text'])
    return listOf(support['groundingChunkIndices']).flatMap((index) => {
      const web = chunks[Number(index)]
      const url = stringOf(web?.['uri'])
      return url === undefined
        ? []
        : [compact<Citation>({ url, title: stringOf(web?.['title']), quote })]
    })
  })
}

/** Each source with the text that it proves; Google's own positions count bytes. */
function withCitations(parts: readonly Part[], citations: readonly Citation[]): Part[] {
  if (citations.length === 0) return [...parts]
  return parts.map((part) => {
    if (part.type !== 'text') return part
    const own = citations.flatMap((citation) => placed(citation, part.text))
    return own.length === 0 ? part : { ...part, citations: own }
  })
}

/** The citation with its place in the text; nothing where the text does not have it. */
export function placed(citation: Citation, text: string): Citation[] {
  const { quote = '' } = citation
  const start = text.indexOf(quote)
  return start === -1 ? [] : [{ ...citation, start, end: start + quote.length }]
}

/** Writes a complete answer. */
export function encodeGeminiAnswer(answer: HubAnswer, crossing: Crossing): JsonObject {
  const choices: readonly HubChoice[] = [answer, ...(answer.alternatives ?? [])]
  const isOwn = crossing.target === DIALECT
  return json({
    candidates: choices.map((choice, index) => encodeCandidate(choice, index, crossing)),
    usageMetadata: isOwn ? answer.rawUsage : encodeUsage(answer.usage),
    ...envelope(answer, crossing),
    ...nativeFields(answer.native, DIALECT),
  })
}

/** The fields that each event of an answer repeats. */
export function envelope(
  { id, model }: Pick<HubAnswer, 'id' | 'model'>,
  { modelName, requestId }: Crossing,
): { readonly modelVersion: string; readonly responseId: string } {
  return { modelVersion: modelName ?? model, responseId: id === '' ? requestId : id }
}

function encodeCandidate(
  { parts, finish }: HubChoice,
  index: number,
  crossing: Crossing,
): JsonObject {
  const written = parts.flatMap((part) => encodeAnswerPart(part, crossing))
  const isBroken = parts.some((part) => part.type === 'toolCall' && isMalformed(part))
  return {
    ...candidateOf(written, index),
    ...(isBroken ? MALFORMED : finishFields(finish)),
    ...nativeFields(finish.native, DIALECT),
  }
}

/** True for a call whose arguments are no object, which this dialect cannot tell. */
function isMalformed(call: ToolCallPart): boolean {
  return argumentsObject(call) === undefined
}

/** How Gemini itself ends an answer with such a call. */
export const MALFORMED: JsonObject = {
  finishReason: 'MALFORMED_FUNCTION_CALL',
  finishMessage: 'the arguments of a function call are no JSON object',
}

/** One candidate, without its end. */
export function candidateOf(parts: readonly JsonObject[], index: number): JsonObject {
  return { content: { parts: [...parts], role: 'model' }, index }
}

/**
 * Writes one part of an answer; nothing for what this dialect cannot tell. A call that nobody signed is given Google's
 * own word for that: the client may go on with a model of Google's, which refuses calls without a signature.
 */
export function encodeAnswerPart(part: Part, { target }: Crossing): JsonObject[] {
  switch (part.type) {
    case 'text':
      return [{ text: part.text, ...nativeFields(part.native, DIALECT) }]
    case 'refusal':
      return [{ text: part.text }]
    case 'reasoning': {
      const signature = part.proof === undefined ? undefined : signatureOf(part.proof)
      return [json({ text: part.text, thought: true, thoughtSignature: signature })]
    }
    case 'toolCall': {
      const args = argumentsObject(part)
      if (args === undefined) return []
      const unsigned = target === DIALECT ? undefined : NO_SIGNATURE
      const signature = part.proof === undefined ? unsigned : signatureOf(part.proof)
      return [
        { ...callPart(part.id, part.name, args, signature), ...nativeFields(part.native, DIALECT) },
      ]
    }
    case 'image':
      return part.source.kind === 'data'
        ? [{ inlineData: { mimeType: part.source.mediaType, data: part.source.data } }]
        : []
    case 'native':
      return part.dialect === DIALECT ? [part.value as JsonObject] : []
    default:
      return []
  }
}

const REASONS: Readonly<Record<FinishReason, string>> = {
  stop: 'STOP',
  stopSequence: 'STOP',
  tool: 'STOP',
  length: 'MAX_TOKENS',
  context: 'MAX_TOKENS',
  contentFilter: 'SAFETY',
  pause: 'CONTINUATION',
  malformed: 'MALFORMED_RESPONSE',
}

/** How a candidate ends. */
export function finishFields({ reason, raw, explanation }: Finish): JsonObject {
  const isOwn = FINISHES[raw] !== undefined
  return json({ finishReason: isOwn ? raw : REASONS[reason], finishMessage: explanation })
}

/** Writes usage: thoughts beside the candidates, as Gemini counts them. */
export function encodeUsage(usage: Usage | undefined): JsonObject | undefined {
  if (usage === undefined) return undefined
  const { inputTokens, outputTokens, totalTokens, cacheReadTokens, reasoningTokens = 0 } = usage
  return json({
    promptTokenCount: inputTokens,
    candidatesTokenCount: Math.max(outputTokens - reasoningTokens, 0),
    totalTokenCount: totalTokens,
    thoughtsTokenCount: reasoningTokens === 0 ? undefined : reasoningTokens,
    cachedContentTokenCount: cacheReadTokens,
  })
}
