import type { Charge, Limit } from '../store.ts'

const WINDOWED: ReadonlySet<string> = new Set(['fixed-window', 'sliding-window', 'token-bucket'])
const UNWINDOWED: ReadonlySet<string> = new Set(['total', 'concurrency'])

/** Reservations touch few limits; a list this long is a mistake of the caller. */
const MOST_CHARGES = 64

/** Names and ids end up in keys of every backend, so they have a bound. */
const MOST_CHARACTERS = 1024

/** Throws a RangeError that names the first thing wrong with a reservation. */
export function checkReserve(id: string, charges: readonly Charge[], ttlMs: number): void {
  checkText('hold id', id)
  if (charges.length > MOST_CHARGES) {
    throw new RangeError(
      `${charges.length} charges in one reservation, at most ${MOST_CHARGES} are possible`,
    )
  }
  if (!Number.isSafeInteger(ttlMs) || ttlMs < 1) throw outOf('ttlMs', ttlMs, 1)
  for (const { limit, amount } of charges) {
    checkLimit(limit)
    if (!Number.isSafeInteger(amount) || amount < 0) throw outOf('amount', amount, 0)
  }
}

/** Throws a RangeError where the amounts are not whole numbers, or not one for each charge. */
export function checkAmounts(
  id: string,
  amounts: readonly number[] | undefined,
  charges: number,
): void {
  if (amounts === undefined) return
  if (amounts.length !== charges) {
    throw new RangeError(
      `${amounts.length} amounts for the ${charges} charges held under ${JSON.stringify(id)}`,
    )
  }
  for (const amount of amounts) {
    if (!Number.isSafeInteger(amount) || amount < 0) throw outOf('amount', amount, 0)
  }
}

/** Throws a RangeError that names the first thing wrong with a limit. */
export function checkLimit({ key, algorithm, limit, windowMs, burst }: Limit): void {
  checkText('limit key', key)
  if (!Number.isSafeInteger(limit) || limit < 0) throw outOf('limit', limit, 0)
  if (WINDOWED.has(algorithm)) {
    if (windowMs === undefined || !Number.isSafeInteger(windowMs) || windowMs < 1) {
      throw outOf(`windowMs of a ${algorithm}`, windowMs, 1)
    }
  } else if (!UNWINDOWED.has(algorithm)) {
    const known = [...WINDOWED, ...UNWINDOWED].join(', ')
    throw new RangeError(`unknown algorithm ${JSON.stringify(algorithm)}, expected one of ${known}`)
  }
  if (burst !== undefined && (!Number.isSafeInteger(burst) || burst < 0)) {
    throw outOf('burst', burst, 0)
  }
}

/** The name that tells counters apart: the same key with another algorithm or window is another counter. */
export function counterName({ key, algorithm, windowMs }: Limit): string {
  return WINDOWED.has(algorithm) ? `${algorithm}/${windowMs}/${key}` : `${algorithm}//${key}`
}

/** The error of a reservation whose id is taken. */
export function heldAlready(id: string): Error {
  return new Error(
    `${JSON.stringify(id)} holds a reservation already\n  hint: put the step's id in front of the exchange's, so that two steps never share a hold`,
  )
}

function checkText(what: string, text: string): void {
  if (typeof text === 'string' && text !== '' && text.length <= MOST_CHARACTERS) return
  const found = JSON.stringify(text)?.slice(0, 80)
  throw new RangeError(`expected a ${what} of 1 to ${MOST_CHARACTERS} characters, got ${found}`)
}

function outOf(what: string, value: unknown, least: number): RangeError {
  const found = typeof value === 'number' ? String(value) : JSON.stringify(value)
  return new RangeError(`expected a whole number of at least ${least} as ${what}, got ${found}`)
}
