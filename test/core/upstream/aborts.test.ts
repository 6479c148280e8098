import { Readable } from 'node:stream'
import { GatewayError } from '#core/sdk.ts'
import { describe as about, expect, test } from 'vitest'
import { aRequest, describe, openAt, outcome, readBody } from './ask.ts'
import { rawServer } from './raw-server.ts'

const STREAM = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
const WHOLE = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
const left = new GatewayError('CLIENT_CLOSED', 'the client left')

about('an attempt that is given up', () => {
  test('before its head closes the upstream connection and says why', async () => {
    const server = await rawServer(() => attempt.abort(left))
    const attempt = openAt(server.url).send(aRequest())

    await expect(attempt.answer).rejects.toBe(left)
    await server.whenClosed()
  })

  test('inside its body closes the upstream connection within 100 ms', async () => {
    const server = await rawServer((socket) => socket.write(`${STREAM}1\r\na\r\n`))
    const attempt = openAt(server.url).send(aRequest())
    const answer = await attempt.answer
    const read = readBody(answer)
    const began = performance.now()

    attempt.abort(left)

    expect((await read).error).toBe(left)
    await server.whenClosed()
    expect(performance.now() - began).toBeLessThan(100)
  })

  test('inside a body that only ends by closing does not end the process', async () => {
    // undici asserts in the socket's close event when such a socket is destroyed without a reason.
    const server = await rawServer((socket) => socket.write('HTTP/1.1 200 OK\r\n\r\nabc'))
    const attempt = openAt(server.url).send(aRequest())
    const read = readBody(await attempt.answer)

    attempt.abort(left)

    expect(await read).toEqual({ text: 'abc', error: left })
    await server.whenClosed()
  })

  test('by its body, as the kernel does it', async () => {
    const server = await rawServer((socket) => socket.write(`${STREAM}1\r\na\r\n`))
    const answer = await openAt(server.url).send(aRequest()).answer
    const read = readBody(answer)
    if (!Buffer.isBuffer(answer.body)) answer.body.abort(left)

    expect((await read).error).toBe(left)
    await server.whenClosed()
  })

  test('while it connects closes the socket that was on its way', async () => {
    const server = await rawServer(() => {})
    const attempt = openAt(server.url).send(aRequest())

    attempt.abort(left)

    await expect(attempt.answer).rejects.toBe(left)
    expect(server.requests).toEqual([])
  })

  test('while it shakes hands closes the socket, too', async () => {
    const server = await rawServer(() => {})
    const attempt = openAt(server.url.replace('http:', 'https:'), {
      timeouts: { connectMs: 60_000 },
    }).send(aRequest())
    await server.whenAccepted()

    attempt.abort(left)

    await expect(attempt.answer).rejects.toBe(left)
    await server.whenClosed()
  })

  test('while it waits for a connection never reaches the upstream', async () => {
    const answers: (() => void)[] = []
    const server = await rawServer((socket) => answers.push(() => socket.write(WHOLE)))
    const upstream = openAt(server.url, { maxConnections: 1 })
    const first = outcome(upstream, aRequest({ path: '/1' }))
    const second = upstream.send(aRequest({ path: '/2' }))
    await server.whenAccepted()

    second.abort(left)
    await expect(second.answer).rejects.toBe(left)
    while (answers.length === 0) await new Promise((resolve) => setImmediate(resolve))
    answers[0]!()

    expect(await first).toBe('200 ok')
    expect(server.requests.length).toBe(1)
  })

  test('twice, or after its end, changes nothing', async () => {
    const server = await rawServer((socket) => socket.write(WHOLE))
    const upstream = openAt(server.url)
    const attempt = upstream.send(aRequest())
    const answer = await attempt.answer

    attempt.abort(left)
    attempt.abort(new Error('again'))

    expect((await readBody(answer)).text).toBe('ok')
    expect(await outcome(upstream, aRequest())).toBe('200 ok')
    expect(server.accepted).toBe(1)
  })

  test('and awaited by nobody is not an unhandled rejection', async () => {
    const server = await rawServer(() => {})
    const upstream = openAt(server.url)

    upstream.send(aRequest()).abort(left)
    await new Promise((resolve) => setImmediate(resolve))

    expect(server.requests).toEqual([])
  })

  test('leaves the client free to get an answer: its body is not destroyed', async () => {
    const server = await rawServer(() => {})
    const body = new Readable({ read() {} })
    const attempt = openAt(server.url).send(aRequest({ method: 'POST', body }))
    body.push('abc')
    await server.whenAccepted()

    attempt.abort(left)

    await expect(attempt.answer).rejects.toBe(left)
    await server.whenClosed()
    expect(body.destroyed).toBe(false)
  })

  test('a thousand times leaves no socket behind', async () => {
    const server = await rawServer((socket, _request, index) => {
      if (index % 3 === 1) socket.write(`${STREAM}1\r\na\r\n`)
      if (index % 3 === 2) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\na')
    })
    const upstream = openAt(server.url, { maxConnections: 50 })
    const failures = new Set<unknown>()

    for (let round = 0; round < 20; round++) {
      const attempts = Array.from({ length: 50 }, () => upstream.send(aRequest()))
      const ends = attempts.map(async ({ answer }, index) => {
        try {
          const read = readBody(await answer)
          attempts[index]!.abort(left)
          await read
        } catch (error) {
          failures.add(error)
        }
      })
      setTimeout(() => attempts.forEach((attempt) => attempt.abort(left)), round)
      await Promise.all(ends)
    }
    await upstream.close()
    while (server.open > 0) await server.whenClosed(server.accepted)

    expect(server.open).toBe(0)
    expect(failures).toEqual(new Set([left]))
  })
})

about('a client that', () => {
  test('breaks off its body ends the attempt as the client, not the upstream', async () => {
    const server = await rawServer(() => {})
    const body = new Readable({ read() {} })
    const attempt = openAt(server.url).send(aRequest({ method: 'POST', body }))
    body.push('abc')
    await server.whenAccepted()

    body.destroy()

    await expect(attempt.answer).rejects.toThrow('the client broke off its request')
    await server.whenClosed()
  })

  test('sends too much is told what limit it passed', async () => {
    const server = await rawServer(() => {})
    const limit = new GatewayError('BODY_TOO_LARGE', 'more than 10 bytes')
    const body = Readable.from(
      (function* () {
        yield Buffer.from('abc')
        throw limit
      })(),
    )

    expect(await outcome(openAt(server.url), aRequest({ method: 'POST', body }))).toBe(
      describe(limit),
    )
  })

  test('sends less than it said is told so', async () => {
    const server = await rawServer(() => {})
    const body = Readable.from([Buffer.from('abc')])
    const headers = { 'content-length': '10' }

    expect(await outcome(openAt(server.url), aRequest({ method: 'POST', body, headers }))).toBe(
      'BAD_REQUEST: the body is not as long as content-length says',
    )
  })
})
