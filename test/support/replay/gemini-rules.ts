import { isObject, type JsonObject } from '#core/kit/json.ts'
import { objectsOf, PICTURE, type Rules, unknownFields, words } from './rule.ts'

/** How Google's thought signatures begin, and the word that stands for one that is lost. */
const SIGNATURE = /^(?:C[a-zA-Z]|skip_thought_signature_validator$)/

/** What Google refuses in a request of generateContent. */
export const geminiRules: Rules = function* ({ body, headers, path, query }) {
  const model = /\/models\/([^:/]+):/.exec(path)?.[1] ?? ''
  const { contents, systemInstruction, tools, generationConfig } = body
  if (headers['x-goog-api-key'] === undefined && !query.includes('key=')) {
    yield "Method doesn't allow unregistered callers"
  }
  if (model === '') yield 'model is missing in the path'
  yield* unknownNames(body, FIELDS, '')
  if (!Array.isArray(contents) || contents.length === 0) yield 'contents is not specified'
  yield* contentFaults(contents, model)
  if (systemInstruction !== undefined) {
    const parts = isObject(systemInstruction) ? systemInstruction['parts'] : undefined
    if (!Array.isArray(parts) || parts.length === 0) yield 'systemInstruction.parts is missing'
  }
  yield* toolFaults(tools)
  if (isObject(generationConfig)) yield* configFaults(generationConfig as JsonObject, model)
}

const FIELDS = words(`
  contents systemInstruction tools toolConfig safetySettings cachedContent generationConfig
  labels serviceTier store
`)

const CONFIG = words(`
  audioTimestamp candidateCount frequencyPenalty imageConfig logprobs seed maxOutputTokens
  mediaResolution presencePenalty responseJsonSchema topK responseLogprobs responseMimeType
  responseModalities responseSchema topP speechConfig stopSequences temperature thinkingConfig
`)

const DATA = ['text', 'inlineData', 'fileData', 'functionCall', 'functionResponse'] as const

function* unknownNames(value: JsonObject, known: readonly string[], place: string) {
  for (const fault of unknownFields(value, known, place)) {
    const name = fault.replace('unknown field ', '')
    yield `Invalid JSON payload received. Unknown name "${name}": Cannot find field.`
  }
}

function* contentFaults(contents: unknown, model: string): Generator<string> {
  const all = [...objectsOf(contents, 'contents')]
  const lastQuestion = all.findLastIndex(([content]) => isQuestion(content))
  let calls: JsonObject[] = []
  for (const [index, [content, place]] of all.entries()) {
    const { role = 'user', parts } = content
    yield* unknownNames(content, ['role', 'parts'], `${place}.`)
    if (role !== 'user' && role !== 'model') yield 'Please use a valid role: user, model.'
    if (!Array.isArray(parts) || parts.length === 0) yield `${place}.parts must not be empty`
    const all = [...objectsOf(parts, `${place}.parts`)]
    for (const [part, where] of all) yield* partFaults(part, where)
    const answers = all.filter(([part]) => part['functionResponse'] !== undefined)
    if (role === 'user') {
      yield* answerFaults(answers, calls, place)
      calls = []
      continue
    }
    calls = all.flatMap(([part]) => (isObject(part['functionCall']) ? [part] : []))
    if (calls.length > 0 && index === 0) {
      yield 'Please ensure that function call turn comes immediately after a user turn'
    }
    const isProven = calls.length === 0 || typeof calls[0]!['thoughtSignature'] === 'string'
    if (/gemini-3/.test(model) && index > lastQuestion && !isProven) {
      yield `Function call is missing a thought_signature in functionCall parts: ${place}`
    }
  }
  if (all.at(-1)?.[0]['role'] === 'model' && calls.length > 0) {
    yield 'Please ensure that function call turn is followed by a function response turn'
  }
}

/** True for a turn that begins something new; what answers calls belongs to the turn before. */
function isQuestion({ role = 'user', parts }: JsonObject): boolean {
  const all = [...objectsOf(parts, '')]
  return role === 'user' && !all.some(([part]) => part['functionResponse'] !== undefined)
}

function* answerFaults(
  answers: readonly [JsonObject, string][],
  calls: readonly JsonObject[],
  place: string,
): Generator<string> {
  if (answers.length !== calls.length) {
    yield `Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn: ${place}`
    return
  }
  const named = (part: JsonObject, field: string) => (part[field] as JsonObject)['name']
  const asked = calls.map((part) => String(named(part, 'functionCall'))).sort()
  const told = answers.map(([part]) => String(named(part, 'functionResponse'))).sort()
  if (asked.join() !== told.join())
    yield `${place}: responses to ${told.join()}, calls of ${asked.join()}`
}

