import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { describe as about, expect, test } from 'vitest'
import { aRequest, describe, openAt, outcome, readBody } from './ask.ts'
import { rawServer } from './raw-server.ts'

/** Answers each request with these bytes. */
async function answering(head: string, body: string | Buffer = '', overrides = {}) {
  const bytes = Buffer.concat([Buffer.from(`HTTP/1.1 ${head}\r\n\r\n`), Buffer.from(body)])
  const server = await rawServer((socket) => socket.write(bytes))
  return openAt(server.url, overrides)
}

/** With the length of the body in its head. */
function sized(head: string, body: string | Buffer, overrides = {}) {
  return answering(`${head}\r\ncontent-length: ${Buffer.byteLength(body)}`, body, overrides)
}

about('an answer', () => {
  test('that says its length and is small enough comes as a buffer', async () => {
    const upstream = await sized('200 OK', 'hello')

    const { status, body, endpoint, key } = await upstream.send(aRequest({ bufferUpTo: 5 })).answer

    expect({ status, endpoint, key }).toEqual({ status: 200, endpoint: 0, key: undefined })
    expect(body).toEqual(Buffer.from('hello'))
  })

  test.for([
    ['is larger than the bound', 'content-length: 5', 'hello', 4],
    ['does not say its length', 'transfer-encoding: chunked', '5\r\nhello\r\n0\r\n\r\n', 100],
    [
      'is a stream of events',
      'content-type: Text/Event-Stream; x=y\r\ncontent-length: 5',
      'hello',
      100,
    ],
  ] as const)('that %s comes as a source', async ([, head, body, bufferUpTo]) => {
    const upstream = await answering(`200 OK\r\n${head}`, body)

    const answer = await upstream.send(aRequest({ bufferUpTo })).answer

    expect(Buffer.isBuffer(answer.body)).toBe(false)
    expect(await readBody(answer)).toEqual({ text: 'hello', error: undefined })
  })

  test.for([
    ['HEAD', '200 OK\r\ncontent-length: 99999999'],
    ['GET', '204 No Content'],
    ['GET', '304 Not Modified\r\ncontent-length: 99999999\r\netag: "x"'],
  ] as const)('without a body is an empty buffer: %s → %s', async ([method, head]) => {
    const upstream = await answering(head)

    const { body, headers } = await upstream.send(aRequest({ method, mustBuffer: true })).answer

    expect(body).toEqual(Buffer.alloc(0))
    expect(headers['content-length']).toBe(head.includes('999') ? '99999999' : undefined)
  })

  test('keeps what is end to end, with repeated fields joined', async () => {
    const upstream = await sized(
      '200 OK\r\nX-A: 1\r\nx-a: 2\r\nCache-Control: no-store\r\nx-latin: \xe9\r\n__proto__: x',
      'hi',
    )

    const { headers } = await upstream.send(aRequest()).answer

    expect(headers['x-a']).toBe('1, 2')
    expect(headers['cache-control']).toBe('no-store')
    expect(headers['content-length']).toBe('2')
    expect(Object.keys(headers)).toContain('__proto__')
    expect('toString' in headers).toBe(false)
  })

  test('lacks what ends at the gateway', async () => {
    const names = ['keep-alive', 'proxy-authenticate', 'te', 'trailer', 'proxy-connection']
    const fields = names.map((name) => `${name}: evil`).join('\r\n')
    const upstream = await sized(
      `200 OK\r\nconnection: keep-alive, x-hop\r\nx-hop: evil\r\n${fields}`,
      'hi',
    )

    expect(Object.keys((await upstream.send(aRequest()).answer).headers)).toEqual([
      'content-length',
    ])
  })

  test('of a provider lacks what it says about itself; any other API may set cookies', async () => {
    const head = ['set-cookie: a=1', 'set-cookie: b=2', 'server: x', 'www-authenticate: Basic']
    head.push('alt-svc: h3', 'strict-transport-security: max-age=1')
    const text = `200 OK\r\n${head.join('\r\n')}`
    const provider = await sized(text, 'hi', { dialects: ['anthropic'] })
    const api = await sized(text, 'hi')

    const fromProvider = await provider.send(aRequest({ dialect: 'anthropic' })).answer
    expect(Object.keys(fromProvider.headers)).toEqual(['content-length'])
    const fromApi = await api.send(aRequest()).answer
    expect({ ...fromApi.headers }).toEqual({
      'set-cookie': ['a=1', 'b=2'],
      'www-authenticate': 'Basic',
      'content-length': '2',
    })
  })
})

