import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MASK, maskSecrets, Secret } from '#core/kit/secret.ts'

describe('a loaded secret', () => {
  const value = 'sk-live "quoted" 4eC39H/qLyj+WDarjtT1'
  const secret = new Secret(value)

  it.each([
    ['as it is', value],
    ['escaped as in JSON', JSON.stringify(value).slice(1, -1)],
    ['in a URL', encodeURIComponent(value)],
    ['in a form', new URLSearchParams({ a: value }).toString().slice(2)],
    ['in Base64', Buffer.from(value).toString('base64').replaceAll('=', '')],
    ['in the URL form of Base64', Buffer.from(value).toString('base64url')],
    ['in hexadecimal', Buffer.from(value).toString('hex')],
  ])('is masked %s', (_, text) => {
    expect(maskSecrets(`before ${text} after`)).not.toContain(text)
    expect(maskSecrets(`before ${text} after`)).toContain(MASK)
  })

  it('is masked within something longer that is in Base64, wherever it stands there', () => {
    for (const before of ['', 'u', 'us', 'use', 'user:']) {
      const basic = Buffer.from(`${before}${value}:rest`).toString('base64')
      const masked = maskSecrets(`Basic ${basic}`)
      // What is left cannot be decoded to more than a few characters of it.
      const left = masked.replace('Basic ', '').split(MASK)
      expect(left).toHaveLength(2)
      expect(left.map((part) => Buffer.from(part, 'base64').toString()).join('')).not.toContain(
        value.slice(2, -2),
      )
    }
  })

  it('is masked wherever it stands in a text, and nothing else is', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => {
        expect(maskSecrets(before + value + after)).toBe(
          maskSecrets(before) + MASK + maskSecrets(after),
        )
        if (!before.includes('sk-live')) expect(maskSecrets(before)).toBe(before)
      }),
    )
  })

  it('still gives its value to whoever asks for it by name', () => {
    expect(secret.reveal()).toBe(value)
  })
})

it('leaves texts alone that look like a short secret', () => {
  const short = new Secret('abc')
  expect(maskSecrets('abc abcabc')).toBe('abc abcabc')
  expect(short.reveal()).toBe('abc')
})
