import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import type { ServerConfig } from '../config/model.ts'
import type { Message, MessagePatch } from '../exchange.ts'
import { type Json, jsonOf } from '../kit/json.ts'
import { CLOSE } from '../kit/websocket-frames.ts'
import { notLater } from './events.ts'
import type { LiveExchange } from './exchange.ts'
import { type MakePassage, PassageError } from './relay.ts'
import { type LiveStep, stepFailed } from './step.ts'

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
  const senders = new Map<boolean, Sender>()
  return (to, isFromClient, onReady) => {
    const sender = new Sender(to)
    senders.set(isFromClient, sender)
    const answer = (text: string) =>
      senders.get(!isFromClient)!.send(text, plain(!isFromClient, false))
    const hooks = isFromClient ? steps.toReversed() : steps
    return new MessagePassage({
      exchange,
      hooks,
      limits,
      to,
      Receiver,
      sender,
      isFromClient,
      answer,
      onReady,
    })
  }
}

interface PassageOptions {
  readonly exchange: LiveExchange
  readonly hooks: readonly LiveStep[]
  readonly limits: ServerConfig['websocket']
  readonly to: Socket
  readonly Receiver: Halves['Receiver']
  readonly sender: Sender
  readonly isFromClient: boolean
  /** Sends text back to where the messages come from. */
  readonly answer: (text: string) => void
  readonly onReady: () => void
}

class MessagePassage {
  /** Whole messages are written at once. */
  readonly isBetweenFrames = true
  sawClose = false
  messages = 0
  readonly #options: PassageOptions
  readonly #receiver: Writable
  #failure: unknown

  constructor(options: PassageOptions) {
    this.#options = options
    const { limits, Receiver, sender, isFromClient, onReady } = options
    this.#receiver = new Receiver({
      isServer: isFromClient,
      allowSynchronousEvents: true,
      maxPayload: limits.maxPayloadBytes,
      maxFragments: limits.maxFragments,
      maxBufferedChunks: MAX_CHUNKS,
      skipUTF8Validation: false,
    })
    this.#receiver
      .on('message', (data: Buffer, isBinary: boolean) =>
        this.#guard(() => this.#pass(data, isBinary)),
      )
      .on('ping', (data: Buffer) => sender.ping(data, isFromClient))
      .on('pong', (data: Buffer) => sender.pong(data, isFromClient))
      .on('conclude', (code: number, reason: Buffer) => {
        this.sawClose = true
        // 1005 stands for a close frame without a code and is never sent (RFC 6455 §7.4.1).
        if (code === 1005) sender.close(undefined, '', isFromClient)
        else sender.close(code, reason, isFromClient)
      })
      .on('error', (cause: Error) => {
        this.#failure ??= asPassageError(cause)
      })
      .on('drain', onReady)
  }

  take(chunk: Buffer): boolean {
    // RFC 6455 §5.5.1: nothing follows a close frame.
    if (this.sawClose) return true
    const isReady = this.#receiver.write(chunk)
    if (this.#failure !== undefined) throw this.#failure
    return isReady && !this.#options.to.writableNeedDrain
  }

  #guard(action: () => void): void {
    try {
      action()
    } catch (cause) {
      this.#failure ??= cause
    }
  }

  #pass(data: Buffer, isBinary: boolean): void {
    const { exchange, hooks, isFromClient, sender, answer } = this.#options
    this.messages++
    let bytes = data
    for (const step of hooks) {
      const patch = callMessage(step, exchange, new LiveMessage(bytes, isBinary, isFromClient))
      if (patch === undefined) continue
      if (patch === null) return
      if (patch.reply !== undefined) answer(patch.reply)
      if (patch.close) throw new PassageError(patch.close.code, patch.close.reason)
      const text = patch.data ?? (patch.json === undefined ? undefined : JSON.stringify(patch.json))
      // Answered and nothing put in its place: the message ends here.
      if (text === undefined) return
      bytes = Buffer.from(text, isBinary ? 'base64' : 'utf8')
    }
    sender.send(bytes, plain(isFromClient, isBinary))
  }
}

class LiveMessage implements Message {
  readonly from: 'client' | 'upstream'
  readonly isBinary: boolean
  readonly #bytes: Buffer
  #data: string | undefined
  #json: Json | undefined
  #isParsed = false

  constructor(bytes: Buffer, isBinary: boolean, isFromClient: boolean) {
    this.#bytes = bytes
    this.isBinary = isBinary
    this.from = isFromClient ? 'client' : 'upstream'
  }

  get data(): string {
    this.#data ??= this.#bytes.toString(this.isBinary ? 'base64' : 'utf8')
    return this.#data
  }

  get json(): Json | undefined {
    if (this.#isParsed || this.isBinary) return this.#json
    this.#isParsed = true
    this.#json = jsonOf(this.data)
    return this.#json
  }
}

/** One frame, not compressed; masked where it goes to a server. */
function plain(isToServer: boolean, isBinary: boolean): SendOptions {
  return { fin: true, binary: isBinary, compress: false, mask: isToServer }
}

function callMessage(step: LiveStep, exchange: LiveExchange, message: Message): MessagePatch {
  try {
    return notLater(step.hooks.message!(message, exchange), 'message')
  } catch (cause) {
    stepFailed(step, exchange, cause)
    return undefined
  }
}

/** RFC 6455 §7.4.1: why the receiver could not go on. */
function asPassageError(cause: Error & { code?: string }): PassageError {
  switch (cause.code) {
    case 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH':
    case 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH':
      return new PassageError(CLOSE.tooBig, 'message too big')
    case 'WS_ERR_TOO_MANY_BUFFERED_PARTS':
      return new PassageError(CLOSE.policy, 'too many fragments')
    case 'WS_ERR_INVALID_UTF8':
      return new PassageError(CLOSE.invalidText, 'a text message is not UTF-8')
    default:
      return new PassageError(CLOSE.protocolError, 'a frame is not valid')
  }
}
