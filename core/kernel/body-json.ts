import { isUtf8 } from 'node:buffer'
import { GatewayError } from '../errors.ts'
import { isObject, type Json } from '../kit/json.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** A body that has passed all checks but for its syntax. */
export interface UnparsedJson {
  readonly text: string
  /** Throws as `parseJson` does. */
  parse(): Json
}

/**
 * Checks a JSON body as `parseJson` does, but for its syntax; undefined where only parsing can tell whether it has a key
 * `__proto__`. Throws as that does.
 */
export function checkJson(bytes: Buffer, maxDepth: number): UnparsedJson | undefined {
  const text = textOf(bytes, maxDepth)
  if (mayNameProto(text)) return undefined
  return { text, parse: () => parseText(text) }
}

/**
 * Parses a JSON body as `JSON.parse` does. Throws INVALID_JSON, with line and column of the fault, for broken JSON,
 * for bytes that are not UTF-8, for more than `maxDepth` lists and maps inside each other, and for a key `__proto__`:
 * code that copies keys by assignment would change a prototype with it. `constructor` and `prototype` are own
 * properties like any other; real bodies have them.
 */
export function parseJson(bytes: Buffer, maxDepth: number): Json {
  const text = textOf(bytes, maxDepth)
  const value = parseText(text)
  if (mayNameProto(text) && hasProtoKey(value)) {
    throw new GatewayError('INVALID_JSON', 'the key "__proto__" is not allowed')
  }
  return value
}

/** Escapes can hide each of its letters; only a body that may hold the name is searched. */
function mayNameProto(text: string): boolean {
  return text.includes('__proto__') || text.includes('\\u00')
}

function textOf(bytes: Buffer, maxDepth: number): string {
  // Before parsing: ten million brackets are ten megabytes as text, and hundreds as objects.
  const deep = findTooDeep(bytes, maxDepth)
  if (deep !== -1) {
    throw invalid(`nested deeper than ${maxDepth}`, bytes.toString('utf8', 0, deep))
  }
  if (!isUtf8(bytes)) throw new GatewayError('INVALID_JSON', 'the body is not UTF-8')
  return bytes.toString()
}

function parseText(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    const offset = findFault(text)
    throw invalid(describeFault(text, offset), text.slice(0, offset))
  }
}

/** Offset of the bracket that goes too deep, or -1. */
function findTooDeep(bytes: Buffer, maxDepth: number): number {
  let depth = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === QUOTE) {
      at = endOfString(bytes, at + 1)
      // `[` and `{`, then `]` and `}`: each pair differs in one bit.
    } else if ((byte | 0x20) === 0x7b) {
      if (++depth > maxDepth) return at
    } else if ((byte | 0x20) === 0x7d) depth--
  }
  return -1
}

/** Offset of the closing quote. Long strings, as in most bodies, are searched natively. */
function endOfString(bytes: Buffer, start: number): number {
  for (let from = start; ;) {
    const near = Math.min(from + 32, bytes.length)
    let at = from
    while (at < near && bytes[at] !== QUOTE) at++
    if (at === near) at = bytes.indexOf(QUOTE, at)
    if (at === -1) return bytes.length
    let slashes = 0
    while (at - slashes > start && bytes[at - slashes - 1] === BACKSLASH) slashes++
    if (slashes % 2 === 0) return at
    from = at + 1
  }
}

/** Own keys only; without recursion, within the depth that was checked. */
function hasProtoKey(root: Json): boolean {
  const open: Json[] = [root]
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (Array.isArray(value)) for (const item of value) open.push(item)
    else if (isObject(value)) {
      if (Object.hasOwn(value, '__proto__')) return true
      for (const key of Object.keys(value)) open.push(value[key] as Json)
    }
  }
  return false
}

function invalid(what: string, before: string): GatewayError {
  const line = before.split('\n').length
  const column = before.length - before.lastIndexOf('\n')
  return new GatewayError('INVALID_JSON', `line ${line}, column ${column}: ${what}`)
}

function describeFault(text: string, offset: number): string {
  if (offset >= text.length) return 'the JSON ends too early'
  return `unexpected ${JSON.stringify(String.fromCodePoint(text.codePointAt(offset)!))}`
}

const SPACE = /[ \t\n\r]*/y
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y
const CLOSING = { '{': '}', '[': ']' } as const

/**
 * Offset at which broken JSON breaks; V8 tells it for some faults only. Follows the grammar of RFC 8259 with a stack
 * of what is open.
 */
function findFault(text: string): number {
  const open: ('{' | '[')[] = []
  let wants: 'value' | 'first' | 'key' | 'next' = 'value'
  for (let at = skip(SPACE, text, 0); at < text.length; at = skip(SPACE, text, at)) {
    const char = text[at]!
    const inside = open.at(-1)
    if (wants === 'next') {
      if (char === ',' && inside !== undefined) wants = inside === '{' ? 'key' : 'value'
      else if (inside !== undefined && char === CLOSING[inside]) open.pop()
      else return at
      at++
    } else if (wants === 'first' && char === CLOSING[inside!]) {
      open.pop()
      wants = 'next'
      at++
    } else if (wants === 'key' || (wants === 'first' && inside === '{')) {
      if (char !== '"') return at
      const end = stringEnd(text, at)
      if (end < 0) return ~end
      at = skip(SPACE, text, end)
      if (text[at] !== ':') return at
      wants = 'value'
      at++
    } else if (char === '{' || char === '[') {
      open.push(char)
      wants = 'first'
      at++
    } else {
      const end = char === '"' ? stringEnd(text, at) : skip(SCALAR, text, at)
      if (end < 0) return ~end
      if (end === at) return at
      at = end
      wants = 'next'
    }
  }
  return text.length
}

/** Offset after the string that begins at `at`; where it breaks, the complement of the offset at which. */
function stringEnd(text: string, at: number): number {
  for (let next = at + 1; next < text.length;) {
    const code = text.charCodeAt(next)
    if (code === QUOTE) return next + 1
    const end = code === BACKSLASH ? skip(ESCAPE, text, next) : next + 1
    if (code < 0x20 || end === next) return ~next
    next = end
  }
  return ~text.length
}

/** Offset after what the sticky pattern matches at `at`; `at` where it matches nothing. */
function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : at
}
