import { isObject, type Json } from '../kit/json.ts'
import { ExpressionError, LIMITS, type Frame } from './limits.ts'

/** Names that reach a prototype; no path leads through them. */
export const FORBIDDEN_NAMES: ReadonlySet<string> = new Set([
  '__proto__',
  'prototype',
  'constructor',
])

/** JSON-logic truth: as in JavaScript, but an empty list is false. */
export function isTruthy(value: Json): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value)
}

/**
 * The text of a value as JavaScript's `String` gives it. Never calls a method of the value, since a body may
 * hold a `toString` of its own.
 */
export function toText(value: Json, frame: Frame, depth = 0): string {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return joinText(value, ',', frame, depth + 1)
  return isObject(value) ? '[object Object]' : String(value)
}

/** Joins texts as `Array.join` does: null becomes empty. Bounded. */
export function joinText(
  values: readonly Json[],
  separator: string,
  frame: Frame,
  depth = 0,
): string {
  if (depth > LIMITS.nesting) {
    throw new ExpressionError(`a list is nested deeper than ${LIMITS.nesting}`)
  }
  frame.spendItems(values.length)
  let text = ''
  for (const [at, value] of values.entries()) {
    if (at > 0) text += separator
    if (value !== null) text += toText(value, frame, depth)
    if (text.length > LIMITS.text) {
      throw new ExpressionError(`a text grew past ${LIMITS.text} characters`)
    }
  }
  frame.spendText(text.length)
  return text
}

/** What JavaScript's operators see of a value: lists and maps as their text. */
export function toPrimitive(value: Json, frame: Frame): null | boolean | number | string {
  if (typeof value === 'string') {
    frame.spendText(value.length)
    return value
  }
  return typeof value === 'object' && value !== null ? toText(value, frame) : value
}

/** A value as the number that JavaScript's `-`, `/`, `%` and `Math` see. */
export function toNumber(value: Json, frame: Frame): number {
  return typeof value === 'number' ? value : Number(toPrimitive(value, frame))
}

/** A value as `+` and `*` see it: the number that its text begins with. */
export function toLeadingNumber(value: Json, frame: Frame): number {
  // Adding 0 turns -0 into 0, as a way through text does.
  return typeof value === 'number'
    ? value + 0
    : Number.parseFloat(String(toPrimitive(value, frame)))
}

/** `===`: lists and maps are equal only to themselves. */
export function isSame(a: Json, b: Json, frame: Frame): boolean {
  if (typeof a === 'string' && typeof b === 'string' && a.length === b.length) {
    frame.spendText(a.length)
  }
  return a === b
}

/** `==`, with JavaScript's conversions. */
export function isAlike(a: Json, b: Json, frame: Frame): boolean {
  if (a === null || b === null) return a === b
  if (typeof a === 'object' && typeof b === 'object') return a === b
  // Deliberately loose: this is the operator's meaning.
  // oxlint-disable-next-line eqeqeq
  return toPrimitive(a, frame) == toPrimitive(b, frame)
}

/** Reads one own property: of a map, a list, or (as `length` and by position) a text. */
export function readOwn(value: unknown, name: string): unknown {
  if (typeof value !== 'object' && typeof value !== 'string') return undefined
  if (value === null || !Object.hasOwn(value as object, name)) return undefined
  return (value as unknown as Record<string, unknown>)[name]
}

/** Follows own properties; undefined where the path leads nowhere. */
export function readPath(value: unknown, segments: readonly string[]): unknown {
  for (const segment of segments) {
    value = readOwn(value, segment)
    if (value === undefined) return undefined
  }
  return value
}

/** The segments of a path that was computed, or undefined where no path may look like that. */
export function computedSegments(path: string): string[] | undefined {
  if (path.length > LIMITS.path) return undefined
  const segments = path.replaceAll(/\[(\d+)\]/g, '.$1').split('.')
  return segments.some((segment) => FORBIDDEN_NAMES.has(segment)) ? undefined : segments
}

/**
 * Refuses a value that would be huge as JSON, however small it is in memory because it repeats its parts. Throws an
 * ExpressionError.
 */
export function checkSize(result: Json): void {
  let items = 0
  let characters = 0
  const visit = (value: Json, depth: number): void => {
    if (typeof value === 'string') characters += value.length
    if (characters > LIMITS.resultText) {
      throw new ExpressionError(`a value has more than ${LIMITS.resultText} characters`)
    }
    if (typeof value !== 'object' || value === null) return
    if (depth > LIMITS.nesting) {
      throw new ExpressionError(`a value is nested deeper than ${LIMITS.nesting}`)
    }
    for (const below of Array.isArray(value) ? value : Object.values(value)) {
      if (++items > LIMITS.items * 10) {
        throw new ExpressionError(`a value has more than ${LIMITS.items * 10} parts`)
      }
      visit(below, depth + 1)
    }
  }
  visit(result, 0)
}

/** A copy that nobody can change: it is given out at every evaluation. */
export function freezeCopy(value: Json): Json {
  if (Array.isArray(value)) return Object.freeze(value.map(freezeCopy)) as Json[]
  if (typeof value !== 'object' || value === null) return value
  // fromEntries defines properties, so that a key named __proto__ stays an own one.
  const copies = Object.entries(value).map(([name, below]) => [name, freezeCopy(below)])
  return Object.freeze(Object.fromEntries(copies) as Record<string, Json>)
}
