import { inspect } from 'node:util'

/** What stands wherever a secret would have been printed. */
export const MASK = '•••'

/** Shorter values are no secrets worth the name, and would mask half of every text. Characters. */
const LEAST_MASKED = 8

/** The secrets that are loaded. Weakly: a reload leaves old ones behind, and they need no mask once nobody has them. */
const loaded = new Set<WeakRef<Secret>>()

/** What they look like; made anew when one was added. */
let known: Known | 'stale' | undefined

/** The forms of all secrets, ready to be looked for at once: the search of Wu and Manber (1994), with pairs. */
interface Known {
  /** By two characters of the text: how far the search may go on from them. */
  readonly shifts: Uint8Array
  /** Forms whose first eight characters end in these two. */
  readonly forms: ReadonlyMap<number, readonly string[]>
  readonly pattern: RegExp
}

/**
 * A value that must not be printed. JSON, string conversion and `util.inspect` all show `•••`;
 * only `reveal()` gives the value, so each use can be found by that name. What has been loaded once is also found by
 * `maskSecrets` wherever it turns up.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
    if (value.length < LEAST_MASKED) return
    loaded.add(new WeakRef(this))
    known = 'stale'
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return MASK
  }

  toJSON(): string {
    return MASK
  }

  [inspect.custom](): string {
    return MASK
  }
}

/**
 * Replaces every loaded secret of at least eight characters in a text, however it got there: as it is, escaped as in
 * JSON or in a URL, in Base64 (also in the middle of something longer, as in `Authorization: Basic`) or in hexadecimal.
 * For what leaves the process by another door than the one that the secret is for.
 */
export function maskSecrets(text: string): string {
  if (known === 'stale') known = compile()
  return known !== undefined && hasForm(text, known) ? text.replace(known.pattern, MASK) : text
}

function hasForm(text: string, { shifts, forms }: Known): boolean {
  for (let at = LEAST_MASKED - 1; at < text.length;) {
    const pair = pairAt(text, at)
    const shift = shifts[pair]!
    const start = at - LEAST_MASKED + 1
    if (shift === 0 && forms.get(pair)!.some((form) => text.startsWith(form, start))) return true
    at += shift || 1
  }
  return false
}

function compile(): Known | undefined {
  const all = new Set<string>()
  for (const ref of loaded) {
    const secret = ref.deref()
    if (secret === undefined) loaded.delete(ref)
    else for (const form of formsOf(secret.reveal())) all.add(form)
  }
  if (all.size === 0) return undefined
  // The longest first: a form may be the beginning of another.
  const sorted = [...all].sort((a, b) => b.length - a.length)
  const last = LEAST_MASKED - 1
  const shifts = new Uint8Array(0x10000).fill(last)
  for (const form of sorted) {
    for (let at = 1; at <= last; at++) {
      const pair = pairAt(form, at)
      shifts[pair] = Math.min(shifts[pair]!, last - at)
    }
  }
  const pattern = new RegExp(sorted.map(RegExp.escape).join('|'), 'g')
  return { shifts, forms: Map.groupBy(sorted, (form) => pairAt(form, last)), pattern }
}

/** The character at a place and the one before it, folded to 16 bits. */
function pairAt(text: string, at: number): number {
  return ((text.charCodeAt(at - 1) << 8) ^ text.charCodeAt(at)) & 0xffff
}

function formsOf(value: string): string[] {
  const bytes = Buffer.from(value)
  const encoded = [0, 1, 2].map((offset) => inBase64(bytes, offset))
  return [
    value,
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value),
    encodeURIComponent(value).replaceAll('%20', '+'),
    ...encoded,
    ...encoded.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
  ]
}

/** How Base64 writes the bytes behind `offset` others: without the characters that the neighbours have a part in. */
function inBase64(bytes: Buffer, offset: number): string {
  const whole = Buffer.concat([Buffer.alloc(offset), bytes])
  const first = Math.ceil((offset * 8) / 6)
  const last = Math.floor((whole.length * 8) / 6)
  return whole.toString('base64').slice(first, last)
}
