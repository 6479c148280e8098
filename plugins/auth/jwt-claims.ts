/** The last second of the year 9999: a time after it is a trick. */
const LAST_TIME = 253_402_300_799

/** True for a NumericDate (RFC 7519 §2): seconds, which may have a fraction. */
export function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= LAST_TIME
}

/** RFC 7519 §4.1.3: one audience, or a list of them. */
export function isFor(aud: unknown, audience: readonly string[] | false): boolean {
  if (audience === false) return true
  const given: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  return given.some((one) => typeof one === 'string' && audience.includes(one))
}
