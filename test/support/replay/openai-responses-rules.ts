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

/** How OpenAI's encrypted thoughts begin. */
const ENCRYPTED = /^gAAAA/

/** What OpenAI refuses in a request of the Responses API. */
export const openaiResponsesRules: Rules = function* ({ body, headers }) {
  const { model, input, tools } = body
  if (typeof headers['authorization'] !== 'string') yield "You didn't provide an API key"
  if (typeof model !== 'string' || model === '') yield "Missing required parameter: 'model'"
  for (const fault of unknownFields(body, FIELDS, '')) yield fault.replace('field', 'parameter:')
  if (typeof input !== 'string') {
    if (!Array.isArray(input) || input.length === 0) yield "Missing required parameter: 'input'"
    yield* itemFaults(input)
  }
  yield* toolFaults(tools)
  const { max_output_tokens: limit, instructions } = body
  if (typeof limit === 'number' && limit < 16) yield 'max_output_tokens: expected a value >= 16'
  if (instructions !== undefined && instructions !== null && typeof instructions !== 'string') {
    yield 'instructions: expected a string'
  }
  yield* modelFaults(body)
  yield* formatFaults(body['text'])
}

const FIELDS = words(`
  access_programs background client_metadata context_management conversation image include
  input instructions max_output_tokens max_tool_calls metadata model moderation
  parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_options
  prompt_cache_retention reasoning store safety_identifier service_tier stream stream_options
  temperature text tool_choice tools top_logprobs top_p truncation user
`)

const CONTENT: Readonly<Record<string, readonly string[]>> = {
  user: ['input_text', 'input_image', 'input_file', 'input_audio'],
  system: ['input_text', 'input_image'],
  developer: ['input_text', 'input_image'],
  assistant: ['output_text', 'refusal'],
}

const IDS: Readonly<Record<string, string>> = {
  message: 'msg',
  function_call: 'fc',
  reasoning: 'rs',
}

function* itemFaults(input: unknown): Generator<string> {
  const called = new Set<string>()
  const answered = new Set<string>()
  for (const [item, place] of objectsOf(input, 'input')) {
    const { type = 'message', id, call_id: call, output } = item
    const prefix = IDS[String(type)]
    if (typeof id === 'string' && prefix !== undefined && !id.startsWith(prefix)) {
      yield `Invalid '${place}.id': '${id}'. Expected an ID that begins with '${prefix}'`
    }
    if (type === 'message') yield* messageFaults(item, place)
    else if (type === 'function_call') {
      called.add(String(call))
      if (typeof call !== 'string' || call.length === 0 || call.length > 64) {
        yield `${place}.call_id: expected 1 to 64 characters`
      }
      if (!NAME.test(String(item['name']))) yield `${place}.name does not match ${NAME}`
      if (!isJsonObject(item['arguments'])) yield `${place}.arguments: expected JSON`
    } else if (type === 'function_call_output') {
      if (!called.has(String(call))) {
        yield `No tool call found for function call output with call_id ${String(call)}`
      }
      answered.add(String(call))
      if (typeof output !== 'string' && !Array.isArray(output)) yield `${place}.output is missing`
    } else if (type === 'reasoning') yield* reasoningFaults(item, place)
  }
  for (const id of called) {
    if (!answered.has(id)) yield `No tool output found for function call ${id}`
  }
}

function* messageFaults({ role, content }: JsonObject, place: string): Generator<string> {
  const types = CONTENT[String(role)]
  if (types === undefined) yield `${place}.role: unknown role ${String(role)}`
  if (typeof content === 'string' || types === undefined) return
  if (!Array.isArray(content) || content.length === 0) yield `${place}.content is missing`
  for (const [part, where] of objectsOf(content, `${place}.content`)) {
    const { type, text, image_url: url } = part
    if (!types.includes(String(type))) {
      yield `Invalid value: '${String(type)}' at ${where}. Supported values are: ${types.join(', ')}`
    }
    if (String(type).endsWith('_text') && typeof text !== 'string') yield `${where}.text is missing`
    if (type !== 'input_image' || part['file_id'] !== undefined) continue
    const media = /^data:([^;]+);base64,[A-Za-z0-9+/]+=*$/.exec(String(url))?.[1]
    const isGood = String(url).startsWith('https:') || (media !== undefined && PICTURE.test(media))
    if (!isGood) yield `${where}.image_url: invalid image`
  }
}

function* reasoningFaults(item: JsonObject, place: string): Generator<string> {
  if (!Array.isArray(item['summary'])) yield `Missing required parameter: '${place}.summary'`
  const { encrypted_content: proof, id } = item
  if (typeof proof === 'string') {
    if (!ENCRYPTED.test(proof)) yield `${place}: the encrypted content could not be verified`
  } else if (id === undefined) yield `${place}: neither id nor encrypted_content`
}

const NAME = /^[a-zA-Z0-9_-]{1,128}$/

function* toolFaults(tools: unknown): Generator<string> {
  for (const [tool, place] of objectsOf(tools, 'tools')) {
    const { type, name, parameters, strict } = tool
    if (type !== 'function') continue
    if (tool['function'] !== undefined) yield `Unknown parameter: '${place}.function'`
    if (!NAME.test(String(name))) yield `Missing required parameter: '${place}.name'`
    if (parameters === undefined || parameters === null) continue
    yield* objectSchema(parameters, `${place}.parameters`)
    // Where nothing is said, a schema that fits is taken as strict.
    if (strict === true) yield* looseObjects(parameters, `${place}.parameters`, true)
  }
}

function* modelFaults({
  model,
  temperature,
  top_p: topP,
  reasoning,
}: JsonObject): Generator<string> {
  const isReasoning = /^(?:gpt-5|gpt-6|o\d)/.test(String(model))
  if (isReasoning) {
    if (temperature !== undefined)
      yield "Unsupported parameter: 'temperature' is not supported with this model"
    if (topP !== undefined) yield "Unsupported parameter: 'top_p' is not supported with this model"
  } else if (isObject(reasoning) && reasoning['effort'] !== undefined) {
    yield "Unsupported parameter: 'reasoning.effort' is not supported with this model"
  }
}

function* formatFaults(text: unknown): Generator<string> {
  const format = isObject(text) ? text['format'] : undefined
  if (!isObject(format) || format['type'] !== 'json_schema') return
  if (!NAME.test(String(format['name']))) yield "Missing required parameter: 'text.format.name'"
  if (!isObject(format['schema'])) yield "Missing required parameter: 'text.format.schema'"
  if (format['strict'] === true) yield* looseObjects(format['schema'], 'text.format.schema', true)
}
