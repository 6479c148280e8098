import { hash } from 'node:crypto'
import { Newest } from '#core/kit/newest.ts'
import type { RequestPatch } from '#core/sdk.ts'
import type { Access } from './access.ts'
import type { Identity } from './identity.ts'
import type { QuotaLimit } from './quota-limits.ts'

/** Somebody who was recognised before, ready to be let in again. */
export interface Known {
  readonly identity: Identity
  readonly access: Access
  /** What the `request` hook returns: made once. */
  readonly patch: RequestPatch
  /** What its user may use; empty where that is not counted. */
  readonly quota: readonly QuotaLimit[]
  /** Until when it may be believed. Milliseconds since 1970. */
  readonly until: number
  /** When the next use of its key is worth noting; Infinity where it has none in the store. */
  noteAt: number
}

/** Credentials remembered at once; the oldest is forgotten first. */
const MAX_KNOWN = 10_000

/** What is longer is remembered by its digest: ten thousand tokens of 8 KiB would be 80 MB. */
const MAX_CHARACTERS = 256

/** Credentials that were found right, so that the next request with one costs a look into a map. */
export class Recognised {
  readonly #known = new Newest<string, Known>(MAX_KNOWN)

  get(kind: string, value: string, now: number): Known | undefined {
    if (this.#known.size === 0) return undefined
    const key = keyOf(kind, value)
    const known = this.#known.get(key)
    if (known === undefined || known.until > now) return known
    this.#known.delete(key)
    return undefined
  }

  add(kind: string, value: string, known: Known): void {
    this.#known.set(keyOf(kind, value), known)
  }

  /** Forgets all: something has changed that they depend on. */
  clear(): void {
    this.#known.clear()
  }
}

function keyOf(kind: string, value: string): string {
  const text = value.length <= MAX_CHARACTERS ? value : hash('sha256', value, 'base64')
  // The same text is not the same credential everywhere; a NUL is in no header field.
  return kind === 'token' ? text : `${kind}\0${text}`
}
