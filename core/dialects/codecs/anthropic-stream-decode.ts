import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import { anthropicUsage } from '../anthropic.ts'
import type { Crossing } from '../hub/codec.ts'
import type { Proof } from '../hub/conversation.ts'
import { compact, numberOf, objectOf, stringOf } from '../hub/fields.ts'
import { CUT, type BlockHead, type HubEvent, type StreamDecoder } from '../hub/stream.ts'
import { StreamUnwrapper } from '../hub/unwrap.ts'
import { decodeStopReason } from './anthropic-answer.ts'
import { decodeCitation, decodeProof } from './anthropic-blocks.ts'
import { decodeMessageError } from './anthropic-errors.ts'

const DIALECT = 'anthropic'

/** Anthropic opens one block at a time. More than these are not followed. */
const MAX_OPEN = 128

type Fields = Readonly<Record<string, Json | undefined>>

/** Reads the events of a message. */
export function messageStreamDecoder(crossing: Crossing): StreamDecoder {
  return new MessageStreamDecoder(crossing)
}

interface OpenBlock {
  readonly block: number
  readonly type: BlockHead['type']
  hasContent: boolean
  proof: Proof | undefined
}

class MessageStreamDecoder implements StreamDecoder {
  readonly #unwrapper: StreamUnwrapper
  /** By Anthropic's own index. */
  readonly #open = new Map<number, OpenBlock>()
  #next = 0
  /** The latest value of each count: `message_delta` counts from the start, and may leave fields out. */
  #usage: JsonObject = {}
  #hasStarted = false
  #isOver = false

  constructor(crossing: Crossing) {
    this.#unwrapper = new StreamUnwrapper(crossing)
  }

  push(event: Json): readonly HubEvent[] {
    if (this.#isOver || !isObject(event)) return []
    return this.#unwrapper.push(this.#read(event))
  }

  end(): readonly HubEvent[] {
    if (this.#isOver) return []
    this.#isOver = true
    return [{ type: 'error', error: CUT }]
  }

  #read(event: Fields): HubEvent[] {
    const index = numberOf(event['index']) ?? 0
    switch (event['type']) {
      case 'message_start':
        return this.#start(objectOf(event['message']))
      case 'content_block_start':
        return this.#blockStart(index, objectOf(event['content_block']))
      case 'content_block_delta':
        return this.#blockDelta(index, objectOf(event['delta']), event)
      case 'content_block_stop':
        return this.#blockStop(index)
      case 'message_delta':
        return this.#messageDelta(event)
      case 'message_stop':
        this.#isOver = true
        return [...this.#stopAll(), { type: 'end' }]
      case 'ping':
        return [{ type: 'ping' }]
      case 'error':
        this.#isOver = true
        return [{ type: 'error', error: decodeMessageError(200, event as JsonObject) }]
      default:
        return [{ type: 'raw', dialect: DIALECT, event: event as JsonObject }]
    }
  }

  /** A second start, which some proxies send, would break every client. */
  #start(message: Fields): HubEvent[] {
    if (this.#hasStarted) return []
    this.#hasStarted = true
    this.#merge(message['usage'])
    return [
      compact<HubEvent & { type: 'start' }>({
        type: 'start',
        id: stringOf(message['id']) ?? '',
        model: stringOf(message['model']) ?? '',
        usage: anthropicUsage(this.#usage),
      }),
    ]
  }

  #blockStart(index: number, content: Fields): HubEvent[] {
    if (this.#open.size >= MAX_OPEN) return []
    const head = headOf(content)
    const block = this.#next++
    const proof = head.type === 'reasoning' ? head.proof : undefined
    const open: OpenBlock = { block, type: head.type, hasContent: false, proof }
    const stopped = this.#blockStop(index)
    this.#open.set(index, open)
    const events: HubEvent[] = [...stopped, { type: 'blockStart', block, head }]
    const text = initialText(content)
    if (text !== '') events.push(this.#tell(open, text))
    return events
  }

  #tell(open: OpenBlock, text: string): HubEvent {
    open.hasContent = true
    const type = open.type === 'toolCall' ? 'arguments' : 'text'
    return { type: 'blockDelta', block: open.block, delta: { type, text } }
  }

  #blockDelta(index: number, delta: Fields, event: Fields): HubEvent[] {
    const open = this.#open.get(index)
    if (open === undefined) return []
    const raw = { type: 'raw', dialect: DIALECT, event: event as JsonObject } as const
    if (open.type === 'native') return [raw]
    switch (delta['type']) {
      case 'text_delta':
      case 'thinking_delta':
      case 'input_json_delta': {
        const text = stringOf(delta['text'] ?? delta['thinking'] ?? delta['partial_json']) ?? ''
        return text === '' ? [] : [this.#tell(open, text)]
      }
      case 'signature_delta':
        open.proof = decodeProof(stringOf(delta['signature']) ?? '', false)
        return []
      case 'citations_delta': {
        const citation = decodeCitation(objectOf(delta['citation']))
        return [{ type: 'blockDelta', block: open.block, delta: { type: 'citation', citation } }]
      }
      default:
        return [raw]
    }
  }

  /** A call without arguments has an empty object, of which no delta tells. */
  #blockStop(index: number): HubEvent[] {
    const open = this.#open.get(index)
    if (open === undefined) return []
    this.#open.delete(index)
    const { block, hasContent, proof, type } = open
    const isEmptyCall = type === 'toolCall' && !hasContent
    const stop = { type: 'blockStop', block, ...(proof === undefined ? {} : { proof }) } as const
    return isEmptyCall ? [this.#tell(open, '{}'), stop] : [stop]
  }

  #stopAll(): HubEvent[] {
    return [...this.#open.keys()].flatMap((index) => this.#blockStop(index))
  }

  #messageDelta(event: Fields): HubEvent[] {
    this.#merge(event['usage'])
    const delta = objectOf(event['delta'])
    const usage = anthropicUsage(this.#usage)
    const events: HubEvent[] = this.#stopAll()
    if (typeof delta['stop_reason'] === 'string') {
      events.push({ type: 'finish', finish: decodeStopReason(delta) })
    }
    if (usage !== undefined) events.push({ type: 'usage', usage, raw: this.#usage })
    return events
  }

  #merge(usage: Json | undefined): void {
    const stated = Object.entries(objectOf(usage)).filter(([, value]) => value !== null)
    this.#usage = { ...this.#usage, ...(Object.fromEntries(stated) as JsonObject) }
  }
}

function headOf(content: Fields): BlockHead {
  switch (content['type']) {
    case 'text':
      return { type: 'text' }
    case 'thinking':
      return { type: 'reasoning' }
    case 'redacted_thinking': {
      const proof = decodeProof(stringOf(content['data']) ?? '', true)
      return { type: 'reasoning', ...(proof === undefined ? {} : { proof }) }
    }
    case 'tool_use':
      return {
        type: 'toolCall',
        id: stringOf(content['id']) ?? '',
        name: stringOf(content['name']) ?? '',
        kind: 'function',
      }
    default: {
      const kind = stringOf(content['type']) ?? 'unknown'
      return { type: 'native', dialect: DIALECT, kind, value: content as JsonObject }
    }
  }
}

/** Compatible servers put content into the start already. */
function initialText(content: Fields): string {
  if (content['type'] === 'text') return stringOf(content['text']) ?? ''
  if (content['type'] === 'thinking') return stringOf(content['thinking']) ?? ''
  if (content['type'] !== 'tool_use') return ''
  const input = objectOf(content['input'])
  return Object.keys(input).length === 0 ? '' : JSON.stringify(input)
}
