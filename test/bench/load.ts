/**
 * The load, in a process of its own: `load.ts KIND PORT SECONDS [HEADERS]` runs for so long and prints how many
 * requests, events or messages came back. Raw sockets: an HTTP client would cost more than the proxies it measures.
 */
import { connect, type Socket } from 'node:net'
import {
  CONNECTIONS,
  MESSAGES_BODY,
  MESSAGES_PATH,
  REQUEST_BODY,
  SOCKETS,
  STREAM_BODY,
  STREAMS,
} from './shapes.ts'

const [kind, port, seconds, headers = ''] = process.argv.slice(2) as [
  string,
  string,
  string,
  string?,
]
const endsAt = performance.now() + Number(seconds) * 1_000
let completed = 0
let failed = 0
/** Connections whose answer has not come yet. */
let open = 0

const isOver = () => performance.now() >= endsAt

function request(body: string, path = '/v1/chat/completions'): Buffer {
  const fields = [
    `POST ${path} HTTP/1.1`,
    'host: 127.0.0.1',
    'content-type: application/json',
    'accept: application/json',
    'user-agent: bench/1.0',
    'authorization: Bearer bench-client-token',
    `content-length: ${body.length}`,
    ...headers.split('\n').filter(Boolean),
  ]
  return Buffer.from(`${fields.join('\r\n')}\r\n\r\n${body}`)
}

/** One request after another on one connection. */
function ask(message: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1')
    let wanted = 0
    let received = 0
    let first: string | undefined = ''
    socket.setNoDelay(true)
    socket.on('data', (chunk) => {
      if (wanted === 0) {
        const head = chunk.toString('latin1')
        const end = head.indexOf('\r\n\r\n')
        if (!head.startsWith('HTTP/1.1 200')) failed++
        const length = /\r\ncontent-length: (\d+)/i.exec(head)
        // Chunked answers here are small and come in one piece, or end with their last chunk.
        wanted = length ? end + 4 + Number(length[1]) : Infinity
      }
      received += chunk.length
      // Once per connection: that it is the upstream's answer, and not a mere 200.
      if (first !== undefined) first += chunk.toString('latin1')
      const isDone =
        wanted === Infinity
          ? chunk.subarray(-5).toString('latin1') === '0\r\n\r\n'
          : received >= wanted
      if (!isDone) return
      if (first !== undefined && !first.includes('chatcmpl-1')) failed++
      first = undefined
      completed++
      wanted = 0
      received = 0
      if (isOver()) socket.end()
      else socket.write(message)
    })
    socket.on('error', () => failed++)
    socket.on('close', () => resolve())
    socket.write(message)
  })
}

/** Streams one after another on one connection; counts events by their first letters. */
function stream(message: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1')
    let tail = ''
    socket.on('data', (chunk) => {
      for (let at = chunk.indexOf('data: {'); at !== -1; at = chunk.indexOf('data: {', at + 7))
        completed++
      tail = (tail + chunk.toString('latin1', Math.max(0, chunk.length - 7))).slice(-7)
      // The last chunk of an answer may come in a packet of its own.
      if (tail !== '\r\n0\r\n\r\n') return
      if (isOver()) socket.end()
      else socket.write(message)
    })
    socket.on('error', () => failed++)
    socket.on('close', () => resolve())
    socket.write(message)
  })
}

/** Messages of 1 KB there and back on one WebSocket, hand-made frames. */
function talk(): Promise<void> {
  return new Promise((resolve) => {
    const socket: Socket = connect(Number(port), '127.0.0.1')
    const payload = Buffer.alloc(1_024, 0x61)
    const frame = Buffer.concat([Buffer.from([0x82, 0xfe, 4, 0, 0, 0, 0, 0]), payload])
    let isOpen = false
    let received = 0
    socket.setNoDelay(true)
    socket.on('data', (chunk) => {
      if (!isOpen) {
        isOpen = true
        if (!chunk.toString('latin1').startsWith('HTTP/1.1 101')) failed++
        return void socket.write(frame)
      }
      received += chunk.length
      if (received < 4 + payload.length) return
      received = 0
      completed++
      if (isOver()) socket.destroy()
      else socket.write(frame)
    })
    socket.on('error', () => failed++)
    socket.on('close', () => resolve())
    socket.write(
      'GET /live HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n' +
        'sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    )
  })
}

const [count, work] =
  kind === 'websocket'
    ? [SOCKETS, talk]
    : kind === 'sse'
      ? [STREAMS, () => stream(request(STREAM_BODY))]
      : kind === 'messages'
        ? [STREAMS, () => stream(request(MESSAGES_BODY, MESSAGES_PATH))]
        : [CONNECTIONS, () => ask(request(REQUEST_BODY))]
const workers = Array.from({ length: count }, async () => {
  open++
  await work()
  open--
})
// An answer that never comes must not hold up the run; it has failed.
await Promise.race([
  Promise.all(workers),
  new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1_000 + 5_000)),
])
process.stdout.write(`${JSON.stringify({ completed, failed: failed + open })}\n`)
process.exit(0)
