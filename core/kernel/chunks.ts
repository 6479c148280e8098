import type { Chunk, Text } from '../exchange.ts'
import { type Json, jsonOf } from '../kit/json.ts'
import { formatEvent } from '../kit/sse.ts'
import { saidIn, type Shown, type TextStage, type Written } from './text-stage.ts'

/** How a streamed answer is cut into chunks. `lines`: JSON by line; `text`: as it arrives, at whole characters. */
export type Framing = 'events' | 'lines' | 'text'

/** A piece of a stream as it came: its bytes, and what they say. */
export interface Piece {
  readonly raw: Buffer
  readonly event: string
  readonly data: string
  /** True where there is nothing to be shown: comments, keep-alives, empty lines. */
  readonly isComment: boolean
}

/** A chunk on its way. Its texts are those that the step which is shown it is to see. */
export abstract class LiveChunk implements Chunk {
  abstract readonly event: string
  abstract readonly data: string
  abstract readonly json: Json | undefined
  abstract readonly isWhole: boolean
  /** The block of text that ends with it, though its JSON does not say so. */
  last: string | undefined
  #stage: TextStage | undefined
  #shown: Shown | undefined

  /** Called before each step that is shown it. */
  enter(stage: TextStage): void {
    this.#stage = stage
    this.#shown = undefined
  }

  /** True once the step has looked at its texts. */
  get isRead(): boolean {
    return this.#shown !== undefined
  }

  get shown(): Shown {
    this.#shown ??= this.#stage!.shown(this)
    return this.#shown
  }

  get texts(): readonly Text[] {
    return this.shown.texts
  }

  get text(): string | undefined {
    return saidIn(this.texts)
  }
}

/** A chunk that can be sent. */
export abstract class SentChunk extends LiveChunk {
  abstract readonly raw: Buffer
}

/** A chunk as the upstream sent it. */
export class ReceivedChunk extends SentChunk {
  readonly isWhole = false
  readonly #piece: Piece
  #json: Json | undefined
  #isParsed: boolean

  constructor(piece: Piece, framing: Framing) {
    super()
    this.#piece = piece
    // Text is cut anywhere: what looks like JSON in it is a coincidence.
    this.#isParsed = framing === 'text'
  }

  get event(): string {
    return this.#piece.event
  }

  get data(): string {
    return this.#piece.data
  }

  get raw(): Buffer {
    return this.#piece.raw
  }

  get json(): Json | undefined {
    if (!this.#isParsed) {
      this.#isParsed = true
      this.#json = jsonOf(this.#piece.data)
    }
    return this.#json
  }
}

/** A plain answer as the steps have left it. */
export class WholeChunk extends LiveChunk {
  readonly event = 'message'
  readonly data: string
  readonly isWhole = true
  #json: Json | undefined
  #isParsed = false

  constructor(data: string) {
    super()
    this.data = data
  }

  get json(): Json | undefined {
    if (!this.#isParsed) {
      this.#isParsed = true
      this.#json = jsonOf(this.data)
    }
    return this.#json
  }
}

/** A chunk that a hook made. */
export class MadeChunk extends SentChunk {
  readonly event: string
  readonly isWhole: boolean
  readonly #made: Written
  readonly #framing: Framing
  #data: string | undefined

  constructor(made: Written, framing: Framing, isWhole = false) {
    super()
    this.#made = made
    this.#framing = framing
    this.event = made.event
    this.last = made.last
    this.isWhole = isWhole
  }

  get data(): string {
    this.#data ??= this.#made.data ?? JSON.stringify(this.#made.json ?? null)
    return this.#data
  }

  get json(): Json | undefined {
    if (this.#made.data === undefined) return this.#made.json
    return this.#framing === 'text' && !this.isWhole ? undefined : jsonOf(this.#made.data)
  }

  get raw(): Buffer {
    if (this.#framing === 'text') return Buffer.from(this.data)
    if (this.#framing === 'lines') return Buffer.from(`${this.data.replaceAll(/[\r\n]+/g, ' ')}\n`)
    const event = this.event === 'message' ? undefined : this.event
    return Buffer.from(formatEvent(event, this.data))
  }
}
