import type { Chunk, NewChunk } from '../exchange.ts'
import { type Json, jsonOf } from '../kit/json.ts'
import { formatEvent } from '../kit/sse.ts'

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

/** A chunk that can be sent. */
export interface SentChunk extends Chunk {
  readonly raw: Buffer
}

/** A chunk as the upstream sent it. */
export class ReceivedChunk implements SentChunk {
  readonly isWhole = false
  readonly #piece: Piece
  #json: Json | undefined
  #isParsed = false

  constructor(piece: Piece) {
    this.#piece = piece
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
export class WholeChunk implements Chunk {
  readonly event = 'message'
  readonly data: string
  readonly isWhole = true
  #json: Json | undefined
  #isParsed = false

  constructor(data: string) {
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
export class MadeChunk implements SentChunk {
  readonly event: string
  readonly isWhole: boolean
  readonly #made: NewChunk
  readonly #framing: Framing
  #data: string | undefined

  /** `event` is what it is called where the hook did not say. */
  constructor(made: NewChunk, event: string, framing: Framing, isWhole = false) {
    this.#made = made
    this.#framing = framing
    this.event = made.event ?? event
    this.isWhole = isWhole
  }

  get data(): string {
    this.#data ??= this.#made.data ?? JSON.stringify(this.#made.json ?? null)
    return this.#data
  }

  get json(): Json | undefined {
    return this.#made.data === undefined ? this.#made.json : jsonOf(this.#made.data)
  }

  get raw(): Buffer {
    if (this.#framing === 'text') return Buffer.from(this.data)
    if (this.#framing === 'lines') return Buffer.from(`${this.data.replaceAll(/[\r\n]+/g, ' ')}\n`)
    const event = this.event === 'message' ? undefined : this.event
    return Buffer.from(formatEvent(event, this.data))
  }
}
