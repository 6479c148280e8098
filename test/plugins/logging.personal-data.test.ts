import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Json } from '#core/kit/json.ts'
import { isCredential, maskCredentials } from '#plugins/logging/credentials.ts'
import { loggable, scrub } from '#plugins/logging/personal-data.ts'

describe('personal data in a text', () => {
  it.each([
    ['mail ada.lovelace+x@mail.example.co.uk now', 'mail [email] now'],
    ['card 4111 1111 1111 1111, please', 'card [card], please'],
    ['card 4111-1111-1111-1111', 'card [card]'],
    ['amex 378282246310005', 'amex [card]'],
    ['ssn 078-05-1120', 'ssn [ssn]'],
    ['iban DE89 3704 0044 0532 0130 00', 'iban [iban]'],
    ['iban GB82WEST12345698765432', 'iban [iban]'],
    ['call +49 30 901820 or (415) 555-2671', 'call [phone] or [phone]'],
    ['key sk-proj-abcdefghijklmnop1234', 'key [key]'],
    ['AKIAIOSFODNN7EXAMPLE', '[key]'],
    ['ghp_abcdefghijklmnopqrstuvwxyz0123456789', '[key]'],
    ['Bearer abc.def-ghi', 'Bearer [token]'],
    ['jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl', 'jwt [token]'],
    ['-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----', '[key]'],
  ])('is found in %j', (text, clean) => {
    expect(scrub(text)).toBe(clean)
  })

  it.each([
    'order 4111 1111 1111 1112 is no card: its check digit is wrong',
    '0000 0000 0000 0000',
    'iban DE88370400440532013000 has a wrong check digit',
    'ssn 000-12-3456 and 666-12-3456 were never issued',
    '2026-11-23T16:01:58.123Z',
    'gpt-4o-mini-2024-07-18',
    'chatcmpl-9f8e7d6c5b4a',
    '550e8400-e29b-41d4-a716-446655440000',
    'max_tokens: 4096, seed: 1234567890',
    '192.168.100.200',
  ])('is not seen where there is none: %j', (text) => {
    expect(scrub(text)).toBe(text)
  })

  it('takes linear time, whatever the text', () => {
    for (const unit of ['a', '1', '+1 ', '1-', 'a@', 'A1B2', '-----BEGIN ', 'eyJa.', 'sk-', '(']) {
      // Of this process alone: a busy machine takes its time, and a quadratic pattern takes minutes.
      const before = process.cpuUsage()
      scrub(unit.repeat(40_000))
      const { user } = process.cpuUsage(before)
      expect([unit, user < 3_000_000]).toEqual([unit, true])
    }
  })

  it('stays out of sight wherever it stands', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => {
        expect(scrub(`${before} ada@example.com ${after}`)).not.toContain('ada@example.com')
      }),
      { numRuns: 300 },
    )
  })
})

describe('a body for the log', () => {
  it('has its credentials masked by name, and its numbers left alone', () => {
    const body = { password: 'p', client_secret: 's', apiKey: 'k', max_tokens: 5, key: 'a', n: 1 }
    expect(loggable(body, 1_000, scrub)).toEqual({
      password: '•••',
      client_secret: '•••',
      apiKey: '•••',
      max_tokens: 5,
      key: 'a',
      n: 1,
    })
  })

  it('has no card number as a number or as a name', () => {
    const body = { card: 4_111_111_111_111_111, 'ada@example.com': 1, at: 1_767_225_600_000 }
    expect(loggable(body, 1_000, scrub)).toEqual({
      card: '[card]',
      '[email]': 1,
      at: 1_767_225_600_000,
    })
  })

  it('is bounded in size and depth, whatever comes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), (body) => {
        const text = JSON.stringify(loggable(body as Json, 200, scrub))
        // Names, quotes and escapes come on top of the characters that count.
        expect(text.length).toBeLessThan(4_000)
      }),
      { numRuns: 300 },
    )
    let deep: Json = 1
    for (let depth = 0; depth < 100_000; depth++) deep = [deep]
    expect(JSON.stringify(loggable(deep, 1_000_000, scrub))).toContain('…')
    const wide = Array.from({ length: 100_000 }, () => [])
    expect((loggable(wide, 100, scrub) as Json[]).length).toBeLessThan(110)
  })

  it('never shows half a number at the cut', () => {
    const text = `${'x'.repeat(90)} 4111 1111 1111 1111`
    expect(JSON.stringify(loggable(text, 100, scrub))).not.toMatch(/\d/)
  })

  it('is a copy: what goes upstream is untouched', () => {
    const body = { a: ['ada@example.com'] }
    loggable(body, 100, scrub)
    expect(body).toEqual({ a: ['ada@example.com'] })
  })
})

describe('credentials', () => {
  it.each(['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key', 'api-key'])(
    'are masked in %s',
    (name) => expect(isCredential(name)).toBe(true),
  )

  it.each([
    'x-goog-api-key',
    'x-amz-security-token',
    'access_token',
    'key',
    'sig',
    'client_secret',
  ])('are masked in %s too', (name) => expect(isCredential(name)).toBe(true))

  it.each([
    'x-ratelimit-remaining-tokens',
    'idempotency-key',
    'content-type',
    'monkey',
    'x-request-id',
  ])('are not seen in %s', (name) => expect(isCredential(name)).toBe(false))

  it('are masked whole, lists too', () => {
    const fields = { 'set-cookie': ['a=1', 'b=2'], 'x-a': 'b' }
    expect(maskCredentials(fields, (text) => text)).toEqual({ 'set-cookie': '•••', 'x-a': 'b' })
  })
})
