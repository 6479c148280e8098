import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type Arrival,
  createListener,
  type Listener,
  type ListenerServices,
} from '#core/kernel/listener.ts'
import type { Refusal } from '#core/kernel/listener-refusal.ts'
import type { LoadLevel } from '#core/kernel/overload.ts'
import { rawClient, serverConfig, type ServerChanges, silentLog } from './listener-fixture.ts'

let listener: Listener | undefined
const arrivals: Arrival[] = []
const refusals: Refusal[] = []

afterEach(async () => {
  await listener?.close(0)
  arrivals.length = 0
  refusals.length = 0
})

interface Setup {
  readonly config?: ServerChanges
  readonly services?: Partial<ListenerServices>
  readonly request?: (req: IncomingMessage, res: ServerResponse) => void
  readonly upgrade?: (socket: Duplex, head: Buffer) => void
}

async function start({ config, services, request, upgrade }: Setup = {}): Promise<number> {
  listener = createListener(
    serverConfig(config),
    {
      request(req, res, arrival) {
        arrivals.push(arrival)
        if (request === undefined) res.end(arrival.path)
        else request(req, res)
      },
      upgrade(_req, socket, head, arrival) {
        arrivals.push(arrival)
        if (upgrade === undefined) socket.end('upgraded')
        else upgrade(socket, head)
      },
      refused: (refusal) => refusals.push(refusal),
    },
    { log: silentLog, ...services },
  )
  return (await listener.listen()).port
}

function get(path: string, ...fields: string[]): string {
  return (
    ['GET', path, 'HTTP/1.1\r\nHost: a'].join(' ') +
    fields.map((f) => `\r\n${f}`).join('') +
    '\r\n\r\n'
  )
}

const UPGRADE = ['Connection: Upgrade', 'Upgrade: websocket']

describe('a request that arrives', () => {
  it('comes checked and in its one form', async () => {
    const client = rawClient(await start())
    client.write(get('/a//b/../c?x=1', 'X-A: 1'))
    await client.until(/\/a\/c/)
    expect(arrivals[0]).toMatchObject({
      method: 'GET',
      path: '/a/c',
      search: 'x=1',
      host: 'a',
      ip: '127.0.0.1',
      scheme: 'http',
      protocol: 'http',
      hasBody: false,
    })
    expect({ ...arrivals[0]!.headers }).toEqual({ host: 'a', 'x-a': '1' })
    client.socket.destroy()
  })

  it('is answered as problem+json with an id when it is refused, and told of', async () => {
    const client = rawClient(await start())
    client.write(get('/%2f'))
    const [head, body] = (await client.closed).split('\r\n\r\n') as [string, string]
    expect(head).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(head).toMatch(/content-type: application\/problem\+json/)
    expect(refusals).toMatchObject([{ ip: '127.0.0.1', error: { code: 'BAD_REQUEST' } }])
    expect(head).toContain(`x-request-id: ${refusals[0]!.id}`)
    expect(JSON.parse(body)).toMatchObject({
      status: 400,
      code: 'BAD_REQUEST',
      requestId: refusals[0]!.id,
    })
  })

  it('is answered in the same form when it is not even HTTP', async () => {
    const client = rawClient(await start())
    client.write('rubbish\r\n\r\n')
    const [head, body] = (await client.closed).split('\r\n\r\n') as [string, string]
    expect(head).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(JSON.parse(body)).toMatchObject({ code: 'BAD_REQUEST', requestId: refusals[0]!.id })
  })

  it('is answered without a body when it is a HEAD', async () => {
    const client = rawClient(await start())
    client.write(get('/%2f').replace('GET', 'HEAD'))
    expect(await client.closed).toMatch(/\r\n\r\n$/)
  })

  it('is answered by the listener itself when it asks after the server', async () => {
    const client = rawClient(await start())
    client.write(get('*').replace('GET', 'OPTIONS') + get('/next'))
    expect(await client.until(/\/next/)).toMatch(/^HTTP\/1\.1 204 .*allow: GET/s)
    expect(arrivals).toHaveLength(1)
    client.socket.destroy()
  })
})

