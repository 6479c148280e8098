import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import {
  leftover,
  type AudioPart,
  type CacheMarker,
  type DocumentPart,
  type HubMessage,
  type Part,
  type Role,
  type ToolCallPart,
  type VideoPart,
} from '../hub/conversation.ts'
import { booleanOf, compact, listOf, numberOf, objectOf, stringOf, without } from '../hub/fields.ts'
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
import { sourceOfUrl } from './media.ts'
import { readReasoning, readToolProof } from './openai-chat-reasoning.ts'

const DIALECT = 'openai-chat'

/** Under this name `native` keeps the unknown fields of the object within a tool or a call. */
export const INNER = '*'

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
    metadata: decodeMetadata(request['metadata']),
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

function decodeMessages(messages: readonly Json[]): HubMessage[] {
  let functionCalls = 0
  return messages.map((value, index) => {
    const message = objectOf(value)
    if (isObject(message['function_call'])) functionCalls++
    return decodeMessage(message, `messages[${index}]`, `call_function_${functionCalls}`)
  })
}

const ROLES: ReadonlyMap<string, Role> = new Map([
  ['system', 'system'],
  ['developer', 'developer'],
  ['user', 'user'],
  ['assistant', 'assistant'],
  ['tool', 'tool'],
  ['function', 'tool'],
])

/** Known fields by role; a role that is not here, or outdated, keeps all of them, and so is written back as it came. */
const KNOWN: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['system', new Set(['role', 'content', 'name'])],
  ['developer', new Set(['role', 'content', 'name'])],
  ['user', new Set(['role', 'content', 'name'])],
  ['assistant', new Set(['role', 'content', 'name'])],
  ['tool', new Set(['role', 'content', 'tool_call_id'])],
])
const NONE: ReadonlySet<string> = new Set()

/** `functionId` stands for the id that the old function calls don't have. */
function decodeMessage(
  message: Readonly<Record<string, Json | undefined>>,
  path: string,
  functionId: string,
): HubMessage {
  const stated = stringOf(message['role']) ?? ''
  const role = ROLES.get(stated) ?? 'user'
  const content = decodeContent(message['content'])
  const parts =
    role === 'tool'
      ? [decodeResult(message, content, functionId)]
      : role === 'assistant'
        ? decodeAssistant(message, content, functionId)
        : content
  return compact<HubMessage>({
    role,
    parts,
    path,
    name: role === 'tool' ? undefined : stringOf(message['name']),
    ...leftover(
      DIALECT,
      role === 'assistant' ? withoutStated(message) : message,
      KNOWN.get(stated) ?? NONE,
      formOf(message['content']),
    ),
  })
}

/** An empty list of calls, or a refusal that is null, say nothing, but belong to the message as it came. */
function withoutStated({ refusal, tool_calls: calls, ...rest }: Record<string, Json | undefined>) {
  return compact<Record<string, Json>>({
    ...rest,
    refusal: typeof refusal === 'string' ? undefined : refusal,
    tool_calls: listOf(calls).length > 0 ? undefined : calls,
  })
}

function formOf(content: Json | undefined): string | undefined {
  if (content === undefined) return 'absent'
  if (content === null) return 'null'
  return typeof content === 'string' ? 'string' : 'parts'
}

function decodeResult(
  message: Readonly<Record<string, Json | undefined>>,
  parts: readonly Part[],
  functionId: string,
): Part {
  return compact<Extract<Part, { type: 'toolResult' }>>({
    type: 'toolResult',
    callId: stringOf(message['tool_call_id']) ?? functionId,
    name: stringOf(message['name']),
    parts,
    kind: 'function',
  })
}

function decodeAssistant(
  message: Readonly<Record<string, Json | undefined>>,
  content: readonly Part[],
  functionId: string,
): Part[] {
  const parts: Part[] = [...readReasoning(message), ...content]
  const refusal = stringOf(message['refusal'])
  if (refusal !== undefined) {
    parts.push({ type: 'refusal', text: refusal, native: { dialect: DIALECT, form: 'field' } })
  }
  for (const call of listOf(message['tool_calls'])) parts.push(decodeToolCall(objectOf(call)))
  if (isObject(message['function_call'])) {
    const call = objectOf(message['function_call'])
    parts.push({
      type: 'toolCall',
      id: functionId,
      name: stringOf(call['name']) ?? '',
      arguments: stringOf(call['arguments']) ?? '',
      kind: 'function',
      native: { dialect: DIALECT, form: 'function_call' },
    })
  }
  return parts
}

