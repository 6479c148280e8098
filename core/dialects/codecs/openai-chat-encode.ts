import { createHash } from 'node:crypto'
import type { Json, JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import {
  nativeFields,
  nativeForm,
  type HubMessage,
  type Part,
  type TextPart,
  type ToolResultPart,
} from '../hub/conversation.ts'
import { clampEffort, effortOf } from '../hub/efforts.ts'
import { json } from '../hub/fields.ts'
import { judgeRequest } from '../hub/report.ts'
import type { HubRequest, OutputFormat, Tool, ToolChoice } from '../hub/request.ts'
import { joinedAssistants } from '../hub/turns.ts'
import { CHAT_NAMES } from './openai-chat-names.ts'
import { encodeChatParts, encodeToolCall } from './openai-chat-parts.ts'
import { writeReasoning } from './openai-chat-reasoning.ts'

const DIALECT = 'openai-chat'

/** Writes a Chat Completions body. A request of the same dialect is written back as it came. */
export function encodeChatRequest(request: HubRequest, crossing: Crossing): JsonObject {
  const all = [...request.system, ...request.messages]
  const spoken = request.source === DIALECT ? all : joinedAssistants(all)
  const structure = {
    model: request.model,
    messages: spoken.flatMap((message) => encodeMessage(message, crossing)),
  }
  if (request.source === DIALECT) return encodeOwn(request, structure, crossing)
  const carried = judgeRequest(request, crossing.report)
  const tools = encodeTools(request, crossing)
  return json({
    ...structure,
    ...tools,
    ...encodeTuning(request, crossing),
    response_format: encodeOutput(request.output, crossing),
    reasoning_effort: encodeEffort(request, crossing),
    [crossing.capabilities.maxTokensField]: encodeMaxTokens(request, crossing),
    ...encodeAccount(request, crossing),
    ...carried,
    ...(request.stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  })
}

/** Streams are always asked for usage: the encoder of the client's stream leaves it out again. */
function encodeOwn(request: HubRequest, structure: JsonObject, crossing: Crossing): JsonObject {
  const { native, extras, tools } = request
  const current = tools.filter((tool) => !isOldFunction(tool))
  return json({
    ...structure,
    ...(current.length === 0 ? {} : { tools: current.map((tool) => encodeTool(tool, crossing)!) }),
    ...nativeFields(native, DIALECT),
    ...extras,
  })
}

function isOldFunction(tool: Tool): boolean {
  return tool.type === 'function' && nativeForm(tool.native, DIALECT) === 'functions'
}

function encodeMessage(message: HubMessage, crossing: Crossing): JsonObject[] {
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
        calls.length === 0 ? undefined : calls.map((call) => encodeToolCall(call, crossing)),
    }),
  ]
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

function encodeTools({ tools, toolChoice, parallelTools }: HubRequest, crossing: Crossing) {
  const encoded = tools
    .map((tool) => encodeTool(tool, crossing))
    .filter((tool) => tool !== undefined)
  if (encoded.length === 0) return {}
  return {
    tools: encoded,
    tool_choice: encodeToolChoice(toolChoice, crossing),
    parallel_tool_calls: parallelTools,
  }
}

function encodeTool(tool: Tool, { report, names }: Crossing): JsonObject | undefined {
  if (tool.type === 'builtin') {
    if (tool.dialect === DIALECT) return tool.value
    report.note(
      'refused',
      tool.path,
      `the target has no built-in tool ${JSON.stringify(tool.name)}`,
    )
    return undefined
  }
  const { '*': inner, ...outer } = nativeFields(tool.native, DIALECT)
  const type = nativeForm(tool.native, DIALECT) === 'untyped' ? undefined : tool.type
  const name = names.encodeTool(tool.name, CHAT_NAMES)
  const definition =
    tool.type === 'custom'
      ? { name, description: tool.description, format: tool.format }
      : {
          name,
          description: tool.description,
          parameters: tool.parameters,
          strict: tool.strict,
        }
  return json({
    type,
    [tool.type]: json({ ...definition, ...(inner as JsonObject | undefined) }),
    ...outer,
  })
}

function encodeToolChoice(choice: ToolChoice | undefined, { names }: Crossing): Json | undefined {
  switch (choice?.type) {
    case undefined:
    case 'native':
      return undefined
    case 'auto':
    case 'none':
    case 'required':
      return choice.type
    case 'tool': {
      const kind = choice.kind ?? 'function'
      return { type: kind, [kind]: { name: names.encodeTool(choice.name, CHAT_NAMES) } }
    }
    case 'subset': {
      const tools = choice.names.map((name) => ({
        type: 'function',
        function: { name: names.encodeTool(name, CHAT_NAMES) },
      }))
      return { type: 'allowed_tools', allowed_tools: { mode: choice.mode, tools } }
    }
    default:
      return undefined
  }
}

/** OpenAI takes so many stop sequences. */
const MAX_STOPS = 4

