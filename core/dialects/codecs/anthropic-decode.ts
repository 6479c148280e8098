import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import { leftover, type HubMessage, type Role } from '../hub/conversation.ts'
import { booleanOf, compact, listOf, numberOf, objectOf, stringOf } from '../hub/fields.ts'
import {
  EFFORTS,
  type Effort,
  type HubRequest,
  type OutputFormat,
  type ReasoningControl,
  type Tool,
  type ToolChoice,
} from '../hub/request.ts'
import { conceptOf, type Concept } from '../hub/verdicts.ts'
import { decodeBlocks, decodeCacheControl } from './anthropic-blocks.ts'

const DIALECT = 'anthropic'

const STRUCTURE: ReadonlySet<string> = new Set(['model', 'messages', 'system', 'tools'])

/** The fields that the hub models; others are extras. */
const MODELLED: ReadonlySet<string> = new Set([
  'cache_control',
  'max_tokens',
  'metadata',
  'output_config',
  'output_format',
  'service_tier',
  'stop_sequences',
  'stream',
  'temperature',
  'thinking',
  'tool_choice',
  'top_k',
  'top_p',
])

type Fields = Readonly<Record<string, Json | undefined>>

/** Reads a Messages request, of any version; undefined where the body has no messages. */
export function decodeMessagesRequest(body: Json): HubRequest | undefined {
  if (!isObject(body) || !Array.isArray(body['messages'])) return undefined
  const request = body as Fields
  const choice = objectOf(request['tool_choice'])
  const user = stringOf(objectOf(request['metadata'])['user_id'])
  return compact<HubRequest>({
    source: DIALECT,
    model: stringOf(request['model']) ?? '',
    system: decodeSystem(request['system']),
    messages: listOf(request['messages']).map((message, index) =>
      decodeMessage(objectOf(message), `messages[${index}]`),
    ),
    tools: listOf(request['tools']).map(decodeTool),
    toolChoice: decodeToolChoice(choice),
    parallelTools: choice['disable_parallel_tool_use'] === true ? false : undefined,
    output: decodeOutput(objectOf(request['output_config'])['format'] ?? request['output_format']),
    sampling: compact({
      temperature: numberOf(request['temperature']),
      topP: numberOf(request['top_p']),
      topK: numberOf(request['top_k']),
    }),
    maxOutputTokens: numberOf(request['max_tokens']),
    stop: decodeStop(request['stop_sequences']),
    reasoning: decodeThinking(
      objectOf(request['thinking']),
      objectOf(request['output_config'])['effort'],
    ),
    cache: decodeCacheControl(request['cache_control']),
    user,
    serviceTier: stringOf(request['service_tier']),
    stream: request['stream'] === true,
    wantsStreamUsage: true,
    ...bags(request),
  })
}

/** What was stated where, what the hub narrows, and what it has no word for. */
function bags(request: Fields) {
  const origins: Partial<Record<Concept, string>> = {}
  const extras: JsonObject = {}
  const fields: JsonObject = {}
  for (const [field, value] of Object.entries(request)) {
    if (value === undefined || (STRUCTURE.has(field) && !isEmpty(value))) continue
    if (!MODELLED.has(field) && !STRUCTURE.has(field)) {
      extras[field] = value
      continue
    }
    fields[field] = value
    const concept = conceptOf(DIALECT, field)
    if (concept !== undefined && isStated(field, value)) origins[concept] = field
  }
  addNested('output_config', OUTPUT_FIELDS, request, extras)
  addNested('metadata', METADATA_FIELDS, request, extras)
  const { effort, format } = objectOf(request['output_config'])
  if (format === undefined && origins.output === 'output_config') delete origins.output
  if (typeof effort === 'string') origins.reasoning ??= 'output_config.effort'
  if (format !== undefined) origins.output = 'output_config.format'
  if (objectOf(request['tool_choice'])['disable_parallel_tool_use'] === true) {
    origins.parallelTools = 'tool_choice.disable_parallel_tool_use'
  }
  return { origins, extras, native: { dialect: DIALECT, fields } as const }
}

const OUTPUT_FIELDS: ReadonlySet<string> = new Set(['effort', 'format'])
const METADATA_FIELDS: ReadonlySet<string> = new Set(['user_id'])

/** Judged one by one; the same dialect finds them in their whole object. */
function addNested(
  field: string,
  known: ReadonlySet<string>,
  request: Fields,
  extras: JsonObject,
): void {
  for (const [key, value] of Object.entries(objectOf(request[field]))) {
    if (!known.has(key) && value !== undefined) extras[`${field}.${key}`] = value
  }
}

