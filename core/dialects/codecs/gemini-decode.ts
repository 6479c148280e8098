import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import type { Envelope } from '../hub/codec.ts'
import type { HubMessage } from '../hub/conversation.ts'
import { booleanOf, compact, listOf, numberOf, stringOf, textsOf } from '../hub/fields.ts'
import {
  EFFORTS,
  type Effort,
  type HubRequest,
  type OutputFormat,
  type ReasoningControl,
} from '../hub/request.ts'
import { conceptOf, type Concept } from '../hub/verdicts.ts'
import { camel, OpenCalls } from './gemini-parts.ts'
import { fromGeminiSchema } from './gemini-schema.ts'
import { decodeToolChoice, decodeTools, toolConfigOptions } from './gemini-tools.ts'
import { decodeParts, isToolTurn } from './gemini-turns.ts'
import { rest, type Wire } from './wire.ts'

const DIALECT = 'gemini'

/** The fields that stand in the hub's own places; all others are kept as they came for an upstream of this dialect. */
const STRUCTURE: ReadonlySet<string> = new Set(['contents', 'systemInstruction', 'tools'])

/** The fields that the hub models; others are extras. Those of `generationConfig` count as fields too. */
const MODELLED: ReadonlySet<string> = new Set([
  'labels',
  'model',
  'serviceTier',
  'store',
  'generationConfig.candidateCount',
  'generationConfig.frequencyPenalty',
  'generationConfig.maxOutputTokens',
  'generationConfig.presencePenalty',
  'generationConfig.responseJsonSchema',
  'generationConfig.responseMimeType',
  'generationConfig.responseSchema',
  'generationConfig.seed',
  'generationConfig.stopSequences',
  'generationConfig.temperature',
  'generationConfig.thinkingConfig',
  'generationConfig.topK',
  'generationConfig.topP',
])

