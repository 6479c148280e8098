import type { Socket } from 'node:net'
import type { ServerConfig } from '../config/model.ts'
import { CLOSE, closeFrame, FrameScanner, pingFrame } from '../kit/websocket-frames.ts'

/** How long the other side may take to close after a close frame. Milliseconds. */
const CLOSE_MS = 2_000

/** How a WebSocket session ended. */
export type RelayEnd = 'completed' | 'client-closed' | 'upstream-cut' | 'error'

/** Looks at the bytes of one direction, and passes them on. */
export interface Passage {
  /** Takes bytes as they came; false asks the sender to wait until `onReady`. Throws a PassageError. */
  take(chunk: Buffer): boolean
  /** True between two frames of what is written, where a frame of ours may be put in. */
  readonly isBetweenFrames: boolean
  /** True once a close frame was passed on. */
  readonly sawClose: boolean
  /** Complete messages so far. */
  readonly messages: number
}

/** Frames that must not go on: the session is closed with this code. */
export class PassageError extends Error {
  override readonly name = 'PassageError'
  readonly code: number

  constructor(code: number, reason: string) {
    super(reason)
    this.code = code
  }
}

/** Makes the passage of one direction; `onReady` lets a sender that was asked to wait go on. */
export type MakePassage = (to: Socket, isFromClient: boolean, onReady: () => void) => Passage

/** What a relay needs. */
export interface RelayOptions {
  readonly client: Socket
  readonly upstream: Socket
  /** Bytes of each side that came with its handshake. */
  readonly clientHead: Buffer
  readonly upstreamHead: Buffer
  readonly limits: ServerConfig['websocket']
  /** An upstream that takes nothing for so long is given up; the listener watches the client. */
  readonly writeMs: number
  readonly makePassage: MakePassage
  /** Called once, when both connections are closed or given up. */
  readonly onEnd: (end: RelayEnd, bytes: { fromClient: number; fromUpstream: number }) => void
}

/** A session that is being relayed. */
export interface Relay {
  /** Closes both sides with a close frame. */
  close(code: number, reason: string): void
}

/** Passes frames on as they are, following them for limits only: the cheapest passage. */
export function splice(limits: ServerConfig['websocket']): MakePassage {
  return (to, isFromClient) => {
    const { maxPayloadBytes, maxFragments } = limits
    const scanner = new FrameScanner({ maxPayloadBytes, maxFragments, isMasked: isFromClient })
    return {
      take(chunk) {
        const violation = scanner.scan(chunk)
        if (violation) throw new PassageError(violation.code, violation.reason)
        return to.write(chunk)
      },
      get isBetweenFrames() {
        return scanner.isBetweenFrames
      },
      get sawClose() {
        return scanner.sawClose
      },
      get messages() {
        return scanner.messages
      },
    }
  }
}

/** Relays a WebSocket session between two connections that have shaken hands, until both are closed. */
export function relay(options: RelayOptions): Relay {
  const { client, upstream, limits } = options
  const fromClient = new Direction(client, upstream, true, options)
  const fromUpstream = new Direction(upstream, client, false, options)
  let end: RelayEnd | undefined
  let open = 2

  /** Closes what is not closed yet; whoever does not answer in time is cut. */
  function finish(how: RelayEnd, code: number, reason: string): void {
    if (end !== undefined) return
    end = how
    clearInterval(timer)
    // Into each side go the frames of the direction that leads there.
    fromUpstream.finish(code, reason)
    fromClient.finish(code, reason)
    setTimeout(() => {
      client.destroy()
      upstream.destroy()
    }, CLOSE_MS).unref()
  }

  function onBroken(cause: unknown): void {
    if (cause instanceof PassageError) return finish('error', cause.code, cause.message)
    finish('error', CLOSE.internal, 'the gateway failed to pass a message on')
  }

  /** A side has said all it will. With a close frame this is how sessions end; without one it was lost. */
  function onGone(side: Direction): void {
    if (fromClient.sawClose || fromUpstream.sawClose)
      return finish('completed', CLOSE.goingAway, '')
    if (side === fromClient) finish('client-closed', CLOSE.goingAway, 'the client went away')
    else finish('upstream-cut', CLOSE.badGateway, 'the upstream went away')
  }

  function onClosed(): void {
    if (--open > 0) return
    options.onEnd(end ?? 'completed', {
      fromClient: fromClient.bytes,
      fromUpstream: fromUpstream.bytes,
    })
  }

  const period = Math.min(limits.pingIntervalMs, limits.idleMs / 2, options.writeMs)
  const timer = setInterval(() => {
    for (const direction of [fromClient, fromUpstream]) {
      direction.tick()
      if (direction.silentTicks * period > limits.idleMs) return onGone(direction)
      if (direction.waitingTicks * period > options.writeMs) return onGone(opposite(direction))
      // A ping asks for a sign of life; it travels among the frames that lead there.
      if (direction.silentTicks * period >= limits.pingIntervalMs) opposite(direction).ping()
    }
  }, period)
  timer.unref()

  function opposite(direction: Direction): Direction {
    return direction === fromClient ? fromUpstream : fromClient
  }

  for (const direction of [fromClient, fromUpstream]) {
    const { from } = direction
    from.setTimeout(0)
    from.setNoDelay(true)
    from.on('data', (chunk: Buffer) => direction.take(chunk, onBroken))
    from.on('end', () => onGone(direction))
    // What is wrong with a connection shows in its close, which follows.
    from.on('error', () => {})
    const onClose = () => {
      onGone(direction)
      onClosed()
    }
    // It may have gone while the steps were still thinking the handshake over; nothing more is heard of it then.
    if (from.closed) process.nextTick(onClose)
    else from.on('close', onClose)
  }
  fromClient.begin(options.clientHead, onBroken)
  fromUpstream.begin(options.upstreamHead, onBroken)
  return { close: (code, reason) => finish('completed', code, reason) }
}

