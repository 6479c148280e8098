import { once } from 'node:events'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe as about, expect, onTestFinished, test } from 'vitest'
import { aRequest, openAt, outcome } from './ask.ts'
import { certificate, privateKey } from './certificate.ts'

/** A TLS server that prefers HTTP/2 and says what it was spoken to in. */
async function serveTls(): Promise<string> {
  const options = { key: privateKey, cert: certificate, allowHTTP1: true }
  const server = http2.createSecureServer(options, (request, response) =>
    response.end(request.httpVersion),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `https://localhost:${(server.address() as AddressInfo).port}`
}

about('over TLS', () => {
  test('an authority that the config names is believed', async () => {
    const upstream = openAt(await serveTls(), { tls: { ca: certificate } })

    expect(await outcome(upstream, aRequest())).toMatch(/^200/)
  })

  test('an upstream that knows HTTP/2 is spoken to in HTTP/1.1, where a cut can be seen', async () => {
    const upstream = openAt(await serveTls(), { tls: { ca: certificate } })

    expect(await outcome(upstream, aRequest())).toBe('200 1.1')
  })

  test('a certificate that nobody vouches for is refused', async () => {
    expect(await outcome(openAt(await serveTls()), aRequest())).toBe(
      'UPSTREAM_UNREACHABLE: connecting failed: TLS failed',
    )
  })

  test('a certificate for another name is refused', async () => {
    const url = (await serveTls()).replace('localhost', '127.0.0.2')

    expect(await outcome(openAt(url, { tls: { ca: certificate } }), aRequest())).toMatch(
      /^UPSTREAM_UNREACHABLE: connecting failed/,
    )
  })

  test('any certificate is accepted where the config says so', async () => {
    const upstream = openAt(await serveTls(), { tls: { verify: false } })

    expect(await outcome(upstream, aRequest())).toBe('200 1.1')
  })

  test('connections are kept', async () => {
    const upstream = openAt(await serveTls(), { tls: { ca: certificate }, maxConnections: 1 })

    const asked = Array.from({ length: 10 }, () => outcome(upstream, aRequest()))

    expect(new Set(await Promise.all(asked))).toEqual(new Set(['200 1.1']))
  })
})
