import { partialPattern } from './partial-pattern.ts'
import { type Detector, Redactor } from './redactor.ts'

/** One kind of personal data or secret: what it looks like, and where looks are not enough, a proof. */
interface Kind {
  readonly label: string
  /** Every repetition is bounded, so that no text takes more than linear time. Without look-around. */
  readonly pattern: string
  /** How much of a match is real, from its beginning. */
  readonly realLength?: (match: string) => number
  /** How many characters at its beginning only say what follows. */
  readonly lead?: number
  /** A character that stands behind the first 1 to `most` ones of every match, all of which `before` fits. */
  readonly mark?: { readonly char: string; readonly before: RegExp; readonly most: number }
}

const KINDS: readonly Kind[] = [
  {
    label: '[key]',
    pattern:
      '-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[^-]{0,8000}(?:-----END [A-Z ]{0,32}PRIVATE KEY-----)?',
  },
  {
    label: '[key]',
    pattern:
      '\\b(?:(?:sk|pk|rk)[-_][\\w-]{16,256}|AKIA[0-9A-Z]{16}|AIza[\\w-]{30,64}|gh[pousr]_\\w{20,256}|glpat-[\\w-]{16,64}|xox[abeprs]-[\\w-]{10,256}|hf_\\w{20,64})',
  },
  {
    label: '[token]',
    pattern: '\\beyJ[\\w-]{8,4096}\\.[\\w-]{8,8192}(?:\\.[\\w-]{0,2048})?',
  },
  { label: '[token]', pattern: '\\b[Bb]earer [\\w.~+/=-]{8,4096}', lead: 'bearer '.length },
  {
    label: '[email]',
    pattern: '[\\w.%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\\.[A-Za-z0-9-]{1,63}){1,8}',
    // Looked for from the left, each letter of a long word would be the beginning of 64 vain tries.
    mark: { char: '@', before: /[\w.%+-]/, most: 64 },
  },
  {
    label: '[iban]',
    pattern: '\\b[A-Z]{2}\\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\\b',
    realLength: ibanLength,
  },
  {
    label: '[card]',
    pattern: '\\b\\d(?:[ -]?\\d){12,18}\\b',
    realLength: cardLength,
  },
  {
    label: '[ssn]',
    pattern: '\\b\\d{3}[- ]\\d{2}[- ]\\d{4}\\b',
    realLength: (match) => (isSsn(match) ? match.length : 0),
  },
  {
    label: '[phone]',
    pattern:
      '\\+\\d(?:[ .()-]{0,2}\\d){6,14}\\b|(?:\\(\\d{3}\\) ?|\\b\\d{3}[-.])\\d{3}[-.]\\d{4}\\b',
  },
]

/** What every find has in it: most texts have none of it, and are done with after one look. */
const TRACES =
  /[@+]|\d[ -]?\d[ -]?\d|[A-Z]{2}\d\d|eyJ|earer |-----BEGIN|[spr]k[-_]|AKIA|AIza|gh[pousr]_|glpat-|xox[abeprs]-|hf_/

/** Finds email addresses, card numbers, IBANs, SSNs, phone numbers, keys and tokens; their kind takes their place: `[email]`. */
export const PERSONAL_DATA: readonly Detector[] = KINDS.map(detectorOf)

const redactor = new Redactor(PERSONAL_DATA)

/** Replaces personal data in a text by its kind: `[email]`. */
export function scrub(text: string): string {
  return hasTraces(text) ? redactor.redactAll(text) : text
}

/** The text that was looked at last: all detectors look at the same one. */
let seen = ''
let hadTraces = false

function hasTraces(text: string): boolean {
  if (text === seen) return hadTraces
  seen = text
  hadTraces = TRACES.test(text)
  return hadTraces
}

function detectorOf(kind: Kind): Detector {
  const { pattern, label, realLength: proof, lead = 0 } = kind
  const next = kind.mark === undefined ? searchFor(pattern) : searchByMark(pattern, kind.mark)
  const open = new RegExp(`(?:${partialPattern(pattern)})$`, 'g')
  return {
    find(text, from) {
      if (!hasTraces(text)) return undefined
      for (let match = next(text, from); match !== null; match = next(text, match.index + 1)) {
        const start = match.index
        const length = proof === undefined ? match[0].length : proof(match[0])
        if (length > 0) {
          return { from: start, start: start + lead, end: start + length, replacement: label }
        }
        // A real one may begin within what only looks like one.
      }
      return undefined
    },
    openFrom(text, from) {
      open.lastIndex = from
      return open.exec(text)?.index ?? text.length
    },
  }
}

type Search = (text: string, from: number) => RegExpExecArray | null

function searchFor(pattern: string): Search {
  const whole = new RegExp(pattern, 'g')
  return (text, from) => {
    whole.lastIndex = from
    return whole.exec(text)
  }
}

/** The same, from one mark to the next. */
function searchByMark(pattern: string, { char, before, most }: NonNullable<Kind['mark']>): Search {
  const here = new RegExp(pattern, 'y')
  return (text, from) => {
    for (let mark = text.indexOf(char, from); mark !== -1; mark = text.indexOf(char, mark + 1)) {
      let start = mark
      while (start > from && mark - start < most && before.test(text[start - 1]!)) start--
      here.lastIndex = start
      const match = start === mark ? null : here.exec(text)
      if (match !== null) return match
    }
    return null
  }
}

/** ISO/IEC 7812: 13 to 19 digits with Luhn's sum. Ends at a separator: what follows may be another number. */
function cardLength(match: string): number {
  const digits: number[] = []
  let best = 0
  for (let at = 0; at <= match.length; at++) {
    const digit = match.charCodeAt(at) - 48
    if (digit >= 0 && digit <= 9) digits.push(digit)
    else if (digits.length >= 13 && isLuhn(digits)) best = at
  }
  return best
}

function isLuhn(digits: readonly number[]): boolean {
  let sum = 0
  let isSame = true
  for (const [index, digit] of digits.entries()) {
    if (digit !== digits[0]) isSame = false
    const doubled = (digits.length - index) % 2 === 0 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0 && !isSame
}

/** The longest beginning that is one, up to a space or the end: what follows may be another word. */
function ibanLength(match: string): number {
  for (let end = match.length; end > 0; end = match.lastIndexOf(' ', end - 1)) {
    if (isIban(match.slice(0, end))) return end
  }
  return 0
}

/** ISO 13616: the country and check digits moved to the end, letters as 10 to 35, modulo 97 leaves 1. */
function isIban(match: string): boolean {
  const text = match.replaceAll(' ', '')
  if (text.length < 15 || text.length > 34) return false
  let rest = 0
  for (const letter of text.slice(4) + text.slice(0, 4)) {
    const value = Number.parseInt(letter, 36)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest === 1
}

/** SSA: no number has a part of zeros, or begins with 666 or 9. */
function isSsn(match: string): boolean {
  return !/^(?:000|666|9)|^...[- ]00|0000$/.test(match)
}
