import type { Json, JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import {
  type HubMessage,
  nativeFields,
  nativeForm,
  type Part,
  type TextPart,
  type ToolCallPart,
  type ToolResultPart,
} from '../hub/conversation.ts'
import { json } from '../hub/fields.ts'
import { isProofFor } from '../hub/proof.ts'
import { encodeChatParts, encodeToolCall } from './openai-chat-parts.ts'
import { writeReasoning } from './openai-chat-reasoning.ts'

const DIALECT = 'openai-chat'

/** The messages that one message of the hub becomes. */
export function encodeMessage(message: HubMessage, crossing: Crossing): JsonObject[] {
  if (message.native?.dialect === DIALECT) return [encodeOwnMessage(message, crossing)]
  switch (message.role) {
    case 'assistant':
      return encodeAssistant(message, crossing)
    case 'system':
    case 'developer':
      return [spoken(systemRole(message.role, crossing), message.parts, message, crossing)]
    default:
      return encodeUser(message, crossing)
  }
}

/** Only OpenAI knows developers. */
function systemRole(role: 'system' | 'developer', { capabilities }: Crossing) {
  return capabilities.provider === 'openai' ? role : 'system'
}

/** The form that the message came in, with what has become of its parts. */
function encodeOwnMessage(message: HubMessage, crossing: Crossing): JsonObject {
  const { role, parts, name, native } = message
  const form = nativeForm(native, DIALECT)
  const result = parts.find((part) => part.type === 'toolResult')
  const content = (result?.parts ?? parts).filter(
    (part) =>
      part.type !== 'toolCall' &&
      part.type !== 'reasoning' &&
      nativeForm('native' in part ? part.native : undefined, DIALECT) !== 'field',
  )
  const calls = parts.filter(
    (part) => part.type === 'toolCall' && nativeForm(part.native, DIALECT) !== 'function_call',
  )
  const refusal = parts.find(
    (part) => part.type === 'refusal' && nativeForm(part.native, DIALECT) === 'field',
  )
  const text = content.map((part) => (part.type === 'text' ? part.text : '')).join('')
  const written = form === 'string' ? text : encodeChatParts(content, message.path, crossing)
  return json({
    role,
    // The old function calls have no ids.
    tool_call_id: nativeFields(native, DIALECT)['role'] === 'function' ? undefined : result?.callId,
    name,
    content:
      form === 'absent' ? undefined : form === 'null' && content.length === 0 ? null : written,
    refusal: refusal?.type === 'refusal' ? refusal.text : undefined,
    tool_calls:
      calls.length === 0
        ? undefined
        : calls.map((part) => encodeToolCall(part as Part & { type: 'toolCall' }, crossing)),
    ...nativeFields(native, DIALECT),
  })
}

/** Each result is a message of its own. What one cannot hold follows in the user's message. */
function encodeUser(message: HubMessage, crossing: Crossing): JsonObject[] {
  const results = message.parts.filter((part) => part.type === 'toolResult')
  const others: Part[] = message.parts.filter((part) => part.type !== 'toolResult')
  const moved = results.flatMap((result) => result.parts.filter((part) => part.type !== 'text'))
  if (moved.length > 0) crossing.report.judge('toolResultMedia', message.path)
  const rest = [...moved, ...others]
  return [
    ...results.map((result) => encodeResult(result, message.path, crossing)),
    ...(rest.length === 0 ? [] : [spoken('user', rest, message, crossing)]),
  ]
}

function encodeResult(result: ToolResultPart, path: string, crossing: Crossing): JsonObject {
  if (result.isError === true) crossing.report.judge('toolError', path)
  const texts = result.parts.filter((part) => part.type === 'text')
  return {
    role: 'tool',
    tool_call_id: result.callId,
    content: texts.length > 1 ? encodeChatParts(texts, path, crossing) : (texts[0]?.text ?? ''),
  }
}

function spoken(
  role: 'system' | 'developer' | 'user',
  parts: readonly Part[],
  { name, path }: HubMessage,
  crossing: Crossing,
): JsonObject {
  return json({ role, content: encodeContent(parts, path, crossing), name })
}

/** A single text stays a text: some compatible servers know nothing else. */
function encodeContent(parts: readonly Part[], path: string, crossing: Crossing): Json {
  const only = parts[0]
  const isPlain = parts.length === 1 && only?.type === 'text' && only.cache === undefined
  return isPlain ? only.text : encodeChatParts(parts, path, crossing)
}

function encodeAssistant(message: HubMessage, crossing: Crossing): JsonObject[] {
  const { parts, path } = message
  const { report, capabilities } = crossing
  const reasoning = parts.filter((part) => part.type === 'reasoning')
  const calls = parts.filter((part) => part.type === 'toolCall')
  const spokenParts = parts.filter(
    (part) =>
      part.type !== 'reasoning' && part.type !== 'toolCall' && !isForeign(part, path, crossing),
  )
  if (reasoning.length > 0 && capabilities.reasoningReplay === 'none') {
    report.note('dropped', path, 'the model takes no reasoning back in this dialect')
  }
  const content = encodeSpoken(spokenParts, path, crossing)
  if (content === null && calls.length === 0) return []
  const thoughts = capabilities.reasoningReplay === 'none' ? {} : writeReasoning(reasoning)
  return [
    json({
      role: 'assistant',
      content,
      name: message.name,
      reasoning_content: thoughts['reasoning_content'],
      reasoning_details:
        capabilities.reasoningReplay === 'details' ? thoughts['reasoning_details'] : undefined,
      tool_calls:
        calls.length === 0
          ? undefined
          : calls.map((call) => encodeToolCall(withProof(call, crossing), crossing)),
    }),
  ]
}

/** A call with a proof only where its provider's model asks for one: others refuse the field. */
function withProof(call: ToolCallPart, { capabilities }: Crossing): ToolCallPart {
  const { proof, ...rest } = call
  const isAsked = proof && isProofFor(proof, capabilities.provider, capabilities.family)
  return isAsked === true ? call : rest
}

/** Blocks of a server's own tools tell nothing that the text behind them does not. */
function isForeign(part: Part, path: string, { report }: Crossing): boolean {
  if (part.type !== 'native' || part.dialect === DIALECT) return false
  report.note('dropped', path, `the target knows no blocks of type ${part.kind}`)
  return true
}

function encodeSpoken(parts: readonly Part[], path: string, crossing: Crossing): Json {
  const texts = parts.filter((part): part is TextPart => part.type === 'text')
  if (texts.length < parts.length || texts.some(({ cache }) => cache !== undefined)) {
    return parts.length === 0 ? null : encodeChatParts(parts, path, crossing)
  }
  const text = texts.map((part) => part.text).join('')
  return text === '' ? null : text
}
