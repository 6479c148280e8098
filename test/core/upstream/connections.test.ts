import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { describe as about, expect, test } from 'vitest'
import { aRequest, openAt, outcome, readBody } from './ask.ts'
import { rawServer } from './raw-server.ts'

const WHOLE = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

about('connections', () => {
  test('are kept and used again', async () => {
    const server = await rawServer((socket) => socket.write(WHOLE))
    const upstream = openAt(server.url)

    for (let round = 0; round < 5; round++) await outcome(upstream, aRequest())

    expect(server.accepted).toBe(1)
  })

  test('are at most as many as the config says, and all requests are served', async () => {
    const server = await rawServer((socket) => setTimeout(() => socket.write(WHOLE), 5))
    const upstream = openAt(server.url, { maxConnections: 3 })

    const answers = await Promise.all(
      Array.from({ length: 40 }, () => outcome(upstream, aRequest())),
    )

    expect(new Set(answers)).toEqual(new Set(['200 ok']))
    expect(server.accepted).toBe(3)
    expect(server.requests.length).toBe(40)
  })

  test('have a bounded queue: what does not fit is refused at once', async () => {
    const server = await rawServer(() => {})
    const upstream = openAt(server.url, { maxConnections: 1 })
    const waiting = Array.from({ length: 1_025 }, () => upstream.send(aRequest()))

    await expect(upstream.send(aRequest()).answer).rejects.toMatchObject({
      code: 'OVERLOADED',
      message: '1024 requests wait for a connection to the upstream already',
      headers: { 'retry-after': '1' },
    })
    for (const attempt of waiting) attempt.abort(new Error('enough'))
  })

  test('do not carry a request after connection: close', async () => {
    const server = await rawServer((socket) =>
      socket.end(WHOLE.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n')),
    )
    const upstream = openAt(server.url)

    expect(await outcome(upstream, aRequest())).toBe('200 ok')
    expect(await outcome(upstream, aRequest())).toBe('200 ok')
    expect(server.accepted).toBe(2)
  })

  test('do not carry two answers at once', async () => {
    const held: Socket[] = []
    const server = await rawServer((socket) => held.push(socket))
    const upstream = openAt(server.url, { maxConnections: 2 })

    const both = [outcome(upstream, aRequest()), outcome(upstream, aRequest())]
    await server.whenAccepted(2)
    while (held.length < 2) await new Promise((resolve) => setImmediate(resolve))
    for (const socket of held) socket.write(WHOLE)

    expect(await Promise.all(both)).toEqual(['200 ok', '200 ok'])
  })

  test('that the upstream has closed in the meantime are replaced', async () => {
    const server = await rawServer((socket) => {
      socket.write(WHOLE, () => setTimeout(() => socket.destroy(), 10))
    })
    const upstream = openAt(server.url)

    expect(await outcome(upstream, aRequest())).toBe('200 ok')
    await server.whenClosed()
    expect(await outcome(upstream, aRequest({ method: 'POST', body: Buffer.from('x') }))).toBe(
      '200 ok',
    )
  })

  test('that break while idle are not reported by anybody', async () => {
    const server = await rawServer((socket) => {
      socket.write(WHOLE, () => setTimeout(() => socket.resetAndDestroy(), 10))
    })
    const upstream = openAt(server.url)

    expect(await outcome(upstream, aRequest())).toBe('200 ok')
    await server.whenClosed()
    expect(await outcome(upstream, aRequest())).toBe('200 ok')
  })
})

about('a kept connection that breaks as it is used again', () => {
  /** Answers the first request of each connection, and breaks at the second. */
  async function forgetful(): ReturnType<typeof rawServer> {
    const seen = new Set<Socket>()
    return rawServer((socket) => {
      if (seen.has(socket)) socket.resetAndDestroy()
      else socket.write(WHOLE)
      seen.add(socket)
    })
  }

  test.for(['GET', 'HEAD', 'PUT', 'DELETE'])('lets a %s have another try', async (method) => {
    const server = await forgetful()
    const upstream = openAt(server.url)
    const body = method === 'PUT' ? Buffer.from('x') : undefined
    await outcome(upstream, aRequest())

    expect(await outcome(upstream, aRequest({ method, body }))).toMatch(/^200/)
    expect(server.accepted).toBe(2)
  })

  test('does not send a POST twice: it may have been heard', async () => {
    const server = await forgetful()
    const upstream = openAt(server.url)
    await outcome(upstream, aRequest())

    expect(await outcome(upstream, aRequest({ method: 'POST', body: Buffer.from('x') }))).toMatch(
      /^UPSTREAM_UNREACHABLE: the connection broke before the answer/,
    )
    expect(server.requests.length).toBe(2)
  })

  test('does not send a stream twice: it is gone', async () => {
    const server = await forgetful()
    const upstream = openAt(server.url)
    await outcome(upstream, aRequest())
    const body = Readable.from([Buffer.from('x')])
    const headers = { 'content-length': '1' }

    expect(await outcome(upstream, aRequest({ method: 'PUT', body, headers }))).toMatch(
      /^UPSTREAM_UNREACHABLE/,
    )
  })

  test('gives one more try, not many', async () => {
    const seen = new Set<Socket>()
    const server = await rawServer((socket, _request, index) => {
      if (index > 0) socket.resetAndDestroy()
      else socket.write(WHOLE)
      seen.add(socket)
    })
    const upstream = openAt(server.url)
    await outcome(upstream, aRequest())

    expect(await outcome(upstream, aRequest())).toMatch(/^UPSTREAM_UNREACHABLE/)
    expect(server.requests.length).toBe(3)
  })

  test('gives no more try once a byte of the answer was there', async () => {
    const server = await rawServer((socket, _request, index) => {
      if (index === 0) socket.write(WHOLE)
      else socket.end('HTTP/1.1 2')
    })
    const upstream = openAt(server.url)
    await outcome(upstream, aRequest())

    expect(await outcome(upstream, aRequest())).toMatch(/^UPSTREAM_UNREACHABLE/)
    expect(server.requests.length).toBe(2)
  })
})

about('endpoints and keys', () => {
  test('take turns by weight, smoothly', async () => {
    const [a, b] = await Promise.all(
      ['a', 'b'].map((name) =>
        rawServer((socket) => socket.write(WHOLE.replace('ok', `${name}${name}`))),
      ),
    )
    const endpoints = [
      { url: a!.url, weight: 3 },
      { url: b!.url, weight: 1 },
    ]
    const upstream = openAt('', { endpoints })
    let order = ''
    for (let turn = 0; turn < 8; turn++) {
      const { endpoint } = await upstream.send(aRequest()).answer
      order += 'ab'[endpoint]
    }

    expect(order).toBe('aabaaaba')
    expect(upstream.endpoints).toEqual([a!.url, b!.url])
  })

  test('can be fixed by the request', async () => {
    const server = await rawServer((socket) => socket.write(WHOLE))
    const upstream = openAt(server.url, { endpoints: [{ weight: 100 }, { weight: 1 }] })

    const { endpoint } = await upstream.send(aRequest({ endpoint: 1 })).answer

    expect(endpoint).toBe(1)
  })

  test('that do not exist are a bug that is told as one', async () => {
    const upstream = openAt('http://127.0.0.1:1')

    await expect(upstream.send(aRequest({ endpoint: 7 })).answer).rejects.toThrow(
      new RangeError('test has no endpoint 7'),
    )
    await expect(upstream.send(aRequest({ key: 7 })).answer).rejects.toThrow(
      new RangeError('test has no key 7'),
    )
  })
})

about('closing', () => {
  test('ends idle connections now, waits for busy ones, and takes no more', async () => {
    let finish = () => {}
    const server = await rawServer((socket, request) => {
      if (request.startsWith('GET /slow')) {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\na')
        finish = () => socket.write('a'.repeat(99_999))
      } else socket.write(WHOLE)
    })
    const upstream = openAt(server.url)
    const slow = await upstream.send(aRequest({ path: '/slow' })).answer
    await outcome(upstream, aRequest())

    let isClosed = false
    const closed = upstream.close().then(() => (isClosed = true))
    await server.whenClosed(1)
    expect(await outcome(upstream, aRequest())).toMatch(/^SHUTTING_DOWN/)
    expect(isClosed).toBe(false)

    finish()
    expect((await readBody(slow)).text.length).toBe(100_000)
    await closed
    await server.whenClosed(2)
    expect(server.open).toBe(0)
  })

  test('serves what waits for a connection already', async () => {
    const server = await rawServer((socket) => setTimeout(() => socket.write(WHOLE), 5))
    const upstream = openAt(server.url, { maxConnections: 1 })
    const asked = Array.from({ length: 5 }, () => outcome(upstream, aRequest()))

    await upstream.close()

    expect(await Promise.all(asked)).toEqual(Array.from({ length: 5 }, () => '200 ok'))
  })

  test('an upstream that was never asked is over at once', async () => {
    await expect(openAt('http://127.0.0.1:1').close()).resolves.toBe(undefined)
  })
})
