import type { JsonObject } from '../../kit/json.ts'
import type { Crossing, Destination } from '../hub/codec.ts'
import { json } from '../hub/fields.ts'
import { functionsOf, type TargetFunction } from '../hub/functions.ts'
import { judgeRequest } from '../hub/report.ts'
import { schemaAsTool } from '../hub/schema-tool.ts'
import type { HubRequest } from '../hub/request.ts'
import { alternatingTurns, type Turn } from '../hub/turns.ts'
import { structuredSchema } from './anthropic-schema.ts'
import { encodeThinking } from './anthropic-thinking.ts'
import { BEDROCK_NAMES, encodeBlocks, encodeCachePoint } from './bedrock-blocks.ts'

/** Writes the body of Converse: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html. */
export function encodeBedrockRequest(request: HubRequest, crossing: Crossing): JsonObject {
  const { capabilities, report } = crossing
  judgeRequest(request, report)
  const ofModel = { ...capabilities, midSystem: false }
  const turns = alternatingTurns(request.messages, ofModel, report)
  const toolConfig = encodeTools(request, turns, crossing)
  const system = request.system.flatMap(({ parts, path }) => encodeBlocks(parts, path, crossing))
  if (request.output?.type === 'jsonObject') {
    report.judge('jsonObject', request.origins.output ?? 'output')
    system.push({ text: JSON_ONLY })
  }
  const thinking = thinkingOf(request, turns, crossing)
  return json({
    messages: encodeMessages(turns, crossing),
    system: system.length === 0 ? undefined : system,
    inferenceConfig: orNothing(encodeInference(request, thinking, crossing)),
    toolConfig,
    outputConfig: encodeOutput(request, crossing),
    additionalModelRequestFields: orNothing(encodeModelFields(request, thinking, crossing)),
    additionalModelResponseFieldPaths: tellsStop(request, crossing) ? [STOP_PATH] : undefined,
    requestMetadata: request.metadata as JsonObject | undefined,
  })
}

/** The model stands in the path, and so does whether the answer is streamed. */
export function bedrockDestination({ model, stream }: HubRequest): Destination {
  return {
    path: `/model/${encodeURIComponent(model)}/converse${stream ? '-stream' : ''}`,
    query: '',
    headers: { accept: stream ? 'application/vnd.amazon.eventstream' : 'application/json' },
  }
}

const JSON_ONLY = 'Respond only with a JSON object, without any other text.'

function orNothing(fields: JsonObject): JsonObject | undefined {
  return Object.keys(fields).length === 0 ? undefined : fields
}

/** Turns alternate, and thoughts come first. */
function encodeMessages(turns: readonly Turn[], crossing: Crossing): JsonObject[] {
  return turns.flatMap(({ parts, path, role }) => {
    const thoughts = parts.filter(({ type }) => type === 'reasoning')
    const ordered = [...thoughts, ...parts.filter(({ type }) => type !== 'reasoning')]
    const content = encodeBlocks(ordered, path, crossing)
    return content.length === 0 ? [] : [{ role, content }]
  })
}

const MAX_TEMPERATURE = 1

function encodeInference(
  request: HubRequest,
  { thinking }: JsonObject,
  crossing: Crossing,
): JsonObject {
  const { origins, sampling, stop } = request
  const { capabilities, report } = crossing
  const isThinking = thinking !== undefined
  function ifTaken(value: number | undefined, isTaken: boolean, field = 'sampling') {
    if (value === undefined) return undefined
    if (isTaken && !isThinking) return value
    report.note('dropped', field, isTaken ? 'it cannot be set while the model thinks' : NOT_TAKEN)
    return undefined
  }
  const temperature = ifTaken(sampling.temperature, capabilities.temperature, origins.temperature)
  if (temperature !== undefined && temperature > MAX_TEMPERATURE) {
    report.note('emulated', origins.temperature ?? 'temperature', 'the target takes 1 at most')
  }
  const both = capabilities.bothTemperatureAndTopP || temperature === undefined
  return json({
    maxTokens: maxTokensOf(request, isThinking, crossing),
    temperature: temperature === undefined ? undefined : Math.min(temperature, MAX_TEMPERATURE),
    topP: ifTaken(sampling.topP, capabilities.topP && both, origins.topP),
    stopSequences: stop as string[] | undefined,
  })
}

/** What thinking takes is a part of the limit, so that one must stand beside it. */
function maxTokensOf(
  { maxOutputTokens, origins }: HubRequest,
  isThinking: boolean,
  { capabilities, report }: Crossing,
): number | undefined {
  const { maxOutputTokens: most, provider } = capabilities
  if (maxOutputTokens === undefined) return isThinking ? most : undefined
  if (maxOutputTokens <= most || provider !== 'anthropic') return maxOutputTokens
  const field = origins.maxOutputTokens ?? 'max_tokens'
  report.note('emulated', field, `the model answers with ${most} tokens at most`)
  return most
}

const NOT_TAKEN = 'the model does not take it'

