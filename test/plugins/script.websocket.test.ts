import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { startTestGateway } from '../support/gateway.ts'

/** A WebSocket server that sends back what it gets. */
async function startEcho(): Promise<string> {
  const http = createServer()
  const server = new WebSocketServer({ server: http })
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    for (const client of server.clients) client.terminate()
    await new Promise((resolve) => http.close(resolve))
  })
  return `ws://127.0.0.1:${(http.address() as AddressInfo).port}`
}

const config = (url: string) => `
scripts: ./*.lib.ts
upstreams: { live: { dialect: http, url: "${url}" } }
routes:
  - id: live
    match: { path: /live, protocol: websocket }
    upstream: live
    pipeline:
      - script:
          on: message
          code: |
            import { maskCards } from 'cards.lib'
            if (msg.from === 'client') Object.assign(msg, maskCards(msg.text, msg.isLast))
`

async function open(): Promise<WebSocket> {
  const files = { 'cards.lib.ts': readFileSync('examples/lib/cards.ts', 'utf8') }
  const { url } = await startTestGateway(config(await startEcho()), { files })
  const socket = new WebSocket(`${url.replace('http', 'ws')}/live`)
  onTestFinished(() => socket.terminate())
  await once(socket, 'open')
  return socket
}

const CARD = 'it is 4111 1111 1111 1111, ok'

test('a script masks a card number wherever its message is cut into frames', async () => {
  const socket = await open()
  for (let cut = 0; cut <= CARD.length; cut++) {
    socket.send(CARD.slice(0, cut), { fin: false })
    socket.send(CARD.slice(cut), { fin: true })
    const [data] = (await once(socket, 'message')) as [Buffer]
    expect(data.toString()).toBe('it is •••• •••• •••• 1111, ok')
  }
})

test('messages keep their order, though each waits for a process', async () => {
  const socket = await open()
  const sent = Array.from({ length: 100 }, (_, n) => `message ${n}`)
  const got: string[] = []
  const all = new Promise<void>((resolve) => {
    socket.on('message', (data: Buffer) => {
      if (got.push(data.toString()) === sent.length) resolve()
    })
  })
  // Fewer than a session may send in a second.
  for (const text of sent.slice(0, 40)) socket.send(text)
  setTimeout(() => sent.slice(40, 70).forEach((text) => socket.send(text)), 1_100)
  setTimeout(() => sent.slice(70).forEach((text) => socket.send(text)), 2_200)
  await all
  expect(got).toEqual(sent)
})
