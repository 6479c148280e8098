import { isObject, type Json } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import { listOf, objectOf, stringOf } from '../hub/fields.ts'
import { type BlockHead, CUT, type HubEvent, type StreamDecoder } from '../hub/stream.ts'
import { StreamUnwrapper } from '../hub/unwrap.ts'
import { cohereUsage, decodeCitation, decodeFinish } from './cohere-answer.ts'

type Fields = Readonly<Record<string, Json | undefined>>

/** Reads the events of Cohere's second API. */
export function cohereStreamDecoder(crossing: Crossing): StreamDecoder {
  return new CohereStreamDecoder(crossing)
}

/** One block is open at a time: content, the plan before calls, or a call. */
class CohereStreamDecoder implements StreamDecoder {
  readonly #unwrapper: StreamUnwrapper
  readonly #model: string
  #open:
    | { readonly block: number; readonly type: BlockHead['type']; hasContent: boolean }
    | undefined
  #next = 0
  #hasStarted = false
  #isOver = false

  constructor(crossing: Crossing) {
    this.#unwrapper = new StreamUnwrapper(crossing)
    this.#model = crossing.request.model
  }

  push(event: Json): readonly HubEvent[] {
    if (this.#isOver || !isObject(event)) return []
    return this.#unwrapper.push(this.#read(event as Fields))
  }

  end(): readonly HubEvent[] {
    if (this.#isOver) return []
    this.#isOver = true
    return [{ type: 'error', error: CUT }]
  }

  #read(event: Fields): HubEvent[] {
    const message = objectOf(objectOf(event['delta'])['message'])
    switch (event['type']) {
      case 'message-start':
        return this.#start(event)
      case 'content-start':
        return [...this.#close(), ...this.#content(objectOf(message['content']))]
      case 'content-delta':
        return this.#content(objectOf(message['content']))
      case 'tool-plan-delta':
        return this.#say('text', stringOf(message['tool_plan']) ?? '')
      case 'tool-call-start':
        return this.#call(objectOf(message['tool_calls']))
      case 'tool-call-delta':
        return this.#tell(argumentsOf(objectOf(message['tool_calls'])))
      case 'citation-start':
        return this.#cite(message['citations'])
      case 'content-end':
      case 'tool-call-end':
        return this.#close()
      case 'message-end':
        return this.#end(objectOf(event['delta']))
      default:
        return isObject(event['error']) || event['message'] !== undefined ? this.#fail(event) : []
    }
  }

  #start(event: Fields): HubEvent[] {
    if (this.#hasStarted) return []
    this.#hasStarted = true
    return [{ type: 'start', id: stringOf(event['id']) ?? '', model: this.#model }]
  }

  #content(content: Fields): HubEvent[] {
    const thinking = stringOf(content['thinking']) ?? ''
    if (thinking !== '') return this.#say('reasoning', thinking)
    return this.#say('text', stringOf(content['text']) ?? '')
  }

  #say(type: 'text' | 'reasoning', text: string): HubEvent[] {
    if (text === '') return []
    const opened = this.#open?.type === type ? [] : this.#openBlock({ type })
    return [...opened, ...this.#tell(text)]
  }

  #call(call: Fields): HubEvent[] {
    const name = stringOf(objectOf(call['function'])['name']) ?? ''
    const id = stringOf(call['id']) ?? ''
    const opened = this.#openBlock({ type: 'toolCall', id, name, kind: 'function' })
    return [...opened, ...this.#tell(argumentsOf(call))]
  }

  #cite(citations: Json | undefined): HubEvent[] {
    const values = Array.isArray(citations) ? listOf(citations) : [citations ?? {}]
    const opened = this.#open?.type === 'text' ? [] : this.#openBlock({ type: 'text' })
    const { block } = this.#open!
    const told = values.map((value): HubEvent => {
      const delta = { type: 'citation', citation: decodeCitation(value) } as const
      return { type: 'blockDelta', block, delta }
    })
    return [...opened, ...told]
  }

  #openBlock(head: BlockHead): HubEvent[] {
    const closed = this.#close()
    const block = this.#next++
    this.#open = { block, type: head.type, hasContent: false }
    return [...closed, { type: 'blockStart', block, head }]
  }

  #tell(text: string): HubEvent[] {
    if (this.#open === undefined || text === '') return []
    this.#open.hasContent = true
    const type = this.#open.type === 'toolCall' ? 'arguments' : 'text'
    return [{ type: 'blockDelta', block: this.#open.block, delta: { type, text } }]
  }

  /** A call without arguments has an empty object. */
  #close(): HubEvent[] {
    const open = this.#open
    if (open === undefined) return []
    const filled = open.type === 'toolCall' && !open.hasContent ? this.#tell('{}') : []
    this.#open = undefined
    return [...filled, { type: 'blockStop', block: open.block }]
  }

  #end(delta: Fields): HubEvent[] {
    const reason = stringOf(delta['finish_reason'])
    if (reason === 'ERROR' || typeof delta['error'] === 'string') return this.#fail(delta)
    this.#isOver = true
    const usage = cohereUsage(delta['usage'])
    return [
      ...this.#close(),
      { type: 'finish', finish: decodeFinish(reason) },
      ...(usage === undefined ? [] : [{ type: 'usage', usage } as const]),
      { type: 'end' },
    ]
  }

  #fail(event: Fields): HubEvent[] {
    this.#isOver = true
    const message =
      stringOf(event['error']) ?? stringOf(event['message']) ?? 'the upstream could not go on'
    return [{ type: 'error', error: { kind: 'server', status: 500, message } }]
  }
}

function argumentsOf(call: Fields): string {
  return stringOf(objectOf(call['function'])['arguments']) ?? ''
}
