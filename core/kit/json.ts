/** Any value that JSON can carry. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** A JSON object, as a body or a set of variables usually is. */
export type JsonObject = { [key: string]: Json }

/** True for a plain map: neither null nor a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Members at the end of a text are looked for in this much of it. Bytes. */
const TAIL = 4_096
const BACKSLASH = 0x5c

/**
 * The last members of a JSON object, from `name` on, without parsing what goes before them: enough for a count that
 * stands at the end of a long answer. Undefined where `name` is not found to be a member of the outermost object: then
 * the whole must be parsed. A quote without a backslash before it begins or ends a string, and a text that completes
 * `{` to one object has no other object open.
 */
export function tailOf(text: Buffer, name: string): JsonObject | undefined {
  const at = text.lastIndexOf(`"${name}"`)
  if (at < 1 || text.length - at > TAIL || text[at - 1] === BACKSLASH) return undefined
  return jsonOf(`{${text.toString('utf8', at)}`) as JsonObject | undefined
}

/** What a text is as JSON; undefined where it is none. */
export function jsonOf(text: string | Buffer): Json | undefined {
  try {
    return JSON.parse(text.toString()) as Json
  } catch {
    return undefined
  }
}
