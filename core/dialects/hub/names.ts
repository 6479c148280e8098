import { createHash } from 'node:crypto'

/** What a target accepts as the name of a tool or the id of a call. */
export interface NameRule {
  readonly pattern: RegExp
  readonly maxLength: number
}

/** Rewrites what a target would refuse, stably, and remembers how to undo it. One for each request. */
export class ToolNames {
  readonly #tools = new Map<string, string>()
  readonly #ids = new Map<string, string>()

  /** The name as the target takes it: the same again, or a readable one that no other tool has. */
  encodeTool(name: string, rule: NameRule): string {
    const encoded = encode(name, rule)
    if (encoded !== name) this.#tools.set(encoded, name)
    return encoded
  }

  /** The client's name for a name that the upstream said. */
  decodeTool(name: string): string {
    return this.#tools.get(name) ?? name
  }

  /** A call's id as the target takes it. */
  encodeId(id: string, rule: NameRule): string {
    const encoded = encode(id, rule)
    if (encoded !== id) this.#ids.set(encoded, id)
    return encoded
  }

  /** The client's id for an id that the upstream repeats. */
  decodeId(id: string): string {
    return this.#ids.get(id) ?? id
  }
}

/** As many characters as keep two different names apart. */
const HASH_LENGTH = 12

/** Whatever was changed ends in a hash of the whole, so that two names never become one; where there is room for no more, it is the hash. */
function encode(name: string, { pattern, maxLength }: NameRule): string {
  if (name.length <= maxLength && pattern.test(name)) return name
  const digest = createHash('sha256').update(name).digest('hex')
  if (maxLength <= HASH_LENGTH) return digest.slice(0, maxLength)
  const hash = digest.slice(0, HASH_LENGTH)
  const readable = name.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, maxLength - HASH_LENGTH - 1)
  return (
    `${/^[A-Za-z_]/.test(readable) ? '' : '_'}${readable}`.slice(0, maxLength - HASH_LENGTH - 1) +
    `_${hash}`
  )
}
