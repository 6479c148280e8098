import { isObject, type Json } from '#core/kit/json.ts'
import { MASK } from '#core/kit/secret.ts'
import { isCredentialField } from './credentials.ts'

export { scrub } from '#core/kit/personal-data.ts'

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
