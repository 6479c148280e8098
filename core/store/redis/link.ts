import { setTimeout as wait } from 'node:timers/promises'
import { DenseSet, type Slotted } from '../../kit/dense-set.ts'
import { StoreUnavailable } from '../unavailable.ts'
import type { Client } from './client.ts'
import { connect } from './connect.ts'
import { isPermanent, isRefusal, mustMove, reasonOf, tellOf, Unanswered } from './failure.ts'
import type { Server } from './location.ts'

/** Operations that wait for their answers. */
const MOST_PENDING = 10_000

/**
 * Before the next try to connect: doubled from one to the other, and up to half of it less by chance, so that not all
 * nodes come at once.
 */
const FIRST_DELAY_MS = 50
const LONGEST_DELAY_MS = 1_000

/** How often a silent connection is asked whether it is still there. */
const PING_EVERY_MS = 1_000

/** What a link tells of itself. */
export interface LinkEvents {
  /** Connected. Runs before any operation is sent. */
  prepare(client: Client): Promise<void>
  /** The connection is there, or it is not and why. Once per change. */
  changed(isUp: boolean, reason: string): void
}

interface Operation extends Slotted {
  readonly args: readonly string[]
  readonly calledAt: number
  /** May be sent again on the next connection: to get it twice does the server no harm. */
  readonly mayRepeat: boolean
  readonly resolve: (reply: unknown) => void
  readonly reject: (cause: unknown) => void
}

/**
 * A connection to one server, made anew whenever it is lost. While there is none, operations are rejected at once;
 * those that were under way are sent again, if the next connection comes in time.
 *
 * The client of npm is used for one connection at a time. By itself, it lets what it has sent wait for ever, and takes
 * up to seconds to see that a sentinel has named another server.
 */
export class Link {
  readonly #server: Server
  readonly #events: LinkEvents
  readonly #pending = new DenseSet<Operation>()
  /** Those of the pending that the next connection is waited for. */
  readonly #stranded = new Set<Operation>()
  readonly #closing = new AbortController()
  #client: Client | undefined
  #reason = 'not connected yet'
  #toldUp: boolean | undefined
  #check: NodeJS.Timeout | undefined
  #answeredAt = 0
  #ping: NodeJS.Timeout | undefined
  #whenIdle: (() => void) | undefined

  constructor(server: Server, events: LinkEvents) {
    this.#server = server
    this.#events = events
  }

  /** Undefined while the server is there, else why it is not. */
  get problem(): string | undefined {
    return this.#client === undefined ? this.#reason : undefined
  }

  /** Resolves after the first try, whether there is a server or not; rejects where trying again would be of no use. */
  async open(): Promise<void> {
    try {
      await this.#connect()
    } catch (cause) {
      if (isPermanent(cause)) throw this.#unavailable(reasonOf(cause), cause)
      this.#tell(false, reasonOf(cause))
      void this.#reconnect()
    }
    this.#ping = setInterval(() => void this.run(['PING']).catch(() => {}), PING_EVERY_MS)
    this.#ping.unref()
  }

