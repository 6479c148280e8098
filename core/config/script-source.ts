import { compileFunction } from 'node:vm'
import { stripTypes } from './strip-types.ts'

/** What is wrong with a script, and where: line and column count from 1, within its own text. */
export interface ScriptFault {
  readonly line: number
  readonly column: number
  readonly message: string
  readonly hint?: string
}

/** An `import` of a script or library. */
export interface ScriptImport {
  /** As it was written. */
  readonly from: string
  /** What it binds, as the left side of a declaration: `{ mask, hide: cover }`, or `cards` for `* as cards`. */
  readonly binding: string
  readonly line: number
  readonly column: number
}

/** JavaScript that stands inside a function, line for line and column for column where it was written. */
export interface ScriptBody {
  readonly code: string
  readonly imports: readonly ScriptImport[]
  /** What a library hands out: `{ mask, cover: hide }` as an object; undefined for a script. */
  readonly exports: string | undefined
}

/** How its types are taken out: `.ts` always, `.js` never, and what stands in the config where it is no JavaScript. */
export type ScriptLanguage = 'typescript' | 'javascript' | 'either'

/**
 * Reads a script, or a library of functions that scripts import, and says what is wrong with its syntax. Nothing of it
 * is run.
 */
export function readScript(
  text: string,
  kind: 'program' | 'library',
  language: ScriptLanguage,
): ScriptBody | ScriptFault {
  const imports: ScriptImport[] = []
  const { code: plain, exports } = takeExports(takeImports(text, imports), kind)
  const body = { imports, exports }
  const asIs = language === 'typescript' ? undefined : syntaxFault(plain)
  if (language !== 'typescript' && asIs === undefined) return { ...body, code: plain }
  if (language === 'javascript') return asIs!
  const stripped = withoutTypes(plain)
  if (typeof stripped !== 'string') return stripped
  return syntaxFault(stripped) ?? { ...body, code: stripped }
}

/** True for what `readScript` found wrong. */
export function isFault(read: ScriptBody | ScriptFault): read is ScriptFault {
  return 'message' in read
}

const IMPORT =
  /^import[ \t]+(type[ \t]+)?(?:(\{[^{}]*\})|\*[ \t]+as[ \t]+([\w$]+))[ \t\r\n]*from[ \t]*(['"])([^'"\n]+)\4[ \t]*;?/gm

/** Imports stand at the beginning of a line. They are blanked, so that all else stays where it is. */
function takeImports(text: string, found: ScriptImport[]): string {
  return text.replaceAll(IMPORT, (...match) => {
    const [whole, isType, names, namespace, , from] = match as unknown as string[]
    const at = match.find((one) => typeof one === 'number') as number
    if (isType === undefined) {
      const { line, column } = placeOf(text, at)
      const binding = names === undefined ? namespace! : asPattern(names)
      found.push({ from: from!, binding, line, column })
    }
    return blank(whole!)
  })
}

/** `{ a, b as c, type D }` as the left side of a declaration: `{ a, b: c }`. */
function asPattern(names: string): string {
  const list = names.slice(1, -1).split(',')
  const kept = list.map((one) => one.trim()).filter((one) => one !== '' && !/^type\s/.test(one))
  return `{ ${kept.map((one) => one.replace(/\s+as\s+/, ': ')).join(', ')} }`
}

const EXPORT = /^export(?=[ \t]+(?:async[ \t]+function|function|const|let|class)\b)/gm
const NAME = /^export[ \t]+(?:async[ \t]+)?(?:function[ \t]*\*?|const|let|class)[ \t]+([\w$]+)/gm
const TYPE_EXPORT = /^export(?=[ \t]+(?:type|interface|declare)\b)/gm
const EXPORT_LIST = /^export[ \t]+\{([^{}]*)\}[ \t]*;?/gm

/** Takes the word `export` off a library's declarations, and the names that it hands out with it. */
function takeExports(
  text: string,
  kind: 'program' | 'library',
): { code: string; exports: string | undefined } {
  if (kind === 'program') return { code: text, exports: undefined }
  const names = [...text.matchAll(NAME)].map(([, name]) => name!)
  const code = text
    .replaceAll(EXPORT, blank)
    .replaceAll(TYPE_EXPORT, blank)
    .replaceAll(EXPORT_LIST, (whole, list: string) => {
      for (const one of list.split(',')) {
        const [own, as = own] = one.trim().split(/\s+as\s+/)
        if (own) names.push(`${as}: ${own}`)
      }
      return blank(whole)
    })
  return { code, exports: `{ ${names.join(', ')} }` }
}

/** Spaces in the place of a text, its line breaks kept. */
function blank(text: string): string {
  return text.replaceAll(/[^\r\n]/g, ' ')
}

const HEAD = '"use strict";{'

/** What V8 finds wrong. A body that closes its own function is wrong too. */
function syntaxFault(code: string): ScriptFault | undefined {
  try {
    compileFunction(`${HEAD}${code}\n}`, [], { filename: 'code' })
    return undefined
  } catch (cause) {
    // A hostile text may nest so deep that the parser gives up, which is a RangeError.
    return faultOf(code, cause as Error, /^code:(\d+)\n.*\n( *)\^+\n/, HEAD.length)
  }
}

const TYPED_HEAD = '(function(){'

/** The text without its types, or why they cannot be taken out. */
function withoutTypes(code: string): string | ScriptFault {
  const stripped = stripTypes(`${TYPED_HEAD}${code}\n})`)
  if (stripped.error === undefined) return stripped.text.slice(TYPED_HEAD.length, -'\n})'.length)
  return faultOf(code, stripped.error, /^:(\d+)\n(?:.*\n)*?( *)\^+\n/, TYPED_HEAD.length)
}

function faultOf(
  code: string,
  cause: Pick<Error, 'name' | 'message' | 'stack'>,
  where: RegExp,
  headLength: number,
): ScriptFault {
  const [, found, indent = ''] = where.exec(cause.stack ?? '') ?? []
  const lines = code.split('\n')
  // An end that comes too early is told behind the last line.
  const line = Math.min(Number(found ?? 1), lines.length)
  const isPast = Number(found ?? 1) > lines.length
  const column = isPast ? lines.at(-1)!.length : indent.length - (line === 1 ? headLength : 0)
  return { line, column: Math.max(0, column) + 1, message: messageOf(cause) }
}

/** The parser's list of all that it would have taken helps nobody. */
function messageOf({ name, message }: Pick<Error, 'name' | 'message'>): string {
  if (name === 'RangeError') return 'the script nests too deep to be read'
  const [first = message] = message.split('. Expected')
  return first.replace(/^./, (letter) => letter.toLowerCase())
}

function placeOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset)
  const line = before.split('\n').length
  return { line, column: offset - before.lastIndexOf('\n') }
}