describe('pipelined requests', () => {
  it('are handled one after another, in order', async () => {
    const open: ServerResponse[] = []
    const client = rawClient(await start({ request: (_req, res) => open.push(res) }))
    client.write(get('/1') + get('/2') + get('/3'))
    for (const path of ['/1', '/2', '/3']) {
      await expect.poll(() => arrivals.at(-1)?.path).toBe(path)
      expect(open).toHaveLength(1)
      open.pop()!.end(`answer ${path}`)
    }
    const text = await client.until(/answer \/3/)
    expect(text.match(/answer \/\d/g)).toEqual(['answer /1', 'answer /2', 'answer /3'])
    client.socket.destroy()
  })

  it('behind one that is refused are never handled', async () => {
    const client = rawClient(await start())
    client.write(get('/1') + get('/%00') + get('/3'))
    await client.closed
    expect(client.statuses).toEqual([200, 400])
    expect(arrivals.map(({ path }) => path)).toEqual(['/1'])
  })

  it('behind an answer that closes the connection are never handled', async () => {
    const request = (_req: IncomingMessage, res: ServerResponse): void => {
      res.writeHead(200, { connection: 'close' }).end()
    }
    const client = rawClient(await start({ request }))
    client.write(get('/1') + get('/2'))
    await client.closed
    expect(arrivals.map(({ path }) => path)).toEqual(['/1'])
  })

  it('are answered before rubbish behind them is', async () => {
    const open: ServerResponse[] = []
    const client = rawClient(await start({ request: (_req, res) => open.push(res) }))
    client.write(`${get('/1')}${get('/2')}rubbish\r\n\r\n`)
    await expect.poll(() => open.length).toBe(1)
    open.pop()!.end()
    await expect.poll(() => open.length).toBe(1)
    open.pop()!.end()
    await client.closed
    expect(client.statuses).toEqual([200, 200, 400])
  })

  it('beyond what may wait go unanswered', async () => {
    const client = rawClient(await start())
    client.write(get('/').repeat(500))
    await client.closed
    expect(client.statuses.length).toBeGreaterThanOrEqual(65)
    expect(client.statuses.length).toBeLessThan(500)
    expect(arrivals).toHaveLength(client.statuses.length)
  })

  it('are forgotten when the client leaves', async () => {
    const open: ServerResponse[] = []
    const client = rawClient(await start({ request: (_req, res) => open.push(res) }))
    client.write(get('/1') + get('/2'))
    await expect.poll(() => open.length).toBe(1)
    client.socket.destroy()
    await once(open[0]!, 'close')
    await expect.poll(() => listener!.openConnections).toBe(0)
    expect(arrivals).toHaveLength(1)
  })
})

describe('an upgrade', () => {
  it('comes checked, with the bytes behind it', async () => {
    let early = ''
    const upgrade = (socket: Duplex, head: Buffer): void => {
      early = head.toString()
      socket.end('upgraded')
    }
    const client = rawClient(await start({ upgrade }))
    client.write(`${get('/ws//x', ...UPGRADE)}early`)
    expect(await client.closed).toBe('upgraded')
    expect(arrivals[0]).toMatchObject({ path: '/ws/x', protocol: 'websocket' })
    expect(early).toBe('early')
  })

  it('behind a request that is still being answered ends the connection', async () => {
    const open: ServerResponse[] = []
    const client = rawClient(await start({ request: (_req, res) => open.push(res) }))
    client.write(get('/1') + get('/ws', ...UPGRADE))
    expect(await client.closed).toBe('')
    expect(arrivals.map(({ path }) => path)).toEqual(['/1'])
  })
})

describe('a client that closes its half', () => {
  it('counts as gone', async () => {
    const open: ServerResponse[] = []
    const client = rawClient(await start({ request: (_req, res) => open.push(res) }))
    client.write(get('/1'))
    await expect.poll(() => open.length).toBe(1)
    client.socket.end()
    await once(open[0]!, 'close')
    expect(open[0]!.writableFinished).toBe(false)
  })
})

describe('a connection', () => {
  it('serves many requests, up to the limit', async () => {
    const client = rawClient(await start({ config: { limits: { requestsPerSocket: 3 } } }))
    for (let count = 1; count <= 3; count++) {
      client.write(get('/x'))
      await client.until(/200 OK/, count)
    }
    expect((await client.closed).match(/connection: close/gi)).toHaveLength(1)
    expect(client.statuses).toEqual([200, 200, 200])
  })

  it('above the limit of connections is dropped', async () => {
    const port = await start({ config: { limits: { connections: 1 } } })
    const first = rawClient(port)
    first.write(get('/'))
    await first.until(/200 OK/)
    expect(await rawClient(port).closed).toBe('')
    first.socket.destroy()
  })

  it('warns of a limit that the system does not allow', async () => {
    const warnings: string[] = []
    const log = { ...silentLog, warn: (message: string) => void warnings.push(message) }
    await start({ config: { limits: { connections: 100_000_000 } }, services: { log } })
    expect(warnings).toEqual(
      process.platform === 'linux' ? ['the limit of open files allows fewer connections'] : [],
    )
  })
})

