import type { JsonObject } from '../../kit/json.ts'
import type { OutEvent } from '../hub/stream.ts'
import { messageItem } from './openai-responses-frame.ts'

/** A message item that takes further parts until something else begins. */
interface Message {
  readonly id: string
  readonly index: number
  readonly content: JsonObject[]
  openParts: number
}

/** Where an open part of a message stands. */
export interface PartPlace {
  readonly message: Message
  readonly position: number
}

/** The output of a response as it grows: numbers the events, and gives each item its place. */
export class StreamOutput {
  /** All items so far, complete or not. */
  readonly items: JsonObject[] = []
  #message: Message | undefined
  #sequence = 0
  #events: OutEvent[] = []

  /** The events since the last call. */
  take(): readonly OutEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }

  /** Adds an event, with the next number. */
  emit(type: string, fields: JsonObject): void {
    const data = JSON.stringify({ type, sequence_number: this.#sequence++, ...fields })
    this.#events.push({ event: type, data })
  }

  /** Gives an item the next place; what stood open as a message is over. */
  place(item: JsonObject): number {
    this.endMessage()
    const index = this.items.push(item) - 1
    this.emit('response.output_item.added', { output_index: index, item })
    return index
  }

  /** An item that is complete as it begins. */
  whole(item: JsonObject): void {
    this.done(this.place(item), item)
  }

  /** An item is complete. */
  done(index: number, item: JsonObject): void {
    this.items[index] = item
    this.emit('response.output_item.done', { output_index: index, item })
  }

  /** Begins a part, of the message that stands open or of a new one with this id. */
  openPart(id: () => string, part: JsonObject): PartPlace {
    const message = this.#message ?? this.#startMessage(id())
    const position = message.content.push(part) - 1
    message.openParts++
    this.emit('response.content_part.added', { ...placeOf({ message, position }), part })
    return { message, position }
  }

  /** A part is complete. */
  closePart(place: PartPlace, part: JsonObject): void {
    const { message, position } = place
    message.content[position] = part
    this.emit('response.content_part.done', { ...placeOf(place), part })
    message.openParts--
    if (message.openParts === 0 && this.#message !== message) this.#doneMessage(message)
  }

  /** A message is over when something else begins, unless a part of it is still open: then with that part. */
  endMessage(): void {
    const message = this.#message
    this.#message = undefined
    if (message !== undefined && message.openParts === 0) this.#doneMessage(message)
  }

  #startMessage(id: string): Message {
    const index = this.place({ ...messageItem(id, []), status: 'in_progress' })
    this.#message = { id, index, content: [], openParts: 0 }
    return this.#message
  }

  #doneMessage({ id, index, content }: Message): void {
    this.done(index, messageItem(id, content))
  }
}

/** The fields by which events name a part. */
export function placeOf({ message, position }: PartPlace): JsonObject {
  return { item_id: message.id, output_index: message.index, content_index: position }
}
