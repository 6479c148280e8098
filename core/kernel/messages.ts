import type { Message, NewMessage } from '../exchange.ts'
import { type Json, jsonOf } from '../kit/json.ts'

/** A message as it came, or as a hook made it. */
export class LiveMessage implements Message {
  readonly from: 'client' | 'upstream'
  readonly isBinary: boolean
  readonly bytes: Buffer
  #data: string | undefined
  #json: Json | undefined
  #isParsed = false

  constructor(bytes: Buffer, isBinary: boolean, isFromClient: boolean) {
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
