import type { JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import { type Part, textOf, type ToolCallPart } from '../hub/conversation.ts'
import { budgetOf, effortOf } from '../hub/efforts.ts'
import { json } from '../hub/fields.ts'
import { functionsOf, type TargetFunction, writeFunction } from '../hub/functions.ts'
import { judgeRequest } from '../hub/report.ts'
import type { HubRequest } from '../hub/request.ts'
import type { Turn } from '../hub/turns.ts'
import {
  contentOf,
  documentText,
  plain,
  resultText,
  splitAssistantTurn,
  splitUserTurn,
  turnsOf,
} from './conversation-turns.ts'
import { dataUrl } from './media.ts'
import { CHAT_NAMES } from './openai-chat-names.ts'

/** Cohere takes so many stop sequences. */
const MAX_STOPS = 5

/** Writes the body of Cohere's second API: https://docs.cohere.com/reference/chat. */
export function encodeCohereRequest(request: HubRequest, crossing: Crossing): JsonObject {
  const { report } = crossing
  judgeRequest(request, report)
  const { origins, sampling, stop } = request
  if (stop !== undefined && stop.length > MAX_STOPS) {
    report.note('refused', origins.stop ?? 'stop', `the target takes ${MAX_STOPS} stop sequences`)
  }
  const tools = encodeTools(request, crossing)
  return json({
    model: request.model,
    messages: turnsOf(request, crossing).flatMap((turn) => encodeTurn(turn, crossing)),
    ...tools,
    response_format: encodeOutput(request, 'tools' in tools, crossing),
    max_tokens: request.maxOutputTokens,
    stop_sequences: stop as string[] | undefined,
    temperature: sampling.temperature,
    p: sampling.topP,
    k: sampling.topK,
    seed: sampling.seed,
    presence_penalty: sampling.presencePenalty,
    frequency_penalty: sampling.frequencyPenalty,
    thinking: encodeThinking(request, crossing),
    stream: request.stream,
  })
}

function encodeTurn(turn: Turn, crossing: Crossing): JsonObject[] {
  const { parts, path, role } = turn
  if (role === 'system') return [{ role, content: textOf(parts, '\n\n') }]
  if (role === 'assistant') return [encodeAssistant(turn, crossing)]
  const { results, spoken } = splitUserTurn(turn, crossing)
  const messages: JsonObject[] = results.map((result) => ({
    role: 'tool',
    tool_call_id: result.callId,
    content: resultText(result, path, crossing),
  }))
  if (spoken.length > 0)
    messages.push({ role, content: contentOf(spoken, path, crossing, encodeBlock) })
  return messages
}

function encodeBlock(part: Part, path: string, crossing: Crossing): JsonObject | undefined {
  const { capabilities, report } = crossing
  switch (part.type) {
    case 'text':
      return { type: 'text', text: plain(part, path, crossing).text }
    case 'image': {
      const { detail, source } = part
      if (!capabilities.images) report.note('refused', path, 'the model takes no images')
      if (source.kind === 'file') {
        report.judge('fileId', path)
        return undefined
      }
      const url = source.kind === 'url' ? source.url : dataUrl(source.mediaType, source.data)
      return { type: 'image_url', image_url: json({ url, detail }) }
    }
    case 'document': {
      const text = documentText(part, path, crossing)
      return text === undefined ? undefined : { type: 'text', text }
    }
    case 'audio':
    case 'video':
      report.judge(part.type, path)
      return undefined
    default:
      report.judge('nativePart', path)
      return undefined
  }
}

/** What is said beside calls is their plan. */
function encodeAssistant(turn: Turn, crossing: Crossing): JsonObject {
  const { calls, texts, thoughts } = splitAssistantTurn(turn, crossing)
  const text = textOf(texts)
  const said: JsonObject[] = thoughts.map((thought) => ({
    type: 'thinking',
    thinking: thought.text,
  }))
  if (text !== '' && calls.length === 0) said.push({ type: 'text', text })
  const isPlain = thoughts.length === 0
  return json({
    role: 'assistant',
    content: isPlain ? (calls.length === 0 ? text : undefined) : said,
    tool_plan: calls.length === 0 || text === '' ? undefined : text,
    tool_calls: calls.length === 0 ? undefined : calls.map((call) => encodeCall(call, crossing)),
  })
}

function encodeCall(call: ToolCallPart, { names }: Crossing): JsonObject {
  const isWrapped = call.kind === 'custom'
  const text = isWrapped ? JSON.stringify({ input: call.arguments }) : call.arguments
  const name = names.encodeTool(call.name, CHAT_NAMES)
  const definition = { name, arguments: text.trim() === '' ? '{}' : text }
  return { id: call.id, type: 'function', function: definition }
}

/** One tool can be asked for by sending it alone. */
function encodeTools(request: HubRequest, crossing: Crossing): JsonObject {
  const { origins, toolChoice } = request
  const { names, report } = crossing
  const field = origins.toolChoice ?? 'tool_choice'
  let functions: readonly TargetFunction[] = functionsOf(request, { rule: CHAT_NAMES }, crossing)
  if (functions.length === 0) return {}
  if (toolChoice?.type === 'tool') {
    report.note('emulated', field, 'only the tool that must be called is sent')
    const name = names.encodeTool(toolChoice.name, CHAT_NAMES)
    functions = functions.filter((definition) => definition.name === name)
  }
  if (toolChoice?.type === 'native') report.judge('builtinTool', field)
  const isForced =
    toolChoice?.type === 'required' ||
    toolChoice?.type === 'tool' ||
    (toolChoice?.type === 'subset' && toolChoice.mode === 'required')
  return json({
    tools: functions.map(writeFunction),
    tool_choice: isForced ? 'REQUIRED' : toolChoice?.type === 'none' ? 'NONE' : undefined,
  })
}

function encodeOutput(
  { origins, output }: HubRequest,
  hasTools: boolean,
  { report }: Crossing,
): JsonObject | undefined {
  if (output === undefined || output.type === 'text') return undefined
  const field = origins.output ?? 'output'
  // https://docs.cohere.com/docs/structured-outputs
  if (hasTools)
    report.note('refused', field, 'the target takes no format of its answer beside tools')
  if (output.type === 'jsonObject') return { type: 'json_object' }
  return { type: 'json_object', json_schema: output.schema }
}

/** For judging an effort where the client set no limit. */
const ASSUMED_MAX_TOKENS = 32_768

function encodeThinking(
  { maxOutputTokens = ASSUMED_MAX_TOKENS, origins, reasoning }: HubRequest,
  { capabilities, report }: Crossing,
): JsonObject | undefined {
  if (reasoning === undefined) return undefined
  const effort = effortOf(reasoning, maxOutputTokens)
  if (capabilities.thinking === 'none') {
    const field = origins.reasoning ?? 'reasoning'
    if (effort !== 'none') report.note('dropped', field, 'the model does not think')
    return undefined
  }
  if (effort === 'none') return { type: 'disabled' }
  const asked = reasoning.budgetTokens ?? -1
  const budget = asked > 0 ? asked : effort && budgetOf(effort, maxOutputTokens)
  return json({ type: 'enabled', token_budget: budget })
}
