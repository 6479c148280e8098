import { expect, it } from 'vitest'
import { clientNetwork } from '#core/kit/ip.ts'

it.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['', ''],
  ['unix:', 'unix:'],
])('takes %j for %j', (ip, network) => {
  expect(clientNetwork(ip)).toBe(network)
})
