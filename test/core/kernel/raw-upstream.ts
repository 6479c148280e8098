import { createServer, type AddressInfo, type Socket } from 'node:net'

/** An upstream that counts what really arrives, message by message, with a parser of its own that forgives nothing. */
export interface RawUpstream {
  readonly url: string
  /** Method and target of each message that has arrived whole. */
  readonly seen: readonly string[]
  close(): Promise<void>
}

/** Listens on a free port and answers every message with 200 and `ok`. */
export async function startRawUpstream(): Promise<RawUpstream> {
  const seen: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    let pending = ''
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (data) => {
      pending += data.toString('latin1')
      for (let message = take(pending); message !== undefined; message = take(pending)) {
        pending = pending.slice(message.length)
        seen.push(message.line)
        const body = message.line.startsWith('HEAD ') ? '' : 'ok'
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n${body}`)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

/** The first whole message, or undefined while there is none. */
function take(bytes: string): { line: string; length: number } | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const head = bytes.slice(0, end)
  const line = head.slice(0, head.indexOf(' HTTP/1.1'))
  const start = end + 4
  const announced = /^content-length: (\d+)$/im.exec(head)
  if (announced !== null) {
    const length = start + Number(announced[1])
    return bytes.length < length ? undefined : { line, length }
  }
  if (!/^transfer-encoding: chunked$/im.test(head)) return { line, length: start }
  let at = start
  for (;;) {
    const size = /^([\da-f]+)\r\n/i.exec(bytes.slice(at, at + 20))
    if (size === null) return undefined
    const bytesOfChunk = Number.parseInt(size[1]!, 16)
    at += size[0].length + bytesOfChunk + 2
    if (bytes.length < at) return undefined
    if (bytesOfChunk === 0) return { line, length: at }
  }
}
