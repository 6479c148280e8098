import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { Message, Outcome, Plugin } from '#core/sdk.ts'
import { startTestGateway, type TestGateway } from '../../support/gateway.ts'
import { step } from '../../support/step.ts'

/** A WebSocket server; `before` holds the handshake back until it is settled. */
async function startSockets(
  onSocket: (socket: WebSocket) => void,
  before: (socket: Socket) => Promise<void> | undefined = () => undefined,
) {
  const http = createServer()
  const server = new WebSocketServer({ noServer: true })
  http.on('upgrade', (req, socket: Socket, head) => {
    const accept = () => server.handleUpgrade(req, socket, head, onSocket)
    const pending = before(socket)
    if (pending) void pending.then(accept, () => socket.destroy())
    else accept()
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    for (const client of server.clients) client.terminate()
    http.closeAllConnections()
    await new Promise((resolve) => http.close(resolve))
  })
  return `ws://127.0.0.1:${(http.address() as AddressInfo).port}`
}

function start(url: string, pipeline: string, plugins: readonly Plugin[], more = '') {
  return startTestGateway(
    `
${more}
upstreams: { live: { dialect: http, url: "${url}" } }
routes:
  - { id: live, match: { path: /live, protocol: websocket }, pipeline: ${pipeline}, upstream: live }
`,
    { plugins },
  )
}

/** A step that tells how the session ended, and how often it heard so. */
function watcher() {
  const outcomes: Outcome[] = []
  return { outcomes, plugin: step('watch', { done: (_, outcome) => void outcomes.push(outcome) }) }
}

function dial({ url }: TestGateway, more = ''): Socket {
  const socket = connect({
    port: Number(new URL(url).port),
    host: '127.0.0.1',
    allowHalfOpen: true,
  })
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  socket.write(
    'GET /live HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
      `sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${more}\r\n`,
  )
  return socket
}

async function open({ url }: TestGateway): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/live`)
  await once(socket, 'open')
  onTestFinished(() => socket.terminate())
  return socket
}

const echo = (socket: WebSocket) =>
  void socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))

/** A masked text frame. */
const frame = (text: string, first = 0x81) =>
  Buffer.concat([Buffer.from([first, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)])

test.each(['end', 'resetAndDestroy'] as const)(
  'a client that leaves during the handshake (%s) ends it at the upstream',
  async (leave) => {
    const began = Promise.withResolvers<void>()
    const left = Promise.withResolvers<void>()
    const url = await startSockets(echo, (socket) => {
      socket.once('end', () => left.resolve(void socket.end())).resume()
      began.resolve()
      return new Promise(() => {})
    })
    const { outcomes, plugin } = watcher()
    const gateway = await start(url, '[watch]', [plugin])
    const socket = dial(gateway)
    await began.promise
    socket[leave]()
    await left.promise
    await expect.poll(() => outcomes).toMatchObject([{ end: 'client-closed' }])
    expect(gateway.generation.exchanges).toBe(0)
  },
)

test('a client that leaves while a hook thinks the handshake over is done once', async () => {
  const began = Promise.withResolvers<void>()
  const left = Promise.withResolvers<void>()
  const thought = Promise.withResolvers<void>()
  const url = await startSockets((socket) => socket.on('close', () => left.resolve()))
  const { outcomes, plugin } = watcher()
  const think = step('think', {
    response: async () => {
      began.resolve()
      await thought.promise
    },
  })
  const gateway = await start(url, '[watch, think]', [plugin, think])
  const socket = dial(gateway)
  await began.promise
  socket.destroy()
  await left.promise
  thought.resolve()
  await expect.poll(() => outcomes.length).toBe(1)
  expect(gateway.generation.exchanges).toBe(0)
})

test('a deny after the upstream has accepted is a plain answer, and the upstream is let go', async () => {
  const left = Promise.withResolvers<void>()
  const url = await startSockets((socket) => socket.on('close', () => left.resolve()))
  const { outcomes, plugin } = watcher()
  const deny = step('deny', { response: () => ({ deny: { message: 'not you' } }) })
  const gateway = await start(url, '[watch, deny]', [plugin, deny])
  // A client that never closes its side.
  const socket = dial(gateway)
  const [data] = (await once(socket, 'data')) as [Buffer]
  expect(data.toString()).toMatch(/^HTTP\/1\.1 403 /)
  await left.promise
  await expect
    .poll(() => outcomes, { timeout: 5_000 })
    .toMatchObject([{ end: 'error', status: 403 }])
  expect(gateway.generation.exchanges).toBe(0)
})

test('what a client says before it was answered is not lost', async () => {
  const accept = Promise.withResolvers<void>()
  const url = await startSockets(echo, () => accept.promise)
  const gateway = await start(url, '[]', [])
  const socket = dial(gateway)
  socket.write(frame('early'))
  setTimeout(() => {
    socket.write(frame('later'))
    accept.resolve()
  }, 50)
  let text = ''
  socket.on('data', (data: Buffer) => (text += data.toString('latin1')))
  await expect.poll(() => text).toContain('\x81\x05early\x81\x05later')
})

test('an upstream that vanishes while a hook thinks the handshake over is an end like any other', async () => {
  const gone = Promise.withResolvers<void>()
  const url = await startSockets((socket) => {
    socket.on('close', () => setTimeout(gone.resolve, 30))
    socket.terminate()
  })
  const { outcomes, plugin } = watcher()
  const think = step('think', { response: () => gone.promise })
  const gateway = await start(url, '[watch, think]', [plugin, think])
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/live`)
  const [code] = await once(socket, 'close')
  expect(code).toBe(1014)
  await expect.poll(() => outcomes).toMatchObject([{ end: 'upstream-cut' }])
  expect(gateway.generation.exchanges).toBe(0)
})

