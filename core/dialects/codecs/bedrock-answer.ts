import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import type { Usage } from '../dialect.ts'
import {
  type Finish,
  type FinishReason,
  type HubAnswer,
  type HubError,
  kindOfError,
} from '../hub/answer.ts'
import type { Crossing } from '../hub/codec.ts'
import type { Part, Proof, ToolCallPart } from '../hub/conversation.ts'
import { compact, listOf, objectOf, stringOf } from '../hub/fields.ts'
import { unwrapAnswer } from '../hub/unwrap.ts'
import { countOf, makeUsage } from '../usage.ts'

type Fields = Readonly<Record<string, Json | undefined>>

/** Reads an answer of Converse, which has neither an id nor a model; undefined where it holds no message. */
export function decodeBedrockAnswer(body: Json, crossing: Crossing): HubAnswer | undefined {
  if (!isObject(body)) return undefined
  const message = objectOf(objectOf(body['output'])['message'])
  if (!Array.isArray(message['content'])) return undefined
  const answer = compact<HubAnswer>({
    id: '',
    model: crossing.request.model,
    parts: listOf(message['content']).flatMap((block) => decodeBlock(objectOf(block), crossing)),
    finish: decodeFinish(body as Fields),
    usage: bedrockUsage(body['usage']),
    rawUsage: isObject(body['usage']) ? (body['usage'] as JsonObject) : undefined,
  })
  return unwrapAnswer(answer, crossing)
}

/** Blocks that no client knows, such as those of a guardrail, are left out. */
function decodeBlock(block: Fields, crossing: Crossing): Part[] {
  if (typeof block['text'] === 'string') return [{ type: 'text', text: block['text'] }]
  if (isObject(block['toolUse'])) return [decodeCall(objectOf(block['toolUse']))]
  if (isObject(block['reasoningContent'])) {
    const { redactedContent, reasoningText } = objectOf(block['reasoningContent'])
    const { signature, text } = objectOf(reasoningText)
    const proof =
      proofOf(signature, 'signature', crossing) ?? proofOf(redactedContent, 'encrypted', crossing)
    return [
      { type: 'reasoning', text: stringOf(text) ?? '', ...(proof === undefined ? {} : { proof }) },
    ]
  }
  // Text with its sources: the sources are in a form of their own.
  const cited = listOf(objectOf(block['citationsContent'])['content'])
  return cited.flatMap((piece) => decodeBlock(objectOf(piece), crossing))
}

function decodeCall(call: Fields): ToolCallPart {
  const input = isObject(call['input']) ? call['input'] : {}
  return {
    type: 'toolCall',
    id: stringOf(call['toolUseId']) ?? '',
    name: stringOf(call['name']) ?? '',
    arguments: JSON.stringify(input),
    input,
    kind: 'function',
  }
}

/** What proves the thoughts, to the provider of the model. */
export function proofOf(
  data: Json | undefined,
  kind: Proof['kind'],
  { capabilities: { family, provider } }: Crossing,
): Proof | undefined {
  if (typeof data !== 'string' || data === '') return undefined
  return { provider, family, kind, data }
}

const REASONS: ReadonlyMap<string, FinishReason> = new Map([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stopSequence'],
  ['tool_use', 'tool'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'context'],
  ['content_filtered', 'contentFilter'],
  ['guardrail_intervened', 'contentFilter'],
  ['malformed_model_output', 'malformed'],
  ['malformed_tool_use', 'malformed'],
])

/** The end of an answer, or of a `messageStop`. */
export function decodeFinish(fields: Fields): Finish {
  const raw = stringOf(fields['stopReason']) ?? ''
  const sequence = objectOf(fields['additionalModelResponseFields'])['stop_sequence']
  return compact<Finish>({
    reason: REASONS.get(raw) ?? 'stop',
    raw,
    stopSequence: stringOf(sequence),
  })
}

/** What a cache took part in is counted beside the input. */
export function bedrockUsage(value: Json | undefined): Usage | undefined {
  const usage = objectOf(value)
  const input = countOf(usage['inputTokens'])
  if (input === undefined) return undefined
  const cacheRead = countOf(usage['cacheReadInputTokens'])
  const cacheWrite = countOf(usage['cacheWriteInputTokens'])
  return makeUsage({
    input: input + (cacheRead ?? 0) + (cacheWrite ?? 0),
    output: countOf(usage['outputTokens']) ?? 0,
    cacheRead,
    cacheWrite,
  })
}

/** The statuses of the exceptions, for those inside a stream that began with 200. */
const STATUSES: ReadonlyMap<string, number> = new Map([
  ['validationexception', 400],
  ['accessdeniedexception', 403],
  ['unrecognizedclientexception', 403],
  ['resourcenotfoundexception', 404],
  ['modeltimeoutexception', 408],
  ['throttlingexception', 429],
  ['modelnotreadyexception', 429],
  ['servicequotaexceededexception', 429],
  ['internalserverexception', 500],
  ['modelstreamerrorexception', 500],
  ['modelerrorexception', 500],
  ['serviceunavailableexception', 503],
])

/** Reads `{ message }` of an answer, with its type where a body names it, or `{ exception }` of a stream. */
export function decodeBedrockError(status: number, body: Json | undefined): HubError {
  const outer = objectOf(body)
  const error = isObject(outer['exception']) ? objectOf(outer['exception']) : outer
  // `com.amazon.coral.service#ThrottlingException`, or with a URL behind a colon.
  const type = (stringOf(error['type'] ?? error['__type']) ?? '').replace(/^.*#|:.*$/g, '')
  const message =
    stringOf(error['message'] ?? error['Message']) || `the upstream answered with status ${status}`
  const stated = status === 200 ? (STATUSES.get(type.toLowerCase()) ?? 500) : status
  return compact<HubError>({
    kind: kindOfError(stated, message),
    status: stated,
    message,
    code: type === '' ? undefined : type,
  })
}
