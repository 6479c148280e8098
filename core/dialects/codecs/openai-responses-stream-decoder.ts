import { isObject, type Json } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import type { Proof } from '../hub/conversation.ts'
import { compact, listOf, numberOf, objectOf, stringOf } from '../hub/fields.ts'
import { CUT, type BlockHead, type HubEvent, type StreamDecoder } from '../hub/stream.ts'
import { StreamUnwrapper } from '../hub/unwrap.ts'
import { openaiUsage } from '../openai-chat.ts'
import { decodeOutput, finishOf, isTold } from './openai-responses-answer.ts'
import { decodeResponsesError } from './openai-responses-errors.ts'
import { decodeCall, decodeCitation, decodeReasoning } from './openai-responses-items.ts'
import type { Wire } from './wire.ts'

const DIALECT = 'openai-responses'

/** A block that is open, and whether it was told anything: some servers send the end only. */
interface Open {
  readonly block: number
  isTold: boolean
}

/** Paragraphs of a summary are one text. */
const PARAGRAPH = '\n\n'

/** Reads the events of one response. */
export class ResponsesStreamDecoder implements StreamDecoder {
  readonly #crossing: Crossing
  readonly #unwrapper: StreamUnwrapper
  /** By output index and part: `2`, `0.1`. */
  readonly #open = new Map<string, Open>()
  #blocks = 0
  #hasStarted = false
  #hasEnded = false
  #hasCall = false
  #hasRefusal = false
  #events: HubEvent[] = []

  constructor(crossing: Crossing) {
    this.#crossing = crossing
    this.#unwrapper = new StreamUnwrapper(crossing)
  }

  push(event: Json): readonly HubEvent[] {
    if (this.#hasEnded || !isObject(event)) return []
    this.#read(event)
    return this.#take()
  }

  end(): readonly HubEvent[] {
    if (this.#hasEnded) return []
    this.#fail(CUT)
    return this.#take()
  }

  #take(): readonly HubEvent[] {
    const events = this.#events
    this.#events = []
    return this.#unwrapper.push(events)
  }

  #read(event: Wire): void {
    switch (event['type']) {
      case 'response.created':
      case 'response.queued':
      case 'response.in_progress':
        return this.#start(objectOf(event['response']))
      case 'response.output_item.added':
        return this.#added(event)
      case 'response.output_text.delta':
        return this.#say(partKey(event), { type: 'text' }, event['delta'])
      case 'response.refusal.delta':
        return this.#say(partKey(event), { type: 'refusal' }, event['delta'])
      case 'response.reasoning_summary_part.added':
        return this.#paragraph(event)
      case 'response.reasoning_summary_text.delta':
        return this.#say(itemKey(event), { type: 'reasoning', isSummary: true }, event['delta'])
      case 'response.reasoning_text.delta':
        return this.#say(`${itemKey(event)}.thoughts`, { type: 'reasoning' }, event['delta'])
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta':
        return this.#argue(itemKey(event), event['delta'])
      case 'response.output_text.annotation.added':
        return this.#cite(event)
      case 'response.content_part.done':
        return this.#partDone(event)
      case 'response.output_item.done':
        return this.#done(event)
      case 'response.completed':
      case 'response.incomplete':
        return this.#finish(objectOf(event['response']))
      case 'response.failed':
      case 'error':
        return this.#fail(decodeResponsesError(200, event as Json))
      case 'keepalive':
        this.#events.push({ type: 'ping' })
        return
      default:
        this.#raw(event)
    }
  }

