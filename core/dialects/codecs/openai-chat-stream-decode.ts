import { isObject, type Json } from '../../kit/json.ts'
import type { Usage } from '../dialect.ts'
import type { Crossing } from '../hub/codec.ts'
import type { Citation, Proof, ReasoningPart } from '../hub/conversation.ts'
import { compact, listOf, numberOf, objectOf, stringOf } from '../hub/fields.ts'
import { CUT, type BlockHead, type HubEvent, type StreamDecoder } from '../hub/stream.ts'
import { JsonProgress } from '../hub/tool-arguments.ts'
import { StreamUnwrapper } from '../hub/unwrap.ts'
import { openaiUsage } from '../openai-chat.ts'
import {
  decodeAnnotation,
  decodeFinish,
  readSearchResults,
  readThinkingPart,
} from './openai-chat-answer.ts'
import { decodeContent } from './openai-chat-decode-messages.ts'
import { decodeChatError, isErrorChunk } from './openai-chat-errors.ts'
import { readReasoning, readToolProof } from './openai-chat-reasoning.ts'

type Fields = Readonly<Record<string, Json | undefined>>

/** Alternatives and calls beyond these are not followed: no provider gives as many. */
const MAX_CHOICES = 128
const MAX_CALLS = 1024

const NONE: readonly Citation[] = []

/** Reads the chunks of a chat completion. */
export function chatStreamDecoder(crossing: Crossing): StreamDecoder {
  return new ChatStreamDecoder(crossing)
}

class ChatStreamDecoder implements StreamDecoder {
  readonly #unwrapper: StreamUnwrapper
  readonly #requestId: string
  readonly #choices = new Map<number, ChoiceReader>()
  readonly #blocks = { next: 0 }
  #usage: Usage | undefined
  #hasStarted = false
  #isOver = false

  constructor(crossing: Crossing) {
    this.#unwrapper = new StreamUnwrapper(crossing)
    this.#requestId = crossing.requestId
  }

