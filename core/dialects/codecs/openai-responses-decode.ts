import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import type { HubMessage } from '../hub/conversation.ts'
import { booleanOf, compact, listOf, numberOf, objectOf, stringOf, textsOf } from '../hub/fields.ts'
import {
  EFFORTS,
  type Effort,
  type HubRequest,
  type OutputFormat,
  type ReasoningControl,
} from '../hub/request.ts'
import { conceptOf, type Concept } from '../hub/verdicts.ts'
import { decodeItem } from './openai-responses-items.ts'
import { decodeToolChoice, decodeTools, hoistTools } from './openai-responses-tools.ts'
import type { Wire } from './wire.ts'

const DIALECT = 'openai-responses'

/** The fields that stand in the hub's own places; all others are kept as they came for an upstream of this dialect. */
const STRUCTURE: ReadonlySet<string> = new Set(['model', 'input', 'instructions', 'tools'])

/** The fields that the hub models; others are extras. */
const MODELLED: ReadonlySet<string> = new Set([
  'max_output_tokens',
  'metadata',
  'parallel_tool_calls',
  'prompt_cache_key',
  'reasoning',
  'safety_identifier',
  'service_tier',
  'store',
  'stream',
  'temperature',
  'text',
  'tool_choice',
  'top_p',
  'user',
])

/** What says the default says nothing: no dialect need have a word for it. */
const DEFAULTS: Readonly<Record<string, Json>> = {
  background: false,
  parallel_tool_calls: true,
  service_tier: 'auto',
  store: false,
  stream: false,
  tool_choice: 'auto',
  top_logprobs: 0,
  truncation: 'disabled',
}

/** Reads a Responses request; undefined where `input` is neither text nor a list, or is missing without a stored prompt. */
export function decodeResponsesRequest(body: Json): HubRequest | undefined {
  if (!isObject(body)) return undefined
  const request = body as Wire
  const { input } = request
  const hasInput = typeof input === 'string' || Array.isArray(input)
  const isStateful = ['prompt', 'conversation', 'previous_response_id'].some((key) => request[key])
  if (!hasInput && !(isStateful && (input === undefined || input === null))) return undefined
  const items = decodeInput(input)
  const leading = items.findIndex(({ role }) => role !== 'system' && role !== 'developer')
  const split = leading === -1 ? items.length : leading
  const text = objectOf(request['text'])
  return compact<HubRequest>({
    source: DIALECT,
    model: stringOf(request['model']) ?? '',
    system: [...decodeInstructions(request['instructions']), ...items.slice(0, split)],
    messages: items.slice(split),
    tools: [...decodeTools(request['tools'], 'tools'), ...hoistTools(listOf(input))],
    toolChoice: decodeToolChoice(request['tool_choice']),
    parallelTools: booleanOf(request['parallel_tool_calls']),
    output: decodeFormat(text['format']),
    sampling: compact({
      temperature: numberOf(request['temperature']),
      topP: numberOf(request['top_p']),
    }),
    maxOutputTokens: numberOf(request['max_output_tokens']),
    reasoning: decodeControl(request['reasoning']),
    cacheKey: stringOf(request['prompt_cache_key']),
    metadata: textsOf(request['metadata']),
    user: stringOf(request['safety_identifier']) ?? stringOf(request['user']),
    serviceTier: stringOf(request['service_tier']),
    verbosity: stringOf(text['verbosity']),
    store: booleanOf(request['store']),
    stream: request['stream'] === true,
    ...bags(request),
  })
}

function decodeInput(input: Json | undefined): HubMessage[] {
  if (typeof input === 'string') {
    const native = { dialect: DIALECT, form: 'input' } as const
    return [{ role: 'user', parts: [{ type: 'text', text: input }], path: 'input', native }]
  }
  return listOf(input).map((item, index) => decodeItem(item, `input[${index}]`))
}

function decodeInstructions(value: Json | undefined): HubMessage[] {
  if (typeof value !== 'string') return []
  const native = { dialect: DIALECT, form: 'instructions' } as const
  return [{ role: 'system', parts: [{ type: 'text', text: value }], path: 'instructions', native }]
}

/** What was stated where, what the hub narrows, and what it has no word for. */
function bags(request: Wire): Pick<HubRequest, 'origins' | 'extras' | 'native'> {
  const origins: Partial<Record<Concept, string>> = {}
  const extras: JsonObject = {}
  const fields: JsonObject = {}
  for (const [field, value] of Object.entries(request)) {
    if (value === undefined || isStructure(field, value)) continue
    if (!MODELLED.has(field) && !isMapped(field, value)) extras[field] = value
    else {
      fields[field] = value
      const concept = conceptOf(DIALECT, field)
      const isStated = value !== null && value !== DEFAULTS[field] && field !== 'text'
      if (isStated && MODELLED.has(field) && concept !== undefined) origins[concept] = field
    }
  }
  addNested(request, origins, extras)
  return { origins, extras, native: { dialect: DIALECT, fields } }
}

/** No tools are not the same as a list without any, to a reader of JSON. */
function isStructure(field: string, value: Json): boolean {
  return (
    STRUCTURE.has(field) && value !== null && !(field === 'tools' && listOf(value).length === 0)
  )
}

/** True for what says the default, or asks for what every answer is given: the proof of its reasoning. */
function isMapped(field: string, value: Json): boolean {
  if (field === 'tools') return value !== null
  if (Object.hasOwn(DEFAULTS, field)) return value === DEFAULTS[field]
  return (
    field === 'include' && listOf(value).every((item) => item === 'reasoning.encrypted_content')
  )
}

const NESTED: Readonly<Record<string, ReadonlySet<string>>> = {
  reasoning: new Set(['effort', 'summary', 'generate_summary']),
  text: new Set(['format', 'verbosity']),
}

/** Judged field by field, since each means something else. The same dialect finds them in their whole object. */
function addNested(
  request: Wire,
  origins: Partial<Record<Concept, string>>,
  extras: JsonObject,
): void {
  const { format, verbosity } = objectOf(request['text'])
  if (format !== undefined && format !== null) origins.output = 'text.format'
  if (verbosity !== undefined && verbosity !== null) origins.verbosity = 'text.verbosity'
  for (const [field, known] of Object.entries(NESTED)) {
    for (const [key, value] of Object.entries(objectOf(request[field]))) {
      if (!known.has(key) && value !== undefined) extras[`${field}.${key}`] = value
    }
  }
}

/** Reads `text.format`. */
function decodeFormat(value: Json | undefined): OutputFormat | undefined {
  const format = objectOf(value)
  if (format['type'] === 'text') return { type: 'text' }
  if (format['type'] === 'json_object') return { type: 'jsonObject' }
  if (format['type'] !== 'json_schema') return undefined
  return compact<OutputFormat & { type: 'jsonSchema' }>({
    type: 'jsonSchema',
    schema: objectOf(format['schema']) as JsonObject,
    name: stringOf(format['name']),
    description: stringOf(format['description']),
    strict: booleanOf(format['strict']),
  })
}

function decodeControl(value: Json | undefined): ReasoningControl | undefined {
  if (!isObject(value)) return undefined
  const { effort, summary } = value
  const control = compact<ReasoningControl>({
    effort: EFFORTS.includes(effort as Effort) ? (effort as Effort) : undefined,
    isVisible: typeof summary === 'string' ? true : undefined,
  })
  return Object.keys(control).length === 0 ? undefined : control
}
