import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import type { ServerConfig } from '../config/model.ts'
import { messageTexts } from '../dialects/texts/index.ts'
import { GatewayError } from '../errors.ts'
import type { Message, MessagePatch, NewMessage } from '../exchange.ts'
import { CLOSE, type FrameViolation } from '../kit/websocket-frames.ts'
import type { LiveExchange } from './exchange.ts'
import {
  hasContent,
  LiveMessage,
  madeMessage,
  passedMessage,
  replacedMessage,
  writtenMessage,
} from './messages.ts'
import { type MakePassage, type Passage, PassageError, violated } from './relay.ts'
import { denied, type LiveStep, stepFailed } from './step.ts'
import { TextStage } from './text-stage.ts'

const require = createRequire(import.meta.url)

/** The two halves of a `ws` connection, which its types leave out. */
interface Halves {
  Receiver: new (options: {
    isServer: boolean
    allowSynchronousEvents: boolean
    maxPayload: number
    maxFragments: number
    maxBufferedChunks: number
    skipUTF8Validation: boolean
  }) => Writable
  Sender: new (socket: Socket) => Sender
}

interface Sender {
  send(data: string | Buffer, options: SendOptions): void
  ping(data: Buffer, mask: boolean): void
  pong(data: Buffer, mask: boolean): void
  close(code: number | undefined, reason: string | Buffer, mask: boolean): void
}

interface SendOptions {
  readonly fin: boolean
  readonly binary: boolean
  readonly compress: boolean
  readonly mask: boolean
}

/** Chunks of unfinished messages that may wait: many tiny ones cost more memory than their bytes. */
const MAX_CHUNKS = 4_096

/**
 * Puts messages together from their frames and shows them to the `message` hooks: those of the client to the outer
 * steps first, those of the upstream to the inner ones. `steps` are innermost first.
 */
export function showMessages(
  exchange: LiveExchange,
  steps: readonly LiveStep[],
  limits: ServerConfig['websocket'],
): MakePassage {
  // Loaded for the first session that is looked into: most gateways see none.
  const { Receiver, Sender } = require('ws') as Halves
  const ways = new Map<boolean, Way>()
  return (to, isFromClient, callbacks) => {
    ways.set(isFromClient, { to, sender: new Sender(to) })
    const receiver = new Receiver({
      isServer: isFromClient,
      allowSynchronousEvents: true,
      maxPayload: limits.maxPayloadBytes,
      maxFragments: limits.maxFragments,
      maxBufferedChunks: MAX_CHUNKS,
      skipUTF8Validation: false,
    })
    return new MessagePassage({
      exchange,
      hooks: isFromClient ? steps.toReversed() : steps,
      receiver,
      forth: ways.get(isFromClient)!,
      back: () => ways.get(!isFromClient)!,
      isFromClient,
      ...callbacks,
    })
  }
}

/** One side's connection, and who writes frames to it. */
interface Way {
  readonly to: Socket
  readonly sender: Sender
}

interface PassageOptions {
  readonly exchange: LiveExchange
  /** In the order in which messages pass them. */
  readonly hooks: readonly LiveStep[]
  readonly receiver: Writable
  readonly forth: Way
  /** The way back, which is made second. */
  readonly back: () => Way
  readonly isFromClient: boolean
  readonly onReady: () => void
  readonly onBroken: (cause: unknown) => void
}

/** A message on its way, and the hook that it stands before. */
interface Job {
  readonly message: LiveMessage
  readonly at: number
  /** True where that step has nothing to be shown before it. */
  readonly isReady?: boolean
}

/** A close frame on its way. */
interface Farewell {
  readonly code: number
  readonly reason: Buffer
}

/** Messages of one direction, one at a time: while a hook thinks, the next ones and the close frame wait. */
class MessagePassage implements Passage {
  /** Whole messages are written at once. */
  readonly isBetweenFrames = true
  sawClose = false
  messages = 0
  isThinking = false
  readonly #options: PassageOptions
  readonly #receiver: Writable
  /** What each step has made of the texts. */
  readonly #stages: readonly TextStage[]
  #isReceiverReady = true
  #failure: unknown
  /** What one message has become and is not through yet; the next on top. */
  #jobs: Job[] = []
  /** What arrived while a hook was thinking: no more than the sender had sent when it was asked to wait. */
  #queue: (LiveMessage | Farewell)[] = []
  #hasReplied = false
  #isOver = false

