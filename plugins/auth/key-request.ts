import { formatDuration, parseDuration } from '#core/kit/duration.ts'
import { isObject, type Json as AnyJson } from '#core/kit/json.ts'
import { suggest } from '#core/kit/suggest.ts'
import { formatTime, parseTime } from '#core/kit/time.ts'
import { GatewayError, type JsonObject } from '#core/sdk.ts'
import { isValid } from './key-directory.ts'
import type { KeyRecord, KeyWish } from './key-record.ts'
import { PERIODS, type Quota, type Unit, UNITS } from './quota-limits.ts'

/** What the config knows that a key may refer to. */
export interface KeyRules {
  /** Names of the roles; undefined where roles are not looked at. */
  readonly roles: readonly string[] | undefined
  /** True where the step reads the model, so that keys may be limited to some. */
  readonly readsModels: boolean
  /** What quotas may count; nothing where there are none. */
  readonly counts: readonly Unit[]
}

const TEXTS = ['name', 'consumer', 'user', 'project', 'team', 'plan', 'rateLimit'] as const
const LISTS = ['roles', 'models', 'routes'] as const
const CREATE_FIELDS = [...TEXTS, ...LISTS, 'quota', 'expires']
const RENEW_FIELDS = ['expires', 'overlap']

/** How long the form before is accepted after a renewal, where nobody says. */
const OVERLAP = '24h'

/** Reads what is asked of a new key. Throws BAD_REQUEST with the field at fault. */
export function wishOf(body: AnyJson | undefined, rules: KeyRules, now: number): KeyWish {
  const given = fieldsIn(body, CREATE_FIELDS)
  const wish: { -readonly [K in keyof KeyWish]: KeyWish[K] } = { name: '', roles: [] }
  for (const name of TEXTS) {
    const value = given[name]
    if (value !== undefined) wish[name] = textOf(name, value)
  }
  for (const name of LISTS) {
    const value = given[name]
    if (value !== undefined) wish[name] = listOf(name, value)
  }
  if (wish.name === '') throw refuse('name', 'is missing: say what the key is for')
  const expiresAt = expiryOf(given['expires'], now)
  if (expiresAt !== undefined) wish.expiresAt = expiresAt
  if (given['quota'] !== undefined) wish.quota = quotaOf(given['quota'], rules)
  checkRules(wish, rules)
  return wish
}

/** Reads what is asked of a renewal. Throws BAD_REQUEST with the field at fault. */
export function renewalOf(
  body: AnyJson | undefined,
  now: number,
): { overlapMs: number; expiresAt: number | undefined } {
  const given = fieldsIn(body ?? {}, RENEW_FIELDS)
  const overlapMs = durationOf('overlap', given['overlap'] ?? OVERLAP)
  return { overlapMs, expiresAt: expiryOf(given['expires'], now) }
}

/** A record as operators see it: no digest, times in words. */
export function shownKey(
  record: KeyRecord,
  { start, lastUsedAt, now }: { start: string; lastUsedAt: number | undefined; now: number },
): JsonObject {
  const { createdAt, expiresAt, revokedAt, ...rest } = record
  const isRevoked = revokedAt !== undefined
  const status = isValid(record, now) ? 'valid' : isRevoked ? 'revoked' : 'expired'
  const shown = {
    ...rest,
    start: `${start}…`,
    status,
    createdAt: timeText(createdAt),
    expiresAt: timeText(expiresAt),
    revokedAt: timeText(revokedAt),
    // To the hour: more would cost a write per request.
    lastUsedAt: timeText(lastUsedAt),
  }
  return JSON.parse(JSON.stringify(shown)) as JsonObject
}

function timeText(time: number | undefined): string | undefined {
  return time === undefined ? undefined : formatTime(time)
}

function fieldsIn(body: AnyJson | undefined, known: readonly string[]): Record<string, unknown> {
  if (!isObject(body)) {
    throw new GatewayError('BAD_REQUEST', 'expected a JSON object in the body')
  }
  for (const name of Object.keys(body)) {
    if (known.includes(name)) continue
    const near = suggest(name, known)
    throw refuse(name, `is not known${near === undefined ? '' : `; did you mean ${near}?`}`)
  }
  return body
}

function textOf(name: string, value: unknown): string {
  if (typeof value === 'string' && value.length > 0 && value.length <= 256) return value
  throw refuse(name, 'expected a text of 1 to 256 characters')
}

function listOf(name: string, value: unknown): string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > 256) {
    throw refuse(name, 'expected a list of 1 to 256 names')
  }
  return value.map((one) => textOf(name, one))
}

/** `{ day: { requests, tokens }, month: … }`. */
function quotaOf(value: unknown, { counts }: KeyRules): Quota {
  if (counts.length === 0) throw refuse('quota', 'the step has no quotas; quotas: {} makes some')
  const expected = 'expected { day: { requests, tokens }, month: { requests, tokens } }'
  if (!isObject(value) || Object.keys(value).length === 0) throw refuse('quota', expected)
  for (const [period, amounts] of Object.entries(value)) {
    if (!isOneOf(period, PERIODS) || !isObject(amounts)) throw refuse('quota', expected)
    for (const [unit, limit] of Object.entries(amounts)) {
      if (!isOneOf(unit, UNITS)) throw refuse('quota', expected)
      if (!counts.includes(unit)) {
        throw refuse('quota', `the step does not count ${unit}; quotas: { perUser: true } does`)
      }
      if (!Number.isSafeInteger(limit) || (limit as number) < 0) {
        throw refuse(
          `quota.${period}.${unit}`,
          `expected a whole number, got ${JSON.stringify(limit)}`,
        )
      }
    }
  }
  return value
}

function isOneOf<T extends string>(text: string, known: readonly T[]): text is T {
  return (known as readonly string[]).includes(text)
}

/** `90d` from now, or a time such as `2027-01-31T00:00:00Z`. */
function expiryOf(value: unknown, now: number): number | undefined {
  if (value === undefined || value === null) return undefined
  const time = typeof value === 'string' ? parseTime(value) : undefined
  const expiresAt = time ?? now + durationOf('expires', value)
  if (expiresAt > now) return expiresAt
  throw refuse('expires', 'lies in the past')
}

function durationOf(name: string, value: unknown): number {
  try {
    return parseDuration(value as string | number)
  } catch {
    const example = formatDuration(90 * 86_400_000)
    throw refuse(name, `expected a duration such as ${example}, got ${JSON.stringify(value)}`)
  }
}

function checkRules({ roles, models }: KeyWish, rules: KeyRules): void {
  if (models !== undefined && !rules.readsModels) {
    throw refuse('models', 'the step does not read the model; apiKeys: { models: true } makes it')
  }
  if (rules.roles === undefined) return
  const known = rules.roles.join(', ')
  if (roles.length === 0) throw refuse('roles', `is missing: at least one of ${known}`)
  for (const role of roles) {
    if (!rules.roles.includes(role)) {
      throw refuse('roles', `${JSON.stringify(role)} is not known, expected ${known}`)
    }
  }
}

function refuse(param: string, message: string): GatewayError {
  return new GatewayError('BAD_REQUEST', `${param}: ${message}`, { param })
}
