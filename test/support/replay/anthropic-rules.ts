import { isObject, type Json, type JsonObject } from '#core/kit/json.ts'
import {
  looseObjects,
  objectSchema,
  objectsOf,
  PICTURE,
  type Rules,
  unknownFields,
  words,
} from './rule.ts'

/** How Anthropic's signatures begin. */
const SIGNATURE = /^E[a-z]/

/** What Anthropic refuses in a request of Messages. */
export const anthropicRules: Rules = function* ({ body, headers }) {
  const { model, max_tokens: limit, messages, system, tools } = body
  const version = headers['anthropic-version']
  if (headers['x-api-key'] === undefined && headers['authorization'] === undefined) {
    yield 'x-api-key header is required'
  }
  if (version === undefined) yield 'anthropic-version: header is required'
  for (const fault of unknownFields(body, FIELDS, '')) {
    yield `${fault.replace('unknown field ', '')}: Extra inputs are not permitted`
  }
  if (typeof model !== 'string' || model === '') yield 'model: Field required'
  if (typeof limit !== 'number') yield 'max_tokens: Field required'
  if (!Array.isArray(messages) || messages.length === 0) {
    yield 'messages: at least one message is required'
  }
  yield* messageFaults(messages, String(model))
  if (system !== undefined && typeof system !== 'string') yield* systemFaults(system)
  yield* toolFaults(tools, body['tool_choice'])
  yield* samplingFaults(body, String(version))
  yield* thinkingFaults(body)
  yield* formatFaults(body['output_config'])
  for (const stop of (body['stop_sequences'] ?? []) as string[]) {
    if (stop.trim() === '') yield 'stop_sequences: each stop sequence must contain non-whitespace'
  }
}

const FIELDS = words(`
  cache_control container context_management inference_geo max_tokens speed mcp_servers
  messages metadata model output_config service_tier stream stop_sequences system temperature
  thinking tool_choice tools top_k top_p diagnostics fallbacks compaction betas anthropic_beta
  output_format
`)

const BLOCKS: Readonly<Record<string, readonly string[]>> = {
  user: ['text', 'image', 'document', 'tool_result', 'search_result', 'container_upload'],
  assistant: ['text', 'tool_use', 'thinking', 'redacted_thinking'],
}

function* messageFaults(messages: unknown, model: string): Generator<string> {
  const all = [...objectsOf(messages, 'messages')]
  let called = new Set<string>()
  for (const [index, [message, place]] of all.entries()) {
    const { role, content } = message
    yield* unknownFields(message, ['role', 'content'], `${place}.`)
    if (role === 'system' && takesLateSystem(model)) continue
    const types = BLOCKS[String(role)]
    if (types === undefined) {
      yield `${place}: role '${String(role)}' is not supported on this model`
      continue
    }
    if (index === 0 && role !== 'user') yield 'messages: first message must use the "user" role'
    const blocks = typeof content === 'string' ? [] : [...objectsOf(content, `${place}.content`)]
    const isLast = index === all.length - 1
    if (content === '' || (Array.isArray(content) && content.length === 0)) {
      if (!(isLast && role === 'assistant')) yield `${place}: messages must have non-empty content`
    }
    for (const [block, where] of blocks) yield* blockFaults(block, types, where)
    if (role === 'user') yield* resultFaults(blocks, called, place)
    else {
      const ids = blocks.flatMap(([{ id, type }]) => (type === 'tool_use' ? [String(id)] : []))
      called = new Set(ids)
      if (isLast && ids.length > 0) yield unanswered(called, place)
      if (isLast && !/claude-(?:3|[a-z]+-4-[015]|[a-z]+-4-2)/.test(model)) {
        yield 'This model does not support assistant message prefill'
      }
    }
  }
}

function takesLateSystem(model: string): boolean {
  return /claude-(?:opus-4-[89]|[a-z]+-[5-9])/.test(model)
}

function unanswered(ids: ReadonlySet<string>, place: string): string {
  return `${place}: tool_use ids were found without tool_result blocks immediately after: ${[...ids].join(', ')}`
}

function* resultFaults(
  blocks: readonly [JsonObject, string][],
  called: Set<string>,
  place: string,
): Generator<string> {
  let isPastResults = false
  for (const [block, where] of blocks) {
    if (block['type'] !== 'tool_result') isPastResults = true
    else if (!called.delete(String(block['tool_use_id']))) {
      yield `${where}: unexpected tool_use_id found in tool_result blocks: ${String(block['tool_use_id'])}`
    } else if (isPastResults) yield `${where}: tool_result blocks must come first`
  }
  if (called.size > 0) yield unanswered(called, place)
  called.clear()
}