  constructor(options: PassageOptions) {
    this.#options = options
    const { receiver, isFromClient, forth, onReady, onBroken } = options
    this.#receiver = receiver
    this.#stages = options.hooks.map(() => new TextStage(messageTexts))
    this.#receiver
      .on('message', (data: Buffer, isBinary: boolean) => {
        this.messages++
        this.#take(new LiveMessage(data, isBinary, isFromClient))
      })
      .on('ping', (data: Buffer) => forth.sender.ping(data, isFromClient))
      .on('pong', (data: Buffer) => forth.sender.pong(data, isFromClient))
      .on('conclude', (code: number, reason: Buffer) => this.#take({ code, reason }))
      .on('error', ({ code }: Error & { code?: string }) => {
        // Comes a tick after the bytes at fault; what came before them goes first.
        this.#failure ??= violated(violation(code), isFromClient)
        if (!this.isBusy && !this.#isOver) onBroken(this.#failure)
      })
      .on('drain', () => {
        this.#isReceiverReady = true
        onReady()
      })
  }

  get isReady(): boolean {
    return this.#isReceiverReady && !this.isBusy && !this.#isFull
  }

  get isBusy(): boolean {
    return this.isThinking || this.#jobs.length + this.#queue.length > 0
  }

  get #isFull(): boolean {
    const { forth, back } = this.#options
    if (forth.to.writableNeedDrain) return true
    // Only for replies: who is slow to read what the other side says may still speak.
    return this.#hasReplied && back().to.writableNeedDrain
  }

  take(chunk: Buffer): void {
    this.#hasReplied = false
    // RFC 6455 §5.5.1: nothing follows a close frame.
    if (this.sawClose || this.#isOver) return
    this.#isReceiverReady = this.#receiver.write(chunk)
    this.#throwFailure()
  }

  goOn(): void {
    if (this.isThinking || this.#isOver) return
    this.#proceed()
    this.#throwFailure()
  }

  stop(): void {
    this.#isOver = true
    this.#jobs = []
    this.#queue = []
  }

  #throwFailure(): void {
    // What came before the fault goes first.
    if (this.#failure !== undefined && !this.isBusy) throw this.#failure
  }

  /** Called by the receiver, which must not see it throw. */
  #take(item: LiveMessage | Farewell): void {
    if (this.#isOver || this.#failure !== undefined) return
    this.#queue.push(item)
    try {
      this.#proceed()
    } catch (cause) {
      this.#fail(cause)
    }
  }

  #fail(cause: unknown): void {
    this.#failure ??= cause
    this.#jobs = []
    this.#queue = []
  }

  /** Does what is to be done, until a hook wants time or what was sent is not taken. */
  #proceed(): void {
    while (!this.isThinking && !this.#isFull) {
      const job = this.#jobs.pop()
      if (job !== undefined) this.#show(job)
      else {
        const next = this.#queue.shift()
        if (next === undefined) return
        if (next instanceof LiveMessage) this.#show({ message: next, at: 0 })
        else this.#conclude(next)
      }
    }
  }

  #conclude({ code, reason }: Farewell): void {
    const { forth, isFromClient } = this.#options
    this.sawClose = true
    // 1005 stands for a close frame without a code and is never sent (RFC 6455 §7.4.1).
    if (code === 1005) forth.sender.close(undefined, '', isFromClient)
    else forth.sender.close(code, reason, isFromClient)
  }

  #show({ message, at, isReady = false }: Job): void {
    const { hooks, exchange } = this.#options
    for (let index = at; index < hooks.length; index++) {
      const stage = this.#stages[index]!
      if (stage.isWatching && !(isReady && index === at) && this.#showFirst(message, index)) return
      message.enter(stage)
      const patch = callMessage(hooks[index]!, exchange, message)
      if (patch instanceof Promise) return this.#wait(patch, { message, at: index })
      if (patch !== undefined || message.isRead || stage.isWatching) {
        return this.#settle(patch, { message, at: index })
      }
    }
    const { forth, isFromClient } = this.#options
    forth.sender.send(message.bytes, plain(isFromClient, message.isBinary))
  }

