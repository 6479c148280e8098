import { hash } from 'node:crypto'
import { formatTime } from '#core/kit/time.ts'
import type { Limit } from '#core/sdk.ts'

/** How much may be used in a period. */
export interface Amounts {
  readonly requests?: number
  readonly tokens?: number
}

/** How much somebody may use. */
export interface Quota {
  readonly day?: Amounts
  readonly month?: Amounts
}

/** What quotas are counted in. */
export const PERIODS = ['day', 'month'] as const
/** What they count. */
export const UNITS = ['requests', 'tokens'] as const

/** One of the periods. */
export type Period = (typeof PERIODS)[number]
/** One of the units. */
export type Unit = (typeof UNITS)[number]

/** One number of a quota. */
export interface QuotaLimit {
  readonly period: Period
  readonly unit: Unit
  readonly limit: number
}

/** The numbers of a quota, one by one. */
export function limitsOf(quota: Quota | undefined): readonly QuotaLimit[] {
  return PERIODS.flatMap((period) =>
    UNITS.flatMap((unit) => {
      const limit = quota?.[period]?.[unit]
      return limit === undefined ? [] : [{ period, unit, limit }]
    }),
  )
}

/** What may have to be counted: where users have what their keys say, that may be anything. */
export function countedUnits(
  quotas: { readonly perUser: boolean | Quota } | undefined,
  rbac: { readonly roles: Readonly<Record<string, { readonly quota?: Quota }>> } | undefined,
): readonly Unit[] {
  if (quotas === undefined || quotas.perUser === false) return []
  if (quotas.perUser === true) return UNITS
  const all = [quotas.perUser, ...Object.values(rbac?.roles ?? {}).map(({ quota }) => quota)]
  return UNITS.filter(
    (unit) =>
      unit === 'requests' || all.some((quota) => limitsOf(quota).some((one) => one.unit === unit)),
  )
}

const DAY_MS = 86_400_000

/** Two months: what is counted under the name of one is all still there at its end, and gone some time later. */
const KEPT_MS = 62 * DAY_MS

/**
 * The counter of one number. A day is a window of the store's clock. A month has no fixed length, so its name is part
 * of the counter's: what was used is never reset, the next month counts anew.
 */
export function counterOf({ period, unit, limit }: QuotaLimit, user: string, now: number): Limit {
  const key = `auth/quota:${unit}:${period}:${subject(user)}`
  if (period === 'day') return { key, algorithm: 'fixed-window', limit, windowMs: DAY_MS }
  const name = nameOf(period, now)
  return { key: `${key}:${name}`, algorithm: 'sliding-window', limit, windowMs: KEPT_MS }
}

/** Milliseconds until a period is over, in UTC. */
export function untilEnd(period: Period, now: number): number {
  if (period === 'day') return DAY_MS - (now % DAY_MS)
  let end = now - (now % DAY_MS) + DAY_MS
  while (nameOf(period, end) === nameOf(period, now)) end += DAY_MS
  return end - now
}

/** Which day or month of UTC it is: `2026-01-31`, `2026-01`. */
export function nameOf(period: Period, now: number): string {
  return formatTime(now - (now % 1_000)).slice(0, period === 'day' ? 10 : 7)
}

/** Longer names are counted under their digest. Characters. */
const MAX_NAME = 128

function subject(user: string): string {
  return user.length <= MAX_NAME ? user : `digest:${hash('sha256', user, 'base64url')}`
}
