import type { Socket } from 'node:net'
import type { ServerConfig } from '../config/model.ts'
import { GatewayError } from '../errors.ts'
import {
  CLOSE,
  closeFrame,
  FrameScanner,
  type FrameViolation,
  pingFrame,
} from '../kit/websocket-frames.ts'

/** How long the other side may take to close after a close frame. Milliseconds. */
const CLOSE_MS = 2_000

/** How a WebSocket session ended. */
export type RelayEnd = 'completed' | 'client-closed' | 'upstream-cut' | 'error'

/** Looks at the bytes of one direction, and passes them on. */
export interface Passage {
  /** Takes bytes as they came. Throws a PassageError. */
  take(chunk: Buffer): void
  /** False asks the sender to wait until `onReady`. */
  readonly isReady: boolean
  /** True while something that was taken is not through yet. */
  readonly isBusy: boolean
  /** True while that is because a step takes its time. */
  readonly isThinking: boolean
  /** Goes on with it, where it can. Throws as `take` does. */
  goOn(): void
  /** True between two frames of what is written, where a frame of ours may be put in. */
  readonly isBetweenFrames: boolean
  /** True once a close frame was passed on. */
  readonly sawClose: boolean
  /** Complete messages so far. */
  readonly messages: number
  /** The session is over: what is not through is given up. */
  stop(): void
}

/** Ends the session with this code; `error` is why, where that is no good end. */
export class PassageError extends Error {
  override readonly name = 'PassageError'
  readonly code: number
  readonly error: GatewayError | undefined

  constructor(code: number, reason: string, error?: GatewayError) {
    super(reason)
    this.code = code
    this.error = error
  }
}

/** Frames that must not go on, and whose fault that is. */
export function violated({ code, reason }: FrameViolation, isFromClient: boolean): PassageError {
  const fault = code === CLOSE.tooBig ? 'BODY_TOO_LARGE' : 'BAD_REQUEST'
  const error = new GatewayError(isFromClient ? fault : 'UPSTREAM_PROTOCOL', reason)
  return new PassageError(code, reason, error)
}

/** Makes the passage of one direction. */
export type MakePassage = (
  to: Socket,
  isFromClient: boolean,
  callbacks: {
    /** Lets a sender that was asked to wait go on. */
    readonly onReady: () => void
    /** Hears of what `take` can no longer throw. */
    readonly onBroken: (cause: unknown) => void
  },
) => Passage

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
  readonly onEnd: (
    end: RelayEnd,
    bytes: { fromClient: number; fromUpstream: number },
    error: GatewayError | undefined,
  ) => void
}

/** A session that is being relayed. */
export interface Relay {
  /** Closes both sides with a close frame; `error` is why, where that is no good end. */
  close(code: number, reason: string, error?: GatewayError): void
}

