import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { definePlugin, type Message, type MessagePatch, type Outcome } from '#core/sdk.ts'
import { startTestGateway } from '../support/gateway.ts'

/** A WebSocket server in the role of an upstream. */
async function startSocketUpstream(onSocket: (socket: WebSocket) => void, protocols = ['chat.v1']) {
  const http = createServer()
  const server = new WebSocketServer({
    server: http,
    handleProtocols: (offered) => protocols.find((name) => offered.has(name)) ?? false,
  })
  server.on('connection', onSocket)
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    for (const client of server.clients) client.terminate()
    await new Promise((resolve) => http.close(resolve))
  })
  const url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}`
  return { url, server }
}

const config = (url: string, pipeline = '[]', more = '') => `
${more}
upstreams: { live: { dialect: http, url: "${url}" } }
routes:
  - { id: live, match: { path: /live, protocol: websocket }, pipeline: ${pipeline}, upstream: live }
`

async function open(url: string, protocols: string[] = []): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/live?room=1`, protocols)
  await once(socket, 'open')
  onTestFinished(() => socket.terminate())
  return socket
}

const next = async (socket: WebSocket) => {
  const [data, isBinary] = (await once(socket, 'message')) as [Buffer, boolean]
  return isBinary ? data : data.toString()
}

const echo = (socket: WebSocket) =>
  void socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))

test('text and binary messages pass both ways, with the protocol that the upstream chose', async () => {
  const upstream = await startSocketUpstream(echo)
  const { url } = await startTestGateway(config(upstream.url))
  const socket = await open(url, ['other', 'chat.v1'])
  expect(socket.protocol).toBe('chat.v1')
  socket.send('Grüße 🌍')
  expect(await next(socket)).toBe('Grüße 🌍')
  const bytes = Buffer.alloc(300_000, 7)
  socket.send(bytes)
  expect(bytes.equals((await next(socket)) as Buffer)).toBe(true)
})

test('a close of either side reaches the other with its code and reason', async () => {
  const closes: unknown[] = []
  const upstream = await startSocketUpstream((socket) => {
    echo(socket)
    socket.on('close', (code, reason) => closes.push([code, reason.toString()]))
    socket.on('message', (data) => data.toString() === 'bye' && socket.close(4001, 'as you wish'))
  })
  const { url, generation } = await startTestGateway(config(upstream.url))
  const first = await open(url)
  first.close(4000, 'done')
  expect((await once(first, 'close'))[0]).toBe(4000)
  await expect.poll(() => closes).toEqual([[4000, 'done']])
  const second = await open(url)
  second.send('bye')
  const [code, reason] = await once(second, 'close')
  expect([code, String(reason)]).toEqual([4001, 'as you wish'])
  await expect.poll(() => generation.exchanges).toBe(0)
})

test('an upstream that vanishes never looks like a normal close', async () => {
  const upstream = await startSocketUpstream((socket) => setTimeout(() => socket.terminate(), 20))
  const { url } = await startTestGateway(config(upstream.url))
  const socket = await open(url)
  const [code, reason] = await once(socket, 'close')
  expect([code, String(reason)]).toEqual([1014, 'the upstream went away'])
})

test('a client that vanishes closes the session at the upstream', async () => {
  const closed = Promise.withResolvers<number>()
  const upstream = await startSocketUpstream((socket) => socket.on('close', closed.resolve))
  const { url } = await startTestGateway(config(upstream.url))
  const socket = await open(url)
  socket.terminate()
  expect(await closed.promise).toBe(1001)
})

