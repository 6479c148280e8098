import { isObject, type JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import { nativeFields, nativeForm, type HubMessage, type Part } from '../hub/conversation.ts'
import { json } from '../hub/fields.ts'
import { isProofFor } from '../hub/proof.ts'
import { judgeRequest } from '../hub/report.ts'
import type { HubRequest } from '../hub/request.ts'
import { alternatingTurns, type Turn } from '../hub/turns.ts'
import { encodeBlock } from './anthropic-blocks-encode.ts'
import { encodeCacheControl } from './anthropic-blocks.ts'
import { encodeThinking, isInsideUnsignedTurn } from './anthropic-thinking.ts'
import { encodeOwnTools, encodeTools, usesSchemaTool } from './anthropic-tools.ts'
import { structuredSchema } from './anthropic-schema.ts'

const DIALECT = 'anthropic'

/** Writes a Messages body. A request of the same dialect is written back as it came. */
export function encodeMessagesRequest(request: HubRequest, crossing: Crossing): JsonObject {
  if (request.source === DIALECT) return encodeOwn(request, crossing)
  const { capabilities, report } = crossing
  judgeRequest(request, report)
  const turns = alternatingTurns(request.messages, capabilities, report).map((turn) =>
    withReasoningFirst(withOwnReasoning(turn, crossing)),
  )
  const maxTokens = maxTokensOf(request, crossing)
  const tools = encodeTools(request, turns, crossing)
  const thinking = encodeThinking(request, turns, maxTokens, crossing)
  const isThinking = 'thinking' in thinking
  const { effort, ...rest } = thinking
  const outputConfig = json({ effort, format: encodeFormat(request, crossing) })
  const body = json({
    model: request.model,
    max_tokens: maxTokens,
    system: encodeSystem(request, crossing),
    messages: turns.map((turn, index) => encodeTurn(turn, index === turns.length - 1, crossing)),
    ...tools,
    ...rest,
    output_config: Object.keys(outputConfig).length === 0 ? undefined : outputConfig,
    ...encodeSampling(request, isThinking, crossing),
    stop_sequences: encodeStop(request, crossing),
    metadata: request.user === undefined ? undefined : { user_id: request.user },
    cache_control: request.cache === undefined ? undefined : encodeCacheControl(request.cache),
    stream: request.stream || undefined,
  })
  limitMarkers(body, crossing)
  return body
}

function encodeOwn(request: HubRequest, crossing: Crossing): JsonObject {
  const system = request.system[0]
  const messages = withoutForeignThoughts(request.messages, crossing)
  return json({
    model: request.model === '' ? undefined : request.model,
    system: system && encodeContent(system, crossing),
    messages: messages.map((message) => ({
      role: message.role,
      content: encodeContent(message, crossing),
      ...nativeFields(message.native, DIALECT),
    })),
    ...encodeOwnTools(request),
    ...(messages === request.messages
      ? nativeFields(request.native, DIALECT)
      : withoutBudget(nativeFields(request.native, DIALECT), messages, crossing)),
    ...Object.fromEntries(Object.entries(request.extras).filter(([field]) => !field.includes('.'))),
  })
}

/** The messages without thoughts of other providers' models; the same list where there are none. */
function withoutForeignThoughts(
  messages: readonly HubMessage[],
  crossing: Crossing,
): readonly HubMessage[] {
  const believed = messages.map((message) => withOwnReasoning(message, crossing))
  if (believed.every((message, index) => message === messages[index])) return messages
  return believed.filter(({ parts }) => parts.length > 0)
}

/** Who thinks by a budget wants the thoughts of its calls back, and cannot have those of another model. */
function withoutBudget(
  { thinking, ...fields }: JsonObject,
  messages: readonly HubMessage[],
  { report }: Crossing,
): JsonObject {
  const isBudget = isObject(thinking) && thinking['type'] === 'enabled'
  if (!isBudget || !isInsideUnsignedTurn(messages)) return json({ ...fields, thinking })
  report.note('dropped', 'thinking', 'the calls of the last turn were made by another model')
  return fields
}

function encodeContent({ native, parts, path }: HubMessage, crossing: Crossing) {
  const only = parts[0]
  const isString = nativeForm(native, DIALECT) === 'string'
  if (isString && parts.length === 1 && only?.type === 'text') return only.text
  return encodeBlocks(parts, path, crossing)
}

function encodeBlocks(parts: readonly Part[], path: string, crossing: Crossing): JsonObject[] {
  return parts.flatMap((part, index) => {
    const block = encodeBlock(part, `${path}.content[${index}]`, crossing)
    return block === undefined ? [] : [block]
  })
}

/** Anthropic believes its own proofs only. */
function withOwnReasoning<T extends Pick<Turn, 'parts' | 'path'>>(turn: T, crossing: Crossing): T {
  const { capabilities, report } = crossing
  const parts = turn.parts.filter(
    (part) =>
      part.type !== 'reasoning' ||
      (part.proof !== undefined && isProofFor(part.proof, 'anthropic', capabilities.family)),
  )
  if (parts.length === turn.parts.length) return turn
  report.note('dropped', turn.path, 'reasoning without a proof of this provider is not replayed')
  return { ...turn, parts }
}

/** It wants them before all else of the turn. */
function withReasoningFirst(turn: Turn): Turn {
  const thoughts = turn.parts.filter((part) => part.type === 'reasoning')
  if (thoughts.length === 0) return turn
  return {
    ...turn,
    parts: [...thoughts, ...turn.parts.filter((part) => part.type !== 'reasoning')],
  }
}

/** A begun answer may not end in white space. */
function encodeTurn({ parts, path, role }: Turn, isLast: boolean, crossing: Crossing): JsonObject {
  const kept = parts.filter((part) => {
    const isForeign = part.type === 'native' && part.dialect !== DIALECT && role === 'assistant'
    if (isForeign) {
      crossing.report.note('dropped', path, `the target knows no blocks of type ${part.kind}`)
    }
    return !isForeign
  })
  const last = kept.at(-1)
  if (isLast && role === 'assistant' && last?.type === 'text') {
    kept[kept.length - 1] = { ...last, text: last.text.trimEnd() }
  }
  const only = kept[0]
  const isPlain = kept.length === 1 && only?.type === 'text' && only.cache === undefined
  return { role, content: isPlain ? only.text : encodeBlocks(kept, path, crossing) }
}

const JSON_ONLY = 'Respond only with a JSON object, without any other text.'

/** One block per prompt of the client, so that cache markers stay where they were. */
function encodeSystem({ output, system }: HubRequest, crossing: Crossing) {
  const blocks = system.flatMap(({ parts, path }) =>
    encodeBlocks(
      parts.filter((part) => part.type !== 'text' || part.text.trim() !== ''),
      path,
      crossing,
    ),
  )
  if (output?.type === 'jsonObject') {
    crossing.report.judge('jsonObject', crossing.request.origins.output ?? 'output')
    blocks.push({ type: 'text', text: JSON_ONLY })
  }
  const only = blocks[0]
  if (only === undefined) return undefined
  return blocks.length === 1 && only['cache_control'] === undefined ? only['text'] : blocks
}

/** The limit is required: without one of the client's, the model's own. */
function maxTokensOf({ maxOutputTokens, origins }: HubRequest, { capabilities, report }: Crossing) {
  const most = capabilities.maxOutputTokens
  if (maxOutputTokens === undefined) return most
  if (maxOutputTokens > most) {
    const field = origins.maxOutputTokens ?? 'max_tokens'
    report.note('emulated', field, `the model answers with ${most} tokens at most`)
    return most
  }
  return maxOutputTokens
}

function encodeFormat(request: HubRequest, crossing: Crossing): JsonObject | undefined {
  const { output } = request
  if (output?.type !== 'jsonSchema' || usesSchemaTool(request, crossing)) return undefined
  const { isChanged, schema } = structuredSchema(output.schema)
  if (isChanged) {
    const field = request.origins.output ?? 'output'
    crossing.report.note('emulated', field, 'keywords that the target refuses are told in words')
  }
  return { type: 'json_schema', schema }
}

const MAX_TEMPERATURE = 1

function encodeSampling(
  { origins, sampling }: HubRequest,
  isThinking: boolean,
  { capabilities, report }: Crossing,
): JsonObject {
  const { temperature, topK, topP } = sampling
  const result: JsonObject = {}
  function drop(field: string | undefined, reason: string) {
    report.note('dropped', field ?? 'sampling', reason)
  }
  if (temperature !== undefined) {
    if (!capabilities.temperature) drop(origins.temperature, 'the model does not take it')
    else if (isThinking) drop(origins.temperature, 'it cannot be set while the model thinks')
    else if (temperature > MAX_TEMPERATURE) {
      report.note('emulated', origins.temperature ?? 'temperature', 'the target takes 1 at most')
      result['temperature'] = MAX_TEMPERATURE
    } else result['temperature'] = temperature
  }
  if (topP !== undefined) {
    if (!capabilities.topP) drop(origins.topP, 'the model does not take it')
    else if (isThinking) drop(origins.topP, 'it cannot be set while the model thinks')
    else if (result['temperature'] !== undefined && !capabilities.bothTemperatureAndTopP) {
      drop(origins.topP, 'the model does not take it beside a temperature')
    } else result['top_p'] = topP
  }
  if (topK !== undefined) {
    if (!capabilities.topK || isThinking) drop(origins.topK, 'the model does not take it')
    else result['top_k'] = topK
  }
  return result
}

/** White space alone is refused as a stop sequence. */
function encodeStop({ origins, stop }: HubRequest, { report }: Crossing): string[] | undefined {
  if (stop === undefined) return undefined
  const visible = stop.filter((sequence) => sequence.trim() !== '')
  if (visible.length < stop.length) {
    report.note('refused', origins.stop ?? 'stop', 'the target does not stop at white space')
  }
  return visible.length === 0 ? undefined : visible
}

const MAX_MARKERS = 4

/** The last markers count: each of them caches all that stands before it. */
function limitMarkers(body: JsonObject, { report }: Crossing): void {
  const holders: JsonObject[] = []
  for (const list of [body['tools'], body['system']]) {
    if (Array.isArray(list)) holders.push(...(list as JsonObject[]))
  }
  for (const { content } of body['messages'] as JsonObject[]) {
    if (Array.isArray(content)) holders.push(...(content as JsonObject[]))
  }
  const marked = holders.filter((holder) => holder['cache_control'] !== undefined)
  const room = body['cache_control'] === undefined ? MAX_MARKERS : MAX_MARKERS - 1
  for (const holder of marked.slice(0, Math.max(0, marked.length - room))) {
    delete holder['cache_control']
    report.note('dropped', 'cache_control', `the target takes ${MAX_MARKERS} cache markers`)
  }
}