function* blockFaults(
  block: JsonObject,
  types: readonly string[],
  place: string,
): Generator<string> {
  const { type, text, id, name, input, source, content } = block
  if (!types.includes(String(type))) yield `${place}: block ${String(type)} is not allowed here`
  if (type === 'text' && (typeof text !== 'string' || text === '')) {
    yield `${place}: text content blocks must be non-empty`
  }
  if (type === 'tool_use') {
    if (!/^[a-zA-Z0-9_-]+$/.test(String(id))) yield `${place}.id: String should match pattern`
    if (!NAME.test(String(name))) yield `${place}.name: String should match pattern`
    if (!isObject(input)) yield `${place}.input: Input should be a valid dictionary`
  }
  if (type === 'thinking' && !SIGNATURE.test(String(block['signature']))) {
    yield `${place}: Invalid \`signature\` in \`thinking\` block`
  }
  if (type === 'image' && isObject(source) && source['type'] === 'base64') {
    if (!PICTURE.test(String(source['media_type']))) yield `${place}.source.media_type: unsupported`
    if (!/^[A-Za-z0-9+/]+=*$/.test(String(source['data']))) yield `${place}.source.data: no base64`
  }
  if (type === 'tool_result' && content !== undefined && typeof content !== 'string') {
    for (const [inner, where] of objectsOf(content, `${place}.content`)) {
      yield* blockFaults(inner, ['text', 'image', 'document', 'search_result'], where)
    }
  }
}

function* systemFaults(system: Json): Generator<string> {
  if (!Array.isArray(system)) yield 'system: expected text blocks'
  for (const [block, place] of objectsOf(system, 'system')) {
    yield* blockFaults(block, ['text'], place)
  }
}

const NAME = /^[a-zA-Z0-9_-]{1,128}$/

function* toolFaults(tools: unknown, choice: unknown): Generator<string> {
  for (const [tool, place] of objectsOf(tools, 'tools')) {
    const { type, name, input_schema: schema } = tool
    if (type !== undefined && type !== 'custom') continue
    if (!NAME.test(String(name))) yield `${place}.name: String should match pattern`
    yield* objectSchema(schema, `${place}.input_schema`)
    yield* unknownFields(tool, TOOL_FIELDS, `${place}.`)
  }
  if (choice === undefined) return
  const isPlain = isObject(choice) && choice['type'] === 'none'
  if (!isPlain && !(Array.isArray(tools) && tools.length > 0)) {
    yield 'tool_choice may only be specified while providing tools'
  }
}

const TOOL_FIELDS = words(`
  type name description input_schema strict cache_control defer_loading eager_input_streaming
  input_examples allowed_callers
`)

function* samplingFaults(body: JsonObject, version: string): Generator<string> {
  const isModern = /claude-[a-z]+-(?:[5-9](?!\d{5})|4-[7-9])/.test(String(body['model']))
  for (const field of ['temperature', 'top_p', 'top_k']) {
    if (body[field] === undefined) continue
    if (isModern || version === '2026-10-21') yield `${field}: Extra inputs are not permitted`
  }
  const { temperature } = body
  if (typeof temperature === 'number' && (temperature < 0 || temperature > 1)) {
    yield 'temperature: Input should be between 0 and 1'
  }
  if (temperature !== undefined && body['top_p'] !== undefined) {
    yield '`temperature` and `top_p` cannot both be specified for this model'
  }
}

function* thinkingFaults(body: JsonObject): Generator<string> {
  const { thinking, max_tokens: limit, messages, model, tool_choice: choice } = body
  if (!isObject(thinking) || thinking['type'] === 'disabled') return
  const takesBudget = !/claude-[a-z]+-(?:[5-9](?!\d{5})|4-[7-9])/.test(String(model))
  const takesAdaptive = /claude-[a-z]+-(?:[5-9](?!\d{5})|4-[6-9])/.test(String(model))
  const isBudget = thinking['type'] === 'enabled'
  if (isBudget && !takesBudget) yield 'thinking.type: enabled is not supported on this model'
  if (!isBudget && !takesAdaptive) yield 'thinking.type: adaptive is not supported on this model'
  if (!isBudget) return
  const budget = Number(thinking['budget_tokens'])
  if (!(budget >= 1024)) yield 'thinking.enabled.budget_tokens: should be at least 1024'
  if (!(Number(limit) > budget)) yield '`max_tokens` must be greater than `thinking.budget_tokens`'
  if (isObject(choice) && (choice['type'] === 'any' || choice['type'] === 'tool')) {
    yield 'Thinking may not be enabled when tool_choice forces tool use.'
  }
  const last = [...objectsOf(messages, 'messages')].findLast(([{ role }]) => role === 'assistant')
  const blocks = last === undefined ? [] : [...objectsOf(last[0]['content'], last[1])]
  const first = blocks[0]?.[0]['type']
  const calls = blocks.some(([{ type }]) => type === 'tool_use')
  if (calls && first !== 'thinking' && first !== 'redacted_thinking') {
    yield `${last![1]}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${String(first)}\``
  }
}

/** Keywords that Anthropic's structured outputs refuse. */
const UNSUPPORTED = ['minimum', 'maximum', 'minLength', 'maxLength', 'multipleOf', 'maxItems']

function* formatFaults(config: unknown): Generator<string> {
  const format = isObject(config) ? config['format'] : undefined
  if (!isObject(format)) return
  yield* unknownFields(format as JsonObject, ['type', 'schema'], 'output_config.format.')
  yield* looseObjects(format['schema'], 'output_config.format.schema', false)
  const words = JSON.stringify(format['schema'])
  for (const keyword of UNSUPPORTED) {
    if (words.includes(`"${keyword}":`))
      yield `output_config.format.schema: '${keyword}' is not supported`
  }
}
