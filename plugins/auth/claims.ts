import { getPath, parsePath } from '#core/kit/paths.ts'
import type { Json, JsonObject } from '#core/sdk.ts'
import type { Identity, Method } from './identity.ts'

/** How the claims of a token become a consumer. */
export interface ClaimsOptions {
  /** A consumer's field, and the claim that it is taken from. */
  readonly claims: Readonly<Record<string, string>>
  /** Roles that all have. */
  readonly roles: readonly string[]
  /** Put before the id. */
  readonly idPrefix: string
}

/** Reads a consumer from claims that have been verified; undefined where they name nobody. */
export type ClaimsReader = (
  claims: JsonObject,
  method: Method,
  until: number,
) => Identity | undefined

/** Fields that `auth` alone may set. */
export const OWN_FIELDS: ReadonlySet<string> = new Set(['method', 'permissions', 'keyId'])

/** More than any name of somebody. Characters. */
const MAX_ID = 256

/** Compiles the mapping. A claim whose name has dots in it is found by its whole name first. */
export function claimsReader({ claims: mapping, roles, idPrefix }: ClaimsOptions): ClaimsReader {
  const { id: idFrom = 'sub', roles: rolesFrom, rateLimit: rateLimitFrom, ...rest } = mapping
  const readId = claimAt(idFrom)
  const readRoles = rolesFrom === undefined ? undefined : claimAt(rolesFrom)
  const readRateLimit = rateLimitFrom === undefined ? undefined : claimAt(rateLimitFrom)
  const others = Object.entries(rest).map(([name, path]) => [name, claimAt(path)] as const)
  return (claims, method, until) => {
    const id = readId(claims)
    if ((typeof id !== 'string' && typeof id !== 'number') || id === '') return undefined
    if (String(id).length > MAX_ID) return undefined
    const fields: JsonObject = {}
    for (const [name, read] of others) {
      const value = read(claims)
      if (value !== undefined) fields[name] = value
    }
    const rateLimit = readRateLimit?.(claims)
    return {
      method,
      id: idPrefix + String(id),
      roles: [...new Set([...namesIn(readRoles?.(claims)), ...roles])],
      rateLimit: typeof rateLimit === 'string' ? rateLimit : undefined,
      fields,
      until,
    }
  }
}

function claimAt(path: string): (claims: JsonObject) => Json | undefined {
  const segments = parsePath(path)
  return (claims) => (Object.hasOwn(claims, path) ? claims[path] : getPath(claims, segments))
}

/** Names in a list, or in a text with spaces between them, as in `scope` (RFC 6749 §3.3). */
function namesIn(value: Json | undefined): string[] {
  if (typeof value === 'string') return value.split(' ').filter((name) => name !== '')
  if (!Array.isArray(value)) return []
  return value.filter((name) => typeof name === 'string')
}
