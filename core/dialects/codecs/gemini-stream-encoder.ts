import type { JsonObject } from '../../kit/json.ts'
import type { Usage } from '../dialect.ts'
import type { Finish, HubError } from '../hub/answer.ts'
import type { Crossing } from '../hub/codec.ts'
import type { Proof } from '../hub/conversation.ts'
import { compact, json } from '../hub/fields.ts'
import type { BlockHead, HubEvent, OutEvent, StreamEncoder } from '../hub/stream.ts'
import type { Framing } from '../hub/stream-converter.ts'
import {
  candidateOf,
  encodeAnswerPart,
  encodeUsage,
  envelope,
  finishFields,
  MALFORMED,
} from './gemini-answer.ts'
import { encodeGeminiError } from './gemini-errors.ts'
import type { ToolCallPart } from '../hub/conversation.ts'

/** Larger arguments of one call are refused as malformed. */
const MAX_ARGUMENTS = 16 * 1024 * 1024

interface Block {
  readonly head: BlockHead
  readonly choice: number
  /** Arguments so far: calls are told whole. */
  text: string
}

/** Writes one answer as events: texts piece by piece, calls whole, and the end with usage. */
export class GeminiStreamEncoder implements StreamEncoder {
  readonly #crossing: Crossing
  readonly #blocks = new Map<number, Block>()
  readonly #finishes = new Map<number, Finish>()
  readonly #malformed = new Set<number>()
  #envelope: JsonObject
  #usage: Usage | undefined
  #hasEnded = false

  constructor(crossing: Crossing) {
    this.#crossing = crossing
    this.#envelope = envelope({ id: '', model: crossing.request.model }, crossing)
  }

  push(event: HubEvent): readonly OutEvent[] {
    if (this.#hasEnded) return []
    switch (event.type) {
      case 'start':
        this.#envelope = envelope(event, this.#crossing)
        return []
      case 'blockStart': {
        const { head, choice = 0 } = event
        this.#blocks.set(event.block, { head, choice, text: '' })
        if (head.type !== 'native' || head.dialect !== 'gemini') return []
        return [this.#parts(encodeAnswerPart(head, this.#crossing), choice)]
      }
      case 'blockDelta': {
        const block = this.#blocks.get(event.block)
        if (block === undefined || event.delta.type === 'citation') return []
        return this.#say(block, event.delta.text)
      }
      case 'blockStop':
        return this.#stop(event.block, event.proof)
      case 'finish':
        this.#finishes.set(event.choice ?? 0, event.finish)
        return []
      case 'usage':
        this.#usage = event.usage
        return []
      case 'error':
        return this.#fail(event.error)
      case 'end':
        return [this.#end()]
      default:
        return []
    }
  }

  #event(fields: JsonObject): OutEvent {
    return { event: undefined, data: JSON.stringify({ ...fields, ...this.#envelope }) }
  }

  #parts(parts: readonly JsonObject[], choice: number): OutEvent {
    return this.#event({ candidates: [candidateOf(parts, choice)] })
  }

  #say(block: Block, text: string): OutEvent[] {
    switch (block.head.type) {
      case 'text':
      case 'refusal':
        return [this.#parts([{ text }], block.choice)]
      case 'reasoning':
        return [this.#parts([{ text, thought: true }], block.choice)]
      default:
        if (block.text.length <= MAX_ARGUMENTS) block.text += text
        return []
    }
  }

  #stop(number: number, proof: Proof | undefined): OutEvent[] {
    const block = this.#blocks.get(number)
    this.#blocks.delete(number)
    if (block === undefined) return []
    const { head, choice } = block
    if (head.type === 'reasoning') {
      const signed = proof ?? head.proof
      if (signed === undefined) return []
      const thought = { type: 'reasoning', text: '', proof: signed } as const
      return [this.#parts(encodeAnswerPart(thought, this.#crossing), choice)]
    }
    if (head.type !== 'toolCall') return []
    const call = compact<ToolCallPart>({
      ...head,
      arguments: block.text,
      proof: head.proof ?? proof,
    })
    const parts = encodeAnswerPart(call, this.#crossing)
    if (parts.length === 0) {
      this.#malformed.add(choice)
      return []
    }
    return [this.#parts(parts, choice)]
  }

  #end(): OutEvent {
    this.#hasEnded = true
    if (this.#finishes.size === 0) this.#finishes.set(0, { reason: 'stop', raw: '' })
    const candidates = [...this.#finishes].map(([index, finish]) => ({
      ...candidateOf([{ text: '' }], index),
      ...(this.#malformed.has(index) ? MALFORMED : finishFields(finish)),
    }))
    return this.#event(json({ candidates, usageMetadata: encodeUsage(this.#usage) }))
  }

  #fail(error: HubError): OutEvent[] {
    this.#hasEnded = true
    const { body } = encodeGeminiError(error, this.#crossing.requestId)
    return [{ event: undefined, data: JSON.stringify(body) }]
  }
}

/**
 * How a stream is framed that was not asked for with `alt=sse`: as one JSON list, an item per event. `end` closes it,
 * and must not be called for a stream that was cut.
 */
export class ListFraming implements Framing {
  readonly contentType = 'application/json; charset=utf-8'
  readonly keepAlive = ''
  #hasBegun = false

  /** The text of one event. */
  frame({ data }: OutEvent): string {
    const before = this.#hasBegun ? ',\r\n' : '['
    this.#hasBegun = true
    return before + data
  }

  /** The text behind the last event. */
  end(): string {
    return this.#hasBegun ? ']' : '[]'
  }
}
