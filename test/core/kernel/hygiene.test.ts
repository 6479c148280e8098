import type { IncomingMessage } from 'node:http'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GatewayError } from '#core/errors.ts'
import type { Headers } from '#core/exchange.ts'
import { checkRequest, isHost } from '#core/kernel/hygiene.ts'

const LIMITS = { headers: 100, urlBytes: 8_192 }

function check(rawHeaders: string[], url = '/', method = 'GET', version = 1) {
  const head = { httpVersionMajor: 1, httpVersionMinor: version, rawHeaders, url, method }
  return checkRequest(head as unknown as IncomingMessage, LIMITS)
}

function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    // Nobody knows where the next request would begin.
    const kept = error.headers['connection'] === 'close' ? '' : 'not closed: '
    return `${kept}${error.code}: ${error.message}`
  }
  throw new Error('nothing was thrown')
}

function tryCheck(raw: string[], target: string): Headers | undefined {
  try {
    return check(raw, target).headers
  } catch (error) {
    if (error instanceof GatewayError) return undefined
    throw error
  }
}

// What llhttp itself refuses never arrives here; hostile.test.ts shows it on the wire.
describe('checkRequest', () => {
  it('gives every field by its lower-case name', () => {
    const { headers } = check([
      'Host',
      'a',
      'X-One',
      '1',
      'x-ONE',
      '2',
      'Cookie',
      'a',
      'cookie',
      'b',
    ])
    expect({ ...headers }).toEqual({ host: 'a', 'x-one': '1, 2', cookie: 'a; b' })
  })

  it('has no field that nobody sent', () => {
    const { headers } = check(['Host', 'a'])
    for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf']) {
      expect(headers[name]).toBeUndefined()
    }
  })

  it('takes the control fields of the gateway away from clients', () => {
    const { headers } = check(['Host', 'a', 'X-Sluice-Route', 'admin'])
    expect(Object.keys(headers)).toEqual(['host'])
  })

  it('refuses what llhttp would have refused, too', () => {
    const both = ['Host', 'a', 'Content-Length', '5', 'Transfer-Encoding', 'chunked']
    expect(refusal(() => check(both))).toMatch('exclude each other')
    expect(refusal(() => check(['Host', 'a', 'Content-Length', '+5']))).toMatch(
      'BAD_REQUEST: "+5" is not a content-length',
    )
    expect(refusal(() => check(['Host', 'a', 'a b', '']))).toMatch('"a b" is not allowed')
  })

  it('says what it found and what it would have taken', () => {
    expect(refusal(() => check([]))).toBe('BAD_REQUEST: host is missing')
    expect(refusal(() => check(['Host', 'a', 'Expect', 'x'.repeat(99)]))).toBe(
      `BAD_REQUEST: expected 100-continue in expect, got "${'x'.repeat(40)}…"`,
    )
    expect(refusal(() => check(['Host', 'a'], 'http://b/'))).toBe(
      'BAD_REQUEST: the target names "b", host says "a"',
    )
    expect(refusal(() => check(Array.from({ length: 202 }, () => 'x')))).toBe(
      'HEADERS_TOO_LARGE: expected at most 100 header fields, got 101',
    )
    expect(refusal(() => check(['Host', 'a'], `/${'a'.repeat(8_192)}`))).toMatch('URL_TOO_LONG')
  })

  it('tells a body and an upgrade from the head', () => {
    expect(check(['Host', 'a', 'Content-Length', '1'])).toMatchObject({ hasBody: true })
    expect(check(['Host', 'a', 'Content-Length', '0'])).toMatchObject({ hasBody: false })
    expect(check(['Host', 'a', 'Transfer-Encoding', 'Chunked'])).toMatchObject({ hasBody: true })
    const upgrade = ['Host', 'a', 'Connection', 'keep-alive, Upgrade', 'Upgrade', 'WebSocket']
    expect(check(upgrade)).toMatchObject({ isUpgrade: true, hasBody: false })
    expect(check(['Host', 'a', 'Upgrade', 'websocket'])).toMatchObject({ isUpgrade: false })
  })

  it('reduces an absolute target to origin form', () => {
    expect(check(['Host', 'A:80'], 'http://a/x?y').target).toBe('/x?y')
    expect(check(['Host', 'a:443'], 'https://a').target).toBe('/')
    const legacy = check([], 'http://a:8080/x', 'GET', 0)
    expect(legacy).toMatchObject({ target: '/x', headers: { host: 'a:8080' } })
  })

  it('stays right when more names come by than it remembers', () => {
    for (let index = 0; index < 5_000; index++) check(['Host', 'a', `X-Made-Up-${index}`, '1'])
    expect({ ...check(['Host', 'a', 'X-Made-Up-7', '1']).headers }).toEqual({
      host: 'a',
      'x-made-up-7': '1',
    })
  })

  it('throws nothing but its own errors, and names no field twice', () => {
    const name = fc.oneof(
      fc.constantFrom('host', 'Content-Length', 'Transfer-Encoding', 'Upgrade', 'Expect', 'X', 'x'),
      fc.string({ maxLength: 12 }),
    )
    const value = fc.oneof(fc.constantFrom('a', '5', 'chunked', 'websocket'), fc.string())
    fc.assert(
      fc.property(
        fc.array(fc.tuple(name, value), { maxLength: 4 }),
        fc.string(),
        (pairs, target) => {
          const headers = tryCheck(['Host', 'a', ...pairs.flat()], `/${target}`)
          fc.pre(headers !== undefined)
          for (const field of Object.keys(headers)) expect(field).toBe(field.toLowerCase())
          expect(isHost(headers['host']!)).toBe(true)
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
