import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HARMLESS, HOSTILE } from '../../cases/hostile.ts'
import { type GatewayUnderFire, startGatewayUnderFire } from './gateway-under-fire.ts'
import { rawClient } from './listener-fixture.ts'

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n'

let gateway: GatewayUnderFire
let before = 0

beforeAll(async () => {
  gateway = await startGatewayUnderFire()
})

afterAll(() => gateway.close())

beforeEach(() => {
  before = gateway.seen.length
})

describe('a hostile request is refused, the connection closed, and nothing reaches the upstream', () => {
  it.each(HOSTILE)('$name', async ({ bytes, status }) => {
    const client = rawClient(gateway.port)
    client.write(bytes)
    const text = await client.closed
    expect(client.statuses).toEqual([status])
    expect(text).toMatch(/\r\nconnection: close\r\n/i)
    expect(gateway.seen.slice(before)).toEqual([])
  })
})

describe('what follows a hostile request on its connection is never looked at', () => {
  it.each(HOSTILE)('$name', async ({ bytes, status }) => {
    const client = rawClient(gateway.port)
    client.write(bytes + SMUGGLED)
    await client.closed
    expect(client.statuses).toEqual([status])
    expect(gateway.seen.slice(before)).toEqual([])
  })
})

describe('a harmless request reaches the upstream as exactly one message', () => {
  it.each(HARMLESS)('$name', async ({ bytes, seen }) => {
    const client = rawClient(gateway.port)
    client.write(bytes)
    await client.until(/HTTP\/1\.1 \d{3} /, seen.length)
    expect(client.statuses).toEqual(seen.map(() => 200))
    expect(gateway.seen.slice(before)).toEqual(seen)
    client.socket.destroy()
  })
})
