import type { Json, JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import { type Part, textOf, toolNames, type ToolCallPart } from '../hub/conversation.ts'
import { clampEffort, effortOf } from '../hub/efforts.ts'
import { json } from '../hub/fields.ts'
import { functionsOf, writeFunction } from '../hub/functions.ts'
import { judgeRequest } from '../hub/report.ts'
import type { HubRequest } from '../hub/request.ts'
import { argumentsObject } from '../hub/tool-arguments.ts'
import type { Turn } from '../hub/turns.ts'
import {
  documentText,
  plain,
  resultText,
  splitAssistantTurn,
  splitUserTurn,
  turnsOf,
} from './conversation-turns.ts'
import { CHAT_NAMES } from './openai-chat-names.ts'

/** Writes the body of Ollama's own API, which streams unless it is told not to: https://docs.ollama.com/api/chat. */
export function encodeOllamaRequest(request: HubRequest, crossing: Crossing): JsonObject {
  judgeRequest(request, crossing.report)
  const { sampling, stop } = request
  const names = toolNames(request.messages)
  const tuning = json({
    num_predict: request.maxOutputTokens,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_k: sampling.topK,
    seed: sampling.seed,
    presence_penalty: sampling.presencePenalty,
    frequency_penalty: sampling.frequencyPenalty,
    stop: stop as string[] | undefined,
  })
  return json({
    model: request.model,
    messages: turnsOf(request, crossing).flatMap((turn) => encodeTurn(turn, names, crossing)),
    tools: encodeTools(request, crossing),
    format: encodeFormat(request),
    options: Object.keys(tuning).length === 0 ? undefined : tuning,
    think: encodeThink(request, crossing),
    stream: request.stream,
  })
}

function encodeTurn(
  turn: Turn,
  names: ReadonlyMap<string, string>,
  crossing: Crossing,
): JsonObject[] {
  const { parts, path, role } = turn
  if (role === 'system') return [{ role, content: textOf(parts, '\n\n') }]
  if (role === 'assistant') return [encodeAssistant(turn, crossing)]
  const { results, spoken } = splitUserTurn(turn, crossing)
  const messages: JsonObject[] = results.map((result) => {
    const name = result.name ?? names.get(result.callId)
    return json({
      role: 'tool',
      content: resultText(result, path, crossing),
      tool_name: name === undefined ? undefined : crossing.names.encodeTool(name, CHAT_NAMES),
      tool_call_id: result.callId,
    })
  })
  if (spoken.length > 0) messages.push(encodeUser(spoken, path, crossing))
  return messages
}

/** Text is one string, and images stand beside it. */
function encodeUser(parts: readonly Part[], path: string, crossing: Crossing): JsonObject {
  const texts: string[] = []
  const images: string[] = []
  for (const part of parts) {
    if (part.type === 'text') texts.push(plain(part, path, crossing).text)
    else if (part.type === 'document') texts.push(documentText(part, path, crossing) ?? '')
    else if (part.type === 'image') images.push(...encodeImage(part, path, crossing))
    else if (part.type === 'audio' || part.type === 'video') crossing.report.judge(part.type, path)
    else crossing.report.judge('nativePart', path)
  }
  return json({
    role: 'user',
    content: texts.join('\n\n'),
    images: images.length === 0 ? undefined : images,
  })
}

function encodeImage(
  { detail, source }: Part & { type: 'image' },
  path: string,
  { report }: Crossing,
): string[] {
  if (detail !== undefined) report.judge('imageDetail', path)
  if (source.kind === 'data') return [source.data]
  report.judge(source.kind === 'url' ? 'imageUrl' : 'fileId', path)
  return []
}

function encodeAssistant(turn: Turn, crossing: Crossing): JsonObject {
  const { calls, texts, thoughts } = splitAssistantTurn(turn, crossing)
  return json({
    role: 'assistant',
    content: textOf(texts),
    thinking: thoughts.length === 0 ? undefined : thoughts.map(({ text }) => text).join('\n'),
    tool_calls:
      calls.length === 0 ? undefined : calls.map((call) => encodeCall(call, turn.path, crossing)),
  })
}

/** Arguments are an object. */
function encodeCall(call: ToolCallPart, path: string, { names, report }: Crossing): JsonObject {
  const input = argumentsObject(call)
  if (input === undefined) {
    report.note('refused', path, `the arguments of ${JSON.stringify(call.name)} are no JSON object`)
  }
  const name = names.encodeTool(call.name, CHAT_NAMES)
  return { id: call.id, type: 'function', function: { name, arguments: input ?? {} } }
}

/** None is sent where none may be called: Ollama cannot be told to choose. */
function encodeTools(request: HubRequest, crossing: Crossing): Json | undefined {
  const { toolChoice } = request
  if (toolChoice?.type === 'none') return undefined
  const functions = functionsOf(request, { rule: CHAT_NAMES }, crossing)
  return functions.length === 0 ? undefined : functions.map(writeFunction)
}

function encodeFormat({ output }: HubRequest): Json | undefined {
  if (output?.type === 'jsonObject') return 'json'
  return output?.type === 'jsonSchema' ? output.schema : undefined
}

/** For judging a budget where the client set no limit. */
const ASSUMED_MAX_TOKENS = 32_768

/** Most models think or don't; those that cannot stop know how hard. */
function encodeThink(
  { maxOutputTokens = ASSUMED_MAX_TOKENS, origins, reasoning }: HubRequest,
  { capabilities, report }: Crossing,
): Json | undefined {
  if (reasoning === undefined) return undefined
  const field = origins.reasoning ?? 'reasoning'
  const effort = effortOf(reasoning, maxOutputTokens)
  if (capabilities.thinking === 'none') {
    if (effort !== 'none') report.note('dropped', field, 'the model does not think')
    return undefined
  }
  if (capabilities.canStopThinking) return effort !== 'none'
  if (effort === undefined) return undefined
  const clamped = clampEffort(effort, capabilities)
  if (clamped !== effort) {
    report.note('emulated', field, `the model's nearest effort is ${JSON.stringify(clamped)}`)
  }
  return clamped
}
