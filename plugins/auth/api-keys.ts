import type { Secret } from '#core/sdk.ts'
import type { Credential } from './credentials.ts'
import { fieldsOf, type Grant, type Identity, type Verdict } from './identity.ts'
import type { KeyDirectory } from './key-directory.ts'
import type { KeyRecord } from './key-record.ts'
import { type Digest, plainDigest, PREFIX } from './key-text.ts'

/** One key or token in the config. */
export interface StaticKey extends Grant {
  readonly id: string
  readonly digest?: string
  readonly key?: Secret
  readonly token?: Secret
}

/** Those of the config, by digest. */
export type StaticKeys = ReadonlyMap<string, StaticKey>

/** What is longer is no key, and not worth a digest. */
const MAX_CHARACTERS = 256

/** Digests of the keys or tokens of the config. */
export function staticKeys(entries: readonly StaticKey[]): StaticKeys {
  return new Map(
    entries.map((entry) => {
      const text = entry.key ?? entry.token
      const digest =
        text === undefined ? entry.digest!.slice('sha256:'.length) : plainDigest(text.reveal())
      return [digest, entry]
    }),
  )
}

/** Looks a fixed token up. Undefined where it is none. */
export function identifyStatic(
  { kind, value }: Credential,
  known: StaticKeys,
  method: 'api-key' | 'bearer',
): Verdict {
  if (known.size === 0 || value.length > MAX_CHARACTERS) return undefined
  if (kind === 'query' && method !== 'api-key') return undefined
  const found = known.get(plainDigest(value))
  if (found === undefined) return undefined
  const { id, roles, rateLimit } = found
  const identity = { method, id, roles, rateLimit, fields: fieldsOf(found), until: Infinity }
  return method === 'api-key' ? { ...identity, keyId: id } : identity
}

/** Looks a key up in the directory. Unknown, revoked and expired take the same way. */
export function identifyKey(
  { value }: Credential,
  directory: KeyDirectory,
  digest: Digest,
  now: number,
): Verdict {
  if (value.length > MAX_CHARACTERS) return undefined
  const found = directory.find(digest(value))
  // A key of ours that is none any more is shown to nobody else, such as an introspection endpoint.
  if (found === undefined) return value.startsWith(PREFIX) ? { reason: 'unknown' } : undefined
  const { record, until } = found
  if (record.revokedAt !== undefined) return { reason: 'revoked', keyId: record.id }
  if (until <= now) return { reason: 'expired', keyId: record.id }
  return identityOf(record, until)
}

function identityOf(record: KeyRecord, until: number): Identity {
  const { id, consumer = record.user ?? id, roles, rateLimit, models, routes, quota, name } = record
  return {
    method: 'api-key',
    id: consumer,
    roles,
    rateLimit,
    keyId: id,
    isStored: true,
    fields: { ...fieldsOf(record), key: name },
    models,
    routes,
    quota,
    until,
  }
}
