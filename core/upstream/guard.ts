import { lookup as resolve, type LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { GatewayError } from '../errors.ts'
import { isPublicAddress } from '../kit/ip.ts'
import type { Target } from './connect.ts'

/** Keeps connections away from addresses that only the operator may name (SSRF). */
export interface Guard {
  /** Throws UPSTREAM_REFUSED for a scheme, port, name or literal address that is not allowed. */
  check(target: Target): void
  /**
   * Resolves a name, and refuses it if any one of its addresses is not public. The connection goes to the addresses
   * that were checked, so a name that answers differently the second time gains nothing.
   */
  readonly lookup: LookupFunction
}

/**
 * Ports above the privileged ones that browsers refuse, because something else than HTTP listens there
 * (fetch.spec.whatwg.org, "bad port").
 */
const BAD_PORTS = new Set([
  1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669,
  6679, 6697, 10080,
])

/** Allows `http` and `https` to public unicast addresses on ports 80, 443 and 1024 and up. */
export function createGuard(resolver: typeof resolve = resolve): Guard {
  return {
    check(target) {
      const reason = objection(target)
      if (reason !== undefined) throw refusal(reason)
    },
    lookup(hostname, options, done) {
      resolver(hostname, { ...options, all: true }, (error, addresses) => {
        if (error) return done(error, [])
        const refused = firstRefused(addresses)
        if (refused !== undefined) return done(refusal(refused), [])
        if (options.all) return done(null, addresses)
        return done(null, addresses[0]!.address, addresses[0]!.family)
      })
    },
  }
}

function objection({ protocol, hostname, port }: Target): string | undefined {
  if (protocol !== 'http:' && protocol !== 'https:' && protocol !== 'ws:' && protocol !== 'wss:')
    return 'only http, https, ws and wss may be called'
  if (port !== '' && !isAllowedPort(Number(port))) return `port ${port} may not be called`
  const host = hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.+$/, '')
    .toLowerCase()
  if (host === '') return 'the host is empty'
  if (isIP(host) !== 0) return isPublicAddress(host) ? undefined : 'the address is not a public one'
  // URL parsing has already turned 0x7f.1 and the like into dotted form; what still looks numeric is nobody's name.
  if (/^[\d.]+$|^0x|[%[\]:]/.test(host)) return 'the host is not a valid name'
  if (host === 'localhost' || host.endsWith('.localhost')) return 'the host is not a public one'
  return undefined
}

function isAllowedPort(port: number): boolean {
  return port === 80 || port === 443 || (port >= 1024 && port <= 65_535 && !BAD_PORTS.has(port))
}

function firstRefused(addresses: readonly LookupAddress[]): string | undefined {
  if (addresses.length === 0) return 'the host has no address'
  return addresses.every(({ address }) => isPublicAddress(address))
    ? undefined
    : 'the host has an address that is not a public one'
}

function refusal(reason: string): GatewayError {
  return new GatewayError('UPSTREAM_REFUSED', reason)
}
