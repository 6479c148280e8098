import type { Json, JsonObject } from '../../kit/json.ts'
import type { Usage } from '../dialect.ts'
import type { Finish } from '../hub/answer.ts'
import type { Crossing } from '../hub/codec.ts'
import type { Proof } from '../hub/conversation.ts'
import { json, objectOf } from '../hub/fields.ts'
import { UNPROVEN } from '../hub/proof.ts'
import type { BlockDelta, BlockHead, HubEvent, OutEvent, StreamEncoder } from '../hub/stream.ts'
import { encodeMessageUsage, encodeStopReason, messageId } from './anthropic-answer.ts'
import { isRedacted, signatureOf } from './anthropic-blocks-encode.ts'
import { ANTHROPIC_NAMES } from './anthropic-blocks.ts'
import { encodeMessageError } from './anthropic-errors.ts'

const DIALECT = 'anthropic'

/** Writes the events of a message. */
export function messageStreamEncoder(crossing: Crossing): StreamEncoder {
  return new MessageStreamEncoder(crossing)
}

/** What blocks that have to wait may hold together, in characters. */
const MAX_WAITING_LENGTH = 16 * 1024 * 1024

interface WaitingBlock {
  readonly block: number
  readonly head: BlockHead
  readonly deltas: BlockDelta[]
  isStopped: boolean
  proof: Proof | undefined
}

/** One block is open at a time. Blocks that begin beside it wait until it is closed. */
class MessageStreamEncoder implements StreamEncoder {
  readonly #crossing: Crossing
  #current: { readonly block: number; readonly head: BlockHead; input: string } | undefined
  #waiting: WaitingBlock[] = []
  #waitingLength = 0
  #index = -1
  #finish: Finish = { reason: 'stop', raw: '' }
  #refusal: string | undefined
  #usage: Usage | undefined
  #rawUsage: JsonObject | undefined
  #hasStarted = false
  #isOver = false

  constructor(crossing: Crossing) {
    this.#crossing = crossing
  }