function* partFaults(part: JsonObject, place: string): Generator<string> {
  yield* unknownNames(part, PART, `${place}.`)
  const data = DATA.filter((field) => part[field] !== undefined)
  if (data.length !== 1)
    yield `${place}: required oneof field 'data' must have one initialized field`
  const { inlineData, functionCall, functionResponse, fileData, thoughtSignature: proof } = part
  if (proof !== undefined && !SIGNATURE.test(String(proof)))
    yield `${place}: thought signature is not valid`
  if (isObject(inlineData)) {
    const type = String(inlineData['mimeType'])
    if (!/^[a-z]+\/[\w.+-]+$/.test(type)) yield `${place}.inlineData.mimeType is missing`
    if (type.startsWith('image/') && !PICTURE.test(type)) yield `Unsupported MIME type: ${type}`
    if (!/^[A-Za-z0-9+/_-]+=*$/.test(String(inlineData['data']))) yield `${place}: no base64`
  }
  if (
    isObject(fileData) &&
    !/^(?:gs:|https:\/\/(?:generativelanguage|www\.youtube|youtu\.be))/.test(
      String(fileData['fileUri']),
    )
  ) {
    yield `Cannot fetch content from the provided URL at ${place}`
  }
  if (isObject(functionCall)) {
    if (!NAME.test(String(functionCall['name']))) yield `${place}.functionCall.name is invalid`
    const { args } = functionCall as JsonObject
    if (args !== undefined && !isObject(args))
      yield `${place}.functionCall.args: expected an object`
  }
  if (isObject(functionResponse)) {
    if (!NAME.test(String(functionResponse['name'])))
      yield `${place}.functionResponse.name is invalid`
    if (!isObject(functionResponse['response']))
      yield `${place}.functionResponse.response: expected an object`
  }
}

const PART = [...DATA, 'thought', 'thoughtSignature', 'videoMetadata', 'mediaResolution']
const NAME = /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$/

/** Keywords of OpenAPI's schemas, all that `parameters` and `responseSchema` know. */
const OPENAPI = new Set(
  words(`
  type format title description nullable default items minItems maxItems enum properties
  propertyOrdering required minProperties anyOf maxProperties minimum maximum minLength
  maxLength pattern example
`),
)

function* toolFaults(tools: unknown): Generator<string> {
  for (const [tool, place] of objectsOf(tools, 'tools')) {
    for (const [offer, where] of objectsOf(
      tool['functionDeclarations'],
      `${place}.functionDeclarations`,
    )) {
      if (!NAME.test(String(offer['name']))) yield `${where}.name: Invalid function name`
      if (offer['parameters'] !== undefined && offer['parametersJsonSchema'] !== undefined) {
        yield `${where}: parameters and parametersJsonSchema are mutually exclusive`
      }
      yield* openapiFaults(offer['parameters'], `${where}.parameters`)
    }
  }
}

function* openapiFaults(schema: unknown, place: string): Generator<string> {
  if (!isObject(schema)) return
  for (const [key, value] of Object.entries(schema)) {
    if (!OPENAPI.has(key)) yield `Unknown name "${key}" at '${place}': Cannot find field.`
    if (key === 'properties' && isObject(value)) {
      for (const [name, inner] of Object.entries(value))
        yield* openapiFaults(inner, `${place}.${name}`)
    } else if (key === 'items') yield* openapiFaults(value, `${place}.items`)
  }
}

function* configFaults(config: JsonObject, model: string): Generator<string> {
  yield* unknownNames(config, CONFIG, 'generationConfig.')
  const { thinkingConfig: thinking, stopSequences: stops, responseJsonSchema: schema } = config
  if (Array.isArray(stops) && stops.length > 5) yield 'stopSequences: at most 5'
  if (schema !== undefined && config['responseMimeType'] !== 'application/json') {
    yield 'responseJsonSchema needs the response mime type application/json'
  }
  yield* openapiFaults(config['responseSchema'], 'generationConfig.responseSchema')
  if (!isObject(thinking)) return
  const { thinkingLevel: level, thinkingBudget: budget } = thinking as JsonObject
  if (level !== undefined && budget !== undefined) yield 'thinkingLevel and thinkingBudget together'
  if (level !== undefined && /gemini-2/.test(model)) {
    yield 'Thinking level is not supported for this model.'
  }
  if (level !== undefined && !/^(?:MINIMAL|LOW|MEDIUM|HIGH)$/i.test(String(level))) {
    yield `thinkingLevel: unknown value ${String(level)}`
  }
}
