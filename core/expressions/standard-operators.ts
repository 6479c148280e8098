import type { Json } from '../kit/json.ts'
import { ExpressionError, LIMITS, type Frame, type Run } from './limits.ts'
import { binary, unary, variadic, type Operator } from './operator.ts'
import {
  isAlike,
  isSame,
  isTruthy,
  joinText,
  toLeadingNumber,
  toNumber,
  toPrimitive,
  toText,
} from './values.ts'

/**
 * The operators of JSON-logic that need no list items, with the meaning that json-logic-js 2.0.5 gives them.
 * `var`, `missing` and `missing_some` read paths and stand in parse.ts; `map` and its like in list-operators.ts.
 */
export const STANDARD_OPERATORS: Readonly<Record<string, Operator>> = {
  '==': binary(isAlike),
  '!=': binary((a, b, frame) => !isAlike(a, b, frame)),
  '===': binary(isSame),
  '!==': binary((a, b, frame) => !isSame(a, b, frame)),
  '>': binary((a, b, frame) => isLess(b, a, frame)),
  '>=': binary((a, b, frame) => isAtMost(b, a, frame)),
  '<': between(isLess),
  '<=': between(isAtMost),
  '!': unary((a) => !isTruthy(a)),
  '!!': unary(isTruthy),
  if: conditional(),
  '?:': conditional(),
  and: firstThat((value) => !isTruthy(value)),
  or: { ...firstThat(isTruthy), branches: (args) => args },
  '+': variadic(1, (values, frame) =>
    values.reduce<number>((sum, value) => sum + toLeadingNumber(value, frame), 0),
  ),
  '*': variadic(1, multiply),
  '-': negateOrSubtract(),
  '/': binary((a, b, frame) => toNumber(a, frame) / toNumber(b, frame)),
  '%': binary((a, b, frame) => toNumber(a, frame) % toNumber(b, frame)),
  min: variadic(1, (values, frame) => Math.min(...values.map((value) => toNumber(value, frame)))),
  max: variadic(1, (values, frame) => Math.max(...values.map((value) => toNumber(value, frame)))),
  cat: variadic(1, (values, frame) => joinText(values, '', frame)),
  substr: substring(),
  in: binary(isIn),
  merge: { ...variadic(0, merge), parts: (args) => args },
}

// A text compares with a text by its characters, anything else as numbers.
function isLess(a: Json, b: Json, frame: Frame): boolean {
  if (typeof a === 'number' && typeof b === 'number') return a < b
  return toPrimitive(a, frame)! < toPrimitive(b, frame)!
}

function isAtMost(a: Json, b: Json, frame: Frame): boolean {
  if (typeof a === 'number' && typeof b === 'number') return a <= b
  return toPrimitive(a, frame)! <= toPrimitive(b, frame)!
}

function between(holds: (a: Json, b: Json, frame: Frame) => boolean): Operator {
  return {
    arity: [2, 3],
    compile:
      () =>
      ([a, b, c]) => {
        if (!c) return (frame) => holds(a!(frame), b!(frame), frame)
        return (frame) => {
          const middle = b!(frame)
          return holds(a!(frame), middle, frame) && holds(middle, c(frame), frame)
        }
      },
  }
}

function conditional(): Operator {
  return {
    arity: [0, Infinity],
    branches: (args) =>
      args.filter((_, at) => at % 2 === 1 || (at === args.length - 1 && at % 2 === 0)),
    compile: () => (runs) => {
      const otherwise: Run = runs.length % 2 === 1 ? runs.at(-1)! : () => null
      const pairs = runs.length >> 1
      if (pairs === 1) {
        const [condition, then] = runs
        return (frame) => (isTruthy(condition!(frame)) ? then!(frame) : otherwise(frame))
      }
      return (frame) => {
        for (let at = 0; at < pairs; at++) {
          if (isTruthy(runs[2 * at]!(frame))) return runs[2 * at + 1]!(frame)
        }
        return otherwise(frame)
      }
    },
  }
}

function firstThat(holds: (value: Json) => boolean): Operator {
  return {
    arity: [1, Infinity],
    compile: () => (runs) => (frame) => {
      let value: Json = null
      for (const run of runs) {
        value = run(frame)
        if (holds(value)) break
      }
      return value
    },
  }
}

// A single factor is handed back as it is, without becoming a number: so does the oracle.
function multiply([first, ...rest]: readonly Json[], frame: Frame): Json {
  return rest.reduce<Json>(
    (product, value) => toLeadingNumber(product, frame) * toLeadingNumber(value, frame),
    first!,
  )
}

function negateOrSubtract(): Operator {
  return {
    arity: [1, 2],
    compile:
      () =>
      ([a, b]) =>
      (frame) =>
        b ? toNumber(a!(frame), frame) - toNumber(b(frame), frame) : -toNumber(a!(frame), frame),
  }
}

function substring(): Operator {
  return {
    arity: [2, 3],
    compile:
      () =>
      ([source, start, length]) =>
      (frame) => {
        const text = toText(source!(frame), frame)
        const from = toNumber(start!(frame), frame)
        if (!length) return slice(text, from, Infinity)
        const count = toPrimitive(length(frame), frame)
        if (!(Number(count) < 0)) return slice(text, from, Number(count))
        const rest = slice(text, from, Infinity)
        // A negative length given as text is joined to the number: so does the oracle.
        return slice(
          rest,
          0,
          typeof count === 'string' ? Number(rest.length + count) : rest.length + Number(count),
        )
      },
  }
}

/** `String.prototype.substr`, which the language keeps only for old programs. */
function slice(text: string, start: number, length: number): string {
  const from = Math.trunc(start) || 0
  const begin = from < 0 ? Math.max(text.length + from, 0) : from
  const count = Math.trunc(length) || 0
  return count <= 0 ? '' : text.slice(begin, begin + count)
}

function isIn(needle: Json, haystack: Json, frame: Frame): boolean {
  if (Array.isArray(haystack)) {
    frame.spendItems(haystack.length)
    return haystack.includes(needle) && !Number.isNaN(needle)
  }
  if (typeof haystack !== 'string' || haystack === '') return false
  frame.spendText(haystack.length)
  return haystack.includes(toText(needle, frame))
}

function merge(values: readonly Json[], frame: Frame): Json {
  const merged: Json[] = []
  for (const value of values) {
    const items = Array.isArray(value) ? value : [value]
    frame.spendItems(items.length)
    if (merged.length + items.length > LIMITS.items) {
      throw new ExpressionError(`a list grew past ${LIMITS.items} items`)
    }
    for (const item of items) merged.push(item)
  }
  return merged
}
