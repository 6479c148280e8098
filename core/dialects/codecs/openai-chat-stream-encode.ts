import type { Json, JsonObject } from '../../kit/json.ts'
import type { Usage } from '../dialect.ts'
import type { Crossing } from '../hub/codec.ts'
import type { Proof } from '../hub/conversation.ts'
import { json } from '../hub/fields.ts'
import type { BlockDelta, BlockHead, HubEvent, OutEvent, StreamEncoder } from '../hub/stream.ts'
import { chatId, encodeAnnotation, encodeChatUsage, encodeFinish } from './openai-chat-answer.ts'
import { encodeChatError } from './openai-chat-errors.ts'
import { writeDetail, writeToolProof } from './openai-chat-reasoning.ts'

/** Writes the chunks of a chat completion. */
export function chatStreamEncoder(crossing: Crossing): StreamEncoder {
  return new ChatStreamEncoder(crossing)
}

interface OpenBlock {
  readonly head: BlockHead
  readonly choice: number
  /** Position among the calls of its choice. */
  readonly toolIndex: number
  hasContent: boolean
}

/** Calls and proofs so far, the length of the text, and whether the model has refused in words. */
interface Told {
  calls: number
  details: number
  length: number
  hasRefusal: boolean
}

class ChatStreamEncoder implements StreamEncoder {
  readonly #crossing: Crossing
  readonly #blocks = new Map<number, OpenBlock>()
  /** By choice: whether its role was told, and what was told so far. */
  readonly #choices = new Map<number, Told>()
  #base: JsonObject = {}
  #usage: Usage | undefined
  #isOver = false

  constructor(crossing: Crossing) {
    this.#crossing = crossing
    this.#base = this.#baseOf('', '', crossing.created)
  }

  push(event: HubEvent): readonly OutEvent[] {
    if (this.#isOver) return []
    switch (event.type) {
      case 'start':
        this.#base = this.#baseOf(event.id, event.model, event.created)
        return [...this.#begin(0)]
      case 'blockStart':
        return this.#start(event)
      case 'blockDelta':
        return this.#delta(event.block, event.delta)
      case 'blockStop':
        return this.#stop(event.block, event.proof)
      case 'finish': {
        const { finish, choice = 0 } = event
        const refusal = finish.explanation
        const begun = this.#begin(choice)
        const { hasRefusal } = this.#choices.get(choice)!
        return [
          ...begun,
          ...(refusal === undefined ? [] : [this.#chunk(choice, { refusal })]),
          this.#chunk(choice, {}, encodeFinish(finish, hasRefusal)),
        ]
      }
      case 'usage':
        this.#usage = event.usage
        return []
      case 'error':
        this.#isOver = true
        return [out(encodeChatError(event.error).body)]
      case 'end':
        return this.#end()
      default:
        return []
    }
  }

  #baseOf(id: string, model: string, created = this.#crossing.created): JsonObject {
    return {
      id: chatId(id, this.#crossing),
      object: 'chat.completion.chunk',
      created,
      model: this.#crossing.modelName ?? model,
      system_fingerprint: null,
    }
  }

  /** The first chunk of an alternative tells the role, and nothing else. */
  #begin(choice: number): OutEvent[] {
    if (this.#choices.has(choice)) return []
    this.#choices.set(choice, { calls: 0, details: 0, length: 0, hasRefusal: false })
    return [this.#chunk(choice, { role: 'assistant', content: '', refusal: null })]
  }

  #start({ block, choice = 0, head }: HubEvent & { readonly type: 'blockStart' }): OutEvent[] {
    const begun = this.#begin(choice)
    const counts = this.#choices.get(choice)!
    const toolIndex = counts.calls
    this.#blocks.set(block, { head, choice, toolIndex, hasContent: false })
    if (head.type !== 'toolCall') return begun
    counts.calls++
    const { id, kind, name, proof } = head
    const body = kind === 'custom' ? { name, input: '' } : { name, arguments: '' }
    const call = { index: toolIndex, id, type: kind, [kind]: body, ...writeToolProof(proof) }
    return [...begun, this.#chunk(choice, { tool_calls: [call] })]
  }

  #delta(block: number, delta: BlockDelta): OutEvent[] {
    const open = this.#blocks.get(block)
    if (open === undefined) return []
    const { choice, head } = open
    if (delta.type === 'citation') return this.#cite(choice, delta)
    if (delta.text === '') return []
    open.hasContent = true
    switch (head.type) {
      case 'text':
        this.#choices.get(choice)!.length += delta.text.length
        return [this.#chunk(choice, { content: delta.text })]
      case 'reasoning':
        return [this.#chunk(choice, { reasoning_content: delta.text })]
      case 'refusal':
        this.#choices.get(choice)!.hasRefusal = true
        return [this.#chunk(choice, { refusal: delta.text })]
      case 'toolCall':
        return [this.#arguments(open, delta.text)]
      default:
        return []
    }
  }

  #arguments({ choice, head, toolIndex }: OpenBlock, text: string): OutEvent {
    const isCustom = head.type === 'toolCall' && head.kind === 'custom'
    const piece = isCustom ? { custom: { input: text } } : { function: { arguments: text } }
    return this.#chunk(choice, { tool_calls: [{ index: toolIndex, ...piece }] })
  }

  #cite(choice: number, { citation }: BlockDelta & { readonly type: 'citation' }): OutEvent[] {
    const { length } = this.#choices.get(choice)!
    const annotation = encodeAnnotation(citation, 0, length)
    return annotation === undefined ? [] : [this.#chunk(choice, { annotations: [annotation] })]
  }

  /** The proof of thoughts comes last. A call without arguments still has some. */
  #stop(block: number, proof: Proof | undefined): OutEvent[] {
    const open = this.#blocks.get(block)
    this.#blocks.delete(block)
    if (open === undefined) return []
    const { choice, head } = open
    if (head.type === 'toolCall' && head.kind === 'function' && !open.hasContent) {
      return [this.#arguments(open, '{}')]
    }
    const final = proof ?? (head.type === 'reasoning' ? head.proof : undefined)
    if (head.type !== 'reasoning' || final === undefined) return []
    const counts = this.#choices.get(choice)!
    const detail = writeDetail({ type: 'reasoning', text: '', proof: final }, counts.details++)
    return [this.#chunk(choice, { reasoning_details: [detail] })]
  }

  #chunk(choice: number, delta: JsonObject, reason: string | null = null): OutEvent {
    const choices = [{ index: choice, delta, logprobs: null, finish_reason: reason }]
    return out({ ...this.#base, choices, ...(this.#wantsUsage ? { usage: null } : {}) })
  }

  #end(): OutEvent[] {
    this.#isOver = true
    const usage = this.#usage && encodeChatUsage(this.#usage)
    const told = usage !== undefined && this.#wantsUsage
    return [
      ...(told ? [out(json({ ...this.#base, choices: [], usage }))] : []),
      { event: undefined, data: '[DONE]' },
    ]
  }

  get #wantsUsage(): boolean {
    return this.#crossing.request.wantsStreamUsage === true
  }
}

function out(chunk: Json): OutEvent {
  return { event: undefined, data: JSON.stringify(chunk) }
}
