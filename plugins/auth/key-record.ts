import type { Json, JsonObject } from '#core/sdk.ts'
import type { Quota } from './quota-limits.ts'

/** What is kept of an API key. Times are milliseconds since 1970. */
export interface KeyRecord {
  /** Public: names the key in answers, logs and metrics. */
  readonly id: string
  readonly name: string
  /** Whose key it is, as consumers are named; the id where nobody said. */
  readonly consumer?: string
  readonly user?: string
  readonly project?: string
  readonly team?: string
  readonly plan?: string
  readonly roles: readonly string[]
  readonly rateLimit?: string
  readonly models?: readonly string[]
  readonly routes?: readonly string[]
  readonly quota?: Quota
  readonly createdAt: number
  readonly expiresAt?: number
  readonly revokedAt?: number
}

/** What whoever makes a key may say of it. */
export type KeyWish = Omit<KeyRecord, 'id' | 'createdAt' | 'revokedAt'>

/** One form of a key: the digest that is compared, and what the rest of it began with. */
export interface KeyForm {
  readonly digest: string
  /** Which pepper the digest was made with. */
  readonly mark: string
  /** The first characters, so that somebody who holds the key finds its record. */
  readonly start: string
}

/** One row of the journal. What the rows say in their order is what is known of the keys. */
export type KeyRow =
  | { readonly op: 'create'; readonly key: KeyRecord; readonly form: KeyForm }
  | {
      readonly op: 'renew'
      readonly id: string
      readonly form: KeyForm
      /** Until when the form before is accepted. */
      readonly overlapUntil: number
      readonly expiresAt: number | null
    }
  | { readonly op: 'revoke'; readonly id: string; readonly at: number }

/** A row as the ledger takes it: fields that are undefined are left out. */
export function rowJson(row: KeyRow): JsonObject {
  return JSON.parse(JSON.stringify(row)) as JsonObject
}

/** A row as it was written, or undefined for one of a later version. */
export function rowOf(json: JsonObject): KeyRow | undefined {
  const known: readonly Json[] = ['create', 'renew', 'revoke']
  return known.includes(json['op'] ?? null) ? (json as unknown as KeyRow) : undefined
}
