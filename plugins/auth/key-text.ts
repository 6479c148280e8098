import { createHmac, hash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Secret } from '#core/sdk.ts'

/** What every key begins with, so that people and secret scanners know it at sight. */
export const PREFIX = 'sluice_'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** 32 characters of 62: 190 bits. */
const RANDOM_CHARACTERS = 32
const CHECK_CHARACTERS = 6

/** What a key looks like: for scanners, together with `isKeyText`. */
export const KEY_PATTERN = /^sluice_[0-9A-Za-z]{38}$/

/**
 * A new key: prefix, 32 random characters, and six that are the CRC-32 of all before them, as GitHub does it, so that
 * a scanner can tell a key from what only looks like one without asking anybody.
 */
export function mintKey(): string {
  const body = PREFIX + randomText(RANDOM_CHARACTERS)
  return body + checksum(body)
}

/** True for what `mintKey` may have made. */
export function isKeyText(text: string): boolean {
  if (!KEY_PATTERN.test(text)) return false
  const body = text.slice(0, -CHECK_CHARACTERS)
  return text === body + checksum(body)
}

/** Random letters and digits. */
export function randomText(length: number): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      // 248 is the largest multiple of 62: what lies above would make the first letters likelier.
      if (byte < 248 && text.length < length) text += ALPHABET[byte % 62]
    }
  }
  return text
}

function checksum(body: string): string {
  let rest = crc32(body)
  let text = ''
  while (text.length < CHECK_CHARACTERS) {
    text = ALPHABET[rest % 62]! + text
    rest = Math.floor(rest / 62)
  }
  return text
}

/** What is kept of a credential, and compared: 64 hexadecimal digits. */
export type Digest = (credential: string) => string

/** SHA-256. Enough for what is random: there is nothing to guess, so nothing has to be slow. */
export const plainDigest: Digest = (credential) => hash('sha256', credential, 'hex')

/** HMAC-SHA-256 with the pepper, or SHA-256 without one. */
export function digestWith(pepper: Secret | undefined): Digest {
  if (pepper === undefined) return plainDigest
  const secret = pepper.reveal()
  return (credential) => createHmac('sha256', secret).update(credential).digest('hex')
}

/** Tells one pepper from another without giving it away; empty for none. */
export function pepperMark(pepper: Secret | undefined): string {
  return pepper === undefined ? '' : digestWith(pepper)('which pepper').slice(0, 8)
}
