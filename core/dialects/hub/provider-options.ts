import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import type { CodecName, TargetName } from './conversation.ts'
import type { Report } from './report.ts'
import { conceptOf, type Concept } from './verdicts.ts'

/** Fields of a body that speak to the upstream in its own words, whatever the client's dialect. */
const BAGS = ['extra_body', 'provider_options'] as const

/** What the AI SDK and others call the makers of a dialect. */
const PROVIDERS: Readonly<Partial<Record<string, readonly string[]>>> = {
  'openai-chat': ['openai'],
  'openai-responses': ['openai'],
  gemini: ['google'],
}

/**
 * What the steps of a route watch over: said in the client's own fields only, so that nobody gets round a filter or a
 * limit by naming it in the upstream's words.
 */
const WATCHED: ReadonlySet<Concept> = new Set<Concept>([
  'model',
  'messages',
  'system',
  'tools',
  'toolChoice',
  'builtinTool',
  'stream',
  'streamUsage',
  'maxOutputTokens',
  'choices',
  'serverState',
])

/** The same in the words of providers whose dialects no client speaks. */
const WATCHED_FIELDS: ReadonlySet<string> = new Set([
  'additionalModelRequestFields.max_tokens',
  'chat_history',
  'documents',
  'inferenceConfig',
  'message',
  'modelId',
  'options.num_predict',
  'preamble',
  'prompt',
  'promptVariables',
])

/** Fields for the upstream, and where in the client's body they stand. */
interface ProviderOptions {
  readonly path: string
  readonly fields: Json
}

/** A client's body without the fields that are meant for providers, and those for this one, in the order of merging. */
export interface SplitBody {
  readonly body: Json
  readonly options: readonly ProviderOptions[]
}

/** Takes `extra_body` and `provider_options` out of a body; of the latter, the upstream's own and its dialect's are kept. */
export function splitProviderOptions(body: Json, target: TargetName, upstream: string): SplitBody {
  if (!isObject(body) || !BAGS.some((bag) => bag in body)) return { body, options: [] }
  const { extra_body: extra, provider_options: all, ...rest } = body as JsonObject
  const options: ProviderOptions[] = []
  if (extra !== undefined) options.push({ path: 'extra_body', fields: extra })
  if (all !== undefined && !isObject(all)) options.push({ path: 'provider_options', fields: all })
  else if (all !== undefined) {
    for (const name of new Set([...(PROVIDERS[target] ?? []), target, upstream])) {
      if (!Object.hasOwn(all, name)) continue
      options.push({ path: `provider_options.${name}`, fields: (all as JsonObject)[name]! })
    }
  }
  return { body: rest, options }
}

/** Merges a client's options for the provider into the body, and refuses those that the steps of a route watch over. */
export function mergeProviderOptions(
  body: JsonObject,
  options: readonly ProviderOptions[],
  report: Report,
): JsonObject {
  let merged = body
  for (const { path, fields } of options) {
    if (isObject(fields)) {
      refuseWatched(fields as JsonObject, '', path, report)
      merged = merge(merged, fields as JsonObject)
    } else if (fields !== null) report.note('refused', path, 'it is no object')
  }
  return merged
}

function refuseWatched(fields: JsonObject, parent: string, path: string, report: Report): void {
  for (const [name, value] of Object.entries(fields)) {
    if (isWatched(parent + name) || isWatched(parent + camel(name))) {
      report.note('refused', `${path}.${parent}${name}`, "only the request's own field can say it")
    } else if (parent === '' && isObject(value)) {
      refuseWatched(value as JsonObject, `${camel(name)}.`, path, report)
    }
  }
}

/** Whatever the dialect: a name that is watched in one means nothing else in another. */
function isWatched(field: string): boolean {
  if (WATCHED_FIELDS.has(field)) return true
  return DIALECT_NAMES.some((dialect) => {
    const concept = conceptOf(dialect, field)
    return concept !== undefined && WATCHED.has(concept)
  })
}

const DIALECT_NAMES: readonly CodecName[] = [
  'openai-chat',
  'openai-responses',
  'anthropic',
  'gemini',
]

/** Gemini takes the names of its protocol buffers too: `max_output_tokens`. */
function camel(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** Maps merge, lists and scalars replace. */
function merge(body: JsonObject, fields: JsonObject): JsonObject {
  const merged: JsonObject = { ...body }
  for (const [name, value] of Object.entries(fields)) {
    const before = Object.hasOwn(merged, name) ? merged[name] : undefined
    const both = isObject(before) && isObject(value)
    Object.defineProperty(merged, name, {
      value: both ? merge(before as JsonObject, value as JsonObject) : value,
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  return merged
}
