import { once } from 'node:events'
import net from 'node:net'
import { onTestFinished } from 'vitest'

/** A TCP server that says exactly what it is told to. */
export interface RawServer {
  readonly url: string
  readonly port: number
  /** Heads and bodies as they came, in order. */
  readonly requests: readonly string[]
  /** Sockets ever accepted. */
  readonly accepted: number
  /** Sockets that are open now. */
  readonly open: number
  /** Resolves when `count` sockets have been accepted. */
  whenAccepted(count?: number): Promise<void>
  /** Resolves when `count` sockets have been closed since the start. */
  whenClosed(count?: number): Promise<void>
}

/** Starts one on a free port; `answer` is called once per whole request on a socket, counted from 0 over all sockets. */
export async function rawServer(
  answer: (socket: net.Socket, request: string, index: number) => void,
): Promise<RawServer> {
  const sockets = new Set<net.Socket>()
  const requests: string[] = []
  let accepted = 0
  let closed = 0
  const server = net.createServer((socket) => {
    accepted++
    sockets.add(socket)
    let received = ''
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      closed++
      server.emit('gone')
    })
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
      for (let end = endOfRequest(received); end > 0; end = endOfRequest(received)) {
        const request = received.slice(0, end)
        received = received.slice(end)
        requests.push(request)
        answer(socket, request, requests.length - 1)
      }
    })
    server.emit('come')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  const { port } = server.address() as net.AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    get accepted() {
      return accepted
    },
    get open() {
      return sockets.size
    },
    async whenAccepted(count = 1) {
      for (;;) {
        if (accepted >= count) return
        await once(server, 'come')
      }
    },
    async whenClosed(count = 1) {
      for (;;) {
        if (closed >= count) return
        await once(server, 'gone')
      }
    },
  }
}

function endOfRequest(received: string): number {
  const head = received.indexOf('\r\n\r\n')
  if (head < 0) return 0
  const length = /\r\ncontent-length: (\d+)/i.exec(received.slice(0, head))
  const end = head + 4 + Number(length?.[1] ?? 0)
  return received.length >= end ? end : 0
}
