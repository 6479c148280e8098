import { GatewayError } from '../../errors.ts'
import type { Secret } from '../../kit/secret.ts'

/** What an authorizer needs from outside. */
export interface AuthContext {
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly warn: (message: string, cause: unknown) => void
}

/** A request that is complete but for its credential. */
export interface Outgoing {
  readonly method: string
  /** As it goes over the wire, query included. */
  readonly url: string
  readonly body: Buffer | undefined
}

/** Header fields that present a credential: name, value, name, value. */
export type Presented = readonly string[]

/** Makes the credential of each request to one upstream. */
export interface Authorizer {
  /** True where the credential depends on the body, so that it must be there as a whole. */
  readonly needsBody: boolean
  /** The fields, at once where nothing has to be waited for. Throws UPSTREAM_CREDENTIALS. */
  present(request: Outgoing): Presented | Promise<Presented>
  /** The upstream has refused these fields with 401: true where others can be had. */
  refused(presented: Presented): boolean
}

/** The secret's value. Throws UPSTREAM_CREDENTIALS where it is not set. */
export function needSecret(secret: Secret, option: string): string {
  const value = secret.reveal()
  if (value !== '') return value
  throw new GatewayError('UPSTREAM_CREDENTIALS', `auth.${option} of the upstream is not set`)
}
