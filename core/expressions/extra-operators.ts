import { RE2JS } from 're2js'
import { parseNetworks } from '../kit/ip.ts'
import type { Json } from '../kit/json.ts'
import { parsePath } from '../kit/paths.ts'
import { ExpressionError, LIMITS, type Frame } from './limits.ts'
import type { Node } from './node.ts'
import { binary, unary, type Operator, type ReportArgument } from './operator.ts'
import { computedSegments, readPath, toText } from './values.ts'

/** What a gateway's rules need and JSON-logic doesn't have. */
export const EXTRA_OPERATORS: Readonly<Record<string, Operator>> = {
  default: firstPresent(),
  startsWith: binary((a, b, frame) =>
    testTexts(a, b, frame, (text, part) => text.startsWith(part)),
  ),
  endsWith: binary((a, b, frame) => testTexts(a, b, frame, (text, part) => text.endsWith(part))),
  matches: matches(),
  lower: unary((value, frame) => changeText(value, frame, (text) => text.toLowerCase())),
  upper: unary((value, frame) => changeText(value, frame, (text) => text.toUpperCase())),
  length: unary(lengthOf),
  bucket: bucket(),
  cidr: cidr(),
  path: dynamicPath(),
}

function firstPresent(): Operator {
  return {
    arity: [2, Infinity],
    branches: (args) => args,
    compile: () => (runs) => (frame) => {
      for (const run of runs) {
        const value = run(frame)
        if (value !== null) return value
      }
      return null
    },
  }
}

/** The text of a scalar; undefined for what is missing and for lists and maps. */
function scalarText(value: Json, frame: Frame): string | undefined {
  if (value === null || typeof value === 'object') return undefined
  const text = String(value)
  frame.spendText(text.length)
  return text
}

function testTexts(
  a: Json,
  b: Json,
  frame: Frame,
  test: (text: string, part: string) => boolean,
): boolean {
  const text = scalarText(a, frame)
  const part = scalarText(b, frame)
  return text !== undefined && part !== undefined && test(text, part)
}

function changeText(value: Json, frame: Frame, change: (text: string) => string): Json {
  const text = scalarText(value, frame)
  return text === undefined ? null : change(text)
}

function matches(): Operator {
  return {
    arity: [2, 2],
    compile([, pattern], report) {
      const expression = compilePattern(pattern!, report)
      return ([value]) =>
        (frame) => {
          const text = scalarText(value!(frame), frame)
          if (text === undefined) return false
          // Looking at a part only would let a long text slip past a guard.
          if (text.length > LIMITS.matchedText) {
            throw new ExpressionError(
              `matches takes texts of up to ${LIMITS.matchedText} characters, got ${text.length}`,
            )
          }
          // A regular expression works up to a hundred times longer on a character than the rest.
          frame.spend(text.length >> 2)
          return expression.test(text)
        }
    },
  }
}

function compilePattern({ known }: Node, report: ReportArgument): RE2JS {
  const nothing = RE2JS.compile('')
  const pattern = known?.value
  if (typeof pattern !== 'string') {
    report(1, `expected a pattern that is written as text${found(known)}`)
    return nothing
  }
  if (pattern.length > LIMITS.pattern) {
    report(1, `a pattern has at most ${LIMITS.pattern} characters, got ${pattern.length}`)
    return nothing
  }
  try {
    return RE2JS.compile(pattern)
  } catch (error) {
    const reason =
      error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : ''
    report(
      1,
      `${JSON.stringify(pattern)} is not a pattern: ${reason}`,
      'patterns are RE2: (?i) ignores case; there is no lookaround and no back-reference',
    )
    return nothing
  }
}

function lengthOf(value: Json, frame: Frame): Json {
  if (typeof value === 'string' || Array.isArray(value)) return value.length
  if (typeof value !== 'object' || value === null) return 0
  const { length } = Object.keys(value)
  frame.spendItems(length)
  return length
}

function bucket(): Operator {
  return {
    arity: [2, 2],
    compile([, count], report) {
      const buckets = Number(count!.known?.value)
      const isCount = Number.isInteger(buckets) && buckets >= 1 && buckets <= 1_000_000
      if (typeof count!.known?.value !== 'number' || !isCount) {
        report(1, `expected a whole number from 1 to 1000000${found(count!.known)}`)
      }
      return ([value]) =>
        (frame) => {
          const key = value!(frame)
          return stableHash(key === null ? '' : toText(key, frame), frame) % buckets
        }
    },
  }
}

/**
 * FNV-1a over the UTF-8 bytes, then the last mixing steps of MurmurHash3, 32 bits. Fixed for good: a change would
 * move every user of a canary to another bucket.
 */
export function stableHash(text: string, frame: Frame): number {
  frame.spendText(text.length * 4)
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  // Without these, ids that differ in the last letter only fall into neighbouring buckets.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function cidr(): Operator {
  return {
    arity: [2, 2],
    compile([, networks], report) {
      const test = compileNetworks(networks!, report)
      return ([address]) =>
        (frame) => {
          const ip = address!(frame)
          return typeof ip === 'string' && test(ip)
        }
    },
  }
}

function compileNetworks({ known }: Node, report: ReportArgument): (ip: string) => boolean {
  const entries = Array.isArray(known?.value) ? known.value : [known?.value]
  if (!entries.every((entry) => typeof entry === 'string')) {
    report(1, `expected networks that are written as text, such as 10.0.0.0/8${found(known)}`)
    return () => false
  }
  try {
    return parseNetworks(entries)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    report(1, error.message)
    return () => false
  }
}

function dynamicPath(): Operator {
  return {
    arity: [2, 2],
    compile([, path], report) {
      const written = path!.known && pathSegments(path!.known.value, report)
      return ([value, name]) =>
        (frame) => {
          const segments = written ?? computedPath(name!(frame))
          const found = segments && readPath(value!(frame), segments)
          return found === undefined ? null : (found as Json)
        }
    },
  }
}

function pathSegments(path: Json, report: ReportArgument): readonly string[] | undefined {
  try {
    if (typeof path === 'number') return [String(path)]
    if (typeof path === 'string') return parsePath(path)
    report(1, `expected a path such as a.b.0, got ${JSON.stringify(path)}`)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    report(1, error.message)
  }
  return undefined
}

function computedPath(path: Json): readonly string[] | undefined {
  return typeof path === 'string' || typeof path === 'number'
    ? computedSegments(String(path))
    : undefined
}

function found(known: Node['known']): string {
  return known ? `, got ${JSON.stringify(known.value)}` : ', got an expression'
}
