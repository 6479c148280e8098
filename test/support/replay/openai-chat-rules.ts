import { isObject, type JsonObject } from '#core/kit/json.ts'
import {
  isJsonObject,
  looseObjects,
  objectSchema,
  objectsOf,
  PICTURE,
  type Rules,
  unknownFields,
  words,
} from './rule.ts'

/** What OpenAI refuses in a request of Chat Completions; other hosts take more (`reasoning_content`). */
export const openaiChatRules: Rules = function* ({ body, headers }) {
  const { model, messages, stream, tools } = body
  const isOpenai = /^(?:gpt|o\d)/.test(String(model))
  if (typeof headers['authorization'] !== 'string') yield "You didn't provide an API key"
  if (typeof model !== 'string' || model === '') yield 'you must provide a model parameter'
  if (isOpenai) yield* unknownFields(body, FIELDS, '')
  if (!Array.isArray(messages) || messages.length === 0) yield "[] is too short - 'messages'"
  yield* messageFaults(messages, isOpenai)
  yield* toolFaults(tools, 'tools')
  const hasTools = Array.isArray(tools) && tools.length > 0
  if (Array.isArray(tools) && !hasTools) yield "[] is too short - 'tools'"
  for (const field of ['tool_choice', 'parallel_tool_calls']) {
    if (!hasTools && body[field] !== undefined) {
      yield `'${field}' is only allowed when 'tools' are specified`
    }
  }
  if (body['stream_options'] !== undefined && stream !== true) {
    yield "The 'stream_options' parameter is only allowed when 'stream' is enabled"
  }
  const { stop } = body
  if (Array.isArray(stop) && (stop.length === 0 || stop.length > 4)) yield "'stop': 1 to 4 items"
  if (isOpenai) yield* modelFaults(body, String(model))
  yield* formatFaults(body)
}

const FIELDS = words(`
  messages model audio frequency_penalty logit_bias logprobs metadata n max_completion_tokens
  max_tokens modalities moderation parallel_tool_calls prediction presence_penalty
  prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort response_format
  safety_identifier seed service_tier stop store stream stream_options temperature tool_choice
  tools top_logprobs top_p user verbosity web_search_options functions function_call
`)

const MESSAGE_FIELDS: Readonly<Record<string, readonly string[]>> = {
  system: ['role', 'content', 'name'],
  developer: ['role', 'content', 'name'],
  user: ['role', 'content', 'name'],
  assistant: ['role', 'content', 'name', 'refusal', 'tool_calls', 'audio', 'annotations'],
  tool: ['role', 'content', 'tool_call_id'],
}

const PARTS: Readonly<Record<string, readonly string[]>> = {
  system: ['text'],
  developer: ['text'],
  user: ['text', 'image_url', 'input_audio', 'file'],
  assistant: ['text', 'refusal'],
  tool: ['text'],
}

function* messageFaults(messages: unknown, isOpenai: boolean): Generator<string> {
  let pending = new Set<string>()
  for (const [message, place] of objectsOf(messages, 'messages')) {
    const { role, content, tool_calls: calls, tool_call_id: id } = message
    const parts = PARTS[String(role)]
    if (parts === undefined) {
      yield `${place}.role: unknown role ${String(role)}`
      continue
    }
    if (isOpenai) yield* unknownFields(message, MESSAGE_FIELDS[String(role)]!, `${place}.`)
    yield* contentFaults(content, parts, place, role === 'assistant' && calls !== undefined)
    if (role === 'tool') {
      const isAnswer = pending.delete(String(id))
      if (!isAnswer) {
        yield `${place}: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'`
      }
    } else {
      if (pending.size > 0) yield unanswered(pending)
      pending = new Set()
    }
    if (calls === undefined) continue
    if (!Array.isArray(calls) || calls.length === 0) yield `[] is too short - '${place}.tool_calls'`
    for (const [call, where] of objectsOf(calls, `${place}.tool_calls`)) {
      pending.add(String(call['id']))
      if (isOpenai) yield* unknownFields(call, ['id', 'type', 'function', 'custom'], `${where}.`)
      yield* callFaults(call, where)
    }
  }
  if (pending.size > 0) yield unanswered(pending)
}

