import { rewriteAnswer, rewriteRequest } from '#core/dialects/texts/rewrite.ts'
import { PERSONAL_DATA } from '#core/kit/personal-data.ts'
import { type Detector, patternDetector, Redactor } from '#core/kit/redactor.ts'
import type { ExchangeView, Json, NewText, Text, TextKind } from '#core/sdk.ts'

/** The options of one filterContent, checked. */
export interface FilterOptions {
  readonly patterns: readonly string[]
  readonly replacement: string
  readonly personalData?: boolean
  readonly kinds: readonly TextKind[]
}

/** Replaces what patterns match, and personal data, in texts. */
export class TextFilter {
  readonly #redactors = new Map<TextKind, Redactor>()

  /** Throws for a pattern that RE2 refuses. */
  constructor(filters: readonly FilterOptions[]) {
    const detectors = new Map<TextKind, Detector[]>()
    for (const filter of filters) {
      const own = detectorsOf(filter)
      for (const kind of filter.kinds) detectors.set(kind, [...(detectors.get(kind) ?? []), ...own])
    }
    for (const [kind, list] of detectors) this.#redactors.set(kind, new Redactor(list))
  }

  /** A request's body. */
  request(body: Json, { req }: ExchangeView): Json {
    return rewriteRequest(req.dialect, body, this.#whole)
  }

  /** A plain answer. */
  answer(body: Json, { req }: ExchangeView): Json {
    return rewriteAnswer(req.dialect, body, this.#whole)
  }

  /** The texts of an event or message; undefined where they stay as they are. */
  redact(texts: readonly Text[]): readonly (NewText | null)[] | undefined {
    let isChanged = false
    const redacted = texts.map((text) => {
      const made = this.#redactors.get(text.kind)?.redact(text)
      if (made !== undefined && made.text !== text.text) isChanged = true
      return made ?? null
    })
    return isChanged ? redacted : undefined
  }

  readonly #whole = (text: string, kind: TextKind): string =>
    this.#redactors.get(kind)?.redactAll(text) ?? text
}

/** Why RE2 refuses a pattern, or it cannot be used; undefined where it can. */
export function patternProblem(pattern: string): string | undefined {
  try {
    const isEmpty = patternDetector(pattern, '').find('', 0) !== undefined
    return isEmpty ? 'matches the empty text, which is everywhere' : undefined
  } catch (cause) {
    return (cause as Error).message
  }
}

function detectorsOf({
  patterns,
  replacement,
  personalData = patterns.length === 0,
}: FilterOptions) {
  const own = patterns.map((pattern) => patternDetector(pattern, replacement))
  return personalData ? [...own, ...PERSONAL_DATA] : own
}
