import type { Json, JsonObject } from '../../kit/json.ts'
import type { Usage } from '../dialect.ts'
import type { Finish, HubError } from '../hub/answer.ts'
import type { Crossing } from '../hub/codec.ts'
import type { Citation, Proof } from '../hub/conversation.ts'
import { objectOf } from '../hub/fields.ts'
import type { BlockHead, HubEvent, OutEvent, StreamEncoder } from '../hub/stream.ts'
import {
  callItem,
  encodeCitation,
  encodeUsage,
  encrypted,
  IN_PROGRESS,
  proofItem,
  reasoningItem,
  ResponseFrame,
  statusOf,
  textContent,
  type Status,
} from './openai-responses-frame.ts'
import { openaiErrorOf } from './openai-responses-errors.ts'
import { placeOf, StreamOutput, type PartPlace } from './openai-responses-stream-output.ts'

/** An open block: where it stands, and all that it has said, which its end repeats. */
interface Block {
  readonly head: BlockHead
  /** The block's own item and its place; of a text, the part of its message. */
  readonly item: JsonObject
  readonly index: number
  readonly part?: PartPlace
  readonly annotations: JsonObject[]
  text: string
}

/** The last event repeats the whole answer, so all of it is kept: up to here. */
const MAX_LENGTH = 32 * 1024 * 1024

const TOO_LARGE: HubError = {
  kind: 'server',
  status: 502,
  message: `the answer is larger than ${MAX_LENGTH} characters`,
  code: 'answer_too_large',
}

/** Writes one response as events. Each text is kept until the end, whose event has the whole response. */
export class ResponsesStreamEncoder implements StreamEncoder {
  readonly #crossing: Crossing
  readonly #blocks = new Map<number, Block>()
  /** Where the items of raw events stand here, by where they stood upstream. */
  readonly #rawIndexes = new Map<number, number>()
  readonly #output = new StreamOutput()
  #frame: ResponseFrame | undefined
  #length = 0
  #hasRefusal = false
  #hasEnded = false
  #finish: Finish = { reason: 'stop', raw: '' }
  #usage: Usage | undefined

  constructor(crossing: Crossing) {
    this.#crossing = crossing
  }

  push(event: HubEvent): readonly OutEvent[] {
    if (this.#hasEnded) return []
    this.#write(event)
    return this.#output.take()
  }

  #write(event: HubEvent): void {
    switch (event.type) {
      case 'start':
        this.#start(event)
        return
      case 'blockStart':
        // There is one answer only.
        if ((event.choice ?? 0) === 0) this.#startBlock(event.block, event.head)
        return
      case 'blockDelta': {
        const block = this.#blocks.get(event.block)
        if (block === undefined) return
        if (event.delta.type === 'citation') this.#cite(block, event.delta.citation)
        else this.#say(block, event.delta.text)
        return
      }
      case 'blockStop':
        this.#stopBlock(event.block, event.proof)
        return
      case 'finish':
        if ((event.choice ?? 0) === 0) this.#finish = event.finish
        return
      case 'usage':
        this.#usage = event.usage
        return
      case 'raw':
        if (event.dialect === 'openai-responses') this.#raw(objectOf(event.event) as JsonObject)
        return
      case 'error':
        this.#fail(event.error)
        return
      case 'end':
        this.#end()
        return
      default:
    }
  }

  #start({ id, model, created }: HubEvent & { readonly type: 'start' }): ResponseFrame {
    const head = { id, model, ...(created === undefined ? {} : { created }) }
    const frame = new ResponseFrame(head, this.#crossing)
    this.#frame = frame
    const response = frame.response([], IN_PROGRESS, undefined)
    this.#output.emit('response.created', { response })
    this.#output.emit('response.in_progress', { response })
    return frame
  }