function unanswered(ids: ReadonlySet<string>): string {
  return `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id': ${[...ids].join(', ')}`
}

function* contentFaults(
  content: unknown,
  types: readonly string[],
  place: string,
  mayBeNull: boolean,
): Generator<string> {
  if (typeof content === 'string') return
  if (content === null || content === undefined) {
    if (!mayBeNull) yield `${place}.content: expected a string, got null`
    return
  }
  if (!Array.isArray(content) || content.length === 0) yield `${place}.content: expected parts`
  for (const [part, where] of objectsOf(content, `${place}.content`)) {
    const { type, image_url: image } = part
    if (!types.includes(String(type))) yield `${where}: '${String(type)}' is not allowed here`
    if (type === 'text' && typeof part['text'] !== 'string') yield `${where}.text is missing`
    if (type !== 'image_url') continue
    const url = isObject(image) ? String(image['url']) : ''
    const media = /^data:([^;]+);base64,[A-Za-z0-9+/]+=*$/.exec(url)?.[1]
    const isGood = url.startsWith('https://') || (media !== undefined && PICTURE.test(media))
    if (!isGood) yield `${where}: invalid image data`
  }
}

function* callFaults(call: JsonObject, place: string): Generator<string> {
  const { id, type } = call
  const told = call['function'] as JsonObject | undefined
  if (typeof id !== 'string' || id === '') yield `${place}.id is missing`
  else if (id.length > 40) yield `${place}.id: string too long, maximum length 40`
  if (type === 'custom') return
  if (type !== 'function') yield `${place}.type is missing`
  if (!NAME.test(String(told?.['name']))) yield `${place}.function.name does not match ${NAME}`
  if (!isJsonObject(told?.['arguments'])) yield `${place}.function.arguments: expected JSON`
}

const NAME = /^[a-zA-Z0-9_-]{1,64}$/

function* toolFaults(tools: unknown, place: string): Generator<string> {
  for (const [tool, where] of objectsOf(tools, place)) {
    if (tool['type'] === 'custom') continue
    const offer = tool['function']
    if (tool['type'] !== 'function' || !isObject(offer)) {
      yield `${where}: expected a function`
      continue
    }
    const { name, parameters, strict } = offer as JsonObject
    if (!NAME.test(String(name))) yield `${where}.function.name does not match ${NAME}`
    if (parameters === undefined) continue
    yield* objectSchema(parameters, `${where}.function.parameters`)
    if (strict === true) yield* looseObjects(parameters, `${where}.function.parameters`, true)
  }
}

function* modelFaults(body: JsonObject, model: string): Generator<string> {
  const isReasoning = /^(?:gpt-5|gpt-6|o\d)/.test(model)
  const hasTools = Array.isArray(body['tools'])
  if (!isReasoning) {
    if (body['reasoning_effort'] !== undefined) {
      yield 'Unrecognized request argument supplied: reasoning_effort'
    }
    return
  }
  for (const field of ['max_tokens', 'stop', 'top_p', 'presence_penalty', 'frequency_penalty']) {
    if (body[field] !== undefined)
      yield `Unsupported parameter: '${field}' is not supported with this model`
  }
  const { temperature } = body
  if (temperature !== undefined && temperature !== 1) {
    yield "Unsupported value: 'temperature' does not support 0 with this model"
  }
  if (model === 'gpt-5.4-mini' && hasTools && body['reasoning_effort'] !== undefined) {
    yield `Function tools with reasoning_effort are not supported for ${model} in /v1/chat/completions`
  }
}

function* formatFaults({ response_format: format, messages }: JsonObject): Generator<string> {
  if (!isObject(format)) return
  if (format['type'] === 'json_object' && !/json/i.test(JSON.stringify(messages))) {
    yield "'messages' must contain the word 'json' in some form"
  }
  if (format['type'] !== 'json_schema') return
  const told = format['json_schema'] as JsonObject | undefined
  if (!NAME.test(String(told?.['name']))) yield 'response_format.json_schema.name is missing'
  if (told?.['strict'] === true) {
    yield* looseObjects(told['schema'], 'response_format.json_schema.schema', true)
  }
}
