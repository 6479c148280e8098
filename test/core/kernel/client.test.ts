import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { createClientReader, mintId } from '#core/kernel/client.ts'

const PROXY = '10.0.0.1'
const trusting = createClientReader(['10.0.0.0/8', 'fd00::/8'])

function peer(remoteAddress: string): Socket {
  return { remoteAddress } as Socket
}

describe('createClientReader', () => {
  it('believes nobody where no proxy is trusted', () => {
    const client = createClientReader([])(peer(PROXY), {
      host: 'API.example.com:8080',
      'x-forwarded-for': '192.0.2.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'evil.example',
      'x-request-id': '0123456789',
    })
    expect(client).toMatchObject({ ip: PROXY, host: 'api.example.com', scheme: 'http' })
    expect(client.id).not.toBe('0123456789')
  })

  it('believes no stranger where proxies are trusted', () => {
    const headers = { 'x-forwarded-for': '192.0.2.1', 'x-request-id': '0123456789' }
    const client = trusting(peer('198.51.100.7'), headers)
    expect(client.ip).toBe('198.51.100.7')
    expect(client.id).not.toBe('0123456789')
  })

  it('believes a trusted proxy', () => {
    const client = trusting(peer(PROXY), {
      host: 'internal:8080',
      'x-forwarded-for': '192.0.2.1',
      'x-forwarded-proto': 'HTTPS',
      'x-forwarded-host': 'api.example.com',
      'x-request-id': 'abc_DEF-123',
    })
    expect(client).toEqual({
      ip: '192.0.2.1',
      scheme: 'https',
      host: 'api.example.com',
      id: 'abc_DEF-123',
    })
  })

  it.each([
    ['192.0.2.1, 10.0.0.2, 10.0.0.3', '192.0.2.1'],
    ['203.0.113.9, 192.0.2.1, 10.0.0.2', '192.0.2.1'],
    ['127.0.0.1, 192.0.2.1', '192.0.2.1'],
    ['10.0.0.9, 10.0.0.8', '10.0.0.9'],
    ['192.0.2.1:4711', '192.0.2.1'],
    ['[2001:db8::1]:4711', '2001:db8::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['192.0.2.1, fd00::2', '192.0.2.1'],
    ['192.0.2.1, unknown', PROXY],
    ['192.0.2.1, unknown, 10.0.0.2', '10.0.0.2'],
    ['192.0.2.1,', PROXY],
    [',', PROXY],
    ['', PROXY],
    ['rubbish', PROXY],
  ])('reads "%s" from the right and finds %s', (list, ip) => {
    expect(trusting(peer(PROXY), { 'x-forwarded-for': list }).ip).toBe(ip)
  })

  it('takes an IPv4 peer on a dual-stack listener for what it is', () => {
    const headers = { 'x-forwarded-for': '192.0.2.1' }
    expect(trusting(peer('::ffff:10.0.0.1'), headers).ip).toBe('192.0.2.1')
    expect(trusting(peer('::ffff:198.51.100.7'), headers).ip).toBe('198.51.100.7')
  })

  it.each(['short', 'a'.repeat(65), 'with space', 'semi;colon', 'new\nline-x'])(
    'takes no request id like %j, from nobody',
    (id) => {
      expect(trusting(peer(PROXY), { 'x-request-id': id }).id).toMatch(/^[\da-f]{32}$/)
    },
  )

  it.each(['evil@example', 'a b', ''])('takes no forwarded host like %j', (host) => {
    const headers = { host: 'a.example', 'x-forwarded-host': host, 'x-forwarded-proto': 'gopher' }
    expect(trusting(peer(PROXY), headers)).toMatchObject({ host: 'a.example', scheme: 'http' })
  })

  it('never reads the field of RFC 7239', () => {
    expect(trusting(peer(PROXY), { forwarded: 'for=192.0.2.1' }).ip).toBe(PROXY)
  })

  it('keeps the brackets of an IPv6 host and drops its port', () => {
    expect(trusting(peer('192.0.2.1'), { host: '[2001:DB8::1]:80' }).host).toBe('[2001:db8::1]')
  })

  it('refuses a network that is none', () => {
    expect(() => createClientReader(['10.0.0.0/8', 'office'])).toThrow('got "office"')
  })
})

describe('mintId', () => {
  it('gives ids that differ, sort by time and are UUIDs of version 7 without dashes', () => {
    const ids = Array.from({ length: 5_000 }, mintId)
    expect(new Set(ids).size).toBe(ids.length)
    const stamps = ids.map((id) => id.slice(0, 12))
    expect(stamps).toEqual(stamps.toSorted())
    for (const id of ids) expect(id).toMatch(/^[\da-f]{12}7[\da-f]{3}[89ab][\da-f]{15}$/)
  })
})
