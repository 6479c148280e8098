import type { Consumer, JsonObject } from '#core/sdk.ts'
import type { Quota } from './quota-limits.ts'

/** How somebody was recognised. */
export type Method = 'api-key' | 'bearer' | 'jwt' | 'oauth2' | 'basic' | 'anonymous'

/** Somebody who was recognised, and what is known of them. */
export interface Identity {
  readonly method: Method
  readonly id: string
  readonly roles: readonly string[]
  /** Over the level that the roles give. */
  readonly rateLimit?: string | undefined
  /** Public id of the API key. */
  readonly keyId?: string
  /** True for an API key of the store, which may be revoked at any time. */
  readonly isStored?: boolean
  /** Further fields of the consumer: `user`, `project`, `team`, `plan` and what claims give. */
  readonly fields: JsonObject
  /** The only models and routes that the credential itself is for. */
  readonly models?: readonly string[] | undefined
  readonly routes?: readonly string[] | undefined
  /** How much this credential may use, over what others have. */
  readonly quota?: Quota | undefined
  /** Until when this may be believed without looking again. Milliseconds since 1970. */
  readonly until: number
}

/** Why nobody was recognised: for the audit and for metrics, never for the client. */
export type Reason =
  | 'missing'
  | 'ambiguous'
  | 'malformed'
  | 'unknown'
  | 'revoked'
  | 'expired'
  | 'invalid'
  | 'blocked'
  | 'unavailable'

/** A credential that one of the methods knows to be wrong, so that no other is asked. */
export interface Rejection {
  readonly reason: Reason
  /** The API key that it is, or was. */
  readonly keyId?: string
}

/** What a method makes of a credential: somebody, nobody, or undefined where it isn't one of its own. */
export type Verdict = Identity | Rejection | undefined

/** True for somebody who was recognised. */
export function isIdentity(verdict: Verdict): verdict is Identity {
  return verdict !== undefined && 'id' in verdict
}

/** The words of a grant in the config. */
export interface Grant {
  readonly user?: string
  readonly project?: string
  readonly team?: string
  readonly plan?: string
  readonly roles: readonly string[]
  readonly rateLimit?: string
}

/** The fields of a consumer that a grant gives. */
export function fieldsOf({ user, project, team, plan }: Partial<Grant>): JsonObject {
  const fields: JsonObject = {}
  if (user !== undefined) fields['user'] = user
  if (project !== undefined) fields['project'] = project
  if (team !== undefined) fields['team'] = team
  if (plan !== undefined) fields['plan'] = plan
  return fields
}

/** The fact `consumer`. Frozen: it is shared by all requests with the same credential. */
export function consumerOf(
  { id, method, roles, keyId, fields }: Identity,
  permissions: readonly string[],
  rateLimit: string | undefined,
): Consumer {
  const consumer: Consumer = {
    ...fields,
    id,
    method,
    roles: Object.freeze([...roles]) as string[],
    permissions: Object.freeze([...permissions]) as string[],
  }
  if (rateLimit !== undefined) consumer['rateLimit'] = rateLimit
  if (keyId !== undefined) consumer['keyId'] = keyId
  return Object.freeze(consumer)
}
