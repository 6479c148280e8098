import { describe as about, expect, test } from 'vitest'
import { aRequest, describe, openAt, outcome, readBody } from './ask.ts'
import { rawServer } from './raw-server.ts'

const STREAM = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'

about('a time limit', () => {
  test('on the first byte names itself and frees the connection', async () => {
    const server = await rawServer(() => {})
    const upstream = openAt(server.url, { timeouts: { firstByteMs: 80 } })

    expect(await outcome(upstream, aRequest())).toBe(
      'UPSTREAM_TIMEOUT: no answer within 80ms (first byte)',
    )
    await server.whenClosed()
    expect(server.open).toBe(0)
  })

  test('on the first byte is not put off by interim answers that never end', async () => {
    const server = await rawServer((socket) => {
      socket.write('HTTP/1.1 103 Early Hints\r\n\r\n')
    })
    const upstream = openAt(server.url, { timeouts: { firstByteMs: 80 } })

    expect(await outcome(upstream, aRequest())).toBe(
      'UPSTREAM_TIMEOUT: no answer within 80ms (first byte)',
    )
  })

  test('on the first byte is not put off by a head that drips', async () => {
    const server = await rawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      const drip = setInterval(() => socket.write('x-a: b\r\n'), 20)
      socket.on('close', () => clearInterval(drip))
    })
    const upstream = openAt(server.url, { timeouts: { firstByteMs: 120 } })

    expect(await outcome(upstream, aRequest())).toBe(
      'UPSTREAM_TIMEOUT: no answer within 120ms (first byte)',
    )
  })

  test('on silence inside a body cuts it, and frees the connection', async () => {
    const server = await rawServer((socket) => socket.write(`${STREAM}1\r\na\r\n`))
    const upstream = openAt(server.url, { timeouts: { idleMs: 80 } })

    expect(await outcome(upstream, aRequest())).toBe(
      '200 a then UPSTREAM_TIMEOUT: nothing more of the answer within 80ms (idle)',
    )
    await server.whenClosed()
  })

  test('on silence holds for an answer that is read as a whole, too', async () => {
    const server = await rawServer((socket) =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab'),
    )
    const upstream = openAt(server.url, { timeouts: { idleMs: 80 } })

    expect(await outcome(upstream, aRequest())).toBe(
      'UPSTREAM_TIMEOUT: nothing more of the answer within 80ms (idle)',
    )
  })

  test('on silence is put off by each piece of a body that drips', async () => {
    const server = await rawServer((socket) => {
      socket.write(STREAM)
      let sent = 0
      const drip = setInterval(() => {
        socket.write(++sent < 8 ? '1\r\na\r\n' : '0\r\n\r\n')
        if (sent === 8) clearInterval(drip)
      }, 50)
    })
    const upstream = openAt(server.url, { timeouts: { idleMs: 150 } })

    expect(await outcome(upstream, aRequest())).toBe('200 aaaaaaa')
  })

  test('on everything ends a body that drips without end', async () => {
    const server = await rawServer((socket) => {
      socket.write(STREAM)
      const drip = setInterval(() => socket.write('1\r\na\r\n'), 20)
      socket.on('close', () => clearInterval(drip))
    })
    const upstream = openAt(server.url, { timeouts: { totalMs: 150 } })

    expect(await outcome(upstream, aRequest())).toMatch(
      /^200 a+ then UPSTREAM_TIMEOUT: not done within 150ms \(total\)$/,
    )
  })

  test('on everything is the request deadline where that comes sooner', async () => {
    const server = await rawServer(() => {})
    const upstream = openAt(server.url, {}, { now: () => 1_000 })

    expect(await outcome(upstream, aRequest({ deadline: 1_100 }))).toBe(
      'UPSTREAM_TIMEOUT: not done within 100ms (total)',
    )
  })

  test('that has passed before the attempt begins leaves the upstream alone', async () => {
    const server = await rawServer(() => {})
    const upstream = openAt(server.url, {}, { now: () => 2_000 })

    expect(await outcome(upstream, aRequest({ deadline: 1_000 }))).toBe(
      'UPSTREAM_TIMEOUT: the deadline had passed before the attempt began (total)',
    )
    expect(server.accepted).toBe(0)
  })

  test('on everything also runs while an attempt waits for a connection', async () => {
    const server = await rawServer(() => {})
    const upstream = openAt(server.url, { maxConnections: 1 })
    const first = upstream.send(aRequest())

    const second = await outcome(upstream, aRequest({ deadline: Date.now() + 100 }))

    expect(second).toMatch(/^UPSTREAM_TIMEOUT: not done within .* \(total\)$/)
    first.abort(new Error('enough'))
    await expect(first.answer).rejects.toThrow('enough')
  })

  test('on connecting covers a TLS handshake that does not come', async () => {
    const server = await rawServer(() => {})
    const upstream = openAt(server.url.replace('http:', 'https:'), {
      timeouts: { connectMs: 80 },
    })

    expect(await outcome(upstream, aRequest())).toBe(
      'UPSTREAM_TIMEOUT: no connection within 80ms (connect)',
    )
    await server.whenClosed()
  })

  test('on silence rests while the reader does not want more', async () => {
    const server = await rawServer((socket) => {
      socket.write(`${STREAM}1\r\na\r\n`)
      setTimeout(() => socket.write('1\r\nb\r\n0\r\n\r\n'), 20)
    })
    const upstream = openAt(server.url, { timeouts: { idleMs: 80 } })
    const { body } = await upstream.send(aRequest()).answer
    if (Buffer.isBuffer(body)) throw new Error('expected a stream')

    const ended = new Promise<string>((resolve) => {
      body.pipe({
        data() {
          setTimeout(() => body.resume(), 300)
          return false
        },
        end: () => resolve('ended'),
        error: (error) => resolve(describe(error)),
      })
    })

    expect(await ended).toBe('ended')
  })

  test('that has struck is told to a reader who comes late', async () => {
    const server = await rawServer((socket) => socket.write(`${STREAM}1\r\na\r\n`))
    const answer = await openAt(server.url, { timeouts: { idleMs: 50 } }).send(aRequest()).answer
    await server.whenClosed()

    expect(describe((await readBody(answer)).error)).toMatch(/^UPSTREAM_TIMEOUT/)
  })
})
