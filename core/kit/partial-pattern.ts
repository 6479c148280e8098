/** A pattern whose unfinished matches cannot be told; its syntax is not known here. */
export class PatternSyntaxError extends Error {
  override readonly name = 'PatternSyntaxError'
}

/** A part of a pattern: as it is written, and what matches any beginning of what it matches. */
interface Part {
  readonly source: string
  readonly partial: string
}

/**
 * The pattern that matches every beginning of what a pattern matches, the empty one and the whole one too: put before
 * the end of a text, it finds what may become a match when more text comes. Takes and gives RE2 syntax, which is
 * JavaScript's where both have the same; groups lose their names. Throws a PatternSyntaxError.
 */
export function partialPattern(pattern: string): string {
  const parser = new Parser(pattern)
  const { partial } = parser.alternatives()
  if (!parser.isAtEnd) throw new PatternSyntaxError(`unexpected ) in ${pattern}`)
  return partial
}

const NOTHING: Part = { source: '', partial: '' }

class Parser {
  readonly #pattern: string
  #at = 0

  constructor(pattern: string) {
    this.#pattern = pattern
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#pattern.length
  }

  alternatives(): Part {
    const parts = [this.#sequence()]
    while (this.#take('|')) parts.push(this.#sequence())
    if (parts.length === 1) return parts[0]!
    return {
      source: `(?:${parts.map(({ source }) => source).join('|')})`,
      partial: `(?:${parts.map(({ partial }) => partial).join('|')})`,
    }
  }

  #sequence(): Part {
    const parts: Part[] = []
    while (!this.isAtEnd && !this.#is('|') && !this.#is(')')) {
      const flags = this.#match(/\(\?([a-zA-Z-]+)\)/y)
      // Flags hold for the rest of the group.
      if (flags !== undefined) parts.push(this.#flagged(flags, this.alternatives()))
      else parts.push(this.#repeated(this.#atom()))
    }
    return joined(parts)
  }

  #flagged(flags: string, { source, partial }: Part): Part {
    const set = flags.slice(2, -1)
    return { source: `(?${set}:${source})`, partial: `(?${set}:${partial})` }
  }

  #repeated(part: Part): Part {
    let repeated = part
    for (;;) {
      const mark = this.#match(/(?:[*+?]|\{\d+(?:,\d*)?\})[?+]?/y)
      if (mark === undefined) return repeated
      repeated = times(repeated, mark)
    }
  }

  #atom(): Part {
    const group = this.#match(/\((?:\?(?:P?<\w+>|[a-zA-Z-]*:))?/y)
    if (group !== undefined) return this.#group(group)
    const assertion = this.#match(/[\^$]|\\[AbBz]/y)
    if (assertion !== undefined) return { source: assertion, partial: '' }
    const quoted = this.#match(/\\Q.*?(?:\\E|$)/sy)
    if (quoted !== undefined) return this.#quoted(quoted.slice(2).replace(/\\E$/, ''))
    const atom = this.#match(ATOM)
    if (atom === undefined) {
      throw new PatternSyntaxError(`cannot read ${this.#pattern.slice(this.#at)}`)
    }
    return one(atom)
  }

  #group(open: string): Part {
    const flags = /^\(\?([a-zA-Z-]+):/.exec(open)?.[1]
    const inner = this.alternatives()
    if (!this.#take(')')) throw new PatternSyntaxError(`missing ) in ${this.#pattern}`)
    if (flags !== undefined) return this.#flagged(`(?${flags})`, inner)
    return { source: `(?:${inner.source})`, partial: inner.partial }
  }

  #quoted(text: string): Part {
    return joined(
      Array.from(text, (character) => one(character.replace(/[\\^$.|?*+()[\]{}]/, '\\$&'))),
    )
  }

  #is(character: string): boolean {
    return this.#pattern[this.#at] === character
  }

  #take(character: string): boolean {
    if (!this.#is(character)) return false
    this.#at++
    return true
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#pattern)?.[0]
    if (found === undefined || found === '') return undefined
    this.#at += found.length
    return found
  }
}

/** One character, or one out of a class. A look-around is no part of RE2. */
const ATOM =
  /\\(?:[pP](?:\{[^}]*\}|.)|x\{[0-9a-fA-F]+\}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[0-7]{1,3}|[^QEAbBzkZG])|\[\^?\]?(?:\[:\^?\w+:\]|\\[pP]\{[^}]*\}|\\.|[^\]\\])*\]|[^\\()[\]|*+?{}^$]|[{}\]]/suy

function one(atom: string): Part {
  return { source: atom, partial: `(?:${atom})?` }
}

function joined(parts: readonly Part[]): Part {
  if (parts.length === 0) return NOTHING
  const source = parts.map((part) => part.source).join('')
  // From the end: what comes next is begun only where all before it is there.
  const partial = parts.reduceRight(
    (rest, part) =>
      rest === undefined ? part.partial : `(?:${part.source}${rest}|${part.partial})`,
    undefined as string | undefined,
  )!
  return { source, partial }
}

function times({ source, partial }: Part, mark: string): Part {
  const repeated = `(?:${source})${mark}`
  const most = mostOf(mark)
  if (most === 0) return NOTHING
  if (most === 1) return { source: repeated, partial }
  const before = most === Infinity ? '*' : `{0,${most - 1}}`
  return { source: repeated, partial: `(?:${source})${before}${partial}` }
}

function mostOf(mark: string): number {
  if (mark.startsWith('?')) return 1
  const bounds = /^\{(\d+)(,?)(\d*)\}/.exec(mark)
  if (bounds === null) return Infinity
  const [, least, comma, most] = bounds
  if (comma === '') return Number(least)
  return most === '' ? Infinity : Number(most)
}
