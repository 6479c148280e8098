import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import { booleanOf, compact, listOf, numberOf, objectOf, stringOf, textsOf } from '../hub/fields.ts'
import {
  type Effort,
  EFFORTS,
  type HubRequest,
  type OutputFormat,
  type ReasoningControl,
} from '../hub/request.ts'
import { type Concept, conceptOf } from '../hub/verdicts.ts'
import { decodeMessages } from './openai-chat-decode-messages.ts'
import { decodeFunction, decodeTool, decodeToolChoice } from './openai-chat-decode-tools.ts'

const DIALECT = 'openai-chat'

/** The fields that stand in the hub's own places; all others are kept as they came for an upstream of this dialect. */
const STRUCTURE: ReadonlySet<string> = new Set(['model', 'messages', 'tools'])

/** The fields that the hub models; others are extras. */
const MODELLED: ReadonlySet<string> = new Set([
  'frequency_penalty',
  'max_completion_tokens',
  'max_tokens',
  'metadata',
  'n',
  'parallel_tool_calls',
  'presence_penalty',
  'prompt_cache_key',
  'reasoning_effort',
  'response_format',
  'safety_identifier',
  'seed',
  'service_tier',
  'stop',
  'store',
  'stream',
  'stream_options',
  'temperature',
  'tool_choice',
  'function_call',
  'functions',
  'top_k',
  'top_p',
  'user',
  'verbosity',
])

/** Reads a Chat Completions request; undefined where the body has no messages. */
export function decodeChatRequest(body: Json): HubRequest | undefined {
  if (!isObject(body) || !Array.isArray(body['messages'])) return undefined
  const request = body as Record<string, Json | undefined>
  const all = decodeMessages(listOf(request['messages']))
  const leading = all.findIndex(({ role }) => role !== 'system' && role !== 'developer')
  const split = leading === -1 ? all.length : leading
  return compact<HubRequest>({
    source: DIALECT,
    model: stringOf(request['model']) ?? '',
    system: all.slice(0, split),
    messages: all.slice(split),
    tools: [
      ...listOf(request['tools']).map(decodeTool),
      ...listOf(request['functions']).map(decodeFunction),
    ],
    toolChoice: decodeToolChoice(request['tool_choice'] ?? request['function_call']),
    parallelTools: booleanOf(request['parallel_tool_calls']),
    output: decodeOutput(request['response_format']),
    sampling: compact({
      temperature: numberOf(request['temperature']),
      topP: numberOf(request['top_p']),
      topK: numberOf(request['top_k']),
      seed: numberOf(request['seed']),
      presencePenalty: numberOf(request['presence_penalty']),
      frequencyPenalty: numberOf(request['frequency_penalty']),
    }),
    maxOutputTokens: numberOf(request['max_completion_tokens']) ?? numberOf(request['max_tokens']),
    stop: decodeStop(request['stop']),
    choices: numberOf(request['n']),
    reasoning: decodeEffort(request['reasoning_effort']),
    cacheKey: stringOf(request['prompt_cache_key']),
    metadata: textsOf(request['metadata']),
    user: stringOf(request['safety_identifier']) ?? stringOf(request['user']),
    serviceTier: stringOf(request['service_tier']),
    verbosity: stringOf(request['verbosity']),
    store: booleanOf(request['store']),
    stream: request['stream'] === true,
    wantsStreamUsage: objectOf(request['stream_options'])['include_usage'] === true,
    ...bags(request),
  })
}

/** What was stated where, what the hub narrows, and what it has no word for. */
function bags(request: Readonly<Record<string, Json | undefined>>) {
  const origins: Partial<Record<Concept, string>> = {}
  const extras: JsonObject = {}
  const fields: JsonObject = {}
  for (const [field, value] of Object.entries(request)) {
    if (value === undefined || (STRUCTURE.has(field) && !isEmpty(value))) continue
    if (MODELLED.has(field) || STRUCTURE.has(field)) {
      fields[field] = value
      const concept = conceptOf(DIALECT, field)
      if (concept !== undefined && isStated(field, value)) origins[concept] = field
    } else extras[field] = value
  }
  return { origins, extras, native: { dialect: DIALECT, fields } as const }
}

/** Null or an empty list, which only an upstream of this dialect need see. */
function isEmpty(value: Json): boolean {
  return value === null || (Array.isArray(value) && value.length === 0)
}

/** What only says the default says nothing: no dialect need have a word for it. */
function isStated(field: string, value: Json): boolean {
  if (isEmpty(value)) return false
  if (field === 'n') return value !== 1
  if (field === 'store' || field === 'stream') return value !== false
  if (field === 'parallel_tool_calls') return value !== true
  if (field === 'service_tier') return value !== 'auto'
  if (field === 'frequency_penalty' || field === 'presence_penalty') return value !== 0
  return true
}

function decodeOutput(format: Json | undefined): OutputFormat | undefined {
  const { type, json_schema: given } = objectOf(format)
  if (type === 'text') return { type: 'text' }
  if (type === 'json_object') return { type: 'jsonObject' }
  if (type !== 'json_schema') return undefined
  const schema = objectOf(given)
  return compact<OutputFormat & { type: 'jsonSchema' }>({
    type: 'jsonSchema',
    schema: objectOf(schema['schema']) as JsonObject,
    name: stringOf(schema['name']),
    description: stringOf(schema['description']),
    strict: booleanOf(schema['strict']),
  })
}

function decodeStop(stop: Json | undefined): readonly string[] | undefined {
  if (typeof stop === 'string') return [stop]
  const list = listOf(stop).filter((entry) => typeof entry === 'string')
  return list.length === 0 ? undefined : list
}

const KNOWN_EFFORTS: ReadonlySet<unknown> = new Set(EFFORTS)

function decodeEffort(effort: Json | undefined): ReasoningControl | undefined {
  return KNOWN_EFFORTS.has(effort) ? { effort: effort as Effort } : undefined
}
