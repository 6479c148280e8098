import { createLocalJWKSet, type JSONWebKeySet } from 'jose'
import { isObject, jsonOf, type Json } from '#core/kit/json.ts'
import type { Host } from '#core/sdk.ts'
import { unavailable } from './refusal.ts'

/** Chooses the key of a token. */
export type KeySet = ReturnType<typeof createLocalJWKSet>

/** Where the keys of an issuer come from. */
export interface KeySource {
  /** The keys as they are known. Throws AUTH_UNAVAILABLE where none are. */
  current(): Promise<KeySet>
  /** The keys, asked for anew because one was missing; undefined where that was done a moment ago. */
  renewed(): Promise<KeySet | undefined>
}

/** How long keys are used without asking again, and how long where asking fails. Milliseconds. */
const FRESH_MS = 600_000
const STALE_MS = 86_400_000
/** Keys are asked for no more often, whatever tokens claim: a flood of made-up key ids is no flood of requests. */
const LEAST_MS = 30_000
/** The same while there are no keys at all. */
const LEAST_WITHOUT_MS = 1_000

const MAX_BYTES = 262_144
const MAX_KEYS = 100
const TIMEOUT_MS = 5_000

/** Keys that stand in the config. */
export function fixedKeys(keys: readonly Json[]): KeySource {
  const set = keySetOf({ keys: [...keys] })
  return { current: async () => set, renewed: async () => undefined }
}

/** Where to ask. */
export interface RemoteKeysOptions {
  /** The address of the key set; undefined where the issuer's metadata tells (OpenID Connect Discovery 1.0 §4). */
  readonly jwks: string | undefined
  readonly issuer: string
  readonly host: Host
  /** Called after the keys have changed. */
  readonly onChange: () => void
}

/** Keys that the issuer publishes. One request at a time; while it is away, those known go on for a day. */
export class RemoteKeys implements KeySource {
  readonly #options: RemoteKeysOptions
  #set: KeySet | undefined
  #text = ''
  #fetchedAt = -Infinity
  #triedAt = -Infinity
  #pending: Promise<KeySet> | undefined

  constructor(options: RemoteKeysOptions) {
    this.#options = options
  }

  async current(): Promise<KeySet> {
    const now = this.#options.host.now()
    const age = now - this.#fetchedAt
    if (this.#set === undefined || age > STALE_MS) {
      if (this.#pending === undefined && now - this.#triedAt < LEAST_WITHOUT_MS) throw unavailable()
      return this.#refresh()
    }
    // Nobody waits: the keys that are known are good until they are replaced.
    if (age > FRESH_MS && now - this.#triedAt >= LEAST_MS) this.#refresh().catch(() => undefined)
    return this.#set
  }

  async renewed(): Promise<KeySet | undefined> {
    const isRecent = this.#options.host.now() - this.#triedAt < LEAST_MS
    return this.#pending === undefined && isRecent ? undefined : this.#refresh()
  }

  #refresh(): Promise<KeySet> {
    this.#pending ??= this.#fetch().finally(() => (this.#pending = undefined))
    return this.#pending
  }

  async #fetch(): Promise<KeySet> {
    const { host, issuer, onChange } = this.#options
    this.#triedAt = host.now()
    try {
      const text = await this.#read(this.#options.jwks ?? (await this.#discover()))
      const isChanged = text !== this.#text
      if (isChanged || this.#set === undefined) this.#set = keySetOf(jsonOf(text))
      this.#text = text
      this.#fetchedAt = host.now()
      if (isChanged) onChange()
      return this.#set
    } catch (err) {
      host.log.warn('keys of an issuer not read', { issuer, err })
      throw unavailable(err)
    }
  }

  async #discover(): Promise<string> {
    const { issuer } = this.#options
    const base = issuer.endsWith('/') ? issuer.slice(0, -1) : issuer
    const metadata = jsonOf(await this.#read(`${base}/.well-known/openid-configuration`))
    if (!isObject(metadata) || metadata['issuer'] !== issuer) {
      throw new Error(`the metadata of ${issuer} are those of another issuer`)
    }
    const { jwks_uri: uri } = metadata
    if (typeof uri !== 'string') throw new Error(`the metadata of ${issuer} have no jwks_uri`)
    return uri
  }

  async #read(url: string): Promise<string> {
    const headers = { accept: 'application/json' }
    const options = { headers, timeoutMs: TIMEOUT_MS, limitBytes: MAX_BYTES }
    const { status, body } = await this.#options.host.fetch(url, options)
    if (status !== 200) throw new Error(`expected 200 from ${url}, got ${status}`)
    return body.toString()
  }
}

/** Keys that verify, that is: a private one or a secret in a published set is never used. */
function keySetOf(json: Json | undefined): KeySet {
  const keys = isObject(json) ? json['keys'] : undefined
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) {
    throw new Error(`expected a set of at most ${MAX_KEYS} keys`)
  }
  return createLocalJWKSet({ keys } as unknown as JSONWebKeySet)
}
