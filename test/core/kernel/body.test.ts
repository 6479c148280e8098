import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { gzipSync, zstdCompressSync, brotliCompressSync, deflateSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import type { GatewayError } from '#core/errors.ts'
import { decodeBody, limitBody, readBody } from '#core/kernel/body.ts'
import { createListener, type Listener } from '#core/kernel/listener.ts'
import { rawClient, type RawClient, serverConfig, silentLog } from './listener-fixture.ts'

const LIMIT = 1_000
let listener: Listener | undefined

afterEach(() => listener?.close(0))

type Handler = (req: IncomingMessage, res: ServerResponse) => Promise<string>

/** Serves what the handler returns; a GatewayError as its code. */
async function serve(handler: Handler): Promise<RawClient> {
  listener = createListener(
    serverConfig(),
    {
      request(req, res) {
        handler(req, res).then(
          (text) => res.end(text),
          (error: GatewayError) => {
            res.writeHead(error.status, { ...error.headers }).end(error.code)
          },
        )
      },
      upgrade() {},
    },
    { log: silentLog },
  )
  return rawClient((await listener.listen()).port)
}

function post(...lines: string[]): string {
  return `POST / HTTP/1.1\r\nHost: a\r\n${lines.join('\r\n')}\r\n\r\n`
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += chunk.toString()
  return text
}

function closing(body: Readable): Promise<void> {
  return new Promise((resolve) => body.on('close', resolve))
}

describe.each([
  ['readBody', (req: IncomingMessage) => readBody(req, LIMIT).then(String)],
  ['limitBody', async (req: IncomingMessage) => readAll(limitBody(req, LIMIT))],
] as const)('%s', (_, read) => {
  it('gives a body whole, whatever its pieces, and leaves the connection usable', async () => {
    const client = await serve(read)
    client.write(post('Content-Length: 5') + 'he')
    client.write('llo')
    await client.until(/hello/)
    client.write(post('Transfer-Encoding: chunked') + '3\r\nwor\r\n')
    client.write('2\r\nld\r\n0\r\n\r\n')
    await client.until(/world/)
    client.write(post('Content-Length: 0'))
    await client.until(/HTTP\/1\.1 200/, 3)
    expect(client.statuses).toEqual([200, 200, 200])
    client.socket.destroy()
  })

  it('takes a body of exactly the limit', async () => {
    const client = await serve(read)
    client.write(post(`Content-Length: ${LIMIT}`) + 'a'.repeat(LIMIT))
    expect(await client.until(/a{1000}/)).toMatch(/^HTTP\/1\.1 200/)
    client.socket.destroy()
  })

  it('refuses a body that announces more, before it comes', async () => {
    const client = await serve(read)
    client.write(post(`Content-Length: ${LIMIT + 1}`))
    expect(await client.closed).toMatch(/^HTTP\/1\.1 413 .*BODY_TOO_LARGE/s)
  })

  it('refuses a body that grows beyond the limit, and lets the client read why', async () => {
    const client = await serve(read)
    client.write(post('Transfer-Encoding: chunked'))
    for (let index = 0; index < 100; index++) client.write(`400\r\n${'a'.repeat(1_024)}\r\n`)
    expect(await client.closed).toMatch(/^HTTP\/1\.1 413 .*BODY_TOO_LARGE/s)
  })

  it('asks a client that waits for it to continue', async () => {
    const client = await serve(read)
    client.write(post('Content-Length: 2', 'Expect: 100-continue'))
    await client.until(/100 Continue/)
    client.write('hi')
    await client.until(/hi/)
    expect(client.statuses).toEqual([100, 200])
    client.socket.destroy()
  })

  it('does not ask for a body that is too large', async () => {
    const client = await serve(read)
    client.write(post('Content-Length: 2000', 'Expect: 100-continue'))
    await client.closed
    expect(client.statuses).toEqual([413])
  })

  it('tells of a client that leaves in the middle', async () => {
    let failed = (_error: unknown): void => {}
    const failure = new Promise((resolve) => (failed = resolve))
    const client = await serve(async (req) => {
      await read(req).catch(failed)
      return ''
    })
    client.write(post('Content-Length: 5') + 'he')
    await once(client.socket, 'connect')
    client.socket.destroySoon()
    expect(await failure).toMatchObject({ code: 'CLIENT_CLOSED' })
  })
})

describe('readBody', () => {
  it('asks nobody to continue when the body is not wanted', async () => {
    const client = await serve(async () => 'no, thanks')
    client.write(post('Content-Length: 2', 'Expect: 100-continue'))
    expect(await client.closed).toMatch(/no, thanks/)
    expect(client.statuses).toEqual([200])
  })
})

describe('limitBody', () => {
  it('makes the client wait while nobody reads', async () => {
    let body: Readable | undefined
    let begun = (): void => {}
    const beginning = new Promise<void>((resolve) => (begun = resolve))
    const client = await serve(async (req) => {
      body = limitBody(req, 1e9)
      body.on('error', () => {}).read(0)
      begun()
      await closing(body)
      return 'done'
    })
    client.write(post('Content-Length: 100000000'))
    await beginning
    const piece = Buffer.alloc(1_048_576)
    let sent = 0
    while (client.socket.writableLength < 4_194_304 && sent < 64) {
      client.socket.write(piece)
      sent++
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(sent).toBeLessThan(64)
    expect(body!.readableLength).toBeLessThan(262_144)
    client.socket.destroy()
    body!.resume()
    await closing(body!)
  })

  it('leaves the connection to the answer when the reader gives up', async () => {
    const client = await serve(async (req) => {
      const body = limitBody(req, LIMIT).on('error', () => {})
      body.once('data', () => body.destroy(new Error('the upstream is gone')))
      await closing(body)
      return 'sorry'
    })
    client.write(post('Content-Length: 5') + 'he')
    await client.until(/sorry/)
    client.write(`llo${post('Content-Length: 2')}hi`)
    await client.until(/sorry/, 2)
    expect(client.statuses).toEqual([200, 200])
    client.socket.destroy()
  })
})

describe('a body that nobody reads to its end', () => {
  it('is thrown away behind the answer', async () => {
    const client = await serve(async (req) => {
      const body = limitBody(req, 1e6).on('error', () => {})
      // Filled until it makes the client wait, and then given up.
      await new Promise<void>((resolve) => {
        req.once('pause', resolve)
        body.read(0)
      })
      body.destroy()
      return 'sorry'
    })
    client.write(post('Content-Length: 500000') + 'a'.repeat(500_000))
    await client.until(/sorry/)
    client.write(post('Content-Length: 500000') + 'a'.repeat(500_000))
    await client.until(/sorry/, 2)
    expect(client.statuses).toEqual([200, 200])
    client.socket.destroy()
  })
})

describe('decodeBody', () => {
  const text = Buffer.from('{"a":"'.padEnd(5_000, 'b') + '"}')

  it.each([
    ['gzip', gzipSync(text)],
    ['X-GZIP', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['br', brotliCompressSync(text)],
    [' zstd ', zstdCompressSync(text)],
    ['identity', text],
    [undefined, text],
  ] as const)('takes the coding %s off', async (encoding, bytes) => {
    expect(await decodeBody(bytes, encoding, 10_000)).toEqual(text)
  })

  it.each(['gzip, gzip', 'compress', 'constructor', ''])(
    'refuses the coding %j',
    async (encoding) => {
      await expect(decodeBody(text, encoding, 10_000)).rejects.toMatchObject({
        code: 'UNSUPPORTED_ENCODING',
      })
    },
  )

  it.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ] as const)(
    'stops a %s bomb at the limit and at a hundred times its size',
    async (coding, code) => {
      await expect(decodeBody(code(text), coding, 4_999)).rejects.toMatchObject({
        code: 'BODY_TOO_LARGE',
      })
      const bomb = code(Buffer.alloc(20_000_000))
      expect(bomb.length).toBeLessThan(200_000)
      await expect(decodeBody(bomb, coding, 1e9)).rejects.toMatchObject({ code: 'BODY_TOO_LARGE' })
    },
  )

  it('refuses what is broken or cut', async () => {
    await expect(decodeBody(text, 'gzip', 10_000)).rejects.toMatchObject({ code: 'BAD_REQUEST' })
    const cut = gzipSync(text).subarray(0, -9)
    await expect(decodeBody(cut, 'gzip', 10_000)).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  })
})