  push(event: Json): readonly HubEvent[] {
    if (this.#isOver || !isObject(event)) return []
    if (isErrorChunk(event)) {
      this.#isOver = true
      return [{ type: 'error', error: decodeChatError(200, event) }]
    }
    const events: HubEvent[] = []
    const choices = listOf(event['choices'])
    // Azure begins with a chunk that has neither id nor choices.
    if (!this.#hasStarted && (choices.length > 0 || event['id'] !== '')) {
      this.#hasStarted = true
      events.push(startOf(event))
    }
    this.#usage =
      openaiUsage(event['usage']) ?? openaiUsage(objectOf(event['x_groq'])['usage']) ?? this.#usage
    const found = readSearchResults(event as Fields)
    for (const value of choices) {
      const choice = objectOf(value)
      this.#choice(choice)?.read(choice, choice['finish_reason'] ? found : NONE, events)
    }
    return this.#unwrapper.push(events)
  }

  end(): readonly HubEvent[] {
    if (this.#isOver) return []
    this.#isOver = true
    const readers = [...this.#choices.values()]
    const isComplete = readers.length > 0 && readers.every(({ isFinished }) => isFinished)
    if (!isComplete) return [{ type: 'error', error: CUT }]
    const usage = this.#usage
    return [...(usage === undefined ? [] : [{ type: 'usage', usage } as const]), { type: 'end' }]
  }

  #choice(choice: Fields): ChoiceReader | undefined {
    const index = numberOf(choice['index']) ?? 0
    let reader = this.#choices.get(index)
    if (reader === undefined && this.#choices.size < MAX_CHOICES) {
      reader = new ChoiceReader(index, this.#blocks, this.#requestId)
      this.#choices.set(index, reader)
    }
    return reader
  }
}

function startOf(event: Fields): HubEvent {
  return compact<HubEvent & { type: 'start' }>({
    type: 'start',
    id: stringOf(event['id']) ?? '',
    model: stringOf(event['model']) ?? '',
    created: numberOf(event['created']),
  })
}

interface OpenCall {
  readonly block: number
  readonly id: string
  readonly progress: JsonProgress
}

type ProseType = 'text' | 'reasoning' | 'refusal'

/** Follows one alternative. Prose and calls take turns; calls may be told side by side. */
class ChoiceReader {
  readonly #choice: number | undefined
  readonly #blocks: { next: number }
  readonly #calls = new Map<number, OpenCall>()
  #prose: { readonly type: ProseType; readonly block: number; proof?: Proof } | undefined
  /** Of all calls so far. */
  readonly #ids = new Set<string>()
  #callCount = 0
  #latestCall = 0
  #hasRefusal = false
  #isFinished = false
  /** Begins the ids of calls that have none: within a conversation no two may be the same. */
  readonly #ownIds: string

  /** `blocks` counts for the whole stream. */
  constructor(index: number, blocks: { next: number }, requestId: string) {
    this.#choice = index === 0 ? undefined : index
    this.#blocks = blocks
    this.#ownIds = `call_${requestId}_${index}`
  }

  get isFinished(): boolean {
    return this.#isFinished
  }

  /** `found`: the sources of the whole answer, where the chunk that ends it tells them. */
  read(choice: Fields, found: readonly Citation[], events: HubEvent[]): void {
    if (this.#isFinished) return
    // A single chunk of an emulated stream may hold a whole message.
    const delta = objectOf(choice['delta'] ?? choice['message'])
    for (const part of readReasoning(delta)) this.#reason(part, events)
    for (const part of decodeContent(delta['content']).flatMap(readThinkingPart)) {
      if (part.type === 'text') this.#say('text', part.text, events)
      else if (part.type === 'reasoning') this.#reason(part, events)
    }
    const refusal = stringOf(delta['refusal']) ?? ''
    if (refusal !== '') this.#hasRefusal = true
    this.#say('refusal', refusal, events)
    this.#cite([...listOf(delta['annotations']).map(decodeAnnotation), ...found], events)
    for (const call of listOf(delta['tool_calls'])) this.#call(objectOf(call), events)
    if (isObject(delta['function_call'])) {
      this.#call({ index: 0, function: delta['function_call'] }, events)
    }
    // Some servers say nothing in an empty text rather than in null.
    const reason = stringOf(choice['finish_reason']) ?? ''
    if (reason !== '') this.#finish(reason, events)
  }

  #say(type: ProseType, text: string, events: HubEvent[]): void {
    if (text === '') return
    const block = this.#open(type, events)
    events.push({ type: 'blockDelta', block, delta: { type: 'text', text } })
  }

  /** A proof belongs to the thoughts before it; one that comes alone is a block of its own. */
  #reason({ proof, text }: ReasoningPart, events: HubEvent[]): void {
    this.#say('reasoning', text, events)
    if (proof === undefined) return
    if (this.#prose?.type === 'reasoning' && proof.kind === 'signature') {
      this.#prose.proof = proof
      return
    }
    this.#closeProse(events)
    const block = this.#start({ type: 'reasoning', proof }, events)
    events.push({ type: 'blockStop', block, proof })
  }

  #cite(citations: readonly Citation[], events: HubEvent[]): void {
    if (citations.length === 0) return
    const block = this.#open('text', events)
    for (const citation of citations) {
      const delta = { type: 'citation', citation } as const
      events.push({ type: 'blockDelta', block, delta })
    }
  }

  #open(type: ProseType, events: HubEvent[]): number {
    if (this.#prose?.type === type) return this.#prose.block
    this.#closeProse(events)
    this.#closeCalls(events, (call) => call.progress.isComplete)
    const block = this.#start({ type }, events)
    this.#prose = { type, block }
    return block
  }

  #call(call: Fields, events: HubEvent[]): void {
    const isCustom = isObject(call['custom'])
    const inner = objectOf(call['custom'] ?? call['function'])
    const name = stringOf(inner['name']) ?? ''
    const index = this.#indexOf(call, name)
    let open = this.#calls.get(index)
    if (open === undefined) {
      // A late piece of a call that is complete already, which some servers send with its name again.
      const isLate = name === '' || this.#ids.has(stringOf(call['id']) ?? '')
      if (isLate || this.#callCount >= MAX_CALLS) return
      this.#closeProse(events)
      this.#closeCalls(events, ({ progress }) => progress.isComplete)
      open = this.#startCall(call, isCustom, events)
      this.#calls.set(index, open)
    }
    this.#latestCall = index
    const given = inner[isCustom ? 'input' : 'arguments']
    const text = isObject(given) ? JSON.stringify(given) : (stringOf(given) ?? '')
    if (text === '') return
    open.progress.push(text)
    events.push({ type: 'blockDelta', block: open.block, delta: { type: 'arguments', text } })
  }

  #startCall(call: Fields, isCustom: boolean, events: HubEvent[]): OpenCall {
    const inner = objectOf(call['custom'] ?? call['function'])
    const name = stringOf(inner['name']) ?? ''
    const stated = stringOf(call['id']) ?? ''
    const id = stated === '' ? `${this.#ownIds}_${this.#callCount}` : stated
    this.#callCount++
    if (stated !== '') this.#ids.add(stated)
    const proof = readToolProof(call)
    const kind = isCustom ? 'custom' : 'function'
    const head = { type: 'toolCall', id, name, kind } as const
    const block = this.#start(proof === undefined ? head : { ...head, proof }, events)
    return { block, id: stated, progress: new JsonProgress() }
  }

  /**
   * Which call a delta goes on with. Servers leave the index out, or give the same one to each call: an id that is
   * new, with a name, begins another call.
   */
  #indexOf(call: Fields, name: string): number {
    const index = numberOf(call['index'])
    const id = stringOf(call['id'])
    const isNew = id !== undefined && id !== '' && name !== ''
    if (index === undefined) return isNew ? -1 - this.#callCount : this.#latestCall
    const open = this.#calls.get(index)
    if (open === undefined || !isNew || open.id === id) return index
    return -1 - this.#callCount
  }

  #finish(reason: string, events: HubEvent[]): void {
    this.#closeProse(events)
    this.#closeCalls(events, () => true)
    this.#isFinished = true
    const finish = decodeFinish(reason, this.#callCount > 0, this.#hasRefusal)
    events.push({ type: 'finish', finish, ...this.#where() })
  }

  #start(head: BlockHead, events: HubEvent[]): number {
    const block = this.#blocks.next++
    events.push({ type: 'blockStart', block, head, ...this.#where() })
    return block
  }

  #where(): { choice?: number } {
    return this.#choice === undefined ? {} : { choice: this.#choice }
  }

  #closeProse(events: HubEvent[]): void {
    if (this.#prose === undefined) return
    const { block, proof } = this.#prose
    events.push({ type: 'blockStop', block, ...(proof === undefined ? {} : { proof }) })
    this.#prose = undefined
  }

  #closeCalls(events: HubEvent[], isDone: (call: OpenCall) => boolean): void {
    for (const [index, call] of this.#calls) {
      if (!isDone(call)) continue
      events.push({ type: 'blockStop', block: call.block })
      this.#calls.delete(index)
    }
  }
}
