import { hash } from 'node:crypto'
import { canonical } from './canonical.ts'

/** A short text that changes when anything in the value does, secrets included, and from which none can be read. */
export function fingerprint(value: unknown): string {
  return hash('sha256', canonical(value), 'base64url').slice(0, 22)
}
