import type { LookupAddress } from 'node:dns'
import { createGuard } from '#core/upstream/guard.ts'
import { guardedFetch } from '#core/upstream/fetch.ts'
import { describe as about, expect, test } from 'vitest'
import { aRequest, describe, openAt, outcome } from './ask.ts'
import { rawServer } from './raw-server.ts'

/** What `guardedFetch` says of a URL that must not be called; it fails before anything is connected. */
async function refusalOf(url: string): Promise<string> {
  try {
    await guardedFetch(url, { timeoutMs: 2_000 }, { isTrusted: () => false })
    return 'called'
  } catch (error) {
    return describe(error)
  }
}

about('the guard refuses', () => {
  test.for([
    // Loopback, in every form that a URL parser or a resolver understands.
    'http://127.0.0.1/',
    'http://127.1/',
    'http://127.255.255.254/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0x7f.0.0.1/',
    'http://0177.0.0.1/',
    'http://017700000001/',
    'http://127.0.0.1./',
    'http://①②⑦.0.0.1/',
    'http://%31%32%37.0.0.1/',
    'http://localhost/',
    'http://LOCALHOST/',
    'http://localhost./',
    'http://api.localhost/',
    'http://[::1]/',
    'http://[0:0:0:0:0:0:0:1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]/',
    'http://[::127.0.0.1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[64:ff9b:1::7f00:1]/',
    'http://[2002:7f00:1::]/',
    'http://[2001:0:7f00:1::]/',
    'http://[::]/',
    'http://0.0.0.0/',
    'http://0/',
    // Private, shared, link-local, and where clouds keep their metadata.
    'http://10.0.0.1/',
    'http://172.16.0.1/',
    'http://172.31.255.255/',
    'http://192.168.1.1/',
    'http://100.64.0.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://[::ffff:169.254.169.254]/',
    'http://2852039166/',
    'http://[fd00:ec2::254]/',
    'http://[fc00::1]/',
    'http://[fe80::1]/',
    'http://[fec0::1]/',
    // Nobody's, or everybody's.
    'http://192.0.0.1/',
    'http://192.0.2.1/',
    'http://198.18.0.1/',
    'http://203.0.113.1/',
    'http://224.0.0.1/',
    'http://240.0.0.1/',
    'http://255.255.255.255/',
    'http://[ff02::1]/',
    'http://[100::1]/',
    'http://[2001:db8::1]/',
    // Ports that are not for HTTP.
    'http://example.com:22/',
    'http://example.com:25/',
    'https://example.com:6667/',
    'http://example.com:6000/',
    'http://example.com:1/',
    // Other schemes, and credentials in the URL.
    'ftp://example.com/',
    'file:///etc/passwd',
    'gopher://example.com/',
    'data:text/plain,x',
    'unix:/var/run/docker.sock',
    'http:///',
    '//example.com/',
    'http://user:pass@example.com/',
    'http://example.com%00.evil/',
    'http://[::1',
  ])('%s', async (url) => {
    expect(await refusalOf(url)).toMatch(/^UPSTREAM_REFUSED: /)
  })

  test.for<[string, LookupAddress[]]>([
    ['a private one', [{ address: '10.0.0.1', family: 4 }]],
    [
      'a public and a private one',
      [
        { address: '93.184.216.34', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ],
    ],
    [
      'one private IPv6',
      [
        { address: '93.184.216.34', family: 4 },
        { address: 'fd00::1', family: 6 },
      ],
    ],
    ['a mapped one', [{ address: '::ffff:127.0.0.1', family: 6 }]],
    ['none', []],
  ])('a name whose addresses are %s', async ([, addresses]) => {
    const guard = createGuard(resolving(() => addresses))
    const upstream = openAt('http://rebind.test', { endpoints: [{ isTrusted: false }] }, { guard })

    expect(await outcome(upstream, aRequest())).toMatch(/^UPSTREAM_REFUSED: the host has /)
  })

  test('an endpoint whose address does not stand in the config', async () => {
    const server = await rawServer((socket) => socket.write('HTTP/1.1 204 No Content\r\n\r\n'))
    const upstream = openAt(server.url, { endpoints: [{ isTrusted: false }] })

    expect(await outcome(upstream, aRequest())).toBe(
      'UPSTREAM_REFUSED: the address is not a public one',
    )
    expect(server.accepted).toBe(0)
  })
})

about('the guard allows', () => {
  const guard = createGuard()

  test.for([
    ['http:', 'example.com', ''],
    ['https:', 'example.com', '443'],
    ['https:', 'example.com', '8443'],
    ['wss:', 'example.com', ''],
    ['http:', '93.184.216.34', ''],
    ['http:', '2606:2800:220:1:248:1893:25c8:1946', '8080'],
  ] as const)('%s//%s port %s', ([protocol, hostname, port]) => {
    expect(() => guard.check({ protocol, hostname, port })).not.toThrow()
  })

  test('what the operator has written down, wherever it is', async () => {
    const server = await rawServer((socket) => socket.write('HTTP/1.1 204 No Content\r\n\r\n'))

    expect(await outcome(openAt(server.url), aRequest())).toBe('204 ')
  })

  test('only the addresses that it has looked at: a name that answers differently later gains nothing', async () => {
    let lookups = 0
    const checked = createGuard(
      resolving(() => [{ address: lookups++ === 0 ? '93.184.216.34' : '127.0.0.1', family: 4 }]),
    )
    const connectTo = () =>
      new Promise<string>((resolve) => {
        checked.lookup('rebind.test', { all: true }, (error, addresses) => {
          resolve(error === null ? JSON.stringify(addresses) : describe(error))
        })
      })

    expect(await connectTo()).toBe('[{"address":"93.184.216.34","family":4}]')
    expect(await connectTo()).toMatch(/^UPSTREAM_REFUSED/)
    expect(lookups).toBe(2)
  })
})

/** A resolver that knows these addresses for every name. */
function resolving(addresses: () => LookupAddress[]) {
  return ((_name: string, _options: object, done: (error: null, found: LookupAddress[]) => void) =>
    setImmediate(() => done(null, addresses()))) as unknown as Parameters<typeof createGuard>[0]
}
