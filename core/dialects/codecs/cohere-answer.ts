import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import type { Usage } from '../dialect.ts'
import type { Finish, FinishReason, HubAnswer, HubError } from '../hub/answer.ts'
import { kindOfError } from '../hub/answer.ts'
import type { Crossing } from '../hub/codec.ts'
import type { Citation, Part } from '../hub/conversation.ts'
import { compact, listOf, numberOf, objectOf, stringOf } from '../hub/fields.ts'
import { unwrapAnswer } from '../hub/unwrap.ts'
import { countOf, makeUsage } from '../usage.ts'

/** Reads a complete answer, which names no model; undefined where the body has no message. */
export function decodeCohereAnswer(body: Json, crossing: Crossing): HubAnswer | undefined {
  if (!isObject(body) || !isObject(body['message'])) return undefined
  const message = objectOf(body['message'])
  const parts = decodeContent(message['content'])
  const citations = listOf(message['citations']).map(decodeCitation)
  const last = parts.findLastIndex(({ type }) => type === 'text')
  const text = parts[last]
  if (text?.type === 'text' && citations.length > 0) parts[last] = { ...text, citations }
  const plan = stringOf(message['tool_plan']) ?? ''
  if (plan !== '') parts.push({ type: 'text', text: plan })
  for (const call of listOf(message['tool_calls'])) parts.push(decodeCall(objectOf(call)))
  const answer = compact<HubAnswer>({
    id: stringOf(body['id']) ?? '',
    model: crossing.request.model,
    parts,
    finish: decodeFinish(body['finish_reason']),
    usage: cohereUsage(body['usage']),
    rawUsage: isObject(body['usage']) ? (body['usage'] as JsonObject) : undefined,
  })
  return unwrapAnswer(answer, crossing)
}

function decodeContent(content: Json | undefined): Part[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return listOf(content).flatMap((value): Part[] => {
    const block = objectOf(value)
    const text = stringOf(block['text']) ?? ''
    const thinking = stringOf(block['thinking']) ?? ''
    if (thinking !== '') return [{ type: 'reasoning', text: thinking }]
    return text === '' ? [] : [{ type: 'text', text }]
  })
}

function decodeCall(call: Readonly<Record<string, Json | undefined>>): Part {
  const definition = objectOf(call['function'])
  return {
    type: 'toolCall',
    id: stringOf(call['id']) ?? '',
    name: stringOf(definition['name']) ?? '',
    arguments: stringOf(definition['arguments']) ?? '',
    kind: 'function',
  }
}

/** A source: a document of the client's, or what a tool gave back. */
export function decodeCitation(value: Json): Citation {
  const citation = objectOf(value)
  const source = objectOf(listOf(citation['sources'])[0])
  const document = objectOf(source['document'])
  return compact<Citation>({
    url: stringOf(document['url']),
    title: stringOf(document['title']) ?? stringOf(source['id']),
    start: numberOf(citation['start']),
    end: numberOf(citation['end']),
    quote: stringOf(citation['text']),
  })
}

const REASONS: ReadonlyMap<string, FinishReason> = new Map([
  ['COMPLETE', 'stop'],
  ['STOP_SEQUENCE', 'stopSequence'],
  ['MAX_TOKENS', 'length'],
  ['TOOL_CALL', 'tool'],
  ['ERROR', 'malformed'],
  ['ERROR_TOXIC', 'contentFilter'],
  ['TIMEOUT', 'length'],
])

/** Why the answer ended. */
export function decodeFinish(value: Json | undefined): Finish {
  const raw = stringOf(value) ?? ''
  return { reason: REASONS.get(raw) ?? 'stop', raw }
}

/** Counts of the model; what is billed is beside them, and less. */
export function cohereUsage(value: Json | undefined): Usage | undefined {
  const usage = objectOf(value)
  const tokens = objectOf(usage['tokens'] ?? usage['billed_units'])
  const input = countOf(tokens['input_tokens'])
  const output = countOf(tokens['output_tokens'])
  if (input === undefined && output === undefined) return undefined
  const cacheRead = countOf(usage['cached_tokens'])
  return makeUsage({ input: input ?? 0, output: output ?? 0, cacheRead })
}

/** Reads `{ message }`. */
export function decodeCohereError(status: number, body: Json | undefined): HubError {
  const message =
    stringOf(objectOf(body)['message']) ?? `the upstream answered with status ${status}`
  return { kind: kindOfError(status, message), status, message }
}