function encodeTuning(request: HubRequest, crossing: Crossing): JsonObject {
  const { sampling, stop, origins } = request
  const { report, capabilities } = crossing
  const isThinking = request.reasoning?.effort !== 'none' || !capabilities.canStopThinking
  const isFree = !(capabilities.thinking === 'effort' && isThinking)
  function ifTaken<T>(value: T | undefined, isTaken: boolean, field = ''): T | undefined {
    if (value === undefined || isTaken) return value
    report.note('dropped', field, 'the model does not take it')
    return undefined
  }
  if (stop !== undefined && stop.length > MAX_STOPS) {
    report.note('refused', origins.stop ?? 'stop', `the target takes ${MAX_STOPS} stop sequences`)
  }
  return json({
    temperature: ifTaken(
      sampling.temperature,
      capabilities.temperature || isFree,
      origins.temperature,
    ),
    top_p: ifTaken(sampling.topP, capabilities.topP || isFree, origins.topP),
    seed: ifTaken(sampling.seed, capabilities.classicTuning || isFree, origins.seed),
    presence_penalty: ifTaken(
      sampling.presencePenalty,
      capabilities.classicTuning || isFree,
      origins.presencePenalty,
    ),
    frequency_penalty: ifTaken(
      sampling.frequencyPenalty,
      capabilities.classicTuning || isFree,
      origins.frequencyPenalty,
    ),
    stop: stop as string[] | undefined,
    n: request.choices,
    verbosity: request.verbosity,
  })
}

function encodeOutput(
  output: OutputFormat | undefined,
  { capabilities, report, request }: Crossing,
) {
  if (output === undefined || output.type === 'text') return undefined
  if (output.type === 'jsonObject') return { type: 'json_object' }
  if (!capabilities.jsonSchema) {
    report.note('emulated', request.origins.output ?? 'output', 'any JSON object is asked for')
    return { type: 'json_object' }
  }
  const { name, description, schema, strict } = output
  return {
    type: 'json_schema',
    json_schema: json({
      name: name ?? 'response',
      description,
      schema,
      // Anthropic and Gemini keep to any schema; OpenAI only to a strict one.
      strict: strict ?? (isStrictSchema(schema) ? true : undefined),
    }),
  }
}

/** True for a schema that OpenAI takes as strict: closed objects, all of whose properties are required. */
function isStrictSchema(schema: Json, depth = 0): boolean {
  if (depth > 20) return false
  if (Array.isArray(schema)) return schema.every((entry) => isStrictSchema(entry, depth + 1))
  if (typeof schema !== 'object' || schema === null) return true
  const { properties } = schema
  if (schema['type'] === 'object' || properties !== undefined) {
    const names = Object.keys((properties ?? {}) as JsonObject)
    const required = Array.isArray(schema['required']) ? schema['required'] : []
    if (schema['additionalProperties'] !== false) return false
    if (!names.every((name) => required.includes(name))) return false
  }
  return Object.values(schema).every((entry) => isStrictSchema(entry, depth + 1))
}

/** A limit above the model's own is a 400; of models that the table doesn't know, nothing is known. */
function encodeMaxTokens({ maxOutputTokens, origins }: HubRequest, crossing: Crossing) {
  const { maxOutputTokens: most, provider } = crossing.capabilities
  if (maxOutputTokens === undefined || maxOutputTokens <= most || provider === 'other') {
    return maxOutputTokens
  }
  const field = origins.maxOutputTokens ?? 'max_tokens'
  crossing.report.note('emulated', field, `the model answers with ${most} tokens at most`)
  return most
}

/** For judging a budget where the client set no limit. */
const ASSUMED_MAX_TOKENS = 32_768

function encodeEffort(request: HubRequest, { capabilities, report }: Crossing): string | undefined {
  const { reasoning, origins } = request
  if (reasoning === undefined) return undefined
  const field = origins.reasoning ?? 'reasoning'
  const effort = effortOf(reasoning, request.maxOutputTokens ?? ASSUMED_MAX_TOKENS)
  if (effort === undefined) return undefined
  if (capabilities.thinking === 'none') {
    if (effort !== 'none') report.note('dropped', field, 'the model takes no effort')
    return undefined
  }
  if (effort === 'none' && capabilities.canStopThinking) return 'none'
  if (request.tools.length > 0 && !capabilities.chatToolsWithEffort) {
    report.note('dropped', field, 'the model takes no effort beside tools in this dialect')
    return undefined
  }
  const clamped = clampEffort(effort, capabilities)
  if (clamped !== effort) {
    report.note('emulated', field, `the model's nearest effort is ${JSON.stringify(clamped)}`)
  }
  return clamped
}

/** OpenAI takes no longer names of end users; a hash is as good. */
const MAX_USER_LENGTH = 64

function encodeAccount(request: HubRequest, { capabilities }: Crossing): JsonObject {
  const { user, metadata, store, cacheKey, serviceTier } = request
  const isOpenai = capabilities.provider === 'openai'
  const name =
    user === undefined || user.length <= MAX_USER_LENGTH
      ? user
      : createHash('sha256').update(user).digest('hex')
  return json({
    [isOpenai ? 'safety_identifier' : 'user']: name,
    metadata: metadata,
    store,
    prompt_cache_key: isOpenai ? cacheKey : undefined,
    service_tier: request.source === 'openai-responses' ? serviceTier : undefined,
  })
}