test('both sides that close at once are done once', async () => {
  const peers: WebSocket[] = []
  const url = await startSockets((socket) => peers.push(socket))
  const { outcomes, plugin } = watcher()
  const gateway = await start(url, '[watch]', [plugin])
  for (let round = 0; round < 20; round++) {
    const socket = await open(gateway)
    const peer = peers.at(-1)!
    socket[round % 2 ? 'close' : 'terminate']()
    peer[round % 4 < 2 ? 'close' : 'terminate']()
  }
  await expect.poll(() => outcomes.length, { timeout: 5_000 }).toBe(20)
  expect(gateway.generation.exchanges).toBe(0)
})

const looker = step('looker', { message: () => undefined })

test.each(['[]', '[looker]'])(
  'pings between fragments pass with the pipeline %s',
  async (pipeline) => {
    const pings: string[] = []
    const url = await startSockets((socket) => {
      echo(socket)
      socket.on('ping', (data: Buffer) => pings.push(data.toString()))
    })
    const socket = await open(await start(url, pipeline, [looker]))
    const pongs: string[] = []
    socket.on('pong', (data) => pongs.push(data.toString()))
    socket.send('frag', { fin: false })
    socket.ping('one')
    socket.send('ment', { fin: false })
    socket.ping('two')
    socket.send('ed', { fin: true })
    const [data] = (await once(socket, 'message')) as [Buffer]
    expect(data.toString()).toBe('fragmented')
    expect(pings).toEqual(['one', 'two'])
    await expect.poll(() => pongs).toEqual(['one', 'two'])
  },
)

test('a step that reads the body does not wait for one on a handshake', async () => {
  const url = await startSockets(echo)
  const gateway = await start(url, '[filter: { deny: { eq: [$req.body.model, bad] } }]', [])
  const socket = await open(gateway)
  socket.send('hi')
  expect(String((await once(socket, 'message'))[0])).toBe('hi')
})

test.each([
  ['closed', 1011],
  ['open', 1000],
])('a message hook that breaks is %s', async (onError, expected) => {
  const url = await startSockets(echo)
  const odd = step('odd', {
    message: ({ data }: Message) => {
      if (data === 'break') throw new Error('inner words')
    },
  })
  const socket = await open(await start(url, `[odd: { onError: ${onError} }]`, [odd]))
  const messages: string[] = []
  socket.on('message', (data) => {
    messages.push(String(data))
    socket.close(1000)
  })
  socket.send('break')
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer]
  expect(code).toBe(expected)
  expect(reason.toString()).not.toContain('inner')
  expect(messages).toEqual(onError === 'open' ? ['break'] : [])
})

test('a refusal that the upstream cuts is the upstream at fault', async () => {
  const http = createServer().on('upgrade', (_, socket) => {
    socket.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 400\r\n\r\nno')
    setTimeout(() => socket.destroy(), 20)
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void http.close())
  const gateway = await start(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`, '[]', [])
  const [data] = (await once(dial(gateway), 'data')) as [Buffer]
  expect(data.toString()).toMatch(/^HTTP\/1\.1 502 /)
  expect(gateway.logs.filter(({ level }) => level === 'error')).toEqual([])
})
