import { RE2JS } from 're2js'
import { partialPattern } from './partial-pattern.ts'

/** What was found: from where to where, and what takes its place. */
export interface Find {
  /** Where the match begins, which may be before what is replaced. */
  readonly from: number
  readonly start: number
  readonly end: number
  readonly replacement: string
}

/** Finds one kind of thing in a text. */
export interface Detector {
  /** The first find that begins at `from` or later; what comes before `from` is looked at, but not found. */
  find(text: string, from: number): Find | undefined
  /** Where a match may have begun that the text ends too early for: the first such place, or the text's length. */
  openFrom(text: string, from: number): number
}

/** A piece of a text, as a hook is shown it. */
export interface Piece {
  readonly text: string
  readonly before: string
  readonly isLast: boolean
}

/** Characters that may be held back; a match that is longer than that is found in its parts, or not. */
const MAX_HELD = 16_384

/** How far back a match is looked for where its beginnings cannot be told. */
const BLIND = 256

/**
 * Replaces what its detectors find, the leftmost first, and of those at one place the first detector's. A text that
 * comes in pieces comes to the same, wherever it was cut: what may yet become a match is held back.
 */
export class Redactor {
  readonly #detectors: readonly Detector[]

  constructor(detectors: readonly Detector[]) {
    this.#detectors = detectors
  }

  /** A whole text. */
  redactAll(text: string): string {
    return this.redact({ text, before: '', isLast: true }).text
  }

  /** What of a piece goes on, and what is held back to be put before the next one. */
  redact({ text, before, isLast }: Piece): { text: string; hold: string } {
    const all = before + text
    let at = before.length
    let cut = isLast ? all.length : this.#openFrom(all, at)
    let redacted = ''
    const finds = new Finds(this.#detectors, all)
    for (let find = finds.first(at); find && find.from < cut; find = finds.first(at)) {
      redacted += all.slice(at, find.start) + find.replacement
      at = find.end
      if (at > cut) cut = this.#openFrom(all, at)
    }
    return { text: redacted + all.slice(at, cut), hold: all.slice(cut) }
  }

  #openFrom(text: string, from: number): number {
    // Half of a character, of which the other half is still to come, is no part of any match yet.
    const whole = /[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text
    let open = whole.length
    for (const detector of this.#detectors) open = Math.min(open, detector.openFrom(whole, from))
    return Math.max(open, text.length - MAX_HELD, from)
  }
}

/** The finds of several detectors in one text, in their order: each detector looks at a stretch of it once. */
class Finds {
  readonly #detectors: readonly Detector[]
  readonly #text: string
  readonly #next: (Find | undefined)[]

  constructor(detectors: readonly Detector[], text: string) {
    this.#detectors = detectors
    this.#text = text
    this.#next = detectors.map((detector) => detector.find(text, 0))
  }

  /** The first find that begins at `from` or later, which is never less than before. */
  first(from: number): Find | undefined {
    let first: Find | undefined
    for (const [index, detector] of this.#detectors.entries()) {
      let find = this.#next[index]
      if (find !== undefined && find.from < from) {
        find = detector.find(this.#text, from)
        this.#next[index] = find
      }
      if (find !== undefined && (first === undefined || find.from < first.from)) first = find
    }
    return first
  }
}

/** A detector for a pattern of an operator, in RE2 syntax: linear time, whatever the text. Throws for a pattern that is none. */
export function patternDetector(pattern: string, replacement: string): Detector {
  const compiled = RE2JS.compile(pattern)
  const partial = partialOf(pattern)
  return {
    find(text, from) {
      const matcher = compiled.matcher(text)
      if (!matcher.find(from)) return undefined
      const start = matcher.start()
      return { from: start, start, end: matcher.end(), replacement }
    },
    openFrom(text, from) {
      if (partial === undefined) return Math.max(from, text.length - BLIND)
      const matcher = partial.matcher(text)
      return matcher.find(from) ? matcher.start() : text.length
    },
  }
}

function partialOf(pattern: string): RE2JS | undefined {
  try {
    return RE2JS.compile(`(?:${partialPattern(pattern)})\\z`)
  } catch {
    // Its syntax is not known here, or it becomes too large.
    return undefined
  }
}
