import { hash, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import type { Secret } from '#core/sdk.ts'
import type { Identify } from './gate.ts'
import { fieldsOf, type Grant, type Verdict } from './identity.ts'
import { unavailable } from './refusal.ts'

/** One user in the config. */
export interface BasicUser extends Grant {
  readonly name: string
  readonly password?: Secret
  readonly digest?: string
}

/** How a user is remembered after the password was found right. Milliseconds. */
const TRUSTED_MS = 300_000

/** Slow digests that may wait for a thread; beyond, it is better to say so. */
const MAX_PENDING = 32

/** A digest as `sluice keys digest --password` prints it: cost, block size, parallelism, salt, key. */
export const SCRYPT_PATTERN =
  '^scrypt:(\\d{4,7}):(\\d{1,2}):(\\d{1,2}):([\\w-]{16,86}):([\\w-]{43})$'

interface Slow {
  readonly cost: {
    readonly N: number
    readonly r: number
    readonly p: number
    readonly maxmem: number
  }
  readonly salt: Buffer
  readonly key: Buffer
}

const derive = promisify<string, Buffer, number, Slow['cost'], Buffer>(scrypt)

/** Knows the users of HTTP basic authentication (RFC 7617). */
export function identifyBasic(users: readonly BasicUser[]): Identify {
  const known = new Map(users.map((user) => [user.name, { user, ...secretOf(user) }]))
  // Where one takes long, all do, those that do not exist too: the time would else tell who does.
  const anySlow = [...known.values()].find(({ slow }) => slow !== undefined)?.slow
  let pending = 0

  async function isRight(password: string, slow: Slow): Promise<boolean> {
    if (pending >= MAX_PENDING) throw unavailable()
    pending++
    try {
      return timingSafeEqual(
        await derive(password, slow.salt, slow.key.length, slow.cost),
        slow.key,
      )
    } finally {
      pending--
    }
  }

  return ({ kind, value }, now) => {
    if (kind !== 'basic') return undefined
    const given = namePassword(value)
    if (given === undefined) return { reason: 'malformed' }
    const entry = known.get(given.name)
    const isFast = timingSafeEqual(digestOf(given.password), entry?.fast ?? NOBODY)
    const verdict = (isGood: boolean): Verdict =>
      isGood && entry !== undefined ? identityOf(entry.user, now) : { reason: 'unknown' }
    if (anySlow === undefined) return verdict(isFast && entry?.fast !== undefined)
    return isRight(given.password, entry?.slow ?? anySlow).then((isSlow) =>
      verdict(entry?.slow === undefined ? isFast && entry?.fast !== undefined : isSlow),
    )
  }
}

/** What no password has as its digest. */
const NOBODY = Buffer.alloc(32)

function digestOf(password: string): Buffer {
  return hash('sha256', password, 'buffer')
}

function secretOf({ password, digest }: BasicUser): { fast?: Buffer; slow?: Slow } {
  if (password !== undefined) return { fast: digestOf(password.reveal()) }
  const [, cost, blocks, parallel, salt, key] = new RegExp(SCRYPT_PATTERN).exec(digest!)!
  const [N, r, p] = [Number(cost), Number(blocks), Number(parallel)]
  return {
    slow: {
      // Twice what the algorithm needs (RFC 7914 §2): Node counts a little more.
      cost: { N, r, p, maxmem: 256 * r * (N + p) },
      salt: Buffer.from(salt!, 'base64url'),
      key: Buffer.from(key!, 'base64url'),
    },
  }
}

/** RFC 7617 §2: the first colon ends the name. */
function namePassword(value: string): { name: string; password: string } | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return undefined
  const text = Buffer.from(value, 'base64').toString()
  const colon = text.indexOf(':')
  if (colon <= 0) return undefined
  return { name: text.slice(0, colon), password: text.slice(colon + 1) }
}

function identityOf(user: BasicUser, now: number): Verdict {
  const { name, roles, rateLimit } = user
  const until = now + TRUSTED_MS
  return { method: 'basic', id: name, roles, rateLimit, fields: fieldsOf(user), until }
}