/** Null or an empty list, which only an upstream of this dialect need see. */
function isEmpty(value: Json): boolean {
  return value === null || (Array.isArray(value) && value.length === 0)
}

function isStated(field: string, value: Json): boolean {
  if (isEmpty(value)) return false
  if (field === 'service_tier') return value !== 'auto'
  if (field === 'stream') return value !== false
  if (field === 'stop_sequences') return listOf(value).length > 0
  if (field === 'metadata') return typeof objectOf(value)['user_id'] === 'string'
  return true
}

function decodeSystem(system: Json | undefined): HubMessage[] {
  if (typeof system === 'string') {
    const parts = [{ type: 'text', text: system } as const]
    return [{ role: 'system', parts, path: 'system', native: { dialect: DIALECT, form: 'string' } }]
  }
  if (!Array.isArray(system)) return []
  const parts = decodeBlocks(system)
  return [{ role: 'system', parts, path: 'system', native: { dialect: DIALECT } }]
}

const MESSAGE_FIELDS: ReadonlySet<string> = new Set(['role', 'content'])
const ROLES: ReadonlyMap<unknown, Role> = new Map([
  ['assistant', 'assistant'],
  ['system', 'system'],
  ['user', 'user'],
])

function decodeMessage(message: Fields, path: string): HubMessage {
  const { content, role } = message
  const isString = typeof content === 'string'
  const parts = isString
    ? [{ type: 'text', text: content } as const]
    : decodeBlocks(listOf(content))
  const form = isString ? 'string' : 'blocks'
  return {
    role: ROLES.get(role) ?? 'user',
    parts,
    path,
    ...leftover(DIALECT, message, MESSAGE_FIELDS, form),
  }
}

const TOOL_FIELDS: ReadonlySet<string> = new Set(['name', 'description', 'input_schema', 'strict'])

function decodeTool(value: Json, index: number): Tool {
  const tool = objectOf(value)
  const path = `tools[${index}]`
  const type = stringOf(tool['type'])
  if (type !== undefined && type !== 'custom') {
    return { type: 'builtin', dialect: DIALECT, name: type, value: tool as JsonObject, path }
  }
  return compact<Tool & { type: 'function' }>({
    type: 'function',
    name: stringOf(tool['name']) ?? '',
    description: stringOf(tool['description']),
    parameters: isObject(tool['input_schema']) ? tool['input_schema'] : undefined,
    strict: booleanOf(tool['strict']),
    cache: decodeCacheControl(tool['cache_control']),
    path,
    ...leftover(DIALECT, tool, TOOL_FIELDS),
  })
}

function decodeToolChoice(choice: Fields): ToolChoice | undefined {
  switch (choice['type']) {
    case 'auto':
    case 'none':
      return { type: choice['type'] }
    case 'any':
      return { type: 'required' }
    case 'tool':
      return { type: 'tool', name: stringOf(choice['name']) ?? '', kind: 'function' }
    default:
      return undefined
  }
}

function decodeOutput(format: Json | undefined): OutputFormat | undefined {
  const { type, schema } = objectOf(format)
  return type === 'json_schema' && isObject(schema) ? { type: 'jsonSchema', schema } : undefined
}

function decodeStop(stop: Json | undefined): readonly string[] | undefined {
  const list = listOf(stop).filter((entry) => typeof entry === 'string')
  return list.length === 0 ? undefined : list
}

const KNOWN_EFFORTS: ReadonlySet<unknown> = new Set(EFFORTS)

function decodeThinking(thinking: Fields, effort: Json | undefined): ReasoningControl | undefined {
  const stated = KNOWN_EFFORTS.has(effort) ? (effort as Effort) : undefined
  const display = thinking['display']
  const isVisible = display === 'omitted' ? false : display === 'summarized' ? true : undefined
  switch (thinking['type']) {
    case 'disabled':
      return { effort: 'none' }
    case 'enabled':
      return compact<ReasoningControl>({
        effort: stated,
        budgetTokens: numberOf(thinking['budget_tokens']),
        isVisible: isVisible ?? true,
      })
    case 'adaptive':
    case 'between_tools':
      return compact<ReasoningControl>({ effort: stated, isAdaptive: true, isVisible })
    default:
      return stated === undefined ? undefined : { effort: stated }
  }
}
