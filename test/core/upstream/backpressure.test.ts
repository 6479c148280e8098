import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { describe as about, expect, onTestFinished, test } from 'vitest'
import { aRequest, openAt, readBody } from './ask.ts'
import { rawServer } from './raw-server.ts'

const MIB = 1024 ** 2
const HEAD = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'

/** Writes chunks as long as the socket takes them; tells how much it took. */
function flood(socket: Socket, bytes: number): { sent: number } {
  const chunk = Buffer.alloc(65_536, 'x')
  const state = { sent: 0 }
  const more = () => {
    while (state.sent < bytes) {
      state.sent += chunk.length
      socket.write('10000\r\n')
      socket.write(chunk)
      if (!socket.write('\r\n')) {
        socket.once('drain', more)
        return
      }
    }
    socket.write('0\r\n\r\n')
  }
  socket.write(HEAD)
  more()
  return state
}

/** Waits until a number has not changed for a while. */
async function settled(read: () => number): Promise<number> {
  for (let before = -1; before !== read();) {
    before = read()
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return read()
}

about('backpressure', () => {
  test('reaches the upstream when the reader stays away, and all arrives when it comes', async () => {
    let state = { sent: 0 }
    const server = await rawServer((socket) => (state = flood(socket, 64 * MIB)))
    const answer = await openAt(server.url).send(aRequest()).answer

    const stalled = await settled(() => state.sent)
    // What the kernel's socket buffers and ours hold, far from the whole.
    expect(stalled).toBeLessThan(16 * MIB)

    const { text, error } = await readBody(answer)
    expect(error).toBe(undefined)
    expect(text.length).toBe(64 * MIB)
  })

  test('reaches the upstream when the reader stops, and goes on when it asks', async () => {
    let state = { sent: 0 }
    const server = await rawServer((socket) => (state = flood(socket, 64 * MIB)))
    const { body } = await openAt(server.url).send(aRequest()).answer
    if (Buffer.isBuffer(body)) throw new Error('expected a stream')
    let received = 0
    let calls = 0
    let isStopped = true
    const ended = Promise.withResolvers<void>()
    body.pipe({
      data(chunk) {
        received += chunk.length
        calls++
        return !isStopped
      },
      end: ended.resolve,
      error: ended.reject,
    })

    expect(await settled(() => state.sent)).toBeLessThan(16 * MIB)
    expect(calls).toBe(1)

    isStopped = false
    body.resume()
    await ended.promise
    expect(received).toBe(64 * MIB)
  })

  test('holds for a reader that takes one piece at a time', async () => {
    const server = await rawServer((socket) => void flood(socket, 4 * MIB))
    const { body } = await openAt(server.url).send(aRequest()).answer
    if (Buffer.isBuffer(body)) throw new Error('expected a stream')
    let received = 0
    await new Promise<void>((resolve, reject) => {
      body.pipe({
        data(chunk) {
          received += chunk.length
          setImmediate(() => body.resume())
          return false
        },
        end: resolve,
        error: reject,
      })
    })

    expect(received).toBe(4 * MIB)
  })

  test('of one answer may be let go from inside another: undici parses one at a time', async () => {
    const server = await rawServer((socket, request) => {
      if (request.startsWith('GET /stopped')) flood(socket, 4 * MIB)
      else
        socket.write(`${HEAD}1\r\na\r\n`, () => setTimeout(() => socket.write('1\r\nb\r\n'), 100))
    })
    const upstream = openAt(server.url)
    const stopped = (await upstream.send(aRequest({ path: '/stopped' })).answer).body
    const other = (await upstream.send(aRequest({ path: '/other' })).answer).body
    if (Buffer.isBuffer(stopped) || Buffer.isBuffer(other)) throw new Error('expected streams')
    const received = { stopped: 0, other: '' }
    let isFree = false
    const ended = new Promise<void>((resolve, reject) => {
      stopped.pipe({
        data(chunk) {
          received.stopped += chunk.length
          return isFree
        },
        end: resolve,
        error: reject,
      })
      other.pipe({
        data(chunk) {
          received.other += chunk.toString()
          if (received.other === 'ab') {
            isFree = true
            // Twice: what was held before the pipe is let go first, then the socket.
            stopped.resume()
            stopped.resume()
          }
          return true
        },
        end() {},
        error: reject,
      })
    })

    await ended
    expect(received).toEqual({ stopped: 4 * MIB, other: 'ab' })
    other.abort(new Error('enough'))
  })

  test('slows down a client whose upstream does not read', async () => {
    const server = http.createServer((request) => request.pause())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    let sent = 0
    const body = new Readable({
      read() {
        sent += 65_536
        this.push(Buffer.alloc(65_536))
      },
    })
    const { port } = server.address() as AddressInfo
    const attempt = openAt(`http://127.0.0.1:${port}`).send(aRequest({ method: 'POST', body }))

    expect(await settled(() => sent)).toBeLessThan(16 * MIB)
    attempt.abort(new Error('enough'))
    await expect(attempt.answer).rejects.toThrow('enough')
  })
})
