import { isObject, type Json } from '../kit/json.ts'
import type { Frame } from '../kit/sse.ts'
import type { Usage } from './dialect.ts'

/** A token count as a provider stated it: a finite number that is not negative, else undefined. */
export function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}

/** Builds the inclusive record; what was not stated is left out, and the total is the sum where there is none. */
export function makeUsage(counts: {
  readonly input: number
  readonly output: number
  readonly total?: number | undefined
  readonly cacheRead?: number | undefined
  readonly cacheWrite?: number | undefined
  readonly reasoning?: number | undefined
}): Usage {
  const { input, output, total, cacheRead, cacheWrite, reasoning } = counts
  return {
    inputTokens: input,
    outputTokens: output,
    totalTokens: total ?? input + output,
    ...(cacheRead === undefined ? {} : { cacheReadTokens: cacheRead }),
    ...(cacheWrite === undefined ? {} : { cacheWriteTokens: cacheWrite }),
    ...(reasoning === undefined ? {} : { reasoningTokens: reasoning }),
  }
}

/** The JSON of a frame's data; undefined where it is none. */
export function parseFrame(frame: Frame): Json | undefined {
  try {
    return JSON.parse(frame.data) as Json
  } catch {
    return undefined
  }
}

/** The `model` field of a body. */
export function modelInBody(body: Json | undefined): string | undefined {
  return isObject(body) && typeof body['model'] === 'string' ? body['model'] : undefined
}

/**
 * True where the bytes of some JSON hold this name, given with its quotes, with a value other than null. A name that
 * is quoted inside a text doesn't count: its quotes are escaped there. Far cheaper than parsing.
 */
export function hasValue(json: Buffer, name: Buffer): boolean {
  for (let at = json.indexOf(name); at !== -1; at = json.indexOf(name, at + name.length)) {
    let next = at + name.length
    while (json[next] === COLON || json[next] === SPACE) next++
    if (json[next] !== LETTER_N) return true
  }
  return false
}

const COLON = 58
const SPACE = 32
const LETTER_N = 110
