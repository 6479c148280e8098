/** Any value that JSON can carry. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** A JSON object, as a body or a set of variables usually is. */
export type JsonObject = { [key: string]: Json }

/** True for a plain map: neither null nor a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What a text is as JSON; undefined where it is none. */
export function jsonOf(text: string | Buffer): Json | undefined {
  try {
    return JSON.parse(text.toString()) as Json
  } catch {
    return undefined
  }
}