  #start(response: Wire): void {
    if (this.#hasStarted) return
    this.#hasStarted = true
    this.#events.push(
      compact<HubEvent & { type: 'start' }>({
        type: 'start',
        id: stringOf(response['id']) ?? '',
        model: stringOf(response['model']) ?? '',
        created: numberOf(response['created_at']),
      }),
    )
  }

  /** Calls are told at once; messages and thoughts when they have something to say. */
  #added(event: Wire): void {
    const item = objectOf(event['item'])
    const { type } = item
    if (type === 'function_call' || type === 'custom_tool_call') {
      const { id, name, kind, native } = decodeCall({
        ...item,
        arguments: undefined,
        input: undefined,
      })
      this.#hasCall = true
      this.#openBlock(
        itemKey(event),
        compact<BlockHead>({ type: 'toolCall', id, name, kind, native }),
      )
    } else if (type !== 'message' && type !== 'reasoning') this.#raw(event)
  }

  #openBlock(key: string, head: BlockHead): Open {
    this.#start({})
    if (head.type === 'refusal') this.#hasRefusal = true
    const open = { block: this.#blocks++, isTold: false }
    this.#open.set(key, open)
    this.#events.push({ type: 'blockStart', block: open.block, head })
    return open
  }

  #say(key: string, head: BlockHead, delta: Json | undefined): void {
    if (typeof delta !== 'string' || delta === '') return
    const open = this.#open.get(key) ?? this.#openBlock(key, head)
    open.isTold = true
    this.#events.push({
      type: 'blockDelta',
      block: open.block,
      delta: { type: 'text', text: delta },
    })
  }

  #argue(key: string, delta: Json | undefined): void {
    const open = this.#open.get(key)
    if (open === undefined || typeof delta !== 'string' || delta === '') return
    open.isTold = true
    const { block } = open
    this.#events.push({ type: 'blockDelta', block, delta: { type: 'arguments', text: delta } })
  }

  #paragraph(event: Wire): void {
    const open = this.#open.get(itemKey(event))
    if (open?.isTold === true) this.#say(itemKey(event), { type: 'reasoning' }, PARAGRAPH)
  }

  #cite(event: Wire): void {
    const open = this.#open.get(partKey(event))
    const { annotation } = event
    if (open === undefined || !isObject(annotation)) return
    const delta = { type: 'citation', citation: decodeCitation(annotation) } as const
    this.#events.push({ type: 'blockDelta', block: open.block, delta })
  }

  #partDone(event: Wire): void {
    const key = partKey(event)
    const part = objectOf(event['part'])
    if (part['type'] === 'output_text' || part['type'] === 'refusal') this.#complete(key, part)
  }

  /** A part that came without deltas is told whole. */
  #complete(key: string, part: Wire): void {
    const isRefusal = part['type'] === 'refusal'
    const whole = part[isRefusal ? 'refusal' : 'text']
    if (this.#open.get(key)?.isTold !== true) {
      this.#say(key, { type: isRefusal ? 'refusal' : 'text' }, whole)
    }
    this.#close(key)
  }

  #close(key: string, proof?: Proof): void {
    const open = this.#open.get(key)
    if (open === undefined) return
    this.#open.delete(key)
    this.#events.push({
      type: 'blockStop',
      block: open.block,
      ...(proof === undefined ? {} : { proof }),
    })
  }

  #done(event: Wire): void {
    const item = objectOf(event['item'])
    const key = itemKey(event)
    switch (item['type']) {
      case 'function_call':
      case 'custom_tool_call': {
        const whole = item[item['type'] === 'function_call' ? 'arguments' : 'input']
        if (!this.#open.has(key)) this.#added(event)
        if (this.#open.get(key)?.isTold !== true) this.#argue(key, whole)
        return this.#close(key)
      }
      case 'reasoning':
        return this.#thought(key, item)
      case 'message':
        // Those of its parts that were told are closed already.
        for (const open of this.#keysOf(key)) this.#close(open)
        return
      default:
        this.#raw(event)
    }
  }

  #keysOf(key: string): string[] {
    return [...this.#open.keys()].filter((open) => open === key || open.startsWith(`${key}.`))
  }

  /** The proof comes with the end, also of a thought that said nothing. */
  #thought(key: string, item: Wire): void {
    const { text, proof, isSummary, native } = decodeReasoning(item, this.#crossing.capabilities)
    const keys = this.#keysOf(key)
    if (keys.length === 0) {
      if (!isTold({ text, ...(proof === undefined ? {} : { proof }) }, this.#crossing)) return
      this.#openBlock(key, compact<BlockHead>({ type: 'reasoning', isSummary, proof, native }))
      this.#say(key, { type: 'reasoning' }, text)
      return this.#close(key, proof)
    }
    keys.forEach((open, index) => this.#close(open, index === 0 ? proof : undefined))
  }

  #finish(response: Wire): void {
    this.#start(response)
    if (this.#blocks === 0) this.#whole(response)
    for (const key of this.#open.keys()) this.#close(key)
    const finish = finishOf(response, this.#hasCall, this.#hasRefusal)
    this.#events.push({ type: 'finish', finish })
    const usage = openaiUsage(response['usage'])
    if (usage !== undefined)
      this.#events.push({ type: 'usage', usage, raw: response['usage'] as Json })
    this.#events.push({ type: 'end' })
    this.#hasEnded = true
  }

  /** Some servers say nothing before the end. */
  #whole(response: Wire): void {
    listOf(response['output']).forEach((item, index) => {
      const event = { output_index: index, item }
      for (const [position, part] of listOf(objectOf(item)['content']).entries()) {
        if (objectOf(item)['type'] === 'message') {
          this.#complete(`${index}.${position}`, objectOf(part))
        }
      }
      const isKnown = decodeOutput(item, this.#crossing).every(({ type }) => type !== 'native')
      if (isKnown && objectOf(item)['type'] !== 'message') this.#done(event)
    })
  }

  #fail(error: (HubEvent & { type: 'error' })['error']): void {
    this.#hasEnded = true
    this.#events.push({ type: 'error', error })
  }

  /** What only this dialect can tell on: items of built-in tools, and their events. */
  #raw(event: Wire): void {
    if (this.#crossing.request.source !== DIALECT || TOLD.test(stringOf(event['type']) ?? ''))
      return
    this.#events.push({ type: 'raw', dialect: DIALECT, event: event as Json })
  }
}

/** Beginnings and ends of what is told by deltas. */
const TOLD =
  /^response\.(?:output_text|refusal|content_part|reasoning_\w+|function_call_arguments|custom_tool_call_input)\./

function itemKey(event: Wire): string {
  return `${numberOf(event['output_index'])}`
}

function partKey(event: Wire): string {
  return `${numberOf(event['output_index'])}.${numberOf(event['content_index'])}`
}
