import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** How long a client that was refused may go on sending, so that it gets to read why. Milliseconds. */
const LINGER = 1_000

/** Pipelined requests that may wait for the one before them. Those beyond go unanswered, as RFC 9112 §9.3.2 allows. */
const MAX_WAITING = 64

/** One request in its turn. */
export type Turn = (req: IncomingMessage, res: ServerResponse) => void

/**
 * One client connection. Pipelined requests are handled one after another, so that nothing behind a refused request
 * or an upgrade is ever looked at, and one connection makes one exchange at a time.
 */
export class Connection {
  readonly socket: Socket
  readonly #turn: Turn
  readonly #waiting: [IncomingMessage, ServerResponse][] = []
  /** The request that is being answered. */
  #req: IncomingMessage | undefined
  #res: ServerResponse | undefined
  #turns = 0
  #isDoomed = false
  #isLeaving = false
  #farewell: string | undefined
  #lingerTimer: NodeJS.Timeout | undefined
  #sent = 0
  #stalledAt = 0

  constructor(socket: Socket, turn: Turn) {
    this.socket = socket
    this.#turn = turn
    // Node's way to close after the last answer. With input unread, the reset that follows can overtake that answer.
    const closeNow = socket.destroySoon.bind(socket)
    socket.destroySoon = () => {
      if (this.#isDoomed || this.#req?.complete === false) return this.#linger()
      this.doom()
      closeNow()
    }
    socket.once('close', () => {
      clearTimeout(this.#lingerTimer)
      this.#waiting.length = 0
    })
  }

  /** Requests that have had their turn, the present one included. */
  get turns(): number {
    return this.#turns
  }

  /** True while an answer is due. */
  get isBusy(): boolean {
    return this.#req !== undefined
  }

  /** True once nothing that comes in is looked at any more. */
  get isDoomed(): boolean {
    return this.#isDoomed
  }

  /** Takes a request that has come in: now, or when those before it are answered. */
  take(req: IncomingMessage, res: ServerResponse): void {
    if (this.#isDoomed) return
    if (!this.isBusy) this.#begin(req, res)
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push([req, res])
    else {
      this.#isDoomed = true
      this.#waiting.at(-1)![1].shouldKeepAlive = false
    }
  }

  #begin(req: IncomingMessage, res: ServerResponse): void {
    this.#turns++
    this.#req = req
    this.#res = res
    res.on('close', this.#onAnswered)
    this.#turn(req, res)
  }

  readonly #onAnswered = (): void => {
    this.#req = undefined
    this.#res = undefined
    const next = this.#waiting.shift()
    if (next !== undefined) this.#begin(...next)
    else if (this.#farewell !== undefined) this.#end(this.#farewell)
    else if (this.#isLeaving) this.socket.destroySoon()
  }

  /** Closes the connection behind the answers that are due; at once where it was never used. */
  leave(): void {
    this.#isLeaving = true
    if (this.#res !== undefined) this.#res.shouldKeepAlive = false
    // Node counts a connection as idle only once it was used.
    else if (this.socket.bytesRead === 0) this.socket.destroy()
  }

  /** From now on nothing that comes in is looked at; for a request that is about to be refused. */
  doom(): void {
    this.#isDoomed = true
    this.#waiting.length = 0
  }

  /** Ends the connection with a last answer of its own: behind those that are due, or instead of one that cannot be. */
  sayFarewell(text: string): void {
    if (this.#isDoomed) return
    this.#isDoomed = true
    if (this.#req === undefined) return this.#end(text)
    const last = this.#waiting.at(-1)?.[0] ?? this.#req
    if (last.complete) this.#farewell = text
    else if (this.#waiting.length === 0 && this.#res?.headersSent === false) {
      this.socket.end(text, () => this.socket.destroy())
    } else this.socket.destroy()
  }

  #end(text: string): void {
    if (!this.socket.writable) return void this.socket.destroy()
    this.socket.write(text)
    this.#linger()
  }

  /** Closes our half and goes on throwing away what comes in, for a moment. */
  #linger(): void {
    this.#isDoomed = true
    this.#req?.resume()
    this.socket.end()
    this.#lingerTimer ??= setTimeout(() => this.socket.destroy(), LINGER)
  }

  /** Milliseconds for which the client has taken nothing of what waits for it; 0 where nothing waits. */
  stalledFor(now: number): number {
    const { socket } = this
    if (socket.writableLength === 0) {
      this.#stalledAt = 0
      return 0
    }
    const sent = socket.bytesWritten - socket.writableLength - unsentOf(socket)
    if (this.#stalledAt === 0 || sent !== this.#sent) {
      this.#stalledAt = now
      this.#sent = sent
    }
    return now - this.#stalledAt
  }
}

/** Bytes of the write under way that the system has not taken; without it, one large buffer would look like a stall. */
function unsentOf(socket: Socket): number {
  const { _handle: handle } = socket as { _handle?: { writeQueueSize?: number } | null }
  return handle?.writeQueueSize ?? 0
}