test('an upstream that refuses the handshake is answered as it answered', async () => {
  const http = createServer().on('upgrade', (_, socket) =>
    socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnope'),
  )
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void http.close())
  const { url } = await startTestGateway(
    config(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`),
  )
  const socket = new WebSocket(`${url.replace('http', 'ws')}/live`)
  socket.on('error', () => {})
  const [, response] = await once(socket, 'unexpected-response')
  expect(response.statusCode).toBe(403)
})

test('a message over the limit closes both sides with 1009', async () => {
  const closed = Promise.withResolvers<number>()
  const upstream = await startSocketUpstream((socket) => socket.on('close', closed.resolve))
  const { url } = await startTestGateway(
    config(upstream.url, '[]', 'server: { websocket: { maxPayload: 1kb } }'),
  )
  const socket = await open(url)
  socket.send(Buffer.alloc(2_000))
  expect((await once(socket, 'close'))[0]).toBe(1009)
  // The frame was cut on its way, so nothing can be said to the upstream any more.
  expect(await closed.promise).not.toBe(1000)
})

test('a frame that is not masked closes the session with 1002', async () => {
  const upstream = await startSocketUpstream(echo)
  const { url } = await startTestGateway(config(upstream.url))
  const { port } = new URL(url)
  const socket = connect(Number(port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.write(
    'GET /live HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
      'sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  )
  const [head] = (await once(socket, 'data')) as [Buffer]
  expect(head.toString()).toContain('101 Switching Protocols')
  socket.write(Buffer.from([0x81, 0x02, 0x68, 0x69]))
  const [close] = (await once(socket, 'data')) as [Buffer]
  expect(close[0]).toBe(0x88)
  expect(close.readUInt16BE(2)).toBe(1002)
})

test('a client that asks for a plain answer, or a wrong version, hears so', async () => {
  const upstream = await startSocketUpstream(echo)
  const { url } = await startTestGateway(config(upstream.url))
  expect((await fetch(`${url}/live`)).status).toBe(404)
  const socket = new WebSocket(`${url.replace('http', 'ws')}/live`, { protocolVersion: 8 })
  socket.on('error', () => {})
  const [, response] = await once(socket, 'unexpected-response')
  expect(response.statusCode).toBe(426)
  expect(response.headers['sec-websocket-version']).toBe('13')
})

test('steps decide over the handshake', async () => {
  const upstream = await startSocketUpstream(echo)
  const { url } = await startTestGateway(
    config(upstream.url, '[filter: { deny: { eq: [$req.query.room, "2"] } }]'),
  )
  await open(url)
  const socket = new WebSocket(`${url.replace('http', 'ws')}/live?room=2`)
  socket.on('error', () => {})
  const [, response] = await once(socket, 'unexpected-response')
  expect(response.statusCode).toBe(403)
})

const outcomes: Outcome[] = []
const moderator = definePlugin({
  name: 'moderator',
  stage: 'shape',
  summary: 'Looks at messages.',
  schema: { type: 'object', additionalProperties: false, properties: {} },
  setup: () => ({
    message(message: Message): MessagePatch {
      if (message.data === 'secret') return null
      if (message.data === 'ping?') return { reply: 'pong!' }
      if (message.data === 'leave') return { close: { code: 4003, reason: 'asked to' } }
      if (message.from === 'client') return { data: `[${message.data}]` }
      return undefined
    },
    done: (_, outcome) => void outcomes.push(outcome),
  }),
})

test('message hooks change, drop, answer and close', async () => {
  const upstream = await startSocketUpstream(echo)
  const { url } = await startTestGateway(config(upstream.url, '[moderator]'), {
    plugins: [moderator],
  })
  const socket = await open(url)
  socket.send('hello')
  expect(await next(socket)).toBe('[hello]')
  socket.send('secret')
  socket.send('ping?')
  expect(await next(socket)).toBe('pong!')
  socket.send('leave')
  const [code, reason] = await once(socket, 'close')
  expect([code, String(reason)]).toEqual([4003, 'asked to'])
  await expect.poll(() => outcomes.length).toBe(1)
  expect(outcomes[0]).toMatchObject({ status: 101, end: 'error' })
})

test('a flood of messages is closed with 1008', async () => {
  const upstream = await startSocketUpstream(() => {})
  const { url } = await startTestGateway(
    config(upstream.url, '[]', 'server: { websocket: { messagesPerSecond: 50 } }'),
  )
  const socket = await open(url)
  for (let count = 0; count < 200; count++) socket.send('x')
  expect((await once(socket, 'close'))[0]).toBe(1008)
})

test('a side that has gone silent is asked with a ping, and given up without an answer', async () => {
  const upstream = await startSocketUpstream(echo)
  const { url } = await startTestGateway(
    config(upstream.url, '[]', 'server: { websocket: { pingInterval: 100ms, idle: 400ms } }'),
  )
  const alive = await open(url)
  let pings = 0
  alive.on('ping', () => pings++)
  const deaf = new WebSocket(`${url.replace('http', 'ws')}/live`, { autoPong: false })
  onTestFinished(() => deaf.terminate())
  const [code] = await once(deaf, 'close')
  expect(code).toBe(1001)
  expect(pings).toBeGreaterThan(0)
  expect(alive.readyState).toBe(WebSocket.OPEN)
})