  /** Queues what a step is to be shown before a message, or in its place. */
  #showFirst(message: LiveMessage, at: number): boolean {
    const stage = this.#stages[at]!
    const before = stage.before(message)
    const righted = before.length > 0 ? undefined : stage.righted(message)
    if (before.length === 0 && righted === undefined) return false
    if (righted === undefined) this.#jobs.push({ message, at })
    for (const written of righted === undefined ? before.toReversed() : [righted]) {
      this.#jobs.push({ message: writtenMessage(written, message), at, isReady: true })
    }
    return true
  }

  #wait(promise: Promise<MessagePatch>, job: Job): void {
    const { hooks, exchange, onReady, onBroken } = this.#options
    this.isThinking = true
    const goOn = (settle: () => void) => {
      if (this.#isOver) return
      this.isThinking = false
      try {
        settle()
      } catch (cause) {
        return onBroken(cause)
      }
      onReady()
    }
    promise.then(
      (patch) => goOn(() => this.#settle(patch, job)),
      (cause: unknown) =>
        goOn(() => {
          stepFailed(hooks[job.at]!, exchange, cause)
          this.#settle(undefined, job)
        }),
    )
  }

  /** Does what a hook returned: replies, ends the session, and queues what stands in the message's place. */
  #settle(patch: MessagePatch, { message, at }: Job): void {
    const { hooks, exchange } = this.#options
    let made: readonly LiveMessage[]
    try {
      made = this.#outcome(patch, message, this.#stages[at]!)
    } catch (cause) {
      if (cause instanceof PassageError) throw cause
      stepFailed(hooks[at]!, exchange, cause)
      made = [message]
    }
    for (const one of made.toReversed()) this.#jobs.push({ message: one, at: at + 1 })
  }

  #outcome(patch: MessagePatch, message: LiveMessage, stage: TextStage): readonly LiveMessage[] {
    if (patch === undefined) return [passedMessage(stage, message)]
    if (patch === null) return replacedMessage(stage, message, [])
    if (isList(patch)) return replacedMessage(stage, message, patch)
    const { reply, deny, close } = patch
    if (close !== undefined && !mayClose(close.code)) {
      throw new RangeError(`a session cannot be closed with code ${close.code}`)
    }
    this.#reply(reply)
    if (deny) throw new PassageError(CLOSE.policy, deny.message, denied(deny))
    if (close) throw closed(close)
    // Answered and nothing put in its place: the message ends here.
    return replacedMessage(stage, message, hasContent(patch) ? [patch] : [])
  }

  #reply(reply: string | NewMessage | readonly NewMessage[] | undefined): void {
    if (reply === undefined) return
    this.#hasReplied = true
    const { back, isFromClient } = this.#options
    const list = typeof reply === 'string' ? [{ data: reply }] : isList(reply) ? reply : [reply]
    for (const one of list) {
      const { bytes, isBinary } = madeMessage(one, false, !isFromClient)
      back().sender.send(bytes, plain(!isFromClient, isBinary))
    }
  }
}

/** The end of a session that a step has closed: in good order with 1000 or 1001, else as refused. */
function closed({ code, reason = '' }: { code: number; reason?: string }): PassageError {
  if (code === CLOSE.normal || code === CLOSE.goingAway) return new PassageError(code, reason)
  const detail = reason === '' ? `a step closed the session with ${code}` : reason
  return new PassageError(code, reason, new GatewayError('DENIED', detail))
}

/** RFC 6455 §7.4: other codes are never sent. */
function mayClose(code: number): boolean {
  if (code >= 3000) return code <= 4999
  return code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)
}

/** One frame, not compressed; masked where it goes to a server. */
function plain(isToServer: boolean, isBinary: boolean): SendOptions {
  return { fin: true, binary: isBinary, compress: false, mask: isToServer }
}

function callMessage(
  step: LiveStep,
  exchange: LiveExchange,
  message: Message,
): MessagePatch | Promise<MessagePatch> {
  try {
    return step.hooks.message!(message, exchange)
  } catch (cause) {
    stepFailed(step, exchange, cause)
    return undefined
  }
}

/** Why the receiver could not go on (RFC 6455 §7.4.1). */
function violation(code: string | undefined): FrameViolation {
  switch (code) {
    case 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH':
    case 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH':
      return { code: CLOSE.tooBig, reason: 'message too big' }
    case 'WS_ERR_TOO_MANY_BUFFERED_PARTS':
      return { code: CLOSE.policy, reason: 'too many fragments' }
    case 'WS_ERR_INVALID_UTF8':
      return { code: CLOSE.invalidText, reason: 'a text message is not UTF-8' }
    default:
      return { code: CLOSE.protocolError, reason: 'a frame is not valid' }
  }
}

function isList<T>(value: T | readonly T[] | object): value is readonly T[] {
  return Array.isArray(value)
}