/** One direction of a session. */
class Direction {
  readonly from: Socket
  readonly #to: Socket
  readonly #isFromClient: boolean
  readonly #limits: ServerConfig['websocket']
  readonly #passage: Passage
  bytes = 0
  /**
   * Ticks without a byte from this side, and ticks for which the other has taken nothing. Ticks rather than times: a
   * process that was held up has not seen what came in meanwhile, and must not hold it against anybody.
   */
  silentTicks = 0
  waitingTicks = 0
  #isWaiting = false
  #windowStart = 0
  #windowMessages = 0
  #isFinished = false

  constructor(
    from: Socket,
    to: Socket,
    isFromClient: boolean,
    { limits, makePassage }: RelayOptions,
  ) {
    this.from = from
    this.#to = to
    this.#isFromClient = isFromClient
    this.#limits = limits
    const onReady = () => this.#goOn()
    to.on('drain', onReady)
    this.#passage = makePassage(to, isFromClient, onReady)
  }

  get sawClose(): boolean {
    return this.#passage.sawClose
  }

  /** Bytes that came with the handshake go first. */
  begin(head: Buffer, onBroken: (cause: unknown) => void): void {
    if (head.length > 0) this.take(head, onBroken)
    if (!this.#isWaiting) this.from.resume()
  }

  take(chunk: Buffer, onBroken: (cause: unknown) => void): void {
    if (this.#isFinished) return
    this.bytes += chunk.length
    this.silentTicks = 0
    try {
      const isReady = this.#passage.take(chunk)
      this.#checkRate()
      if (isReady) return
    } catch (cause) {
      return onBroken(cause)
    }
    this.#isWaiting = true
    this.from.pause()
  }

  #goOn(): void {
    if (!this.#isWaiting || this.#to.writableNeedDrain) return
    this.#isWaiting = false
    this.waitingTicks = 0
    this.from.resume()
  }

  /** Messages per second, of the client only: what an upstream sends is its own business. */
  #checkRate(): void {
    if (!this.#isFromClient) return
    const now = performance.now()
    if (now - this.#windowStart >= 1_000) {
      this.#windowStart = now
      this.#windowMessages = this.#passage.messages
    } else if (this.#passage.messages - this.#windowMessages > this.#limits.messagesPerSecond) {
      throw new PassageError(CLOSE.policy, 'too many messages')
    }
  }

  /** Counts another period in which nothing may have moved. Who is made to wait is not silent. */
  tick(): void {
    if (this.#isWaiting) this.waitingTicks++
    else this.silentTicks++
  }

  ping(): void {
    if (this.#canInsert()) this.#to.write(pingFrame(this.#isFromClient))
  }

  /** Says goodbye to the receiver, where it has not been said yet and fits between two frames, and ends. */
  finish(code: number, reason: string): void {
    this.#isFinished = true
    // Nobody takes this side's bytes any more; letting them flow lets its end be seen.
    this.from.resume()
    if (this.#to.destroyed) return
    if (this.#passage.sawClose) this.#to.end()
    else if (this.#canInsert()) this.#to.end(closeFrame(code, reason, this.#isFromClient))
    else this.#to.destroy()
  }

  #canInsert(): boolean {
    return this.#passage.isBetweenFrames && this.#to.writable && !this.#passage.sawClose
  }
}
