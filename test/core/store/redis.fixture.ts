import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { onTestFinished } from 'vitest'
import { openStore, type StoreSource } from '#core/store/open.ts'
import type { Limit, Store } from '#core/store/store.ts'
import { TestRedis } from '../../support/redis.ts'
import { certificate, privateKey } from '../upstream/certificate.ts'

/** What the tests count. */
export const LIMIT: Limit = { key: 'k', algorithm: 'total', limit: 1_000 }

/** A server for the running test. */
export async function startServer(args: readonly string[] = []): Promise<TestRedis> {
  const server = await TestRedis.start(args)
  onTestFinished(() => server.stop())
  return server
}

/** A store for the running test, and what it tells of itself. */
export async function open(source: string | StoreSource) {
  const changes: (string | undefined)[] = []
  const warnings: string[] = []
  const store = await openStore(source, {
    now: Date.now,
    onChange: (problem) => changes.push(problem),
    onWarning: (message) => warnings.push(message),
  })
  onTestFinished(() => store.close())
  return { store, changes, warnings }
}

let holds = 0
/** Reserves some of LIMIT. */
export const take = (store: Store, amount = 1, id = `hold ${holds++}`) =>
  store.counters.reserve(id, [{ limit: LIMIT, amount }], 60_000)
/** What remains of LIMIT. */
export const remaining = async (store: Store) => (await store.counters.read([LIMIT]))[0]!.remaining

/** Takes TLS from a connection; its port. */
export async function startTlsProxy(port: number): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createTlsServer({ cert: certificate, key: privateKey }, (client) => {
    const upstream = connect(port, '127.0.0.1')
    for (const socket of [client, upstream]) sockets.add(socket.on('error', () => {}))
    client.pipe(upstream).pipe(client)
  })
  return serve(server, sockets)
}

/** Passes bytes in both directions; told to, it throws the next answers away, or cuts the connection at a command, once. */
export async function startLossyProxy(port: number) {
  const sockets = new Set<Socket>()
  const state = { lost: 0, isLossy: false, cutAt: '' }
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    client.on('data', (data) => {
      if (state.cutAt === '' || !data.toString('latin1').includes(state.cutAt)) {
        upstream.write(data)
        return
      }
      state.lost++
      state.cutAt = ''
      client.destroy()
    })
    upstream.on('data', (data) => {
      if (state.isLossy) {
        state.lost++
        client.destroy()
        upstream.destroy()
        // The store has two connections: each loses the answers of one turn.
        if (state.lost === 2) state.isLossy = false
        return
      }
      client.write(data)
    })
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
  })
  const proxy = await serve(server, sockets)
  return {
    port: proxy,
    get lost() {
      return state.lost
    },
    loseAnswers: () => void (state.isLossy = true),
    cutAt: (command: string) => void (state.cutAt = command),
  }
}

/** Listens on a free port until the test is over; the port. */
async function serve(server: Server, sockets: ReadonlySet<Socket>): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return (server.address() as AddressInfo).port
}
