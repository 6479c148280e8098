import { isObject } from '../kit/json.ts'
import { Secret } from '../kit/secret.ts'

/** JSON with the keys of every map in order, so that equal values have equal texts. Reveals secrets: to be hashed. */
export function canonical(value: unknown): string {
  if (value instanceof Secret) return canonical(value.reveal())
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (!isObject(value)) return JSON.stringify(value) ?? 'null'
  const entries = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`)
  return `{${entries.join(',')}}`
}
