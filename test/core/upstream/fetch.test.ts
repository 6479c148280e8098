import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { guardedFetch } from '#core/upstream/fetch.ts'
import { describe as about, expect, onTestFinished, test } from 'vitest'
import { rawServer } from './raw-server.ts'

const trusting = { isTrusted: () => true }

/** Serves with a handler until the test is over; returns its URL. */
async function serve(handler: http.RequestListener): Promise<string> {
  const server = http.createServer(handler)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

about('fetch', () => {
  test('sends method, fields and body, and returns the whole answer', async () => {
    const url = await serve(async (request, response) => {
      const body = (await request.toArray()).join('')
      response.writeHead(201, { 'x-a': ['1', '2'], 'content-type': 'text/plain' })
      response.end(`${request.method} ${request.url} ${String(request.headers['x-b'])} ${body}`)
    })

    const options = { method: 'post', headers: { 'x-b': 'b' }, body: 'hello' }
    const answer = await guardedFetch(`${url}/p?q=1#f`, options, trusting)

    expect(answer.status).toBe(201)
    expect(answer.headers).toMatchObject({ 'x-a': '1, 2', 'content-type': 'text/plain' })
    expect(answer.body.toString()).toBe('POST /p?q=1 b hello')
  })

  test('trusts a host by its name alone', async () => {
    const url = await serve((_request, response) => response.end('ok'))
    const asked: string[] = []

    await guardedFetch(url, {}, { isTrusted: (host) => asked.push(host) > 0 })

    expect(asked).toEqual(['127.0.0.1'])
  })

  test('does not follow a redirect', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(302, { location: 'http://169.254.169.254/' }).end()
    })

    expect(await guardedFetch(url, {}, trusting)).toMatchObject({
      status: 302,
      headers: { location: 'http://169.254.169.254/' },
    })
  })

  test('ends an answer that is too long, and its connection', async () => {
    const server = await rawServer((socket) =>
      socket.write(`HTTP/1.1 200 OK\r\n\r\n${'a'.repeat(2_000)}`),
    )

    await expect(guardedFetch(server.url, { limitBytes: 1_000 }, trusting)).rejects.toMatchObject({
      code: 'ANSWER_TOO_LARGE',
    })
    await server.whenClosed()
  })

  test('ends an answer that takes too long, and its connection', async () => {
    const server = await rawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      const drip = setInterval(() => socket.write('a'), 20)
      socket.on('close', () => clearInterval(drip))
    })

    await expect(guardedFetch(server.url, { timeoutMs: 100 }, trusting)).rejects.toThrow(
      /within 100ms/,
    )
    await server.whenClosed()
  })

  test('leaves no connection behind', async () => {
    const server = await rawServer((socket) =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'),
    )

    await Promise.all(Array.from({ length: 20 }, () => guardedFetch(server.url, {}, trusting)))

    await server.whenClosed(20)
    expect(server.open).toBe(0)
  })

  test('refuses a stream of events: it may never end', async () => {
    const server = await rawServer((socket) =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n'),
    )

    await expect(guardedFetch(server.url, {}, trusting)).rejects.toThrow(
      'the answer is an event stream',
    )
    await server.whenClosed()
  })

  test('does not let its caller frame the message', async () => {
    const url = await serve((request, response) => response.end(JSON.stringify(request.headers)))
    const headers = {
      Host: 'evil',
      'Content-Length': '99',
      'Transfer-Encoding': 'chunked',
      Connection: 'close',
    }

    const { body } = await guardedFetch(url, { headers }, trusting)

    expect(JSON.parse(body.toString())).toEqual({
      host: url.slice('http://'.length),
      connection: 'keep-alive',
    })
  })
})