/** What only this model knows goes by another way: for Claude, fields of Anthropic's own API. */
function encodeModelFields(
  { origins, sampling }: HubRequest,
  { effort, thinking }: JsonObject,
  { capabilities, report }: Crossing,
): JsonObject {
  const takesTopK = capabilities.topK && thinking === undefined
  if (sampling.topK !== undefined && !takesTopK) {
    report.note('dropped', origins.topK ?? 'top_k', NOT_TAKEN)
  }
  return json({
    thinking,
    output_config: effort === undefined ? undefined : { effort },
    top_k: takesTopK ? sampling.topK : undefined,
  })
}

function thinkingOf(request: HubRequest, turns: readonly Turn[], crossing: Crossing): JsonObject {
  const { maxOutputTokens } = crossing.capabilities
  return encodeThinking(request, turns, request.maxOutputTokens ?? maxOutputTokens, crossing)
}

const STOP_PATH = '/stop_sequence'

/** Claude tells which sequence it was, if it is asked to. */
function tellsStop({ stop }: HubRequest, { capabilities }: Crossing): boolean {
  return stop !== undefined && capabilities.provider === 'anthropic'
}

/** Only Claude holds its answer to a schema here; others are made to call a tool. */
function usesSchemaTool({ output }: HubRequest, { capabilities }: Crossing): boolean {
  if (output?.type !== 'jsonSchema') return false
  return capabilities.provider !== 'anthropic' || !capabilities.jsonSchema
}

function encodeOutput(request: HubRequest, crossing: Crossing): JsonObject | undefined {
  const { origins, output } = request
  if (output?.type !== 'jsonSchema' || usesSchemaTool(request, crossing)) return undefined
  const { isChanged, schema } = structuredSchema(output.schema)
  if (isChanged) {
    const reason = 'keywords that the target refuses are told in words'
    crossing.report.note('emulated', origins.output ?? 'output', reason)
  }
  const { description, name = 'response' } = output
  const jsonSchema = json({ name, description, schema: JSON.stringify(schema) })
  return { textFormat: { type: 'json_schema', structure: { jsonSchema } } }
}

function encodeTools(
  request: HubRequest,
  turns: readonly Turn[],
  crossing: Crossing,
): JsonObject | undefined {
  const { capabilities } = crossing
  const isClaude = capabilities.provider === 'anthropic'
  const options = { rule: BEDROCK_NAMES, cache: true, strict: isClaude && capabilities.jsonSchema }
  const functions = functionsOf(request, options, crossing)
  if (usesSchemaTool(request, crossing)) return withSchemaTool(functions, request, crossing)
  if (functions.length === 0) return historicTools(turns, crossing)
  if (request.toolChoice?.type === 'none') return withoutChoice(functions, turns, request, crossing)
  return json({ tools: writeTools(functions), toolChoice: encodeChoice(request, crossing) })
}

function writeTools(functions: readonly TargetFunction[]): JsonObject[] {
  return functions.flatMap(({ cache, description, name, parameters, strict }) => {
    const toolSpec = json({ name, description, inputSchema: { json: parameters }, strict })
    return cache === undefined ? [{ toolSpec }] : [{ toolSpec }, encodeCachePoint(cache)]
  })
}

/** None may be called: none is sent, unless earlier calls need their tools declared. */
function withoutChoice(
  functions: readonly TargetFunction[],
  turns: readonly Turn[],
  { origins }: HubRequest,
  { report }: Crossing,
): JsonObject | undefined {
  if (!turns.some(({ parts }) => parts.some(({ type }) => type === 'toolCall'))) return undefined
  const field = origins.toolChoice ?? 'tool_choice'
  report.note('dropped', field, 'the target cannot be told to call no tool')
  return { tools: writeTools(functions) }
}

function encodeChoice({ origins, toolChoice }: HubRequest, { names, report }: Crossing) {
  switch (toolChoice?.type) {
    case 'required':
      return { any: {} }
    case 'subset':
      return toolChoice.mode === 'required' ? { any: {} } : { auto: {} }
    case 'tool':
      return { tool: { name: names.encodeTool(toolChoice.name, BEDROCK_NAMES) } }
    case 'auto':
      return { auto: {} }
    case 'native':
      report.judge('builtinTool', origins.toolChoice ?? 'tool_choice')
      return undefined
    default:
      return undefined
  }
}

function withSchemaTool(
  functions: readonly TargetFunction[],
  request: HubRequest,
  crossing: Crossing,
): JsonObject {
  const taken = functions.map(({ name }) => name)
  const own: TargetFunction = schemaAsTool(taken, request, crossing)
  const toolChoice = functions.length === 0 ? { tool: { name: own.name } } : { any: {} }
  return { tools: writeTools([...functions, own]), toolChoice }
}

/** Calls in the conversation need their tools declared, even where the client has put them away. */
function historicTools(turns: readonly Turn[], { names }: Crossing): JsonObject | undefined {
  const used = new Set<string>()
  for (const { parts } of turns) {
    for (const part of parts) if (part.type === 'toolCall') used.add(part.name)
  }
  if (used.size === 0) return undefined
  const parameters = { type: 'object', properties: {} }
  const functions = [...used].map((name) => ({
    name: names.encodeTool(name, BEDROCK_NAMES),
    parameters,
  }))
  return { tools: writeTools(functions) }
}