/** Passes frames on as they are, following them for limits only: the cheapest passage. */
export function splice(limits: ServerConfig['websocket']): MakePassage {
  return (to, isFromClient) => {
    const { maxPayloadBytes, maxFragments } = limits
    const scanner = new FrameScanner({ maxPayloadBytes, maxFragments, isMasked: isFromClient })
    return {
      isBusy: false,
      isThinking: false,
      goOn() {},
      take(chunk) {
        const violation = scanner.scan(chunk)
        if (violation) throw violated(violation, isFromClient)
        to.write(chunk)
      },
      get isReady() {
        return !to.writableNeedDrain
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
      stop() {},
    }
  }
}

/** Relays a WebSocket session between two connections that have shaken hands, until both are closed. */
export function relay(options: RelayOptions): Relay {
  const { client, upstream, limits } = options
  const fromClient = new Direction(client, upstream, true, options, onBroken)
  const fromUpstream = new Direction(upstream, client, false, options, onBroken)
  let end: RelayEnd | undefined
  let error: GatewayError | undefined
  let open = 2

  /** Closes what is not closed yet; whoever does not answer in time is cut. */
  function finish(how: RelayEnd, code: number, reason: string, why?: GatewayError): void {
    if (end !== undefined) return
    end = how
    error = why
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
    if (cause instanceof PassageError) {
      const { code, message, error: why } = cause
      return finish(why === undefined ? 'completed' : 'error', code, message, why)
    }
    const reason = 'the gateway failed to pass a message on'
    const why =
      cause instanceof GatewayError ? cause : new GatewayError('INTERNAL', reason, { cause })
    // A refusal that a step threw is for the client to see; what broke is not.
    if (why.source === 'client') finish('error', CLOSE.policy, why.message, why)
    else finish('error', CLOSE.internal, reason, why)
  }

  /** A side has said all it will. With a close frame this is how sessions end; without one it was lost. */
  function onGone(side: Direction, detail = 'went away'): void {
    // What it has said last may not be through yet.
    if (side.isBusy) return side.afterwards(() => onGone(side, detail))
    if (fromClient.sawClose || fromUpstream.sawClose)
      return finish('completed', CLOSE.goingAway, '')
    if (side === fromClient) {
      const reason = `the client ${detail}`
      finish('client-closed', CLOSE.goingAway, reason, new GatewayError('CLIENT_CLOSED', reason))
    } else {
      const reason = `the upstream ${detail}`
      finish('upstream-cut', CLOSE.badGateway, reason, new GatewayError('UPSTREAM_CUT', reason))
    }
  }

  function onClosed(): void {
    if (--open > 0) return
    const bytes = { fromClient: fromClient.bytes, fromUpstream: fromUpstream.bytes }
    options.onEnd(end ?? 'completed', bytes, error)
  }

  /** Somebody has made a side wait for too long: the step that thinks, or whoever does not take what was sent. */
  function onStuck(direction: Direction): void {
    if (!direction.isThinking) {
      const slow = direction.isBackSlow ? direction : opposite(direction)
      return onGone(slow, 'took nothing for too long')
    }
    const reason = 'a step took too long over a message'
    finish('error', CLOSE.internal, reason, new GatewayError('PLUGIN_FAILED', reason))
  }

  const period = Math.min(limits.pingIntervalMs, limits.idleMs / 2, options.writeMs)
  const timer = setInterval(() => {
    for (const direction of [fromClient, fromUpstream]) {
      direction.tick()
      if (direction.silentTicks * period > limits.idleMs)
        return onGone(direction, 'was silent for too long')
      if (direction.waitingTicks * period > options.writeMs) return onStuck(direction)
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
    from.on('data', (chunk: Buffer) => direction.take(chunk))
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
  fromClient.begin(options.clientHead)
  fromUpstream.begin(options.upstreamHead)
  return {
    close: (code, reason, why) =>
      finish(why === undefined ? 'completed' : 'error', code, reason, why),
  }
}

const TOO_MANY = 'too many messages'

/** One direction of a session. */
class Direction {
  readonly from: Socket
  readonly #to: Socket
  readonly #isFromClient: boolean
  readonly #limits: ServerConfig['websocket']
  readonly #passage: Passage
  readonly #onBroken: (cause: unknown) => void
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
  #afterwards: (() => void) | undefined

  constructor(
    from: Socket,
    to: Socket,
    isFromClient: boolean,
    { limits, makePassage }: RelayOptions,
    onBroken: (cause: unknown) => void,
  ) {
    this.from = from
    this.#to = to
    this.#isFromClient = isFromClient
    this.#limits = limits
    this.#onBroken = onBroken
    const onReady = () => this.#goOn()
    to.on('drain', onReady)
    // Replies go back to where the messages come from.
    from.on('drain', onReady)
    this.#passage = makePassage(to, isFromClient, { onReady, onBroken })
  }

  get isBusy(): boolean {
    return this.#passage.isBusy && !this.#to.destroyed
  }

  get isThinking(): boolean {
    return this.#passage.isThinking
  }

  /** True where it is the sender that takes nothing, of what was sent back to it. */
  get isBackSlow(): boolean {
    return this.from.writableNeedDrain && !this.#to.writableNeedDrain
  }

  /** Called when all that was taken is through. */
  afterwards(action: () => void): void {
    this.#afterwards ??= action
  }

  get sawClose(): boolean {
    return this.#passage.sawClose
  }

  /** Bytes that came with the handshake go first. */
  begin(head: Buffer): void {
    if (head.length > 0) this.take(head)
    if (!this.#isWaiting) this.from.resume()
  }

  take(chunk: Buffer): void {
    if (this.#isFinished) return
    this.bytes += chunk.length
    this.silentTicks = 0
    const before = this.#passage.messages
    try {
      this.#passage.take(chunk)
      this.#checkRate(before)
    } catch (cause) {
      return this.#onBroken(cause)
    }
    if (this.#passage.isReady) return
    this.#isWaiting = true
    this.from.pause()
  }

  #goOn(): void {
    if (this.#isFinished) return
    try {
      this.#passage.goOn()
    } catch (cause) {
      return this.#onBroken(cause)
    }
    if (!this.isBusy) this.#afterwards?.()
    if (!this.#isWaiting || !this.#passage.isReady) return
    this.#isWaiting = false
    this.waitingTicks = 0
    this.from.resume()
  }

  /**
   * Messages per second, of the client only: what an upstream sends is its own business. `before` is how many there
   * were before the last chunk: one that begins a second counts in it, with all that it holds.
   */
  #checkRate(before: number): void {
    if (!this.#isFromClient) return
    const now = performance.now()
    if (now - this.#windowStart >= 1_000) {
      this.#windowStart = now
      this.#windowMessages = before
    }
    if (this.#passage.messages - this.#windowMessages > this.#limits.messagesPerSecond) {
      throw new PassageError(CLOSE.policy, TOO_MANY, new GatewayError('RATE_LIMITED', TOO_MANY))
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
    this.#passage.stop()
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
