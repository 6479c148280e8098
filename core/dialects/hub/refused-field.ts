import { isObject, type JsonObject } from '../../kit/json.ts'
import type { HubError } from './answer.ts'
import type { CodecName, TargetName } from './conversation.ts'
import type { HubRequest } from './request.ts'
import { conceptOf, type Concept } from './verdicts.ts'

/** How providers say that a field is not for this model. */
const REFUSALS: readonly RegExp[] = [
  // OpenAI: "Unsupported parameter: 'top_p' is not supported with this model.", and of a value the default is not.
  /unsupported (?:parameter|value): '([\w.]+)'/i,
  // OpenAI and servers like it: "Unknown parameter: 'x'.", "Unrecognized request argument supplied: x".
  /(?:unknown parameter|unrecognized request arguments? supplied): '?([\w.]+)/i,
  // Anthropic, and whoever checks bodies with pydantic.
  /(?:^|[\s`])([\w.]+)`?: extra inputs are not permitted/i,
  // Anthropic: "`temperature` is deprecated for this model."
  /`([\w.]+)` is (?:deprecated|not supported) (?:for|with|by) this model/i,
  // Gemini: "Unknown name "topK" at 'generation_config': Cannot find field."
  /unknown name "([\w.]+)"(?: at 'generation_?config')?: cannot find field/i,
]

/** Fields that only tune: an answer without them is still an answer to what was asked. */
const TUNING: ReadonlySet<Concept> = new Set<Concept>([
  'temperature',
  'topP',
  'topK',
  'seed',
  'presencePenalty',
  'frequencyPenalty',
  'logitBias',
  'verbosity',
  'reasoning',
  'reasoningSummary',
  'cacheKey',
  'cacheOptions',
  'metadata',
  'user',
  'serviceTier',
  'store',
  'prediction',
  'moderation',
  'streamUsage',
  'parallelTools',
])

/** The field of the upstream's body that an error is about, where it may be left out; undefined for any other error. */
export function refusedField(
  error: HubError,
  target: TargetName,
  body: JsonObject,
): string | undefined {
  if (error.status !== 400 && error.status !== 422) return undefined
  for (const pattern of REFUSALS) {
    const named = pattern.exec(error.message)?.[1]
    const field = named && placeOf(named, body)
    if (field && isTuning(field, target)) return field
  }
  return undefined
}

/** Where the field stands in the body: at its top, or in Gemini's `generationConfig`. */
function placeOf(named: string, body: JsonObject): string | undefined {
  const name = named.replace(/^generation_?config\./i, '')
  const camel = name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
  const config = body['generationConfig']
  for (const candidate of [name, camel, name.split('.')[0]!]) {
    if (Object.hasOwn(body, candidate)) return candidate
    if (isObject(config) && Object.hasOwn(config, candidate)) return `generationConfig.${candidate}`
  }
  return undefined
}

/** OpenAI's newer name for the limit of an answer, which newer models want. */
const RENAMED: Readonly<Record<string, string>> = { max_tokens: 'max_completion_tokens' }

function isTuning(field: string, target: TargetName): boolean {
  if (Object.hasOwn(RENAMED, field)) return target === 'openai-chat'
  const concept = conceptIn(target, field)
  return concept !== undefined && TUNING.has(concept)
}

/** Providers' own dialects speak of tuning much as OpenAI does. */
function conceptIn(target: TargetName, field: string): Concept | undefined {
  const isClients = target === 'anthropic' || target === 'gemini' || target === 'openai-responses'
  return conceptOf(isClients ? (target satisfies CodecName) : 'openai-chat', field)
}

/** The client's name for a field of the upstream's body, where it has one. */
export function clientsName(field: string, target: TargetName, { origins }: HubRequest): string {
  const concept = conceptIn(target, field)
  return (concept && origins[concept]) ?? field
}

/** What is done for a field that the upstream refuses: it is left out, or told by its other name. */
export function withoutField(body: JsonObject, field: string): JsonObject {
  const [first, second] = field.split('.') as [string, string?]
  if (!Object.hasOwn(body, first)) return body
  const { [first]: value, ...rest } = body
  const other = RENAMED[field]
  if (other !== undefined) return { ...rest, [other]: value! }
  if (second === undefined) return rest
  if (!isObject(value) || !Object.hasOwn(value, second)) return body
  const { [second]: _, ...kept } = value as JsonObject
  return { ...body, [first]: kept }
}

/** True where something is lost without the field. */
export function isLost(field: string): boolean {
  return !Object.hasOwn(RENAMED, field)
}
