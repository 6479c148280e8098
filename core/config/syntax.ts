import { Composer, Lexer, Parser, type CST, type Document } from 'yaml'
import type { Source } from './source.ts'

/** How deep maps and lists may nest. */
export const MAX_DEPTH = 64
/** Words and marks in one file. 40,000 plain entries are some 280,000. */
const MAX_LEXEMES = 600_000

/**
 * Parses one file as YAML 1.2 with the core schema, of which JSON is a part. What is wrong is told to the source.
 * Undefined where the text cannot be made sense of: then nothing that it seems to say may be believed.
 */
export function parseYaml(source: Source): Document.Parsed | undefined {
  const control = CONTROL.exec(source.text)
  if (control) {
    const found = JSON.stringify(control[0])
    source.error(control.index, [], `control character ${found} in the text`, 'write an escape')
    return undefined
  }
  const tokens = parseTokens(source)
  return tokens && compose(tokens, source)
}

/** YAML 1.2 §5.1, with the rest of what JSON texts may hold. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000B\u000C\u000E-\u001F]/

/** Stops at what would cost too much or mean something else: only then is the recursive composer let at it. */
function parseTokens(source: Source): readonly CST.Token[] | undefined {
  const parser = new Parser()
  const tokens: CST.Token[] = []
  let lexemes = 0
  for (const lexeme of new Lexer().lex(source.text)) {
    if (lexeme.startsWith('!')) {
      checkTag(lexeme, parser.offset, source)
    }
    if (++lexemes > MAX_LEXEMES) {
      const accepted = MAX_LEXEMES.toLocaleString('en')
      source.error(parser.offset, [], `more than ${accepted} words and marks`, 'use include')
      return undefined
    }
    for (const token of parser.next(lexeme)) tokens.push(token)
    if (depthOf(parser.stack) > MAX_DEPTH) {
      source.error(parser.offset - lexeme.length, [], `nested deeper than ${MAX_DEPTH} levels`)
      return undefined
    }
  }
  for (const token of parser.end()) tokens.push(token)
  return oneDocument(tokens, source)
}

/** The parser's stack holds the document, the maps and lists that are open, and the scalar at hand. */
function depthOf(stack: readonly CST.Token[]): number {
  return stack.length <= MAX_DEPTH
    ? 0
    : stack.filter(({ type }) => type.startsWith('block-') || type === 'flow-collection').length
}

const CORE_TAGS = new Set(['!!str', '!!int', '!!float', '!!bool', '!!null', '!!map', '!!seq'])

function checkTag(tag: string, offset: number, source: Source): void {
  if (CORE_TAGS.has(tag)) return
  const found = JSON.stringify(tag)
  if (tag.startsWith('!!') || tag.startsWith('!<')) {
    const accepted = [...CORE_TAGS].join(' ')
    source.error(offset, [], `unknown YAML type ${found}`, `accepted are ${accepted}`)
  } else {
    source.error(
      offset,
      [],
      `YAML takes ${found} for a type, so the "!" would be lost`,
      `quote it if it is text; to negate an expression, write { not: … }`,
    )
  }
}

/** Without directives: `%YAML 1.1` would turn `no` into false. */
function oneDocument(
  tokens: readonly CST.Token[],
  source: Source,
): readonly CST.Token[] | undefined {
  let documents = 0
  for (const [at, token] of tokens.entries()) {
    if (token.type === 'directive' && !/^%YAML +1\.2(\s|$)/.test(token.source)) {
      const found = JSON.stringify(token.source.slice(0, 60))
      source.error(token.offset, [], `directive ${found} is not accepted`, 'leave it out')
      return undefined
    }
    if (token.type === 'document' && ++documents > 1) {
      source.error(
        token.offset,
        [],
        'a second document in one file',
        'use one file each, and include',
      )
      return tokens.slice(0, at)
    }
  }
  return tokens
}

function compose(tokens: readonly CST.Token[], source: Source): Document.Parsed | undefined {
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    merge: false,
    resolveKnownTags: false,
    // Quadratic there: 40,000 keys take minutes. The builder of the tree checks it with a set.
    uniqueKeys: false,
    logLevel: 'silent',
  })
  const { stackTraceLimit } = Error
  // A megabyte of commas is a million error objects, and their stack traces nine tenths of the time.
  Error.stackTraceLimit = 0
  try {
    const [document] = composer.compose(tokens, true, source.text.length)
    return document && tellErrors(document, source) ? document : undefined
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** One problem per line: the second is mostly the echo of the first. */
function tellErrors({ errors, warnings }: Document.Parsed, source: Source): boolean {
  let line = 0
  const severe = warnings.filter(({ code }) => code === 'BAD_ALIAS')
  for (const { code, message, pos } of [...errors, ...severe].sort((a, b) => a.pos[0] - b.pos[0])) {
    const position = source.at(pos[0])
    if (position.line === line) continue
    line = position.line
    const said = message[0]!.toLowerCase() + message.slice(1).replaceAll(/\s+/g, ' ')
    source.error(pos[0], [], `not valid YAML: ${said}`, hintFor(code, pos[0], source))
  }
  for (const { code, message, pos } of warnings) {
    if (code === 'BAD_INDENT') source.warn(pos[0], [], `doubtful YAML: ${message.toLowerCase()}`)
  }
  return errors.length === 0 && severe.length === 0
}

const HINTS: Record<string, string> = {
  TAB_AS_INDENT: 'indent with spaces',
  BAD_SCALAR_START: 'quote the text',
  BLOCK_AS_IMPLICIT_KEY: 'quote text that holds ": ", or start the map on a line of its own',
  BAD_DQ_ESCAPE: 'write the backslash twice, or use single quotes',
  MULTILINE_IMPLICIT_KEY: 'is a ":" missing?',
  BAD_ALIAS: 'quote text that begins with & or *',
}

function hintFor(code: string, offset: number, source: Source): string | undefined {
  // In { } and [ ] the braces of ${NAME} are YAML's own.
  const before = source.text.slice(Math.max(0, offset - 2), offset + 2)
  if (before.includes('${')) return 'inside { } and [ ], quote it: "${NAME}"'
  return HINTS[code]
}
