import path from 'node:path'
import type { Json } from '../kit/json.ts'
import { FileError, readTextFile } from './files.ts'
import type { Part, Refusal } from './tree.ts'

/** A secret or a certificate is far smaller; a log file named by mistake is not read. */
const MAX_FILE_BYTES = 65_536
/** Characters that all `${…}` of one config may become. */
const MAX_CHARACTERS = 16 * 1_048_576

/** What a scalar became, and of which parts; or why it could not. */
export type Interpolated = { readonly value: Json; readonly parts: readonly Part[] } | Refusal

type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'variable'; readonly name: string; readonly fallback: string | undefined }
  | { readonly kind: 'file'; readonly name: string }
  | ({ readonly kind: 'malformed' } & Refusal)

const FORMS = 'accepted are ${NAME}, ${NAME:-default} and ${file:PATH}; $${ stands for a plain ${'

/**
 * Fills `${NAME}`, `${NAME:-default}` and `${file:PATH}` into parsed scalars, once: what is filled in is not looked at
 * again, so it can bring neither structure nor further `${…}`. As in a POSIX shell, `:-` gives its default for a
 * variable that is empty, too. `$${` stands for a plain `${`.
 */
export class Interpolator {
  readonly #env: Readonly<Record<string, string | undefined>>
  readonly #allowsMissing: boolean
  readonly #contents = new Map<string, Promise<string>>()
  #characters = 0

  /** With `allowsMissing`, what is not there leaves its `${…}` in place, as a part that says what is wrong. */
  constructor(env: Readonly<Record<string, string | undefined>>, allowsMissing = false) {
    this.#env = env
    this.#allowsMissing = allowsMissing
  }

  /** Absolute paths of all that `${file:…}` named, whether it could be read or not. */
  get files(): string[] {
    return [...this.#contents.keys()]
  }

  /**
   * Fills one scalar that stands in a file of `folder`. One that is unquoted and nothing but a `${…}` gets the type
   * that its text would have as JSON: `port: ${PORT}` is a number.
   */
  async fill(text: string, folder: string, isPlain: boolean): Promise<Interpolated> {
    const parts: Part[] = []
    for (const piece of split(text)) {
      const part = standIn(await this.#resolve(piece, folder), piece, this.#allowsMissing)
      if ('message' in part) return part
      this.#characters += part.text.length
      if (this.#characters > MAX_CHARACTERS) {
        const accepted = MAX_CHARACTERS.toLocaleString('en')
        const message = `all \${…} together become more than ${accepted} characters`
        return { message, hint: 'fill in less, or shorter texts' }
      }
      parts.push(part)
    }
    const filled = parts.map((part) => part.text).join('')
    const isWhole = parts.length === 1 && parts[0]!.from !== 'text'
    return { value: isPlain && isWhole ? typed(filled) : filled, parts }
  }

  async #resolve(piece: Piece, folder: string): Promise<Part | Refusal> {
    if (piece.kind === 'malformed') return piece
    if (piece.kind === 'text') return { from: 'text', text: piece.text }
    if (piece.kind === 'file') return this.#readFile(piece.name, folder)
    const { name, fallback } = piece
    const text = Object.hasOwn(this.#env, name) ? this.#env[name] : undefined
    if (fallback !== undefined && (text === undefined || text === '')) {
      return { from: 'default', text: fallback, name }
    }
    if (text !== undefined) return { from: 'env', text, name }
    const hint = `export ${name}, or give a default: \${${name}:-…}`
    return { message: `\${${name}} is not set`, hint }
  }

  async #readFile(name: string, folder: string): Promise<Part | Refusal> {
    const file = path.resolve(folder, name)
    try {
      let content = this.#contents.get(file)
      if (!content) {
        content = readTextFile(file, MAX_FILE_BYTES).then(({ text }) => withoutLastNewlines(text))
        this.#contents.set(file, content)
      }
      return { from: 'file', text: await content, name }
    } catch (error) {
      if (!(error instanceof FileError)) throw error
      const hint = 'paths are relative to the folder of this config file'
      return { message: `cannot read \${file:${name}}: ${error.message}`, hint }
    }
  }
}

/** What was not there, as a part with the text that the file has; a fault that no environment could mend stays one. */
function standIn(found: Part | Refusal, piece: Piece, isAllowed: boolean): Part | Refusal {
  if (!isAllowed || !('message' in found)) return found
  if (piece.kind === 'variable') {
    return { from: 'env', text: `\${${piece.name}}`, name: piece.name, missing: found }
  }
  if (piece.kind !== 'file') return found
  return { from: 'file', text: `\${file:${piece.name}}`, name: piece.name, missing: found }
}

const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}/y
const FILE = /\$\{file:([^{}]+)\}/y

/** Cuts a text at its `${…}`. A malformed one is the last piece. */
function split(text: string): Piece[] {
  const pieces: Piece[] = []
  let literal = ''
  let from = 0
  for (let at = text.indexOf('${'); at !== -1; at = text.indexOf('${', from)) {
    if (text[at - 1] === '$') {
      literal += text.slice(from, at - 1) + '${'
      from = at + 2
      continue
    }
    literal += text.slice(from, at)
    if (literal !== '') pieces.push({ kind: 'text', text: literal })
    literal = ''
    const { piece, end } = parsePiece(text, at)
    pieces.push(piece)
    if (piece.kind === 'malformed') return pieces
    from = end
  }
  literal += text.slice(from)
  if (literal !== '' || pieces.length === 0) pieces.push({ kind: 'text', text: literal })
  return pieces
}

function parsePiece(text: string, at: number): { piece: Piece; end: number } {
  VARIABLE.lastIndex = at
  const variable = VARIABLE.exec(text)
  if (variable) {
    const piece = { kind: 'variable', name: variable[1]!, fallback: variable[2] } as const
    return { piece, end: VARIABLE.lastIndex }
  }
  FILE.lastIndex = at
  const file = FILE.exec(text)
  if (file) return { piece: { kind: 'file', name: file[1]! }, end: FILE.lastIndex }
  const message = `malformed ${JSON.stringify(excerpt(text, at))}`
  return { piece: { kind: 'malformed', message, hint: hintFor(text, at) }, end: text.length }
}

function excerpt(text: string, at: number): string {
  const end = text.indexOf('}', at)
  return end !== -1 && end - at < 60 ? text.slice(at, end + 1) : `${text.slice(at, at + 60)}…`
}

function hintFor(text: string, at: number): string {
  const start = text.slice(at, at + 300)
  if (!start.includes('}')) return `is the closing brace missing? ${FORMS}`
  if (/^\$\{(\w+:-|file:)[^{}]*\{/.test(start))
    return `neither a default nor a path can hold { or }`
  return FORMS
}

/** The last newline belongs to the editor that wrote the file, not to the secret in it. */
function withoutLastNewlines(text: string): string {
  let end = text.length
  while (end > 0 && (text[end - 1] === '\n' || text[end - 1] === '\r')) end--
  return text.slice(0, end)
}

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d{1,3})?$/

/**
 * Stricter than YAML: what JSON would read as a number, exactly. `007`, `0x1F`, `1e999` and an account number of twenty
 * digits stay the text that they are, and so does nothing at all.
 */
function typed(text: string): Json {
  if (text === 'true') return true
  if (text === 'false') return false
  if (text === 'null') return null
  const number = NUMBER.test(text) ? Number(text) : Number.NaN
  const isExact = !Number.isInteger(number) || Number.isSafeInteger(number)
  return Number.isFinite(number) && isExact ? number : text
}
