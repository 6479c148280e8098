import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { type Client, undici } from './undici.ts'
import { GatewayError } from '../errors.ts'
import type { Dial } from './connect.ts'

/** Attempts that may wait for a connection of one endpoint. */
const MAX_WAITING = 1_024
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
  isBusy = false
  /** Requests that were begun on the present socket. */
  served = 0
  socket: Socket | undefined
  isConnected = false

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
  /** Those with nothing to do, the latest last. */
  readonly #idle: Connection[] = []
  readonly #waiting = new Set<Task>()
  /** Let go, but their sockets are not closed yet. */
  #leaving = 0
  #isClosing = false
  #onEmpty: (() => void) | undefined

  constructor(options: ConnectionsOptions) {
    this.#options = options
  }

  /** Starts the task on a connection, now or when one is free. Throws OVERLOADED when too many wait already. */
  acquire(task: Task): void {
    const connection = this.#idle.pop()
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
    this.#drop(broken)
    this.#give(this.#open(), task)
  }

  /** Gives back a connection; a broken one is not used again. */
  release(connection: Connection, isBroken: boolean): void {
    connection.isBusy = false
    if (isBroken) this.#drop(connection)
    else if (this.#isClosing || !connection.isConnected) this.#retire(connection)
    else this.#idle.push(connection)
    this.#serveWaiting()
  }

  /** Ends idle connections now and busy ones when they are done. */
  close(): Promise<void> {
    this.#isClosing = true
    for (const connection of this.#all) if (!connection.isBusy) this.#retire(connection)
    if (this.#isGone()) return Promise.resolve()
    return new Promise((resolve) => {
      const previous = this.#onEmpty
      this.#onEmpty = () => {
        previous?.()
        resolve()
      }
    })
  }

  #give(connection: Connection, task: Task): void {
    connection.isBusy = true
    task.start(connection)
  }

  #mayOpen(): boolean {
    return this.#all.size < this.#options.maxConnections
  }

  #serveWaiting(): void {
    while (this.#waiting.size > 0) {
      const connection = this.#idle.pop() ?? (this.#mayOpen() ? this.#open() : undefined)
      if (connection === undefined) return
      const [task] = this.#waiting
      this.#waiting.delete(task!)
      this.#give(connection, task!)
    }
  }

  #open(): Connection {
    const { origin, warn } = this.#options
    const { Client } = undici()
    const client = new Client(origin, {
      connect: (target, done) => this.#dial(connection, target, done),
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: MAX_KEEP_ALIVE_MS,
      keepAliveTimeoutThreshold: 1_000,
      // The attempt has time limits of its own, which say what they are.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    const connection = new Connection(client)
    const emitter: EventEmitter = client
    emitter.on('disconnect', () => {
      connection.isConnected = false
      if (!connection.isBusy) this.#drop(connection)
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
      done(null, socket)
    })
  }

  /** Lets go when undici is done with it. */
  #retire(connection: Connection): void {
    if (this.#forget(connection)) connection.client.close(() => this.#left())
  }

  /** Lets go at once. */
  #drop(connection: Connection): void {
    if (!this.#forget(connection)) return
    // undici doesn't know of a socket that is still connecting. Others are left to it: one that is destroyed without a
    // reason, inside a body that ends by closing, ends the process (an assertion in its `close` listener, 8.12).
    if (!connection.isConnected) connection.socket?.destroy()
    connection.client.destroy(() => this.#left())
  }

  #forget(connection: Connection): boolean {
    if (!this.#all.delete(connection)) return false
    const index = this.#idle.lastIndexOf(connection)
    if (index >= 0) this.#idle.splice(index, 1)
    this.#leaving++
    return true
  }

  #left(): void {
    this.#leaving--
    if (this.#isGone()) this.#onEmpty?.()
  }

  #isGone(): boolean {
    return this.#all.size === 0 && this.#leaving === 0
  }
}

type ConnectCallback = (...result: [null, Socket] | [Error, null]) => void