/** Reads a generateContent request; undefined where the body has no contents. */
export function decodeGeminiRequest(body: Json, envelope: Envelope = {}): HubRequest | undefined {
  const request = camel(body)
  if (!Array.isArray(request['contents'])) return undefined
  const config = camel(request['generationConfig'])
  const model = envelope.model ?? stringOf(request['model']) ?? ''
  return compact<HubRequest>({
    source: DIALECT,
    model: model.replace(/^models\//, ''),
    system: decodeSystem(request['systemInstruction']),
    messages: decodeContents(listOf(request['contents'])),
    tools: decodeTools(request['tools']),
    toolChoice: decodeToolChoice(request['toolConfig']),
    output: decodeOutput(config),
    sampling: compact({
      temperature: numberOf(config['temperature']),
      topP: numberOf(config['topP']),
      topK: numberOf(config['topK']),
      seed: numberOf(config['seed']),
      presencePenalty: numberOf(config['presencePenalty']),
      frequencyPenalty: numberOf(config['frequencyPenalty']),
    }),
    maxOutputTokens: numberOf(config['maxOutputTokens']),
    stop: decodeStop(config['stopSequences']),
    choices: numberOf(config['candidateCount']),
    reasoning: decodeThinking(config['thinkingConfig']),
    metadata: textsOf(request['labels']),
    serviceTier: stringOf(request['serviceTier']),
    store: booleanOf(request['store']),
    stream: envelope.stream ?? false,
    ...bags(request, config),
  })
}

function decodeSystem(value: Json | undefined): HubMessage[] {
  if (!isObject(value)) return []
  const content = camel(value)
  const parts = decodeParts(content['parts'], 'call_system', new OpenCalls())
  const path = 'systemInstruction'
  return [{ role: 'system', parts, path, ...rest(DIALECT, content, CONTENT_FIELDS_BUT_ROLE) }]
}

const CONTENT_FIELDS: ReadonlySet<string> = new Set(['role', 'parts'])
const ROLE: ReadonlySet<string> = new Set(['role'])
const CONTENT_FIELDS_BUT_ROLE: ReadonlySet<string> = new Set(['parts'])

/** Calls without an id are named by their place, so that the next turn names them alike. */
function decodeContents(contents: readonly Json[]): HubMessage[] {
  const calls = new OpenCalls()
  return contents.map((value, index) => {
    const content = camel(value)
    const path = `contents[${index}]`
    const parts = decodeParts(content['parts'], `call_${index}`, calls)
    const role = content['role'] === 'model' ? 'assistant' : isToolTurn(parts) ? 'tool' : 'user'
    const usual = role === 'assistant' ? 'model' : 'user'
    // A content without parts is not one with an empty list of them.
    const known = isEmptyList(content['parts']) ? ROLE : CONTENT_FIELDS
    const form = content['role'] === usual ? undefined : (stringOf(content['role']) ?? '')
    return { role, parts, path, ...rest(DIALECT, content, known, form) }
  })
}

function decodeOutput(config: Wire): OutputFormat | undefined {
  const { responseMimeType: type, responseJsonSchema, responseSchema } = config
  if (isObject(responseJsonSchema)) {
    return { type: 'jsonSchema', schema: responseJsonSchema }
  }
  if (isObject(responseSchema)) {
    return { type: 'jsonSchema', schema: fromGeminiSchema(responseSchema) }
  }
  if (type === 'application/json') return { type: 'jsonObject' }
  return type === 'text/plain' ? { type: 'text' } : undefined
}

function decodeStop(value: Json | undefined): readonly string[] | undefined {
  const stop = listOf(value).filter((item) => typeof item === 'string')
  return stop.length === 0 ? undefined : stop
}

function decodeThinking(value: Json | undefined): ReasoningControl | undefined {
  if (!isObject(value)) return undefined
  const config = camel(value)
  const level = stringOf(config['thinkingLevel'])?.toLowerCase()
  const control = compact<ReasoningControl>({
    effort: EFFORTS.includes(level as Effort) ? (level as Effort) : undefined,
    budgetTokens: numberOf(config['thinkingBudget']),
    isVisible: booleanOf(config['includeThoughts']),
  })
  return Object.keys(control).length === 0 ? undefined : control
}

/** What was stated where, what the hub narrows, and what it has no word for. */
function bags(request: Wire, config: Wire): Pick<HubRequest, 'origins' | 'extras' | 'native'> {
  const origins: Partial<Record<Concept, string>> = {}
  const extras: JsonObject = {}
  const fields: JsonObject = {}
  const judge = (field: string, value: Json) => {
    const concept = conceptOf(DIALECT, field)
    if (!MODELLED.has(field)) {
      if (!isDefault(field, value)) extras[field] = value
    } else if (concept !== undefined && value !== null && !isDefault(field, value)) {
      origins[concept] = field
    }
  }
  for (const [field, value] of Object.entries(request)) {
    const isPlaced = STRUCTURE.has(field) && value !== null && !isEmptyList(value)
    if (value === undefined || isPlaced) continue
    fields[field] = value
    if (!STRUCTURE.has(field) && field !== 'generationConfig' && field !== 'toolConfig') {
      judge(field, value)
      // Not modelled, but not twice in the body either.
      if (field in extras) delete fields[field]
    }
  }
  for (const [field, value] of Object.entries(config)) {
    if (value !== undefined) judge(`generationConfig.${field}`, value)
  }
  Object.assign(extras, toolConfigOptions(request['toolConfig']))
  for (const [key, value] of Object.entries(camel(config['thinkingConfig']))) {
    if (!THINKING.has(key) && value !== undefined) {
      extras[`generationConfig.thinkingConfig.${key}`] = value
    }
  }
  const choice = camel(request['toolConfig'])['functionCallingConfig']
  if (choice !== undefined) origins.toolChoice = 'toolConfig.functionCallingConfig'
  return { origins, extras, native: { dialect: DIALECT, fields } }
}

const THINKING: ReadonlySet<string> = new Set([
  'includeThoughts',
  'thinkingBudget',
  'thinkingLevel',
])

function isEmptyList(value: Json | undefined): boolean {
  return Array.isArray(value) && value.length === 0
}

/** What only says the default says nothing. */
function isDefault(field: string, value: Json): boolean {
  switch (field) {
    case 'generationConfig.candidateCount':
      return value === 1
    case 'generationConfig.responseModalities':
      return Array.isArray(value) && value.every((item) => item === 'TEXT')
    case 'generationConfig.presencePenalty':
    case 'generationConfig.frequencyPenalty':
      return value === 0
    case 'store':
      return value === false
    default:
      return isEmptyList(value)
  }
}