const CALL_FIELDS: ReadonlySet<string> = new Set(['id', 'type', 'function', 'custom'])
const FUNCTION_FIELDS: ReadonlySet<string> = new Set(['name', 'arguments', 'input'])

/** One of `tool_calls`, of a request or an answer. */
export function decodeToolCall(call: Readonly<Record<string, Json | undefined>>): ToolCallPart {
  const isCustom = call['type'] === 'custom'
  const inner = objectOf(call[isCustom ? 'custom' : 'function'])
  const text = inner[isCustom ? 'input' : 'arguments']
  // Some compatible servers send the arguments as an object.
  const input = isObject(text) ? text : undefined
  const innerFields = without(inner, FUNCTION_FIELDS)
  return compact<ToolCallPart>({
    type: 'toolCall',
    id: stringOf(call['id']) ?? '',
    name: stringOf(inner['name']) ?? '',
    arguments: input === undefined ? (stringOf(text) ?? '') : JSON.stringify(input),
    input,
    kind: isCustom ? 'custom' : 'function',
    proof: readToolProof(call),
    ...leftover(
      DIALECT,
      innerFields === undefined ? call : { ...call, [INNER]: innerFields },
      CALL_FIELDS,
      call['type'] === undefined ? 'untyped' : undefined,
    ),
  })
}

const TEXT_FIELDS: ReadonlySet<string> = new Set(['type', 'text'])
const REFUSAL_FIELDS: ReadonlySet<string> = new Set(['type', 'refusal'])
const MEDIA_FIELDS: ReadonlySet<string> = new Set(['type'])

/** The parts of a message's `content`, in any of its forms. */
export function decodeContent(content: Json | undefined): Part[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  return listOf(content).map((part) => decodePart(objectOf(part), part))
}

function decodePart(part: Readonly<Record<string, Json | undefined>>, raw: Json): Part {
  const cache = decodeMarker(part)
  const marked = cache === undefined ? {} : { cache }
  const media = leftover(DIALECT, part, MEDIA_FIELDS)
  switch (part['type']) {
    case 'text':
      return {
        type: 'text',
        text: stringOf(part['text']) ?? '',
        ...marked,
        ...leftover(DIALECT, part, TEXT_FIELDS),
      }
    case 'refusal':
      return {
        type: 'refusal',
        text: stringOf(part['refusal']) ?? '',
        ...leftover(DIALECT, part, REFUSAL_FIELDS),
      }
    case 'image_url': {
      const image = objectOf(part['image_url'])
      const detail = stringOf(image['detail'])
      return {
        type: 'image',
        source: sourceOfUrl(stringOf(image['url']) ?? ''),
        ...(detail === undefined ? {} : { detail }),
        ...marked,
        ...media,
      }
    }
    case 'input_audio': {
      const audio = objectOf(part['input_audio'])
      const mediaType = `audio/${stringOf(audio['format']) ?? 'wav'}`
      const source = { kind: 'data', mediaType, data: stringOf(audio['data']) ?? '' } as const
      return { type: 'audio', source, ...marked, ...media }
    }
    case 'file':
      return {
        ...decodeFile(objectOf(part['file'])),
        ...marked,
        ...leftover(DIALECT, part, MEDIA_FIELDS, 'file'),
      }
    default:
      return {
        type: 'native',
        dialect: DIALECT,
        kind: stringOf(part['type']) ?? 'unknown',
        value: raw,
      }
  }
}

/** Files that are no documents, by their names: clients of several providers send any kind as a file. */
const SOUND = /\.(?:aac|flac|m4a|mp3|ogg|wav)$/i
const FILM = /\.(?:avi|mkv|mov|mp4|mpeg|webm)$/i

/** `file_data` is a data URL by the book; URLs and bare base64 of a PDF are seen as well. */
function decodeFile(
  file: Readonly<Record<string, Json | undefined>>,
): DocumentPart | AudioPart | VideoPart {
  const name = stringOf(file['filename'])
  const named = name === undefined ? {} : { filename: name }
  const id = stringOf(file['file_id'])
  if (id !== undefined) return { type: 'document', source: { kind: 'file', id }, ...named }
  const data = stringOf(file['file_data']) ?? ''
  const source = /^[a-z][a-z0-9+.-]*:/i.test(data)
    ? sourceOfUrl(data)
    : ({ kind: 'data', mediaType: 'application/pdf', data } as const)
  const known = name ?? (source.kind === 'url' ? source.url : '')
  if (SOUND.test(known)) return { type: 'audio', source }
  if (FILM.test(known)) return { type: 'video', source }
  return { type: 'document', source, ...named }
}

