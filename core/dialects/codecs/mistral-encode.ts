import type { Json, JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import type {
  MediaSource,
  Part,
  ReasoningPart,
  TextPart,
  ToolCallPart,
} from '../hub/conversation.ts'
import { textOf } from '../hub/conversation.ts'
import { effortOf } from '../hub/efforts.ts'
import { json } from '../hub/fields.ts'
import { functionsOf, writeFunction } from '../hub/functions.ts'
import type { NameRule } from '../hub/names.ts'
import { judgeRequest } from '../hub/report.ts'
import type { HubRequest } from '../hub/request.ts'
import type { Turn } from '../hub/turns.ts'
import {
  contentOf,
  plain,
  resultText,
  splitAssistantTurn,
  splitUserTurn,
  turnsOf,
} from './conversation-turns.ts'
import { dataUrl } from './media.ts'
import { CHAT_NAMES } from './openai-chat-names.ts'

/** Mistral's models were trained on ids like these, and its API refuses others. */
const CALL_IDS: NameRule = { pattern: /^[a-zA-Z0-9]{9}$/, maxLength: 9 }

/** Writes Mistral's body: https://docs.mistral.ai/api/endpoint/chat. */
export function encodeMistralRequest(request: HubRequest, crossing: Crossing): JsonObject {
  const carried = judgeRequest(request, crossing.report)
  const { sampling, stop } = request
  return json({
    model: request.model,
    messages: encodeMessages(turnsOf(request, crossing), crossing),
    ...encodeTools(request, crossing),
    response_format: encodeOutput(request),
    max_tokens: request.maxOutputTokens,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    random_seed: sampling.seed,
    presence_penalty: sampling.presencePenalty,
    frequency_penalty: sampling.frequencyPenalty,
    stop: stop as string[] | undefined,
    n: request.choices,
    metadata: request.metadata,
    ...encodeReasoning(request, crossing),
    ...carried,
    stream: request.stream ? true : undefined,
  })
}

/** Said by the assistant where the user goes on behind a tool's result, which Mistral refuses otherwise. */
const BRIDGE = 'Understood.'

function encodeMessages(turns: readonly Turn[], crossing: Crossing): JsonObject[] {
  return turns.flatMap((turn, index): JsonObject[] => {
    if (turn.role === 'system') return [{ role: 'system', content: textOf(turn.parts, '\n\n') }]
    if (turn.role === 'user') return encodeUser(turn, crossing)
    const isPrefix = index === turns.length - 1
    return [{ ...encodeAssistant(turn, crossing), ...(isPrefix ? { prefix: true } : {}) }]
  })
}

function encodeUser(turn: Turn, crossing: Crossing): JsonObject[] {
  const { results, spoken } = splitUserTurn(turn, crossing)
  const messages: JsonObject[] = results.map((result) => ({
    role: 'tool',
    tool_call_id: crossing.names.encodeId(result.callId, CALL_IDS),
    content: resultText(result, turn.path, crossing),
  }))
  if (spoken.length === 0) return messages
  if (results.length > 0) {
    const reason = 'the assistant is made to answer before the user goes on behind a result'
    crossing.report.note('emulated', turn.path, reason)
    messages.push({ role: 'assistant', content: BRIDGE })
  }
  return [
    ...messages,
    { role: 'user', content: contentOf(spoken, turn.path, crossing, encodeChunk) },
  ]
}

function encodeChunk(part: Part, path: string, crossing: Crossing): JsonObject | undefined {
  const { report } = crossing
  switch (part.type) {
    case 'text':
      return { type: 'text', text: plain(part, path, crossing).text }
    case 'image': {
      const url = urlOf(part.source, path, crossing)
      if (url === undefined) return undefined
      return { type: 'image_url', image_url: json({ url, detail: part.detail }) }
    }
    case 'document': {
      if (part.source.kind === 'text') return { type: 'text', text: part.source.text }
      if (part.title !== undefined || part.context !== undefined) report.judge('documentNote', path)
      const url = urlOf(part.source, path, crossing)
      if (url === undefined) return undefined
      return json({ type: 'document_url', document_url: url, document_name: part.filename })
    }
    case 'audio':
      if (part.source.kind === 'file') report.judge('fileId', path)
      else if (part.source.kind === 'url')
        return { type: 'input_audio', input_audio: part.source.url }
      else return { type: 'input_audio', input_audio: part.source.data }
      return undefined
    case 'video':
      report.judge('video', path)
      return undefined
    default:
      report.judge('nativePart', path)
      return undefined
  }
}

function urlOf(source: MediaSource, path: string, { report }: Crossing): string | undefined {
  if (source.kind === 'data') return dataUrl(source.mediaType, source.data)
  if (source.kind === 'url') return source.url
  report.judge('fileId', path)
  return undefined
}

function encodeAssistant(turn: Turn, crossing: Crossing): JsonObject {
  const { calls, texts, thoughts } = splitAssistantTurn(turn, crossing)
  return json({
    role: 'assistant',
    content: encodeSaid(thoughts, texts),
    tool_calls: calls.length === 0 ? undefined : calls.map((call) => encodeCall(call, crossing)),
  })
}

/** A list only where there are thoughts: older models know nothing else than text. */
function encodeSaid(thoughts: readonly ReasoningPart[], texts: readonly TextPart[]): Json {
  const text = textOf(texts)
  if (thoughts.length === 0) return text
  const thinking = thoughts.map((thought) => ({ type: 'text', text: thought.text }))
  return [{ type: 'thinking', thinking }, ...(text === '' ? [] : [{ type: 'text', text }])]
}

function encodeCall(call: ToolCallPart, { names }: Crossing): JsonObject {
  const isWrapped = call.kind === 'custom'
  const text = isWrapped ? JSON.stringify({ input: call.arguments }) : call.arguments
  return {
    id: names.encodeId(call.id, CALL_IDS),
    type: 'function',
    function: {
      name: names.encodeTool(call.name, CHAT_NAMES),
      arguments: text.trim() === '' ? '{}' : text,
    },
  }
}

function encodeTools(request: HubRequest, crossing: Crossing): JsonObject {
  const functions = functionsOf(request, { rule: CHAT_NAMES, strict: true }, crossing)
  if (functions.length === 0) return {}
  return json({
    tools: functions.map(writeFunction),
    tool_choice: encodeChoice(request, crossing),
    parallel_tool_calls: request.parallelTools,
  })
}

function encodeChoice(
  { origins, toolChoice }: HubRequest,
  { names, report }: Crossing,
): Json | undefined {
  switch (toolChoice?.type) {
    case 'auto':
    case 'none':
      return toolChoice.type
    case 'required':
      return 'any'
    case 'subset':
      return toolChoice.mode === 'required' ? 'any' : 'auto'
    case 'tool':
      return { type: 'function', function: { name: names.encodeTool(toolChoice.name, CHAT_NAMES) } }
    case 'native':
      report.judge('builtinTool', origins.toolChoice ?? 'tool_choice')
      return undefined
    default:
      return undefined
  }
}

function encodeOutput({ output }: HubRequest): JsonObject | undefined {
  if (output?.type === 'jsonObject') return { type: 'json_object' }
  if (output?.type !== 'jsonSchema') return undefined
  const { description, name = 'response', schema, strict = true } = output
  return { type: 'json_schema', json_schema: json({ name, description, schema, strict }) }
}

/** For judging a budget where the client set no limit. */
const ASSUMED_MAX_TOKENS = 32_768

/** Older reasoning models are asked by `prompt_mode`, newer ones by `reasoning_effort`, which is `high` or `none`. */
function encodeReasoning(
  { maxOutputTokens = ASSUMED_MAX_TOKENS, origins, reasoning }: HubRequest,
  { capabilities, report }: Crossing,
): JsonObject {
  if (reasoning === undefined) return {}
  const effort = effortOf(reasoning, maxOutputTokens)
  const field = origins.reasoning ?? 'reasoning'
  if (capabilities.thinking === 'none') {
    if (effort !== 'none') report.note('dropped', field, 'the model does not think')
    return {}
  }
  if (capabilities.thinking === 'adaptive') {
    return effort === 'none' ? {} : { prompt_mode: 'reasoning' }
  }
  if (effort === undefined) return {}
  if (effort !== 'none' && effort !== 'high') {
    report.note('emulated', field, `the model's nearest effort is "high"`)
  }
  return { reasoning_effort: effort === 'none' ? 'none' : 'high' }
}
