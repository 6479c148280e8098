import ipaddr from 'ipaddr.js'

/** Tells whether an address lies in one of a list of networks. */
export type AddressTest = (ip: string) => boolean

/**
 * Compiles CIDRs and single addresses, IPv4 and IPv6; an IPv4 address written as IPv6 (`::ffff:10.0.0.1`) counts as
 * IPv4. Throws a RangeError that names the first entry that is neither.
 */
export function parseNetworks(entries: readonly string[]): AddressTest {
  const networks = entries.map((entry) => {
    try {
      if (entry.includes('/')) return ipaddr.parseCIDR(entry)
      const address = ipaddr.process(entry)
      return [address, address.kind() === 'ipv4' ? 32 : 128] as const
    } catch {
      const found = JSON.stringify(entry)
      throw new RangeError(`expected an address or a network such as 10.0.0.0/8, got ${found}`)
    }
  })
  return (ip) => {
    if (networks.length === 0 || !ipaddr.isValid(ip)) return false
    const address = ipaddr.process(ip)
    return networks.some(
      ([network, bits]) => network.kind() === address.kind() && address.match(network, bits),
    )
  }
}

/**
 * True for a public unicast address: neither loopback, private, carrier-grade NAT, link-local (cloud metadata),
 * unique local, multicast nor reserved, also when wrapped in IPv4-mapped, NAT64, 6to4 or Teredo form.
 */
export function isPublicAddress(ip: string): boolean {
  if (!ipaddr.isValid(ip)) return false
  const address = ipaddr.process(ip)
  if (address.range() !== 'unicast') return false
  // ipaddr.js calls `::127.0.0.1` and all that nobody has been given unicast, too.
  return address.kind() === 'ipv4' || address.match(GLOBAL_UNICAST)
}

/** Where all IPv6 addresses are that have been handed out so far (RFC 4291 §2.4). */
const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3')

/**
 * What one client can be told apart by: an IPv4 address, or the /64 network of an IPv6 one, since every host is given
 * at least that much (RFC 6177) and may call from any address in it.
 */
export function clientNetwork(ip: string): string {
  if (!ip.includes(':') || !ipaddr.isValid(ip)) return ip
  const address = ipaddr.process(ip)
  if (address.kind() === 'ipv4') return address.toString()
  const groups = (address as ipaddr.IPv6).parts.slice(0, 4).map((part) => part.toString(16))
  return `${groups.join(':')}::/64`
}
