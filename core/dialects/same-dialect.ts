import { isObject, type Json, jsonOf, type JsonObject } from '../kit/json.ts'
import { Frame, formatEvent } from '../kit/sse.ts'
import type { ClientDialect } from './dialect.ts'

/**
 * The few changes to what passes between a client and an upstream of the same dialect: a stream is asked for its
 * tokens, and an answer shows the model by the name that the client knows. All other bytes stay as they came.
 */

/** Changes an event of a stream; undefined takes it out. */
export type FrameEdit = (frame: Frame) => Frame | undefined

/** True for a streamed chat that would not say how many tokens it took. */
export function lacksStreamUsage(
  dialect: ClientDialect,
  operation: string,
  body: unknown,
): boolean {
  if (dialect !== 'openai-chat' || (operation !== 'chat' && operation !== 'completions'))
    return false
  if (!isObject(body) || body['stream'] !== true) return false
  const options = body['stream_options']
  return !isObject(options) || options['include_usage'] !== true
}

/** The body with the wish to be told of tokens. */
export function withStreamUsage(body: JsonObject): JsonObject {
  const options = isObject(body['stream_options']) ? body['stream_options'] : {}
  return { ...body, stream_options: { ...options, include_usage: true } }
}

/** Takes out the chunk that tells nothing but tokens. */
export const withoutUsage: FrameEdit = (frame) => {
  // Other chunks have `"usage":null`.
  if (!frame.raw.includes('prompt_tokens')) return frame
  const chunk = jsonOf(frame.data)
  if (!isObject(chunk) || !isObject(chunk['usage'])) return frame
  const { choices } = chunk
  return Array.isArray(choices) && choices.length === 0 ? undefined : frame
}

/** Where each dialect names the model in an answer, whole or as an event. */
const FIELDS: Readonly<Record<ClientDialect, readonly (readonly string[])[]>> = {
  'openai-chat': [['model']],
  'openai-responses': [['model'], ['response', 'model']],
  anthropic: [['model'], ['message', 'model']],
  gemini: [['modelVersion']],
  http: [],
}

/** A whole answer in which the model has that name; the same where it is not JSON or names none. */
export function renamedAnswer(dialect: ClientDialect, body: Buffer, name: string): Buffer {
  const text = body.toString()
  const renamed = rename(dialect, text, name)
  return renamed === text ? body : Buffer.from(renamed)
}

/** Gives the model that name in each event. */
export function renaming(dialect: ClientDialect, name: string): FrameEdit {
  return (frame) => {
    if (!frame.raw.includes('"model')) return frame
    const { data, event } = frame
    const renamed = rename(dialect, data, name)
    if (renamed === data) return frame
    return new Frame(Buffer.from(formatEvent(event === 'message' ? undefined : event, renamed)))
  }
}

function rename(dialect: ClientDialect, text: string, name: string): string {
  const [[first] = []] = FIELDS[dialect]
  const spliced = first === undefined ? undefined : splice(text, first, name)
  if (spliced !== undefined) return spliced
  const json = jsonOf(text)
  if (!isObject(json)) return text
  let changed: JsonObject | undefined
  for (const path of FIELDS[dialect]) {
    changed = replaced((changed ?? json) as JsonObject, path, name) ?? changed
  }
  return changed === undefined ? text : JSON.stringify(changed)
}

/** Cheaper than to read it all: the field is put in place where nothing but plain fields stands before it. */
function splice(text: string, field: string, name: string): string | undefined {
  const key = `"${field}":`
  const at = text.indexOf(key)
  if (at === -1 || !/^\{[^{}[\]]*$/.test(text.slice(0, at))) return undefined
  const value = /^\s*"(?:[^"\\]|\\.)*"/.exec(
    text.slice(at + key.length, at + key.length + 512),
  )?.[0]
  if (value === undefined) return undefined
  return (
    text.slice(0, at + key.length) +
    JSON.stringify(name) +
    text.slice(at + key.length + value.length)
  )
}

function replaced(json: JsonObject, path: readonly string[], name: string): JsonObject | undefined {
  const [field, ...rest] = path as [string, ...string[]]
  const value: Json | undefined = json[field]
  if (rest.length === 0) return typeof value === 'string' ? { ...json, [field]: name } : undefined
  const inner = isObject(value) ? replaced(value as JsonObject, rest, name) : undefined
  return inner === undefined ? undefined : { ...json, [field]: inner }
}