  push(event: HubEvent): readonly OutEvent[] {
    if (this.#isOver) return []
    switch (event.type) {
      case 'start':
        return this.#start(event.id, event.model, event.usage)
      case 'blockStart':
        return event.choice === undefined ? this.#blockStart(event.block, event.head) : []
      case 'blockDelta':
        return this.#blockDelta(event.block, event.delta)
      case 'blockStop':
        return this.#blockStop(event.block, event.proof)
      case 'finish':
        if (event.choice === undefined) this.#finish = event.finish
        return []
      case 'usage':
        this.#usage = event.usage
        this.#rawUsage =
          this.#isOwn && event.raw !== undefined ? json(objectOf(event.raw)) : undefined
        return []
      case 'ping':
        return [out({ type: 'ping' })]
      case 'raw':
        return this.#raw(event.dialect, event.event)
      case 'error':
        this.#isOver = true
        return [out(encodeMessageError(event.error, this.#crossing.requestId).body)]
      default:
        return this.#end()
    }
  }

  get #isOwn(): boolean {
    return this.#crossing.target === DIALECT
  }

  /** Most dialects count the input at the end; clients take the numbers of `message_delta` then. */
  #start(id: string, model: string, usage: Usage | undefined): OutEvent[] {
    if (this.#hasStarted) return []
    this.#hasStarted = true
    const message = {
      id: messageId(id, this.#crossing),
      type: 'message',
      role: 'assistant',
      model: this.#crossing.modelName ?? model,
      content: [],
      container: null,
      stop_reason: null,
      stop_sequence: null,
      stop_details: null,
      usage: encodeMessageUsage(usage),
    }
    return [out({ type: 'message_start', message })]
  }

  #blockStart(block: number, head: BlockHead): OutEvent[] {
    const begun = this.#start('', '', undefined)
    if (head.type === 'native' && head.dialect !== DIALECT) return begun
    if (this.#current === undefined) return [...begun, ...this.#open(block, head)]
    this.#waiting.push({ block, head, deltas: [], isStopped: false, proof: undefined })
    return begun
  }

  /** A signed call stands behind a block with its sealed signature. */
  #open(block: number, head: BlockHead): OutEvent[] {
    const signed = head.type === 'toolCall' && head.proof !== undefined
    const events = signed ? this.#wholeBlock(redacted(head.proof)) : []
    this.#current = { block, head, input: '' }
    return [...events, this.#begin(this.#contentOf(head))]
  }

  #begin(content: JsonObject): OutEvent {
    this.#index++
    return out({ type: 'content_block_start', index: this.#index, content_block: content })
  }

  #wholeBlock(content: JsonObject): OutEvent[] {
    return [this.#begin(content), out({ type: 'content_block_stop', index: this.#index })]
  }

  #contentOf(head: BlockHead): JsonObject {
    switch (head.type) {
      case 'text':
      case 'refusal':
        return { type: 'text', text: '' }
      case 'reasoning':
        return head.proof !== undefined && isRedacted(head.proof)
          ? redacted(head.proof)
          : { type: 'thinking', thinking: '', signature: '' }
      case 'toolCall': {
        const { names } = this.#crossing
        const id = names.encodeId(head.id, ANTHROPIC_NAMES)
        return { type: 'tool_use', id, name: head.name, input: {} }
      }
      default:
        return head.value as JsonObject
    }
  }

  #blockDelta(block: number, delta: BlockDelta): OutEvent[] {
    if (this.#current?.block === block) return this.#delta(this.#current, delta)
    const waiting = this.#waiting.find((candidate) => candidate.block === block)
    if (waiting === undefined) return []
    waiting.deltas.push(delta)
    this.#waitingLength += delta.type === 'citation' ? 1 : delta.text.length
    return this.#waitingLength > MAX_WAITING_LENGTH ? this.#giveUp() : []
  }

  #giveUp(): OutEvent[] {
    const message = 'the upstream tells more calls side by side than can be put in a row'
    return [...this.push({ type: 'error', error: { kind: 'server', status: 502, message } })]
  }

  #delta(current: { readonly head: BlockHead; input: string }, delta: BlockDelta): OutEvent[] {
    if (delta.type === 'citation') {
      const { native } = delta.citation
      if (native?.dialect !== DIALECT) return []
      return [this.#contentDelta({ type: 'citations_delta', citation: native.fields ?? {} })]
    }
    if (delta.text === '') return []
    switch (current.head.type) {
      case 'refusal':
        this.#refusal = (this.#refusal ?? '') + delta.text
        return [this.#contentDelta({ type: 'text_delta', text: delta.text })]
      case 'text':
        return [this.#contentDelta({ type: 'text_delta', text: delta.text })]
      case 'reasoning':
        return [this.#contentDelta({ type: 'thinking_delta', thinking: delta.text })]
      case 'toolCall':
        if (current.head.kind === 'custom') {
          current.input += delta.text
          return current.input.length > MAX_WAITING_LENGTH ? this.#giveUp() : []
        }
        return [this.#contentDelta({ type: 'input_json_delta', partial_json: delta.text })]
      default:
        return []
    }
  }

  #contentDelta(delta: JsonObject): OutEvent {
    return out({ type: 'content_block_delta', index: this.#index, delta })
  }

  #blockStop(block: number, proof: Proof | undefined): OutEvent[] {
    if (this.#current?.block !== block) {
      const waiting = this.#waiting.find((candidate) => candidate.block === block)
      if (waiting !== undefined) {
        waiting.isStopped = true
        waiting.proof = proof
      }
      return []
    }
    const events = this.#close(proof)
    while (this.#current === undefined && this.#waiting.length > 0) events.push(...this.#promote())
    return events
  }

  #close(proof: Proof | undefined): OutEvent[] {
    const { head, input } = this.#current!
    this.#current = undefined
    const events: OutEvent[] = []
    const isCustom = head.type === 'toolCall' && head.kind === 'custom'
    if (isCustom) {
      const wrapped = JSON.stringify({ input })
      events.push(this.#contentDelta({ type: 'input_json_delta', partial_json: wrapped }))
    }
    const isHidden = head.type === 'reasoning' && head.proof !== undefined && isRedacted(head.proof)
    if (head.type === 'reasoning' && !isHidden) {
      const signature = proof === undefined ? UNPROVEN : signatureOf(proof)
      events.push(this.#contentDelta({ type: 'signature_delta', signature }))
    }
    events.push(out({ type: 'content_block_stop', index: this.#index }))
    return events
  }

  /** The oldest of the waiting blocks, with all that it has gathered. */
  #promote(): OutEvent[] {
    const next = this.#waiting.shift()!
    const events = this.#open(next.block, next.head)
    for (const delta of next.deltas) {
      this.#waitingLength -= delta.type === 'citation' ? 1 : delta.text.length
      events.push(...this.#delta(this.#current!, delta))
    }
    if (next.isStopped) events.push(...this.#close(next.proof))
    return events
  }

  /** Deltas of a block that only Anthropic knows, under its index here. */
  #raw(dialect: string, event: Json): OutEvent[] {
    if (dialect !== DIALECT) return []
    const fields = json(objectOf(event))
    return [out('index' in fields ? { ...fields, index: this.#index } : fields)]
  }

  #end(): OutEvent[] {
    const events = this.#start('', '', undefined)
    this.#isOver = true
    if (this.#current !== undefined) events.push(...this.#close(undefined))
    while (this.#waiting.length > 0) {
      events.push(...this.#promote())
      if (this.#current !== undefined) events.push(...this.#close(undefined))
    }
    const delta = encodeStopReason(this.#finish, this.#refusal)
    const usage = this.#rawUsage ?? encodeMessageUsage(this.#usage)
    return [
      ...events,
      out({ type: 'message_delta', delta: { ...delta, container: null }, usage }),
      out({ type: 'message_stop' }),
    ]
  }
}

function redacted(proof: Proof): JsonObject {
  return { type: 'redacted_thinking', data: signatureOf(proof) }
}

/** Clients of Anthropic ignore events without a name. */
function out(event: JsonObject): OutEvent {
  return { event: event['type'] as string, data: JSON.stringify(event) }
}
