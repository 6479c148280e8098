import { type ExchangeView, GatewayError, type RequestPatch } from '#core/sdk.ts'
import { accessOf, type Rbac } from './access.ts'
import { type Credential, readCredential } from './credentials.ts'
import type { Failures } from './failures.ts'
import { consumerOf, type Identity, isIdentity, type Verdict } from './identity.ts'
import type { KeyStore } from './key-store.ts'
import type { Quotas } from './quotas.ts'
import type { Known, Recognised } from './recognised.ts'
import { blocked, type Refusals } from './refusal.ts'
import type { Tell } from './tell.ts'

/** Makes something of a credential, as one of the methods does. A promise only where somebody else must be asked. */
export type Identify = (credential: Credential, now: number) => Verdict | Promise<Verdict>

/** What a gate is made of. */
export interface GateOptions {
  /** In the order in which they are asked. */
  readonly methods: readonly Identify[]
  /** True where a key may come as `?key=`. */
  readonly acceptsQuery: boolean
  /** Makes a guest of an address; undefined where there are none. */
  readonly guest: ((ip: string) => Identity) | undefined
  readonly refusals: Refusals
  readonly failures: Failures
  readonly tell: Tell
  readonly recognised: Recognised
  readonly rbac: Rbac | undefined
  readonly store: KeyStore | undefined
  readonly quotas: Quotas | undefined
}

type Answer = RequestPatch | Promise<RequestPatch>

/** Where each request is asked who sends it. Somebody who was here before passes without a promise. */
export class Gate {
  readonly #options: GateOptions

  constructor(options: GateOptions) {
    this.#options = options
  }

  request(exchange: ExchangeView): Answer {
    const { acceptsQuery, recognised, refusals } = this.#options
    const { req, now } = exchange
    const credential = readCredential(req, acceptsQuery)
    if (credential === undefined) return this.#withoutCredential(exchange)
    if (typeof credential === 'string') {
      this.#options.tell.refused(exchange, credential)
      return credential === 'ambiguous' ? refusals.ambiguous : refusals.wrong
    }
    const known = recognised.get(credential.kind, credential.value, now)
    if (known !== undefined) return this.#letIn(known, exchange)
    const waitMs = this.#options.failures.blockedFor(req.ip, now)
    if (waitMs > 0) {
      this.#options.tell.blocked(exchange, false)
      return blocked(waitMs)
    }
    let verdict: Verdict | Promise<Verdict>
    try {
      verdict = this.#ask(credential, now, 0)
    } catch (cause) {
      return this.#giveUp(exchange, cause)
    }
    if (!(verdict instanceof Promise)) return this.#decide(exchange, credential, verdict)
    return verdict.then(
      (late) => this.#decide(exchange, credential, late),
      (cause: unknown) => this.#giveUp(exchange, cause),
    )
  }

  /** Whoever must be asked cannot be: nobody is let in, and operators are told. */
  #giveUp(exchange: ExchangeView, cause: unknown): never {
    if (cause instanceof GatewayError) this.#options.tell.refused(exchange, 'unavailable')
    throw cause
  }

  /** Asks the methods from `at` on, until one knows the credential. */
  #ask(credential: Credential, now: number, at: number): Verdict | Promise<Verdict> {
    const { methods } = this.#options
    for (let index = at; index < methods.length; index++) {
      const verdict = methods[index]!(credential, now)
      if (verdict instanceof Promise) {
        return verdict.then((late) => late ?? this.#ask(credential, now, index + 1))
      }
      if (verdict !== undefined) return verdict
    }
    return undefined
  }

  #decide(exchange: ExchangeView, { kind, value }: Credential, verdict: Verdict): Answer {
    const { recognised, failures, refusals, tell } = this.#options
    if (isIdentity(verdict)) {
      const known = this.#knownOf(verdict)
      recognised.add(kind, value, known)
      return this.#letIn(known, exchange)
    }
    const { reason = 'unknown', keyId } = verdict ?? {}
    tell.refused(exchange, reason, keyId)
    // A credential that was good once is no guess: its client must not lock out those behind the same address.
    const isGuess = reason !== 'expired' && reason !== 'revoked'
    if (isGuess && failures.add(exchange.req.ip, exchange.now)) tell.blocked(exchange, true)
    return refusals.wrong
  }

  #withoutCredential(exchange: ExchangeView): Answer {
    const { guest, recognised, refusals, tell } = this.#options
    if (guest === undefined) {
      tell.refused(exchange, 'missing')
      return refusals.missing
    }
    const { ip } = exchange.req
    let known = recognised.get('guest', ip, exchange.now)
    if (known === undefined) {
      known = this.#knownOf(guest(ip))
      recognised.add('guest', ip, known)
    }
    return this.#letIn(known, exchange)
  }

  #knownOf(identity: Identity): Known {
    const { rbac, quotas, tell } = this.#options
    const access = accessOf(identity, rbac)
    if (identity.quota !== undefined && quotas === undefined) tell.uncounted(identity)
    const consumer = consumerOf(identity, access.permissions, access.rateLimit)
    const quota = quotas?.limitsFor(identity) ?? []
    const noteAt = identity.isStored ? 0 : Infinity
    return { identity, access, patch: { consumer }, quota, until: identity.until, noteAt }
  }

  #letIn(known: Known, exchange: ExchangeView): Answer {
    const { store, tell, acceptsQuery, quotas } = this.#options
    const { identity, access, patch } = known
    const { now, req } = exchange
    if (identity.isStored) {
      store!.checkFresh(now)
      if (now >= known.noteAt) known.noteAt = store!.lastUsed.note(identity.keyId!, now)
    }
    const denial = access.denies(exchange)
    if (denial !== undefined) {
      tell.denied(exchange, identity, denial.deny!.message)
      return denial
    }
    tell.passed(exchange, identity)
    // The kernel takes off what it knows to be a credential; that this is one, only we know.
    const hasKey = acceptsQuery && req.query['key'] !== undefined
    const passing = hasKey ? { ...patch, query: { key: null } } : patch
    if (known.quota.length === 0) return passing
    return quotas!.reserve(exchange, userOf(identity), known.quota, passing)
  }
}

/** Whose quota it is: all credentials of one user take from the same. */
function userOf({ id, fields }: Identity): string {
  const { user } = fields
  return typeof user === 'string' ? user : id
}
