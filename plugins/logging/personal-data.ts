import { isObject, type Json } from '#core/kit/json.ts'
import { MASK } from '#core/kit/secret.ts'
import { isCredentialField } from './credentials.ts'

/** One kind of personal data: what it looks like, and where looks are not enough, a proof. */
interface Detector {
  readonly label: string
  /** Every repetition is bounded, so that no text takes more than linear time. */
  readonly pattern: RegExp
  readonly isReal?: (match: string) => boolean
}

const DETECTORS: readonly Detector[] = [
  {
    label: '[key]',
    pattern:
      /-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[^-]{0,8000}(?:-----END [A-Z ]{0,32}PRIVATE KEY-----)?/g,
  },
  {
    label: '[key]',
    pattern:
      /\b(?:(?:sk|pk|rk)[-_][\w-]{16,256}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,64}|gh[pousr]_\w{20,256}|glpat-[\w-]{16,64}|xox[abeprs]-[\w-]{10,256}|hf_\w{20,64})/g,
  },
  { label: '[token]', pattern: /\beyJ[\w-]{8,4096}\.[\w-]{8,8192}(?:\.[\w-]{0,2048})?/g },
  { label: '[token]', pattern: /(?<=\b[Bb]earer )[\w.~+/=-]{8,4096}/g },
  {
    label: '[email]',
    pattern: /[\w.%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}/g,
  },
  {
    label: '[iban]',
    pattern: /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b/g,
    isReal: isIban,
  },
  { label: '[card]', pattern: /\b\d(?:[ -]?\d){12,18}\b/g, isReal: isCard },
  {
    label: '[ssn]',
    pattern: /\b(?!000|666|9\d\d)\d{3}[- ](?!00)\d{2}[- ](?!0000)\d{4}\b/g,
  },
  {
    label: '[phone]',
    pattern: /\+\d(?:[ .()-]{0,2}\d){6,14}\b|(?:\(\d{3}\) ?|\b\d{3}[-.])\d{3}[-.]\d{4}\b/g,
  },
]

/** What every find has in it: most texts have none of it, and are done with after one look. */
const TRACES =
  /[@+]|\d[ -]?\d[ -]?\d|[A-Z]{2}\d\d|eyJ|earer |-----BEGIN|[spr]k[-_]|AKIA|AIza|gh[pousr]_|glpat-|xox[abeprs]-|hf_/

/** Replaces email addresses, card numbers, IBANs, SSNs, phone numbers, keys and tokens by their kind: `[email]`. */
export function scrub(text: string): string {
  if (!TRACES.test(text)) return text
  let clean = text
  for (const { label, pattern, isReal } of DETECTORS) {
    clean = clean.replace(pattern, (match) =>
      isReal === undefined || isReal(match) ? label : match,
    )
  }
  return clean
}

/**
 * A copy of a body that is fit for a log: fields such as `password` masked, texts cleaned, and no more than about
 * `limit` characters in all; what is left out shows as `…`.
 */
export function loggable(body: Json, limit: number, clean: (text: string) => string): Json {
  return new Copier(limit, clean).copy(body, 0)
}

/** Deeper than a request may be; an upstream's answer has no such limit. */
const MAX_DEPTH = 64

const CUT = '…'

/** How far beyond the cut a text is cleaned: a number that the cut runs through must not stay half. */
const OVERLAP = 512

class Copier {
  #left: number
  readonly #clean: (text: string) => string

  constructor(limit: number, clean: (text: string) => string) {
    this.#left = limit
    this.#clean = clean
  }

  copy(value: Json, depth: number): Json {
    this.#left--
    if (typeof value === 'string') return this.#text(value)
    // A card number may also come as a number.
    if (typeof value === 'number') return value > 1e11 ? this.#number(value) : value
    if (typeof value !== 'object' || value === null) return value
    if (depth >= MAX_DEPTH || this.#left <= 0) return CUT
    return Array.isArray(value) ? this.#list(value, depth) : this.#map(value, depth)
  }

  #text(text: string): string {
    const room = Math.max(this.#left, 0)
    const clean = this.#clean(text.slice(0, room + OVERLAP))
    this.#left -= clean.length
    return clean.length > room ? clean.slice(0, room) + CUT : clean
  }

  #number(value: number): Json {
    const text = String(value)
    const clean = this.#clean(text)
    return clean === text ? value : clean
  }

  #list(list: readonly Json[], depth: number): Json[] {
    const copy: Json[] = []
    for (const item of list) {
      if (this.#left <= 0) return [...copy, CUT]
      copy.push(this.copy(item, depth + 1))
    }
    return copy
  }

  #map(map: { [key: string]: Json }, depth: number): Json {
    const entries: [string, Json][] = []
    for (const [key, value] of Object.entries(map)) {
      if (this.#left <= 0) {
        entries.push([CUT, CUT])
        break
      }
      // A name can hold as much as a value.
      const name = this.#text(key)
      const isSecret = isCredentialField(key) && !isObject(value)
      entries.push([name, isSecret ? MASK : this.copy(value, depth + 1)])
    }
    return Object.fromEntries(entries)
  }
}

/** Luhn, and not one digit over and over. */
function isCard(match: string): boolean {
  const digits = match.replaceAll(/\D/g, '')
  if (/^(\d)\1+$/.test(digits)) return false
  let sum = 0
  for (let index = 0; index < digits.length; index++) {
    const digit = Number(digits[digits.length - 1 - index])
    const doubled = index % 2 === 1 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
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