  run(args: readonly string[], mayRepeat = true): Promise<unknown> {
    const client = this.#client
    if (client === undefined) return Promise.reject(this.#unavailable(this.#reason))
    if (this.#pending.size >= MOST_PENDING) {
      const problem = `it cannot keep up: ${MOST_PENDING} operations wait for it already`
      return Promise.reject(this.#unavailable(problem))
    }
    return new Promise((resolve, reject) => {
      const calledAt = performance.now()
      const operation = { args, calledAt, mayRepeat, resolve, reject, slot: -1 }
      this.#pending.add(operation)
      if (this.#check === undefined) this.#checkLater(this.#server.timeoutMs)
      this.#send(operation, client)
    })
  }

  /** Lets what was sent be answered, and ends the connection. */
  async close(): Promise<void> {
    this.#closing.abort()
    clearInterval(this.#ping)
    const client = this.#client
    this.#client = undefined
    this.#reason = 'it is closed'
    for (const operation of this.#stranded) this.#giveUp(operation, this.#reason)
    if (this.#pending.size > 0) await new Promise<void>((idle) => (this.#whenIdle = idle))
    client?.destroy()
  }

  #send(operation: Operation, client: Client): void {
    client.sendCommand(operation.args as string[]).then(
      (reply) => {
        this.#answeredAt = performance.now()
        return this.#finish(operation) && operation.resolve(reply)
      },
      (cause: unknown) => this.#failed(operation, client, cause),
    )
  }

  #failed(operation: Operation, client: Client, cause: unknown): void {
    if (isRefusal(cause)) {
      if (mustMove(cause)) this.#lose(client, reasonOf(cause))
      if (this.#finish(operation)) operation.reject(this.#unavailable(reasonOf(cause), cause))
      return
    }
    if (!client.isReady) this.#lose(client, reasonOf(cause))
    if (operation.slot >= 0) {
      if (operation.mayRepeat && !this.#closing.signal.aborted) this.#stranded.add(operation)
      else this.#giveUp(operation, reasonOf(cause))
    }
  }

  #giveUp(operation: Operation, reason: string): void {
    if (!this.#finish(operation)) return
    operation.reject(new Unanswered(tellOf(this.#server.shown, reason)))
  }

  /** False where it was over before. */
  #finish(operation: Operation): boolean {
    this.#stranded.delete(operation)
    const isFirst = operation.slot >= 0
    this.#pending.delete(operation)
    if (this.#pending.size === 0) this.#whenIdle?.()
    return isFirst
  }

  /** After a turn of the event loop: where that stood still, answers have come that nobody has read yet. */
  #checkLater(ms: number): void {
    this.#check = setTimeout(() => setImmediate(() => this.#expire()), ms)
  }

  #expire(): void {
    this.#check = undefined
    const pending = [...this.#pending].sort((a, b) => a.calledAt - b.calledAt)
    const [oldest] = pending
    if (oldest === undefined) return
    const { timeoutMs } = this.#server
    const now = performance.now()
    if (!this.#stranded.has(oldest)) {
      const rest = timeoutMs - (now - Math.max(this.#answeredAt, oldest.calledAt))
      // Timers may fire a little early.
      if (rest > 1) {
        this.#checkLater(rest)
        return
      }
      this.#lose(this.#client, `no answer within ${timeoutMs} ms`)
    }
    for (const operation of pending) {
      const rest = operation.calledAt + timeoutMs - now
      if (rest > 1) {
        this.#checkLater(rest)
        return
      }
      this.#giveUp(operation, this.#reason)
    }
  }

  /** Gives up a connection, once; what was sent on it is stranded. */
  #lose(client: Client | undefined, reason: string): void {
    if (client === undefined || client !== this.#client) return
    this.#client = undefined
    this.#tell(false, reason)
    // Its commands fail with it, each by its own promise.
    if (client.isOpen) client.destroy()
    if (!this.#closing.signal.aborted) void this.#reconnect()
  }

  async #reconnect(): Promise<void> {
    for (let delay = FIRST_DELAY_MS; ; delay = Math.min(delay * 2, LONGEST_DELAY_MS)) {
      try {
        await wait(delay * (1 - Math.random() / 2), undefined, { signal: this.#closing.signal })
        await this.#connect()
        return
      } catch (cause) {
        if (this.#closing.signal.aborted) return
        this.#tell(false, reasonOf(cause))
      }
    }
  }

  async #connect(): Promise<void> {
    const client = await connect(this.#server, {
      prepare: (made) => this.#events.prepare(made),
      lost: (made, cause) => this.#lose(made, reasonOf(cause)),
    })
    if (this.#closing.signal.aborted) {
      client.destroy()
      return
    }
    this.#client = client
    const stranded = [...this.#stranded]
    this.#stranded.clear()
    for (const operation of stranded) this.#send(operation, client)
    this.#tell(true, '')
  }

  #tell(isUp: boolean, reason: string): void {
    this.#reason = reason
    if (isUp === this.#toldUp) return
    this.#toldUp = isUp
    this.#events.changed(isUp, reason)
  }

  #unavailable(reason: string, cause?: unknown): StoreUnavailable {
    return new StoreUnavailable(tellOf(this.#server.shown, reason), { cause })
  }
}
