import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import type { Finish, HubAnswer } from '../hub/answer.ts'
import type { Crossing } from '../hub/codec.ts'
import { nativeFields, nativeForm, type Part, type ReasoningPart } from '../hub/conversation.ts'
import { compact, listOf, numberOf, objectOf, stringOf } from '../hub/fields.ts'
import { unwrapAnswer } from '../hub/unwrap.ts'
import { openaiUsage } from '../openai-chat.ts'
import {
  callItem,
  encodeCitation,
  encodeUsage,
  messageItem,
  proofItem,
  reasoningItem,
  ResponseFrame,
  statusOf,
  textContent,
} from './openai-responses-frame.ts'
import { decodeCall, decodeContent, decodeReasoning } from './openai-responses-items.ts'
import { rest, type Wire } from './wire.ts'

const DIALECT = 'openai-responses'

const ANSWER_FIELDS: ReadonlySet<string> = new Set([
  'id',
  'object',
  'created_at',
  'status',
  'error',
  'incomplete_details',
  'model',
  'output',
  'output_text',
  'usage',
])

/** Reads a finished response; undefined for one that failed or goes on. */
export function decodeResponsesAnswer(body: Json, crossing: Crossing): HubAnswer | undefined {
  if (!isObject(body) || !Array.isArray(body['output'])) return undefined
  const response = body as Wire
  const { status } = response
  if (status !== undefined && status !== 'completed' && status !== 'incomplete') return undefined
  const parts = listOf(response['output']).flatMap((item) => decodeOutput(item, crossing))
  const usage = openaiUsage(response['usage'])
  const answer = compact<HubAnswer>({
    id: stringOf(response['id']) ?? '',
    model: stringOf(response['model']) ?? '',
    created: numberOf(response['created_at']),
    parts,
    finish: finishOf(response, parts.some(isCall), parts.some(isRefusal)),
    usage,
    rawUsage: isObject(response['usage']) ? response['usage'] : undefined,
    ...rest(DIALECT, response, ANSWER_FIELDS),
  })
  return unwrapAnswer(answer, crossing)
}

function isCall({ type }: Part): boolean {
  return type === 'toolCall'
}

function isRefusal({ type }: Part): boolean {
  return type === 'refusal'
}

/** Reads one item of `output`. A thought that says and proves nothing is only told to its own dialect. */
export function decodeOutput(value: Json, crossing: Crossing): Part[] {
  const item = objectOf(value)
  switch (item['type']) {
    case 'message': {
      const { content: _, ...head } = item
      const form = JSON.stringify(head)
      return decodeContent(item['content'], 'assistant').map((part) => inItem(part, form))
    }
    case 'reasoning': {
      const part = decodeReasoning(item, crossing.capabilities)
      return isTold(part, crossing) ? [part] : []
    }
    case 'function_call':
    case 'custom_tool_call':
      return [decodeCall(item)]
    default: {
      const kind = stringOf(item['type']) ?? 'unknown'
      return [{ type: 'native', dialect: DIALECT, kind, value }]
    }
  }
}

/** True where anyone but the same dialect would see something of the thought. */
export function isTold(
  { text, proof }: Pick<ReasoningPart, 'text' | 'proof'>,
  { request }: Crossing,
): boolean {
  return text !== '' || proof !== undefined || request.source === DIALECT
}

/** The item's other fields are the form of each of its parts, so that they find together again. */
function inItem(part: Part, form: string): Part {
  if (part.type !== 'text' && part.type !== 'refusal') return part
  return { ...part, native: { dialect: DIALECT, ...part.native, form } }
}

const INCOMPLETE: Readonly<Record<string, Finish['reason']>> = {
  max_output_tokens: 'length',
  content_filter: 'contentFilter',
  max_messages: 'pause',
  steered: 'pause',
}

/** Why a response ended. A cut answer is cut, also where it called tools. */
export function finishOf(response: Wire, hasCall: boolean, hasRefusal: boolean): Finish {
  if (response['status'] === 'incomplete') {
    const raw = stringOf(objectOf(response['incomplete_details'])['reason']) ?? 'incomplete'
    return { reason: INCOMPLETE[raw] ?? 'length', raw }
  }
  if (hasCall) return { reason: 'tool', raw: 'completed' }
  return { reason: hasRefusal ? 'contentFilter' : 'stop', raw: 'completed' }
}

/** Writes a response, with what the client asked for repeated in it. */
export function encodeResponsesAnswer(answer: HubAnswer, crossing: Crossing): JsonObject {
  const frame = new ResponseFrame(answer, crossing)
  const output = encodeOutput(answer.parts, frame)
  const hasRefusal = answer.parts.some(isRefusal)
  const own = nativeFields(answer.native, DIALECT)
  const usage = crossing.target === DIALECT ? answer.rawUsage : encodeUsage(answer.usage)
  return { ...frame.response(output, statusOf(answer.finish, hasRefusal), usage), ...own }
}

function encodeOutput(parts: readonly Part[], frame: ResponseFrame): JsonObject[] {
  const output: JsonObject[] = []
  let form: string | undefined
  for (const part of parts) {
    if (part.type === 'text' || part.type === 'refusal') {
      const own = nativeForm(part.native, DIALECT)
      const last = output.at(-1)
      if (last?.['type'] === 'message' && own === form) {
        ;(last['content'] as Json[]).push(encodeSpoken(part))
      } else output.push(itemOf(own, encodeSpoken(part), frame))
      form = own
    } else output.push(...encodeOther(part, frame))
  }
  return output
}

/** The message item that a part begins. */
function itemOf(form: string | undefined, part: JsonObject, frame: ResponseFrame): JsonObject {
  if (form === undefined) return messageItem(frame.itemId('msg'), [part])
  return { ...(JSON.parse(form) as JsonObject), content: [part] }
}

/** A part of a message, complete. */
function encodeSpoken(part: Part & { type: 'text' | 'refusal' }): JsonObject {
  return part.type === 'refusal'
    ? { type: 'refusal', refusal: part.text }
    : textContent(part.text, (part.citations ?? []).map(encodeCitation), part.native)
}

function encodeOther(part: Part, frame: ResponseFrame): JsonObject[] {
  switch (part.type) {
    case 'reasoning':
      return [reasoningItem(part, frame)]
    case 'toolCall':
      // A call has no field for a proof: an empty thought before it carries the proof to and fro.
      return part.proof === undefined
        ? [callItem(part, frame)]
        : [proofItem(part.proof, frame), callItem(part, frame)]
    case 'native':
      return part.dialect === DIALECT ? [part.value as JsonObject] : []
    default:
      return []
  }
}
