import { isObject, type Json } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import type { Proof } from '../hub/conversation.ts'
import { numberOf, objectOf, stringOf } from '../hub/fields.ts'
import { type BlockHead, CUT, type HubEvent, type StreamDecoder } from '../hub/stream.ts'
import { StreamUnwrapper } from '../hub/unwrap.ts'
import { bedrockUsage, decodeBedrockError, decodeFinish, proofOf } from './bedrock-answer.ts'

type Fields = Readonly<Record<string, Json | undefined>>

/** More open blocks are not followed. */
const MAX_OPEN = 128

/** Reads the events of ConverseStream, each `{ [its type]: payload }`. */
export function bedrockStreamDecoder(crossing: Crossing): StreamDecoder {
  return new BedrockStreamDecoder(crossing)
}

interface OpenBlock {
  readonly block: number
  readonly type: BlockHead['type']
  hasContent: boolean
  proof: Proof | undefined
}

class BedrockStreamDecoder implements StreamDecoder {
  readonly #crossing: Crossing
  readonly #unwrapper: StreamUnwrapper
  /** By Bedrock's own index. */
  readonly #open = new Map<number, OpenBlock>()
  #next = 0
  #hasStopped = false
  #isOver = false

  constructor(crossing: Crossing) {
    this.#crossing = crossing
    this.#unwrapper = new StreamUnwrapper(crossing)
  }

  push(event: Json): readonly HubEvent[] {
    if (this.#isOver || !isObject(event)) return []
    return this.#unwrapper.push(this.#read(event as Fields))
  }

  /** Nothing but the count comes behind the message's stop, and no event says that it was the last. */
  end(): readonly HubEvent[] {
    if (this.#isOver) return []
    this.#isOver = true
    return this.#hasStopped ? [{ type: 'end' }] : [{ type: 'error', error: CUT }]
  }

  #read(event: Fields): HubEvent[] {
    if (event['messageStart'] !== undefined) {
      return [{ type: 'start', id: '', model: this.#crossing.request.model }]
    }
    if (event['contentBlockStart'] !== undefined) {
      return this.#blockStart(objectOf(event['contentBlockStart']))
    }
    if (event['contentBlockDelta'] !== undefined) {
      return this.#blockDelta(objectOf(event['contentBlockDelta']))
    }
    if (event['contentBlockStop'] !== undefined) {
      return this.#blockStop(indexOf(objectOf(event['contentBlockStop'])))
    }
    if (event['messageStop'] !== undefined) return this.#stop(objectOf(event['messageStop']))
    if (event['metadata'] !== undefined) {
      const usage = bedrockUsage(objectOf(event['metadata'])['usage'])
      return usage === undefined ? [] : [{ type: 'usage', usage }]
    }
    if (event['exception'] === undefined) return []
    this.#isOver = true
    return [{ type: 'error', error: decodeBedrockError(200, event as Json) }]
  }

  /** Only calls have a start; text begins with its first piece. */
  #blockStart(payload: Fields): HubEvent[] {
    const call = objectOf(objectOf(payload['start'])['toolUse'])
    if (call['toolUseId'] === undefined) return []
    return this.#openBlock(indexOf(payload), {
      type: 'toolCall',
      id: stringOf(call['toolUseId']) ?? '',
      name: stringOf(call['name']) ?? '',
      kind: 'function',
    })
  }

  #blockDelta(payload: Fields): HubEvent[] {
    const index = indexOf(payload)
    const delta = objectOf(payload['delta'])
    if (typeof delta['text'] === 'string') return this.#say(index, { type: 'text' }, delta['text'])
    if (isObject(delta['toolUse'])) {
      const open = this.#open.get(index)
      const text = stringOf(objectOf(delta['toolUse'])['input']) ?? ''
      return open === undefined || text === '' ? [] : [tell(open, text)]
    }
    if (!isObject(delta['reasoningContent'])) return []
    return this.#reason(index, objectOf(delta['reasoningContent']))
  }

  #reason(index: number, content: Fields): HubEvent[] {
    const events = this.#say(index, { type: 'reasoning' }, stringOf(content['text']) ?? '')
    const proof =
      proofOf(content['signature'], 'signature', this.#crossing) ??
      proofOf(content['redactedContent'], 'encrypted', this.#crossing)
    if (proof === undefined) return events
    if (!this.#open.has(index)) events.push(...this.#openBlock(index, { type: 'reasoning', proof }))
    const open = this.#open.get(index)
    if (open !== undefined) open.proof = proof
    return events
  }

  #say(index: number, head: BlockHead, text: string): HubEvent[] {
    if (text === '') return []
    const opened = this.#open.get(index)?.type === head.type ? [] : this.#openBlock(index, head)
    const open = this.#open.get(index)
    return open === undefined ? opened : [...opened, tell(open, text)]
  }

  #openBlock(index: number, head: BlockHead): HubEvent[] {
    const stopped = this.#blockStop(index)
    if (this.#open.size >= MAX_OPEN) return stopped
    const block = this.#next++
    this.#open.set(index, { block, type: head.type, hasContent: false, proof: undefined })
    return [...stopped, { type: 'blockStart', block, head }]
  }

  /** A call without arguments has an empty object, of which no delta tells. */
  #blockStop(index: number): HubEvent[] {
    const open = this.#open.get(index)
    if (open === undefined) return []
    this.#open.delete(index)
    const { block, hasContent, proof, type } = open
    const filled = type === 'toolCall' && !hasContent ? [tell(open, '{}')] : []
    return [...filled, { type: 'blockStop', block, ...(proof === undefined ? {} : { proof }) }]
  }

  #stop(payload: Fields): HubEvent[] {
    this.#hasStopped = true
    const stopped = [...this.#open.keys()].flatMap((index) => this.#blockStop(index))
    return [...stopped, { type: 'finish', finish: decodeFinish(payload) }]
  }
}

function indexOf(payload: Fields): number {
  return numberOf(payload['contentBlockIndex']) ?? 0
}

function tell(open: OpenBlock, text: string): HubEvent {
  open.hasContent = true
  const type = open.type === 'toolCall' ? 'arguments' : 'text'
  return { type: 'blockDelta', block: open.block, delta: { type, text } }
}
