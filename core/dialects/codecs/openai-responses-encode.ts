import { createHash } from 'node:crypto'
import type { Json, JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import { nativeFields, nativeForm, type HubMessage } from '../hub/conversation.ts'
import { clampEffort, effortOf } from '../hub/efforts.ts'
import { json } from '../hub/fields.ts'
import { judgeRequest } from '../hub/report.ts'
import type { HubRequest, OutputFormat } from '../hub/request.ts'
import { encodeInput } from './openai-responses-encode-items.ts'
import { encodeToolChoice, encodeTools } from './openai-responses-tools.ts'

const DIALECT = 'openai-responses'

/** Writes a Responses request. */
export function encodeResponsesRequest(request: HubRequest, crossing: Crossing): JsonObject {
  const carried = judgeRequest(request, crossing.report)
  const [instructions, system] = encodeSystem(request)
  const messages = [...system, ...withoutPrefill(request, crossing)]
  const input = encodeInput(messages, crossing)
  const isAbsent = messages.length === 0 && request.source === DIALECT && isStateful(request)
  return json({
    ...carried,
    ...encodeTop(request, crossing),
    instructions,
    input: isAbsent ? undefined : input,
  })
}

function isStateful({ extras }: HubRequest): boolean {
  return ['prompt', 'conversation', 'previous_response_id'].some((key) => key in extras)
}

/** All fields but the conversation, which an answer of this dialect repeats. */
export function encodeTop(request: HubRequest, crossing: Crossing): JsonObject {
  const tools = encodeTools(request, crossing)
  const shared = {
    model: request.model === '' ? undefined : request.model,
    tools: tools.length === 0 ? undefined : tools,
  }
  if (request.source !== DIALECT) return json({ ...shared, ...encodeFields(request, crossing) })
  const own: JsonObject = {}
  for (const [field, value] of Object.entries(request.extras)) {
    // Those with a dot stand in their own object already.
    if (!field.includes('.')) own[field] = value
  }
  return json({ ...shared, ...nativeFields(request.native, DIALECT), ...own })
}

/** Plain leading text becomes `instructions`; several prompts, or one with a cache marker, stay messages. */
function encodeSystem({ system, source }: HubRequest): [string | undefined, readonly HubMessage[]] {
  const [first, ...others] = system
  const [part] = first?.parts ?? []
  if (first === undefined || part?.type !== 'text' || first.parts.length > 1) {
    return [undefined, system]
  }
  if (source === DIALECT) {
    return nativeForm(first.native, DIALECT) === 'instructions'
      ? [part.text, others]
      : [undefined, system]
  }
  const isPlain = others.length === 0 && part.cache === undefined && first.name === undefined
  return isPlain ? [part.text, []] : [undefined, system]
}

/** Responses does not go on with an answer that the client has begun. */
function withoutPrefill({ messages, source }: HubRequest, { report }: Crossing) {
  const last = messages.at(-1)
  const isPrefill = last?.role === 'assistant' && last.parts.every(({ type }) => type === 'text')
  if (source === DIALECT || !isPrefill || messages.length === 1) return messages
  report.judge('prefill', last.path)
  return messages.slice(0, -1)
}

/** OpenAI refuses less. */
const MIN_OUTPUT_TOKENS = 16
/** As many pairs as OpenAI takes. */
const MAX_METADATA = 16

/** The fields of a request of another dialect. */
function encodeFields(
  request: HubRequest,
  crossing: Crossing,
): Readonly<Record<string, Json | undefined>> {
  const { sampling, origins, metadata } = request
  const { capabilities, report } = crossing
  const spoken = (value: number | undefined, isTaken: boolean, field: string | undefined) => {
    if (value === undefined || isTaken) return value
    report.note('dropped', field ?? 'temperature', `the model ${request.model} does not take it`)
    return undefined
  }
  const reasoning = encodeReasoning(request, crossing)
  const isReasoning = capabilities.thinking !== 'none'
  return {
    temperature: spoken(sampling.temperature, capabilities.temperature, origins.temperature),
    top_p: spoken(sampling.topP, capabilities.topP, origins.topP),
    max_output_tokens: encodeLimit(request, crossing),
    tool_choice: encodeToolChoice(request, crossing),
    parallel_tool_calls: request.parallelTools,
    text: encodeText(request),
    reasoning,
    // Nothing shall stay with the provider that the client did not ask for; the proof then is in the answer.
    store: request.store ?? false,
    include: isReasoning && request.store !== true ? ['reasoning.encrypted_content'] : undefined,
    prompt_cache_key: request.cacheKey,
    metadata:
      metadata === undefined
        ? undefined
        : Object.fromEntries(Object.entries(metadata).slice(0, MAX_METADATA)),
    safety_identifier: request.user === undefined ? undefined : identifier(request.user),
    service_tier: request.source === 'openai-chat' ? request.serviceTier : undefined,
    stream: request.stream ? true : undefined,
  }
}

/** OpenAI's limit for an end user's name; a longer one is hashed to as many characters. */
const MAX_IDENTIFIER = 64

function identifier(user: string): string {
  return user.length <= MAX_IDENTIFIER ? user : createHash('sha256').update(user).digest('hex')
}

function encodeLimit(
  { maxOutputTokens: limit, origins }: HubRequest,
  { report }: Crossing,
): number | undefined {
  if (limit === undefined || limit >= MIN_OUTPUT_TOKENS) return limit
  report.note(
    'emulated',
    origins.maxOutputTokens ?? 'max_output_tokens',
    `raised to ${MIN_OUTPUT_TOKENS}, the least that the target takes`,
  )
  return MIN_OUTPUT_TOKENS
}

function encodeText({ output, verbosity }: HubRequest): JsonObject | undefined {
  const format = output === undefined ? undefined : encodeFormat(output)
  if (format === undefined && verbosity === undefined) return undefined
  return json({ format, verbosity })
}

/** Responses wants a name, which not all dialects have. */
const SCHEMA_NAME = 'response'

function encodeFormat(output: OutputFormat): JsonObject {
  if (output.type === 'text') return { type: 'text' }
  if (output.type === 'jsonObject') return { type: 'json_object' }
  const { schema, name = SCHEMA_NAME, description, strict } = output
  return json({ type: 'json_schema', name, description, schema, strict })
}

function encodeReasoning(
  { reasoning, maxOutputTokens, origins, model }: HubRequest,
  { capabilities, report }: Crossing,
): JsonObject | undefined {
  if (reasoning === undefined) return undefined
  const field = origins.reasoning ?? 'reasoning'
  if (capabilities.thinking === 'none') {
    report.note('dropped', field, `the model ${model} does not reason`)
    return undefined
  }
  const wanted = effortOf(reasoning, maxOutputTokens ?? capabilities.maxOutputTokens)
  const summary = reasoning.isVisible === true ? 'auto' : undefined
  if (wanted === undefined) return summary === undefined ? undefined : { summary }
  const effort = clampTo(wanted, capabilities)
  if (effort !== wanted) report.note('emulated', field, `effort ${wanted} was told as ${effort}`)
  return json({ effort, summary })
}

function clampTo(
  wanted: Parameters<typeof clampEffort>[0],
  capabilities: Crossing['capabilities'],
) {
  return wanted === 'none' && capabilities.canStopThinking
    ? wanted
    : clampEffort(wanted, capabilities)
}
