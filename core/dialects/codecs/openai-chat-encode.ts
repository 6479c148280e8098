import { createHash } from 'node:crypto'
import type { Json, JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import { nativeFields, nativeForm } from '../hub/conversation.ts'
import { clampEffort, effortOf } from '../hub/efforts.ts'
import { json } from '../hub/fields.ts'
import { judgeRequest } from '../hub/report.ts'
import type { HubRequest, OutputFormat, Tool } from '../hub/request.ts'
import { joinedAssistants } from '../hub/turns.ts'
import { encodeMessage } from './openai-chat-encode-messages.ts'
import { encodeTool, encodeTools } from './openai-chat-encode-tools.ts'

const DIALECT = 'openai-chat'

/** Writes a Chat Completions body. A request of the same dialect is written back as it came. */
export function encodeChatRequest(request: HubRequest, crossing: Crossing): JsonObject {
  const all = [...request.system, ...request.messages]
  const spoken = request.source === DIALECT ? all : joinedAssistants(all)
  const structure = json({
    model: request.model === '' ? undefined : request.model,
    messages: spoken.flatMap((message) => encodeMessage(message, crossing)),
  })
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
    ...encodeStream(request, crossing),
  })
}

function encodeStream({ stream }: HubRequest, { capabilities }: Crossing): JsonObject {
  if (!stream) return {}
  const options = capabilities.streamUsage ? { stream_options: { include_usage: true } } : {}
  return { stream: true, ...options }
}

/** Everything but the conversation and the tools is told as it came. */
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
  if (stop !== undefined && !capabilities.classicTuning && !isFree) {
    report.note('refused', origins.stop ?? 'stop', 'the model takes no stop sequences')
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
