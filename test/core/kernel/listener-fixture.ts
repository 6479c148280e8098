import { connect, type Socket } from 'node:net'
import type { ServerConfig } from '#core/config/model.ts'
import type { Logger } from '#core/sdk.ts'

/** Writes nothing. */
export const silentLog: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** What a test changes of the listener's config. */
export interface ServerChanges extends Partial<Omit<ServerConfig, 'limits' | 'timeouts'>> {
  readonly limits?: Partial<ServerConfig['limits']>
  readonly timeouts?: Partial<ServerConfig['timeouts']>
}

/** A whole server config on a free loopback port. */
export function serverConfig({ limits, timeouts, ...rest }: ServerChanges = {}): ServerConfig {
  return {
    host: '127.0.0.1',
    port: 0,
    admin: undefined,
    trustProxy: [],
    allowEncodedSlashes: false,
    overload: { eventLoopDelayMs: 500, heapShare: 0.95 },
    websocket: {
      maxPayloadBytes: 1_048_576,
      maxFragments: 1_024,
      pingIntervalMs: 30_000,
      idleMs: 60_000,
      messagesPerSecond: 1_000,
    },
    ...rest,
    timeouts: {
      headersMs: 10_000,
      requestMs: 60_000,
      keepAliveMs: 65_000,
      writeMs: 30_000,
      shutdownDelayMs: 0,
      drainMs: 1_000,
      ...timeouts,
    },
    limits: {
      headerBytes: 16_384,
      headers: 100,
      urlBytes: 8_192,
      bodyBytes: 65_536,
      jsonDepth: 64,
      connections: 1_000,
      requestsPerSocket: 10_000,
      bufferedBytes: 1_048_576,
      ...limits,
    },
  }
}

/** A client that writes raw bytes and keeps all that it gets. */
export interface RawClient {
  readonly socket: Socket
  readonly text: string
  /** Statuses of the answers so far, the interim ones too. */
  readonly statuses: readonly number[]
  write(bytes: string): void
  /** Resolves with the text once it contains so many matches. */
  until(pattern: RegExp, count?: number): Promise<string>
  /** Resolves with the text once the other side has closed, reset or not. */
  closed: Promise<string>
}

/** Opens a raw connection to a loopback port. */
export function rawClient(port: number, options: { allowHalfOpen?: boolean } = {}): RawClient {
  const socket = connect({ port, host: '127.0.0.1', ...options })
  let text = ''
  let check = (): void => {}
  const closed = new Promise<string>((resolve) => {
    socket.on('close', () => {
      resolve(text)
      check()
    })
  })
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    check()
  })
  return {
    socket,
    closed,
    get text() {
      return text
    },
    get statuses() {
      return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
    },
    write: (bytes) => void socket.write(bytes, 'latin1'),
    until(pattern, count = 1) {
      const all = new RegExp(pattern, 'g')
      return new Promise((resolve, reject) => {
        check = () => {
          if ((text.match(all) ?? []).length >= count) resolve(text)
          else if (socket.destroyed) reject(new Error(`closed after ${JSON.stringify(text)}`))
        }
        check()
      })
    },
  }
}
