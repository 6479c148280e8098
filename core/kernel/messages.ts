import type { Message, NewMessage } from '../exchange.ts'
import { type Json, jsonOf } from '../kit/json.ts'
import { LiveChunk } from './chunks.ts'
import type { TextStage, Written } from './text-stage.ts'

/** A message as it came, or as a hook made it. */
export class LiveMessage extends LiveChunk implements Message {
  readonly event = 'message'
  readonly from: 'client' | 'upstream'
  readonly isBinary: boolean
  readonly bytes: Buffer
  #data: string | undefined
  #json: Json | undefined
  #isParsed = false

  constructor(bytes: Buffer, isBinary: boolean, isFromClient: boolean) {
    super()
    this.bytes = bytes
    this.isBinary = isBinary
    this.from = isFromClient ? 'client' : 'upstream'
  }

  get data(): string {
    this.#data ??= this.bytes.toString(this.isBinary ? 'base64' : 'utf8')
    return this.#data
  }

  get json(): Json | undefined {
    if (this.#isParsed || this.isBinary) return this.#json
    this.#isParsed = true
    this.#json = jsonOf(this.data)
    return this.#json
  }

  /** Text that is no JSON is complete: the other side waits for it. */
  get isWhole(): boolean {
    return typeof this.json !== 'object'
  }
}

/** What a hook made. `wasBinary`: what it is where the hook gave data and did not say. */
export function madeMessage(
  { data, json, isBinary: saysBinary }: NewMessage,
  wasBinary: boolean,
  isFromClient: boolean,
): LiveMessage {
  const isBinary = saysBinary ?? (json === undefined && wasBinary)
  const text = data ?? JSON.stringify(json ?? null)
  return new LiveMessage(Buffer.from(text, isBinary ? 'base64' : 'utf8'), isBinary, isFromClient)
}

/** A message with other texts in it, or one that shows a step what it has held back. */
export function writtenMessage(
  { last, event: _event, ...content }: Written,
  { from }: { from: 'client' | 'upstream' },
): LiveMessage {
  const message = madeMessage(content, false, from === 'client')
  message.last = last
  return message
}

/** What stands in the place of a message that a hook has replaced by `made`. Throws a RangeError for a text without a place. */
export function replacedMessage(
  stage: TextStage,
  message: LiveMessage,
  made: readonly NewMessage[],
): readonly LiveMessage[] {
  const own = (one: NewMessage) => madeMessage(one, message.isBinary, message.from === 'client')
  if (!message.isRead && !stage.isWatching && !made.some(hasText)) return made.map(own)
  const replaced = stage.replaced(message, message.shown, made)
  return made.map((one, index) => {
    if (!hasText(one)) return own(one)
    const written = replaced[index]
    return written === undefined ? message : writtenMessage(written, message)
  })
}

/** What a message goes on as that a hook has let pass. */
export function passedMessage(stage: TextStage, message: LiveMessage): LiveMessage {
  if (!message.isRead && !stage.isWatching) return message
  const written = stage.passed(message, message.shown)
  return written === undefined ? message : writtenMessage(written, message)
}

/** True where a patch puts something in the message's place. */
export function hasContent(made: NewMessage): boolean {
  return made.data !== undefined || made.json !== undefined || hasText(made)
}

function hasText({ text, texts }: NewMessage): boolean {
  return text !== undefined || texts !== undefined
}
