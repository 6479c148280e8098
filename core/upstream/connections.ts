import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { Client } from 'undici'
import { GatewayError } from '../errors.ts'
import type { Dial } from './connect.ts'

/** Attempts that may wait for a connection of one endpoint. */
const MAX_WAITING = 1_024
/** Streams at once on one HTTP/2 connection. */
const MAX_STREAMS = 100
/** Header fields of one answer, names and values together. */
const MAX_HEADER_BYTES = 65_536
/** An idle connection is closed before common servers close it (5 s), unless they say otherwise (`Keep-Alive`). */
const KEEP_ALIVE_MS = 4_000
const MAX_KEEP_ALIVE_MS = 60_000

/** What waits for a connection. */
export interface Task {
  /** Called once per connection that it gets. */
  start(connection: Connection): void
}

/** One connection, or one that is being opened: an undici Client with at most one socket at a time. */
export class Connection {
  readonly client: Client
  /** Attempts that hold it. */
  running = 0
  /** Requests that were begun on the present socket. */
  served = 0
  socket: Socket | undefined
  isConnected = false
  isMultiplexed = false

  constructor(client: Client) {
    this.client = client
  }
}

/** What one endpoint's connections have in common. */
export interface ConnectionsOptions {
  /** Scheme, host and port, without a path. */
  readonly origin: string
  readonly dial: Dial
  readonly maxConnections: number
  readonly warn: (message: string, cause: unknown) => void
}

/**
 * The connections of one endpoint. undici's own Pool queues without a bound, keeps what was aborted in its queue,
 * and looks through all connections for each request; this one hands out the connection that was used last.
 */
export class Connections {
  readonly #options: ConnectionsOptions
  readonly #all = new Set<Connection>()
  /** HTTP/1 connections with nothing to do, the latest last. */
  readonly #idle: Connection[] = []
  /** HTTP/2 connections. */
  readonly #multiplexed: Connection[] = []
  readonly #waiting = new Set<Task>()
  #isClosing = false
  #onEmpty: (() => void) | undefined
  /** What the endpoint's TLS handshake last chose. Until it is known, one connection goes ahead to find out. */
  #speaksH1: boolean

  constructor(options: ConnectionsOptions) {
    this.#options = options
    this.#speaksH1 = options.origin.startsWith('http:')
  }

  /** Sockets that are open or being opened. */
  get size(): number {
    return this.#all.size
  }

  /** Starts the task on a connection, now or when one is free. Throws OVERLOADED when too many wait already. */
  acquire(task: Task): void {
    const connection = this.#free()
    if (connection !== undefined) this.#give(connection, task)
    else if (this.#mayOpen()) this.#give(this.#open(), task)
    else if (this.#waiting.size < MAX_WAITING) this.#waiting.add(task)
    else {
      const detail = `${MAX_WAITING} requests wait for a connection to the upstream already`
      throw new GatewayError('OVERLOADED', detail, { headers: { 'retry-after': '1' } })
    }
  }

  /** Stops waiting. */
  leave(task: Task): void {
    this.#waiting.delete(task)
  }

  /** Gives the task a new connection in the place of a broken one. */
  replace(broken: Connection, task: Task): void {
    broken.running--
    this.#drop(broken)
    this.#give(this.#open(), task)
  }

  /** Gives back a connection; a broken one is not used again. */
  release(connection: Connection, isBroken: boolean): void {
    connection.running--
    if (isBroken && (!connection.isMultiplexed || !connection.isConnected)) this.#drop(connection)
    else if (connection.running === 0 && (this.#isClosing || !connection.isConnected)) {
      this.#retire(connection)
    } else if (!connection.isMultiplexed && this.#all.has(connection)) this.#idle.push(connection)
    this.#serveWaiting()
  }

  /** Ends idle connections now and busy ones when they are done. */
  close(): Promise<void> {
    this.#isClosing = true
    for (const connection of this.#all) if (connection.running === 0) this.#retire(connection)
    if (this.#all.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const previous = this.#onEmpty
      this.#onEmpty = () => {
        previous?.()
        resolve()
      }
    })
  }

  #give(connection: Connection, task: Task): void {
    connection.running++
    task.start(connection)
  }

  #free(): Connection | undefined {
    const idle = this.#idle.pop()
    if (idle !== undefined) return idle
    return this.#multiplexed.find(({ running }) => running < MAX_STREAMS)
  }

  #mayOpen(): boolean {
    if (this.#all.size >= this.#options.maxConnections) return false
    if (this.#speaksH1) return true
    // An HTTP/2 connection serves all that wait, so one is enough to begin with.
    for (const { isConnected } of this.#all) if (!isConnected) return false
    return true
  }

  #serveWaiting(): void {
    while (this.#waiting.size > 0) {
      const connection = this.#free() ?? (this.#mayOpen() ? this.#open() : undefined)
      if (connection === undefined) return
      const [task] = this.#waiting
      this.#waiting.delete(task!)
      this.#give(connection, task!)
    }
  }

  #open(): Connection {
    const { origin, warn } = this.#options
    const client = new Client(origin, {
      connect: (target, done) => this.#dial(connection, target, done),
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: MAX_KEEP_ALIVE_MS,
      keepAliveTimeoutThreshold: 1_000,
      // The attempt has time limits of its own, which say what they are.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxConcurrentStreams: MAX_STREAMS,
    })
    const connection = new Connection(client)
    const emitter: EventEmitter = client
    emitter.on('disconnect', () => {
      connection.isConnected = false
      if (connection.running === 0) this.#drop(connection)
    })
    // undici reports here what a handler of ours threw; without a listener it would end the process.
    emitter.on('error', (cause: unknown) => warn('an upstream attempt broke', cause))
    this.#all.add(connection)
    return connection
  }

  #dial(connection: Connection, target: Parameters<Dial>[0], done: ConnectCallback): void {
    connection.socket = this.#options.dial(target, (error, socket) => {
      if (socket === undefined) {
        done(error ?? new Error('no socket'), null)
        return
      }
      connection.isConnected = true
      connection.served = 0
      connection.isMultiplexed = 'alpnProtocol' in socket && socket.alpnProtocol === 'h2'
      this.#speaksH1 = !connection.isMultiplexed
      if (connection.isMultiplexed && !this.#multiplexed.includes(connection)) {
        this.#multiplexed.push(connection)
      }
      done(null, socket)
      this.#serveWaiting()
    })
  }

  /** Lets go when undici is done with it. */
  #retire(connection: Connection): void {
    if (this.#forget(connection)) connection.client.close(() => this.#left())
  }

  /** Lets go at once. */
  #drop(connection: Connection): void {
    if (!this.#forget(connection)) return
    // undici doesn't know of a socket that is still connecting.
    if (!connection.isConnected) connection.socket?.destroy()
    connection.client.destroy(() => this.#left())
  }

  #forget(connection: Connection): boolean {
    if (!this.#all.delete(connection)) return false
    remove(this.#idle, connection)
    remove(this.#multiplexed, connection)
    return true
  }

  #left(): void {
    if (this.#all.size === 0) this.#onEmpty?.()
  }
}

type ConnectCallback = (...result: [null, Socket] | [Error, null]) => void

function remove(list: Connection[], connection: Connection): void {
  const index = list.lastIndexOf(connection)
  if (index >= 0) list.splice(index, 1)
}
