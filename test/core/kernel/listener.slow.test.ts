import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import type { ServerConfig } from '#core/config/model.ts'
import { readBody } from '#core/kernel/body.ts'
import { createListener, type Listener } from '#core/kernel/listener.ts'
import { rawClient, serverConfig, silentLog } from './listener-fixture.ts'

let listener: Listener | undefined
const open: ServerResponse[] = []

afterEach(async () => {
  await listener?.close(0)
  open.length = 0
})

async function start(timeouts: Partial<ServerConfig['timeouts']>): Promise<number> {
  listener = createListener(
    serverConfig({ timeouts }),
    {
      request(req, res) {
        open.push(res)
        if (req.method === 'POST') {
          readBody(req, 1e6).then(
            () => res.end('read'),
            () => {},
          )
        }
      },
      upgrade() {},
    },
    { log: silentLog },
  )
  return (await listener.listen()).port
}

describe('a client that sends slowly', () => {
  it('has so long for the head of its request', async () => {
    const client = rawClient(await start({ headersMs: 100, requestMs: 30_000 }))
    client.write('GET / HTTP/1.1\r\nHost: a\r\n')
    const drip = setInterval(() => client.write('X: 1\r\n'), 20)
    const text = await client.closed
    clearInterval(drip)
    expect(text).toMatch(/^HTTP\/1\.1 408 .*"REQUEST_TIMEOUT"/s)
    expect(open).toEqual([])
  })

  it('has so long for the whole of its request', async () => {
    const client = rawClient(await start({ headersMs: 100, requestMs: 200 }))
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n')
    const drip = setInterval(() => client.write('a'), 20)
    const text = await client.closed
    clearInterval(drip)
    expect(text).toMatch(/^HTTP\/1\.1 408 .*"REQUEST_TIMEOUT"/s)
  })

  it('is closed without a word when it never sent anything', async () => {
    const client = rawClient(await start({ headersMs: 100, requestMs: 200 }))
    expect(await client.closed).toBe('')
  })

  it('is closed when it keeps a connection without using it', async () => {
    const client = rawClient(await start({ keepAliveMs: 50 }))
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')
    expect(await client.closed).toMatch(/read/)
  })
})

describe('a client that has stopped reading', () => {
  it('is cut off when its answer has not moved for so long', async () => {
    const client = rawClient(await start({ writeMs: 200 }))
    client.socket.pause()
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await expect.poll(() => open.length).toBe(1)
    const piece = Buffer.alloc(1_048_576)
    while (open[0]!.write(piece) || open[0]!.writableLength < 33_554_432);
    await once(open[0]!, 'close')
    expect(open[0]!.writableFinished).toBe(false)
    client.socket.destroy()
  })

  it('is left alone while it takes something, if little at a time', async () => {
    const client = rawClient(await start({ writeMs: 300 }))
    client.socket.pause()
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await expect.poll(() => open.length).toBe(1)
    // One single buffer: the stream tells nothing of its progress.
    const size = 33_554_432
    open[0]!.end(Buffer.alloc(size))
    const started = performance.now()
    client.socket.on('data', () => client.socket.pause())
    const sip = setInterval(() => {
      // A sip is large enough to open the window again, and all of it takes thrice the limit.
      for (let count = 0; count < 20; count++) client.socket.resume()
    }, 1)
    while (client.socket.bytesRead < size) await new Promise((resolve) => setTimeout(resolve, 10))
    clearInterval(sip)
    expect(performance.now() - started).toBeGreaterThan(300)
    expect(open[0]!.writableFinished).toBe(true)
    client.socket.destroy()
  })

  it('may take its time between answers, and while none is written', async () => {
    const client = rawClient(await start({ writeMs: 40 }))
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await expect.poll(() => open.length).toBe(1)
    open[0]!.write('first')
    await client.until(/first/)
    // Longer than the limit, several looks long: nothing waits for the client in this time.
    await new Promise((resolve) => setTimeout(resolve, 150))
    open[0]!.end('last')
    await client.until(/last/)
    client.socket.destroy()
  })
})

describe('a client that is refused in the middle of its body', () => {
  it('is heard out for a moment only', async () => {
    const client = rawClient(await start({}))
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n')
    await expect.poll(() => open.length).toBe(1)
    open[0]!.writeHead(413, { connection: 'close' }).end()
    await client.until(/413/)
    const started = performance.now()
    // Not the polite kind: goes on sending after the answer and our half-close.
    const drip = setInterval(() => client.socket.write('a'), 20)
    await client.closed
    clearInterval(drip)
    expect(performance.now() - started).toBeLessThan(5_000)
  })
})
