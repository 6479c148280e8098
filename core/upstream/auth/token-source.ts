import { GatewayError } from '../../errors.ts'
import type { Secret } from '../../kit/secret.ts'

/** A token and when it ends, in milliseconds since 1970. */
export interface Token {
  readonly value: Secret
  readonly expiresAt: number
}

type Warn = (message: string, cause: unknown) => void

/** A token is renewed this long before it expires, or after nine tenths of a short life. Milliseconds. */
const EARLY_MS = 60_000
/** It is not used in its last moments, which the request may outlast. */
const LAST_MS = 2_000
/** After a failure, the token endpoint is left alone for so long. */
const PAUSE_MS = 1_000
/** A younger token is not renewed because the upstream refused it: another would fare no better. */
const YOUNG_MS = 5_000

/**
 * Keeps one token, fetched when it is first needed and renewed in the background while it still works. However many wait,
 * there is one fetch at a time. Has no timers, so that an upstream that nobody asks costs nothing.
 */
export class TokenSource {
  readonly #fetch: () => Promise<Token>
  readonly #now: () => number
  readonly #warn: Warn
  #token: Token | undefined
  #obtainedAt = 0
  #pending: Promise<Token> | undefined
  #failure: { readonly error: GatewayError; readonly at: number } | undefined

  constructor(
    fetch: () => Promise<Token>,
    context: { readonly now: () => number; readonly warn: Warn },
  ) {
    this.#fetch = fetch
    this.#now = context.now
    this.#warn = context.warn
  }

  /** The token, at once where one is good. Throws UPSTREAM_CREDENTIALS where none can be had. */
  get(): Token | Promise<Token> {
    const token = this.#token
    const now = this.#now()
    if (token === undefined || now >= token.expiresAt - LAST_MS) return this.#renew()
    const life = token.expiresAt - this.#obtainedAt
    if (now >= token.expiresAt - Math.min(EARLY_MS, life / 10)) void this.#renewEarly()
    return token
  }

  /** The upstream has refused the token: true where `get` will give another. */
  refuse(token: Token): boolean {
    if (token !== this.#token) return true
    if (this.#now() - this.#obtainedAt < YOUNG_MS) return false
    this.#token = undefined
    return true
  }

  async #renewEarly(): Promise<void> {
    if (this.#pending !== undefined || this.#isPausing()) return
    try {
      await this.#renew()
    } catch (cause) {
      this.#warn('the credential of an upstream could not be renewed early', cause)
    }
  }

  #isPausing(): boolean {
    return this.#failure !== undefined && this.#now() - this.#failure.at < PAUSE_MS
  }

  async #renew(): Promise<Token> {
    if (this.#isPausing()) throw this.#failure!.error
    this.#pending ??= this.#fetchOnce()
    return this.#pending
  }

  async #fetchOnce(): Promise<Token> {
    try {
      const token = await this.#fetch()
      this.#token = token
      this.#obtainedAt = this.#now()
      this.#failure = undefined
      return token
    } catch (cause) {
      const error = asCredentials(cause)
      this.#failure = { error, at: this.#now() }
      throw error
    } finally {
      this.#pending = undefined
    }
  }
}

function asCredentials(cause: unknown): GatewayError {
  if (!(cause instanceof GatewayError)) {
    return new GatewayError('UPSTREAM_CREDENTIALS', 'the token could not be fetched', { cause })
  }
  if (cause.code === 'UPSTREAM_CREDENTIALS') return cause
  const detail = `the token endpoint cannot be asked: ${cause.message}`
  return new GatewayError('UPSTREAM_CREDENTIALS', detail, { cause })
}