const MINUTE_SECONDS = 60
const TTL_SECONDS: ReadonlyMap<string, number> = new Map([
  ['5m', 5 * MINUTE_SECONDS],
  ['30m', 30 * MINUTE_SECONDS],
  ['1h', 60 * MINUTE_SECONDS],
  ['12h', 12 * 60 * MINUTE_SECONDS],
])

/** OpenAI's breakpoint, or Anthropic's marker, which clients of several providers put on parts as well. */
function decodeMarker(part: Readonly<Record<string, Json | undefined>>): CacheMarker | undefined {
  const marker = part['prompt_cache_breakpoint'] ?? part['cache_control']
  if (!isObject(marker)) return undefined
  const ttlSeconds = TTL_SECONDS.get(stringOf(marker['ttl']) ?? '')
  return ttlSeconds === undefined ? {} : { ttlSeconds }
}

const TOOL_FIELDS: ReadonlySet<string> = new Set(['type', 'function', 'custom'])
const DEFINITION_FIELDS: ReadonlySet<string> = new Set([
  'name',
  'description',
  'parameters',
  'strict',
  'format',
])

function decodeTool(value: Json, index: number): Tool {
  const tool = objectOf(value)
  const path = `tools[${index}]`
  const isCustom = tool['type'] === 'custom'
  if (!isCustom && !isObject(tool['function'])) {
    const name = stringOf(tool['type']) ?? 'unknown'
    return { type: 'builtin', dialect: DIALECT, name, value: tool as JsonObject, path }
  }
  const inner = objectOf(tool[isCustom ? 'custom' : 'function'])
  const innerFields = without(inner, DEFINITION_FIELDS)
  const native = leftover(
    DIALECT,
    innerFields === undefined ? tool : { ...tool, [INNER]: innerFields },
    TOOL_FIELDS,
    tool['type'] === undefined ? 'untyped' : undefined,
  )
  const name = stringOf(inner['name']) ?? ''
  const description = stringOf(inner['description'])
  if (isCustom) {
    const format = isObject(inner['format']) ? inner['format'] : undefined
    return compact<Tool & { type: 'custom' }>({
      type: 'custom',
      name,
      description,
      format,
      path,
      ...native,
    })
  }
  return compact<Tool & { type: 'function' }>({
    type: 'function',
    name,
    description,
    parameters: isObject(inner['parameters']) ? inner['parameters'] : undefined,
    strict: booleanOf(inner['strict']),
    cache: decodeMarker(tool) ?? decodeMarker(inner),
    path,
    ...native,
  })
}

/** One of the outdated `functions`, which an upstream of this dialect gets back as they came. */
function decodeFunction(value: Json, index: number): Tool {
  const definition = objectOf(value)
  return compact<Tool & { type: 'function' }>({
    type: 'function',
    name: stringOf(definition['name']) ?? '',
    description: stringOf(definition['description']),
    parameters: isObject(definition['parameters']) ? definition['parameters'] : undefined,
    path: `functions[${index}]`,
    native: { dialect: DIALECT, form: 'functions' },
  })
}

function decodeToolChoice(choice: Json | undefined): ToolChoice | undefined {
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { type: choice }
  if (!isObject(choice)) return undefined
  const type = choice['type']
  if (type === 'allowed_tools') return decodeAllowed(objectOf(choice['allowed_tools']))
  const kind = type === 'custom' ? 'custom' : 'function'
  const name =
    type === undefined ? stringOf(choice['name']) : stringOf(objectOf(choice[kind])['name'])
  if (name === undefined) return { type: 'native', name: stringOf(type) ?? 'unknown' }
  return { type: 'tool', name, kind }
}

function decodeAllowed(allowed: Readonly<Record<string, Json | undefined>>): ToolChoice {
  const names = listOf(allowed['tools']).map((value) => {
    const tool = objectOf(value)
    return stringOf(objectOf(tool['function'] ?? tool['custom'])['name']) ?? ''
  })
  return { type: 'subset', mode: allowed['mode'] === 'required' ? 'required' : 'auto', names }
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

function decodeMetadata(metadata: Json | undefined): Record<string, string> | undefined {
  if (!isObject(metadata)) return undefined
  return Object.fromEntries(
    Object.entries(metadata).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  )
}
