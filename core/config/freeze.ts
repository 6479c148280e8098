/**
 * Freezes plain maps and lists all the way down, and gives the same value back. What has a class of its own
 * (expressions, secrets, plugins' modules under `plugin`) is left alone.
 */
export function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  if (value instanceof Map) {
    for (const item of value.values()) freeze(item)
    return value
  }
  if (!Array.isArray(value) && !isPlain(value)) return value
  Object.freeze(value)
  for (const [key, item] of Object.entries(value)) if (key !== 'plugin') freeze(item)
  return value
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