describe('an overloaded gateway', () => {
  function overload(level: LoadLevel) {
    const sample = () => ({ delayMs: 0, heapShare: 0 })
    return { level: () => level, sample, update() {}, close() {} }
  }

  it('refuses new requests and upgrades before their body is read', async () => {
    const port = await start({ services: { overload: overload('shedding') } })
    const client = rawClient(port)
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab')
    expect(await client.closed).toMatch(/^HTTP\/1\.1 503 .*retry-after: 1\r\n.*"OVERLOADED"/s)
    const socket = rawClient(port)
    socket.write(get('/', ...UPGRADE))
    expect(await socket.closed).toMatch(/^HTTP\/1\.1 503 /)
    expect(arrivals).toEqual([])
  })

  it('under pressure answers, and sends clients elsewhere', async () => {
    const client = rawClient(await start({ services: { overload: overload('pressed') } }))
    client.write(get('/'))
    expect(await client.closed).toMatch(/^HTTP\/1\.1 200 .*connection: close/is)
  })
})

describe('update', () => {
  it('follows new limits without another listener', async () => {
    const port = await start()
    const changed = serverConfig({
      limits: { urlBytes: 10, headerBytes: 1_000, headers: 3 },
      trustProxy: ['127.0.0.1'],
    })
    listener!.update(changed)
    const client = rawClient(port)
    client.write(get('/', 'X-Forwarded-For: 192.0.2.1'))
    await client.until(/200 OK/)
    expect(arrivals[0]!.ip).toBe('192.0.2.1')
    client.write(get('/01234567890'))
    await client.closed
    expect(client.statuses).toEqual([200, 414])
    const large = rawClient(port)
    large.write(get('/', `X: ${'a'.repeat(1_000)}`))
    await large.closed
    expect(large.statuses).toEqual([431])
  })
})

describe('a listener that ends', () => {
  it('closes connections with their next answer while it drains', async () => {
    const client = rawClient(await start())
    client.write(get('/1'))
    await client.until(/\/1/)
    listener!.drain()
    client.write(get('/2'))
    expect(await client.closed).toMatch(/\/2/)
  })

  it('waits for answers that are due, and closes idle connections at once', async () => {
    const open: ServerResponse[] = []
    const port = await start({ request: (_req, res) => open.push(res) })
    const idle = rawClient(port)
    const busy = rawClient(port)
    busy.write(get('/1'))
    await expect.poll(() => open.length).toBe(1)
    let isClosed = false
    const closing = listener!.close(60_000).then(() => (isClosed = true))
    await idle.closed
    expect(isClosed).toBe(false)
    open[0]!.end('late')
    expect(await busy.closed).toMatch(/connection: close.*late/is)
    await closing
    expect(listener!.openConnections).toBe(0)
  })

  it('closes a connection behind an answer that had begun before', async () => {
    const open: ServerResponse[] = []
    const client = rawClient(await start({ request: (_req, res) => open.push(res) }))
    client.write(get('/1'))
    await expect.poll(() => open.length).toBe(1)
    open[0]!.write('begun')
    await client.until(/begun/)
    const closing = listener!.close(60_000)
    open[0]!.end('ended')
    expect(await client.closed).toMatch(/ended/)
    await closing
  })

  it('cuts what is left after its grace, WebSockets too', async () => {
    const port = await start({ request() {}, upgrade() {} })
    const clients = [rawClient(port), rawClient(port)]
    clients[0]!.write(get('/1'))
    clients[1]!.write(get('/ws', ...UPGRADE))
    await expect.poll(() => arrivals.length).toBe(2)
    await listener!.close(50)
    await Promise.all(clients.map(({ closed }) => closed))
  })

  it('may be closed twice, and before it listened', async () => {
    await start()
    await Promise.all([listener!.close(0), listener!.close(0)])
    const never = createListener(serverConfig(), { request() {}, upgrade() {} }, { log: silentLog })
    await never.close(0)
    expect(never.openConnections).toBe(0)
  })

  it('says when its port is taken', async () => {
    const port = await start()
    const second = createListener(
      serverConfig({ port }),
      { request() {}, upgrade() {} },
      { log: silentLog },
    )
    await expect(second.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await second.close(0)
  })
})
