import { isObject, type Json } from './json.ts'

/** Names that reach a prototype. No path may contain one. */
const FORBIDDEN = new Set(['__proto__', 'prototype', 'constructor'])

/**
 * Splits `a.b.0.c` or `a.b[0].c` into its segments. Throws a RangeError for an empty path or segment
 * and for a name that reaches a prototype. Parsed once, at load.
 */
export function parsePath(path: string): string[] {
  const segments = path.replaceAll(/\[(\d+)\]/g, '.$1').split('.')
  for (const segment of segments) {
    if (segment === '') throw new RangeError(`empty segment in path ${JSON.stringify(path)}`)
    if (FORBIDDEN.has(segment)) throw new RangeError(`${segment} is not allowed in a path`)
  }
  return segments
}

/** Prints the segments of a problem's place: `pipelines.chat[0].rateLimiting.window`. */
export function formatPath(segments: readonly (string | number)[]): string {
  let text = ''
  for (const segment of segments) {
    if (typeof segment === 'number') text += `[${segment}]`
    else if (/^[\w$-]+$/.test(segment)) text += text === '' ? segment : `.${segment}`
    else text += `[${JSON.stringify(segment)}]`
  }
  return text
}

/** Reads own properties only; undefined where the path leads nowhere. */
export function getPath(root: unknown, segments: readonly string[]): Json | undefined {
  let value = root
  for (const segment of segments) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment))
      return undefined
    value = (value as Record<string, unknown>)[segment]
  }
  return value as Json | undefined
}

/**
 * A copy of `root` with the value set; maps and lists along the way are copied, all else is shared.
 * Missing parents become maps. A path through a scalar, or past the end of a list, changes nothing.
 */
export function setPath(root: Json, segments: readonly string[], value: Json): Json {
  const [segment, ...rest] = segments
  if (segment === undefined) return value
  if (Array.isArray(root)) {
    const index = Number(segment)
    if (!Number.isInteger(index) || index < 0 || index > root.length) return root
    const copy = root.slice()
    copy[index] = rest.length === 0 ? value : setPath(copy[index] ?? {}, rest, value)
    return copy
  }
  if (!isObject(root)) return root
  const below = Object.hasOwn(root, segment) ? (root[segment] as Json) : {}
  return { ...root, [segment]: setPath(below, rest, value) }
}

/** A copy of `root` without what the path names; the same `root` where it names nothing. */
export function removePath(root: Json, segments: readonly string[]): Json {
  const [segment, ...rest] = segments
  if (segment === undefined || typeof root !== 'object' || root === null) return root
  if (!Object.hasOwn(root, segment)) return root
  if (Array.isArray(root)) {
    const index = Number(segment)
    if (rest.length === 0) return root.filter((_, at) => at !== index)
    return root.map((item, at) => (at === index ? removePath(item, rest) : item))
  }
  if (rest.length > 0) return { ...root, [segment]: removePath(root[segment]!, rest) }
  const { [segment]: _removed, ...kept } = root
  return kept
}
