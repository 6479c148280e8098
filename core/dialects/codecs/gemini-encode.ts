import type { Json, JsonObject } from '../../kit/json.ts'
import type { Crossing, Destination } from '../hub/codec.ts'
import { nativeFields, type HubMessage } from '../hub/conversation.ts'
import { budgetOf, clampEffort, effortOf } from '../hub/efforts.ts'
import { json } from '../hub/fields.ts'
import { judgeRequest } from '../hub/report.ts'
import type { HubRequest } from '../hub/request.ts'
import { alternatingTurns } from '../hub/turns.ts'
import { ContentWriter } from './gemini-encode-parts.ts'
import { encodeToolChoice, encodeTools } from './gemini-tools.ts'

const DIALECT = 'gemini'

/** Gemini has the model and the way of answering in the path. */
export function geminiDestination({ model, stream }: HubRequest): Destination {
  const method = stream ? 'streamGenerateContent' : 'generateContent'
  return {
    path: `/v1beta/models/${encodeURIComponent(model)}:${method}`,
    query: stream ? 'alt=sse' : '',
    headers: {},
  }
}

/** Writes a generateContent request. */
export function encodeGeminiRequest(request: HubRequest, crossing: Crossing): JsonObject {
  const carried = judgeRequest(request, crossing.report)
  const writer = new ContentWriter(crossing)
  const tools = encodeTools(request, crossing)
  if (request.source === DIALECT) return encodeOwn(request, tools, writer)
  const turns = alternatingTurns(request.messages, crossing.capabilities, crossing.report)
  return json({
    ...carried,
    contents: turns.map((turn) => writer.turn(turn)),
    systemInstruction: encodeSystem(request, writer, crossing),
    tools: tools.length === 0 ? undefined : tools,
    toolConfig: encodeToolChoice(request, crossing),
    generationConfig: orNothing(encodeConfig(request, crossing)),
  })
}

function encodeOwn(
  { system, messages, native, extras }: HubRequest,
  tools: readonly JsonObject[],
  writer: ContentWriter,
): JsonObject {
  const [first] = system
  const others = Object.fromEntries(
    // Those with a dot stand in their own object already.
    Object.entries(extras).filter(([field]) => !field.includes('.')),
  )
  return json({
    contents: messages.map((message) => writer.own(message)),
    systemInstruction: first === undefined ? undefined : ownSystem(first, writer),
    tools: tools.length === 0 ? undefined : [...tools],
    ...nativeFields(native, DIALECT),
    ...others,
  })
}

/** Its role, which says nothing, is among the native fields. */
function ownSystem({ parts, path, native }: HubMessage, writer: ContentWriter): JsonObject {
  return { parts: writer.parts(parts, path), ...nativeFields(native, DIALECT) }
}

/** All leading prompts, a part each. */
function encodeSystem(
  { system }: HubRequest,
  writer: ContentWriter,
  { report }: Crossing,
): JsonObject | undefined {
  const parts = system.flatMap((message) => {
    if (message.name !== undefined) report.judge('messageName', `${message.path}.name`)
    return writer.parts(message.parts, message.path)
  })
  return parts.length === 0 ? undefined : { parts }
}

function orNothing(config: JsonObject): JsonObject | undefined {
  return Object.keys(config).length === 0 ? undefined : config
}

/** Gemini takes no more. */
const MAX_STOP = 5

function encodeConfig(request: HubRequest, crossing: Crossing): JsonObject {
  const { sampling, origins, stop } = request
  const { capabilities, report } = crossing
  if (stop !== undefined && stop.length > MAX_STOP) {
    report.note('refused', origins.stop ?? 'stop', `the target takes ${MAX_STOP} stop sequences`)
  }
  const spoken = (value: number | undefined, isTaken: boolean, field: string | undefined) => {
    if (value === undefined || isTaken) return value
    report.note('dropped', field ?? 'temperature', `the model ${request.model} does not take it`)
    return undefined
  }
  return json({
    temperature: spoken(sampling.temperature, capabilities.temperature, origins.temperature),
    topP: spoken(sampling.topP, capabilities.topP, origins.topP),
    topK: spoken(sampling.topK, capabilities.topK, origins.topK),
    seed: sampling.seed,
    presencePenalty: sampling.presencePenalty,
    frequencyPenalty: sampling.frequencyPenalty,
    maxOutputTokens: request.maxOutputTokens,
    stopSequences: stop === undefined ? undefined : [...stop],
    candidateCount: request.choices === 1 ? undefined : request.choices,
    ...encodeOutput(request),
    thinkingConfig: encodeThinking(request, crossing),
  })
}

function encodeOutput({ output }: HubRequest): Readonly<Record<string, Json | undefined>> {
  switch (output?.type) {
    case 'jsonSchema':
      return { responseMimeType: 'application/json', responseJsonSchema: output.schema }
    case 'jsonObject':
      return { responseMimeType: 'application/json' }
    default:
      return {}
  }
}

const LEVELS: Readonly<Record<string, string>> = {
  none: 'MINIMAL',
  minimal: 'MINIMAL',
  low: 'LOW',
  medium: 'MEDIUM',
}
/** The least that Gemini 2.5 Pro thinks with. */
const MIN_BUDGET = 128
const MAX_BUDGET = 24_576

function encodeThinking(request: HubRequest, crossing: Crossing): JsonObject | undefined {
  const { reasoning, origins } = request
  const { capabilities, report } = crossing
  if (reasoning === undefined) return undefined
  const field = origins.reasoning ?? 'reasoning'
  if (capabilities.thinking === 'none') {
    report.note('dropped', field, `the model ${request.model} does not reason`)
    return undefined
  }
  const limit = request.maxOutputTokens ?? capabilities.maxOutputTokens
  const effort = effortOf(reasoning, limit)
  const config = json({
    includeThoughts: reasoning.isVisible,
    ...(capabilities.thinking === 'level' ? level() : budget()),
  })
  return orNothing(config)

  function level(): Readonly<Record<string, Json | undefined>> {
    if (effort === undefined) return {}
    const known = effort === 'none' ? 'minimal' : clampEffort(effort, capabilities)
    if (known !== effort) report.note('emulated', field, `effort ${effort} was told as ${known}`)
    return { thinkingLevel: LEVELS[known] ?? 'HIGH' }
  }

  function budget(): Readonly<Record<string, Json | undefined>> {
    if (reasoning?.budgetTokens !== undefined) return { thinkingBudget: reasoning.budgetTokens }
    if (effort === undefined) return reasoning?.isAdaptive === true ? { thinkingBudget: -1 } : {}
    if (effort === 'none' && capabilities.canStopThinking) return { thinkingBudget: 0 }
    const share = budgetOf(effort, Math.min(limit, MAX_BUDGET))
    return { thinkingBudget: Math.max(share, MIN_BUDGET) }
  }
}
