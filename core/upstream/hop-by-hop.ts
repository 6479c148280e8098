/** Fields that are about one connection and never passed on (RFC 9110 §7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

/** True for a field (lower-case name) that ends at the gateway; all of `proxy-*` does. */
export function isHopByHop(name: string): boolean {
  return HOP_BY_HOP.has(name) || name.startsWith('proxy-')
}

/** What `Connection` may not take away: it would change what the message means, or who it seems to come from. */
const NOT_OPTIONS = /^(?:host|content-length|content-type|authorization|via|x-forwarded-.*)$/

/** The further fields that a `Connection` field names; undefined where there are none, as nearly always. */
export function connectionOptions(value: string | string[] | undefined): Set<string> | undefined {
  if (value === undefined || value === 'keep-alive' || value === 'close') return undefined
  const text = typeof value === 'string' ? value : value.join(',')
  const names = text.split(',').map((name) => name.trim().toLowerCase())
  return new Set(names.filter((name) => !NOT_OPTIONS.test(name)))
}
