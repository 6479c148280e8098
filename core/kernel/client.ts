import { randomFillSync } from 'node:crypto'
import type { Socket } from 'node:net'
import { isIP } from 'node:net'
import type { Headers } from '../exchange.ts'
import { type AddressTest, parseNetworks } from '../kit/ip.ts'
import { isHost } from './hygiene.ts'

/** Who sent a request, and how: behind trusted proxies, as they vouch for it. */
export interface Client {
  readonly id: string
  readonly ip: string
  /** The name that the client asked for: lower case, without a port. */
  readonly host: string
  readonly scheme: 'http' | 'https'
}

/** Addresses whose trust is remembered. */
const MAX_KNOWN = 4_096

/** Tells who sent a request. */
export type ClientReader = (socket: Socket, headers: Headers) => Client

/**
 * Compiles the list of trusted proxies. Only a peer on it is believed: its `x-forwarded-for`, counted from the right
 * up to the first address that is no trusted proxy, its `x-forwarded-proto`, `x-forwarded-host` and `x-request-id`.
 * RFC 7239 `forwarded` is never read: a proxy that writes the one passes on what a client wrote into the other.
 * Throws a RangeError for an entry that is no network.
 */
export function createClientReader(trustProxy: readonly string[]): ClientReader {
  if (trustProxy.length === 0) return readPeer
  const isTrusted = remember(parseNetworks(trustProxy))
  return (socket, headers) => {
    const ip = peerAddress(socket)
    if (!isTrusted(ip)) return readPeer(socket, headers)
    const scheme = lastOf(headers['x-forwarded-proto'])?.toLowerCase()
    const host = lastOf(headers['x-forwarded-host'])
    const id = headers['x-request-id']
    return {
      id: id !== undefined && /^[\w-]{8,64}$/.test(id) ? id : mintId(),
      ip: forwardedFor(headers['x-forwarded-for'], ip, isTrusted),
      host: hostName(host !== undefined && isHost(host) ? host : headers['host']),
      scheme: scheme === 'http' || scheme === 'https' ? scheme : schemeOf(socket),
    }
  }
}

/** Addresses come again and again, and each costs a microsecond to compare with the networks. */
function remember(test: AddressTest): AddressTest {
  const known = new Map<string, boolean>()
  return (ip) => {
    let answer = known.get(ip)
    if (answer === undefined) {
      answer = test(ip)
      if (known.size >= MAX_KNOWN) known.clear()
      known.set(ip, answer)
    }
    return answer
  }
}

function readPeer(socket: Socket, headers: Headers): Client {
  return {
    id: mintId(),
    ip: peerAddress(socket),
    host: hostName(headers['host']),
    scheme: schemeOf(socket),
  }
}

/** The address at the other end of a connection; IPv4 in its own form also on a dual-stack listener. */
export function peerAddress({ remoteAddress = '' }: Socket): string {
  return remoteAddress.startsWith('::ffff:') ? remoteAddress.slice(7) : remoteAddress
}

function hostName(host = ''): string {
  // In brackets, all but the last colon are the address's own.
  const colon = host.indexOf(':', host.lastIndexOf(']') + 1)
  return (colon === -1 ? host : host.slice(0, colon)).toLowerCase()
}

function schemeOf(socket: Socket): 'http' | 'https' {
  return 'encrypted' in socket ? 'https' : 'http'
}

/** Each proxy appends what it saw, so only the entries to the right of the first stranger can be believed. */
function forwardedFor(
  list: string | undefined,
  peer: string,
  isTrusted: (ip: string) => boolean,
): string {
  if (list === undefined) return peer
  let ip = peer
  let end = list.length
  while (end >= 0 && isTrusted(ip)) {
    const comma = end === 0 ? -1 : list.lastIndexOf(',', end - 1)
    const entry = bareAddress(list.slice(comma + 1, end).trim())
    // A name or rubbish: what stands further left was not vouched for by anybody we know.
    if (entry === undefined) break
    ip = entry
    end = comma
  }
  return ip
}

/** `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711` → the address. */
function bareAddress(entry: string): string | undefined {
  const bare =
    /^\[([^\]]+)\](?::\d+)?$/.exec(entry)?.[1] ?? /^([^:]+):\d+$/.exec(entry)?.[1] ?? entry
  if (isIP(bare) === 0) return undefined
  return bare.toLowerCase().startsWith('::ffff:') && bare.includes('.') ? bare.slice(7) : bare
}

function lastOf(list: string | undefined): string | undefined {
  return list?.slice(list.lastIndexOf(',') + 1).trim()
}

const ID_BYTES = 10
const pool = Buffer.allocUnsafe(ID_BYTES * 400)
let used = pool.length
let clock = 0
let clockText = ''

/**
 * A new request id: 32 hexadecimal digits, a UUID of version 7 (RFC 9562 §5.7) without its dashes. Sortable by time,
 * with 74 random bits, and fit to be a trace id.
 */
export function mintId(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const now = Date.now()
  if (now !== clock) {
    clock = now
    clockText = now.toString(16).padStart(12, '0')
  }
  pool[used] = (pool[used]! & 0x0f) | 0x70
  pool[used + 2] = (pool[used + 2]! & 0x3f) | 0x80
  const random = pool.toString('hex', used, used + ID_BYTES)
  used += ID_BYTES
  return clockText + random
}
