/** Header fields of an answer, names in lower case. */
type Fields = Readonly<Record<string, string | string[] | undefined>>

/**
 * How long an answer asks to wait before the next try, in milliseconds, by whatever field its provider uses:
 * `retry-after-ms` (OpenAI), `retry-after` (RFC 9110 §10.2.3), else the reset of a counter that is used up
 * (`x-ratelimit-reset-*` of OpenAI, `anthropic-ratelimit-*-reset`, `x-ratelimit-reset`). Undefined where it asks for
 * nothing. `now` is in milliseconds since 1970.
 */
export function retryHint(headers: Fields, now: number): number | undefined {
  const stated = milliseconds(one(headers['retry-after-ms']))
  if (stated !== undefined) return stated
  const after = one(headers['retry-after'])
  if (after !== undefined) return retryAfter(after, now)
  const resets = Object.keys(headers).flatMap((name) => usedUp(headers, name, now) ?? [])
  return resets.length === 0 ? undefined : Math.max(...resets)
}

/** The header fields that tell a client how long to wait: in whole seconds and, as SDKs read first, exactly. */
export function retryHeaders(waitMs: number | undefined): Record<string, string> {
  if (waitMs === undefined) return {}
  return { 'retry-after': String(Math.ceil(waitMs / 1000)), 'retry-after-ms': String(waitMs) }
}

/** Seconds, of which providers also send fractions, or an HTTP date. */
function retryAfter(text: string, now: number): number | undefined {
  if (/^\d+(?:\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1000)
  const time = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(time) ? undefined : Math.max(0, time - now)
}

const RESET = /^(anthropic-ratelimit-[\w-]+|x-ratelimit)-reset(-[\w-]+)?$/

/** When the counter behind a reset field is full again; undefined where something is left of it. */
function usedUp(headers: Fields, name: string, now: number): number | undefined {
  const match = RESET.exec(name)
  if (match === null) return undefined
  const [, prefix, suffix = ''] = match
  if (one(headers[`${prefix}-remaining${suffix}`]) !== '0') return undefined
  const value = one(headers[name])!
  if (value === '') return undefined
  return goDuration(value) ?? moment(value, now)
}

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }

/** `1s`, `6m0s`, `120ms`: Go's way to write a duration, which OpenAI uses. */
function goDuration(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:h|ms|m|s))+$/.test(text)) return undefined
  let total = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)) {
    total += Number(amount) * UNITS[unit!]!
  }
  return Math.ceil(total)
}

/** A time in RFC 3339, seconds or milliseconds since 1970, or seconds from now. */
function moment(text: string, now: number): number | undefined {
  const number = Number(text)
  if (Number.isNaN(number)) {
    const time = Date.parse(text)
    return Number.isNaN(time) ? undefined : Math.max(0, time - now)
  }
  if (number > 1e12) return Math.max(0, number - now)
  if (number > 1e9) return Math.max(0, number * 1000 - now)
  return number < 0 ? undefined : Math.ceil(number * 1000)
}

function milliseconds(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+(?:\.\d+)?$/.test(text) ? Math.ceil(Number(text)) : undefined
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}