  /** The frame; of an answer that begins without a start, by the request. */
  #begun(): ResponseFrame {
    const { request } = this.#crossing
    return this.#frame ?? this.#start({ type: 'start', id: '', model: request.model })
  }

  #startBlock(number: number, head: BlockHead): void {
    const frame = this.#begun()
    switch (head.type) {
      case 'text':
      case 'refusal':
        this.#startPart(number, head)
        return
      case 'reasoning': {
        const item = reasoningItem({ text: '' }, frame)
        this.#startItem(number, head, item)
        return
      }
      case 'toolCall': {
        if (head.proof !== undefined) this.#output.whole(proofItem(head.proof, frame))
        const item = callItem({ ...head, arguments: '' }, frame)
        item[head.kind === 'custom' ? 'input' : 'arguments'] = ''
        this.#startItem(number, head, { ...item, status: 'in_progress' })
        return
      }
      default:
    }
  }

  #startItem(number: number, head: BlockHead, item: JsonObject): void {
    const index = this.#output.place(item)
    this.#blocks.set(number, { head, item, index, annotations: [], text: '' })
  }

  #startPart(number: number, head: BlockHead): void {
    const isRefusal = head.type === 'refusal'
    if (isRefusal) this.#hasRefusal = true
    const part = isRefusal ? refusalPart('') : textContent('', [])
    const place = this.#output.openPart(() => this.#begun().itemId('msg'), part)
    const { id, index } = place.message
    const block = { head, item: { id }, index, part: place, annotations: [], text: '' }
    this.#blocks.set(number, block)
  }

  #say(block: Block, text: string): void {
    this.#length += text.length
    if (this.#length > MAX_LENGTH) return this.#fail(TOO_LARGE)
    const { head, item, index } = block
    const isFirst = block.text === ''
    block.text += text
    const place = { item_id: item['id']!, output_index: index }
    switch (head.type) {
      case 'text':
        this.#output.emit('response.output_text.delta', {
          ...place,
          content_index: block.part?.position ?? 0,
          delta: text,
          logprobs: [],
        })
        return
      case 'refusal':
        this.#output.emit('response.refusal.delta', {
          ...place,
          content_index: block.part?.position ?? 0,
          delta: text,
        })
        return
      case 'reasoning':
        if (isFirst) {
          const part = summaryPart('')
          this.#output.emit('response.reasoning_summary_part.added', {
            ...place,
            summary_index: 0,
            part,
          })
        }
        this.#output.emit('response.reasoning_summary_text.delta', {
          ...place,
          summary_index: 0,
          delta: text,
        })
        return
      case 'toolCall':
        this.#output.emit(`${argumentEvents(head.kind)}.delta`, { ...place, delta: text })
        return
      default:
    }
  }

  #cite(block: Block, citation: Citation): void {
    if (block.head.type !== 'text') return
    const annotation = encodeCitation(citation)
    const position = block.annotations.push(annotation) - 1
    this.#output.emit('response.output_text.annotation.added', {
      item_id: block.item['id']!,
      output_index: block.index,
      content_index: block.part?.position ?? 0,
      annotation_index: position,
      annotation,
    })
  }

  #stopBlock(number: number, proof: Proof | undefined): void {
    const block = this.#blocks.get(number)
    if (block === undefined) return
    this.#blocks.delete(number)
    switch (block.head.type) {
      case 'reasoning':
        this.#stopReasoning(block, proof ?? block.head.proof)
        return
      case 'toolCall':
        this.#stopCall(block, block.head.kind)
        return
      default:
        this.#stopPart(block)
    }
  }

  #stopPart({ head, part: place, text, annotations }: Block): void {
    if (place === undefined) return
    const isRefusal = head.type === 'refusal'
    if (isRefusal) this.#output.emit('response.refusal.done', { ...placeOf(place), refusal: text })
    else this.#output.emit('response.output_text.done', { ...placeOf(place), text, logprobs: [] })
    this.#output.closePart(place, isRefusal ? refusalPart(text) : textContent(text, annotations))
  }

  #stopReasoning({ item, index, text }: Block, proof: Proof | undefined): void {
    const place = { item_id: item['id']!, output_index: index, summary_index: 0 }
    if (text !== '') {
      this.#output.emit('response.reasoning_summary_text.done', { ...place, text })
      this.#output.emit('response.reasoning_summary_part.done', {
        ...place,
        part: summaryPart(text),
      })
    }
    this.#output.done(index, {
      ...item,
      summary: text === '' ? [] : [summaryPart(text)],
      ...(proof === undefined ? {} : { encrypted_content: encrypted(proof) }),
    })
  }

  #stopCall(block: Block, kind: 'function' | 'custom'): void {
    // A call without arguments has an empty object.
    if (block.text === '' && kind === 'function') this.#say(block, '{}')
    const { item, index, text } = block
    const field = kind === 'custom' ? 'input' : 'arguments'
    this.#output.emit(`${argumentEvents(kind)}.done`, {
      item_id: item['id']!,
      output_index: index,
      [field]: text,
    })
    this.#output.done(index, { ...item, [field]: text, status: 'completed' })
  }

  /** An event of this dialect, at its place in this answer. */
  #raw(event: JsonObject): void {
    const { type, sequence_number: _, ...fields } = event
    const upstream = fields['output_index']
    if (typeof type !== 'string') return
    if (typeof upstream !== 'number') return this.#output.emit(type, fields)
    const item = objectOf(fields['item']) as JsonObject
    if (type === 'response.output_item.added') {
      this.#begun()
      this.#rawIndexes.set(upstream, this.#output.place(item))
      return
    }
    const index = this.#rawIndexes.get(upstream)
    if (index === undefined) return
    if (type === 'response.output_item.done') this.#output.done(index, item)
    else this.#output.emit(type, { ...fields, output_index: index })
  }

  #end(): void {
    this.#hasEnded = true
    const frame = this.#begun()
    this.#output.endMessage()
    const status = statusOf(this.#finish, this.#hasRefusal)
    this.#output.emit(`response.${status.status}`, {
      response: frame.response(this.#output.items, status, encodeUsage(this.#usage)),
    })
  }

  /** `error`, then a response that says so too, as OpenAI does. The first has its fields twice: both forms are in use. */
  #fail(error: HubError): void {
    this.#hasEnded = true
    const frame = this.#begun()
    const nested = openaiErrorOf(error)
    const { code, message, param } = nested
    this.#output.emit('error', { code, message, param, error: nested })
    const status: Status = {
      status: 'failed',
      incomplete_details: null,
      error: { code: nested.code ?? 'server_error', message },
    }
    this.#output.emit('response.failed', {
      response: frame.response(this.#output.items, status, encodeUsage(this.#usage)),
    })
  }
}

function argumentEvents(kind: 'function' | 'custom'): string {
  return kind === 'custom' ? 'response.custom_tool_call_input' : 'response.function_call_arguments'
}

function summaryPart(text: string): JsonObject {
  return { type: 'summary_text', text }
}

function refusalPart(text: string): JsonObject & { readonly type: Json } {
  return { type: 'refusal', refusal: text }
}