about('an answer that a step reads', () => {
  const mustBuffer = true

  test('comes as a buffer though it does not say its length', async () => {
    const upstream = await answering(
      '200 OK\r\ntransfer-encoding: chunked',
      '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
    )

    expect((await upstream.send(aRequest({ mustBuffer })).answer).body).toEqual(
      Buffer.from('abcde'),
    )
  })

  test.for([
    ['says that it is too long', 'content-length: 11', 'hello world'],
    ['turns out to be too long', 'transfer-encoding: chunked', 'b\r\nhello world\r\n0\r\n\r\n'],
  ] as const)('is refused where it %s', async ([, head, body]) => {
    const upstream = await answering(`200 OK\r\n${head}`, body)

    expect(await outcome(upstream, aRequest({ mustBuffer, bufferUpTo: 10 }))).toBe(
      'ANSWER_TOO_LARGE: the answer is longer than the 10 bytes that may be read as a whole',
    )
  })

  test.for([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
    ['identity', (bytes: Buffer) => bytes],
  ] as const)('is decoded from %s', async ([name, encode]) => {
    const upstream = await sized(
      `200 OK\r\ncontent-encoding: ${name}`,
      encode(Buffer.from('hello, hello')),
    )

    const { headers, body } = await upstream.send(aRequest({ mustBuffer })).answer

    expect(body).toEqual(Buffer.from('hello, hello'))
    expect({ ...headers }).toEqual({ 'content-length': '12' })
  })

  test('and nobody reads stays as it is encoded', async () => {
    const bytes = gzipSync('hello')
    const upstream = await sized('200 OK\r\ncontent-encoding: gzip', bytes)

    const { headers, body } = await upstream.send(aRequest()).answer

    expect(headers['content-encoding']).toBe('gzip')
    expect(body).toEqual(bytes)
  })

  test.for([
    ['a bomb of gzip', 'gzip', gzipSync(Buffer.alloc(48 * 1024 ** 2)), /^ANSWER_TOO_LARGE/],
    ['a bomb of br', 'br', brotliCompressSync(Buffer.alloc(8 * 1024 ** 2)), /^ANSWER_TOO_LARGE/],
    ['a bomb of zstd', 'zstd', zstdCompressSync(Buffer.alloc(48 * 1024 ** 2)), /^ANSWER_TOO_LARGE/],
    ['longer than may be read', 'gzip', gzipSync(Buffer.alloc(200_001)), /^ANSWER_TOO_LARGE/],
    [
      'not what it says',
      'gzip',
      Buffer.from('hello'),
      /^UPSTREAM_PROTOCOL: the answer is not valid/,
    ],
    ['cut in its encoding', 'gzip', gzipSync('hello').subarray(0, 20), /^UPSTREAM_PROTOCOL/],
    [
      'in a coding that is not known',
      'deflate',
      deflateSync('hello'),
      /^UPSTREAM_PROTOCOL: .*"deflate", expected gzip, br or zstd/,
    ],
    ['in two codings', 'gzip, br', gzipSync('hello'), /^UPSTREAM_PROTOCOL/],
  ] as const)('is refused where it is %s', async ([, name, bytes, expected]) => {
    const upstream = await sized(`200 OK\r\ncontent-encoding: ${name}`, bytes)

    expect(await outcome(upstream, aRequest({ mustBuffer, bufferUpTo: 200_000 }))).toMatch(expected)
  })

  test('and is a stream of events stays a stream, unless it is encoded', async () => {
    const type = 'content-type: text/event-stream'
    const plain = await sized(`200 OK\r\n${type}`, 'data: 1\n\n')
    const encoded = await sized(
      `200 OK\r\n${type}\r\ncontent-encoding: gzip`,
      gzipSync('data: 1\n\n'),
    )

    const answer = await plain.send(aRequest({ mustBuffer })).answer
    expect(Buffer.isBuffer(answer.body)).toBe(false)
    expect((await readBody(answer)).text).toBe('data: 1\n\n')
    await expect(encoded.send(aRequest({ mustBuffer })).answer).rejects.toThrow(
      'the event stream is encoded as "gzip" though identity was asked for',
    )
  })
})

about('a stream of events', () => {
  const events = 'event: a\ndata: {"x":"é→🎉"}\n\n: ping\n\ndata: [DONE]\n\n'
  const bytes = Buffer.from(events)

  test('arrives byte for byte wherever the upstream splits it', async () => {
    const server = await rawServer((socket, request) => {
      const at = Number(/GET \/(\d+)/.exec(request)![1])
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n')
      socket.write('transfer-encoding: chunked\r\n\r\n')
      const [first, second] = [bytes.subarray(0, at), bytes.subarray(at)]
      socket.write(`${first.length.toString(16)}\r\n`)
      socket.write(first, () => {
        setImmediate(() => {
          socket.write(`\r\n${second.length.toString(16)}\r\n`)
          socket.write(second)
          socket.write('\r\n0\r\n\r\n')
        })
      })
    })
    const upstream = openAt(server.url)

    for (let at = 1; at < bytes.length; at++) {
      const answer = await upstream.send(aRequest({ path: `/${at}` })).answer
      const { text, error } = await readBody(answer)
      expect(error).toBe(undefined)
      expect(Buffer.from(text, 'latin1').toString()).toBe(events)
    }
  })

  test('is handed on event by event, as each arrives', async () => {
    let send = (_text: string) => {}
    const server = await rawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n')
      send = (text) => (text === '' ? socket.end() : socket.write(text))
    })
    const { body } = await openAt(server.url).send(aRequest()).answer
    if (Buffer.isBuffer(body)) throw new Error('expected a stream')
    const seen: string[] = []
    let heard = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<void>()
    body.pipe({
      data(chunk) {
        seen.push(chunk.toString())
        heard.resolve()
        return true
      },
      end: ended.resolve,
      error: (error) => ended.reject(new Error(describe(error))),
    })

    for (const text of ['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n']) {
      heard = Promise.withResolvers()
      send(text)
      await heard.promise
      expect(seen.at(-1)).toBe(text)
    }
    send('')
    await ended.promise
    expect(seen.length).toBe(3)
  })
})
