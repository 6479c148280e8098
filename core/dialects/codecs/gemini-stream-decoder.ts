import type { Json } from '../../kit/json.ts'
import { geminiUsage } from '../gemini.ts'
import type { Finish } from '../hub/answer.ts'
import type { Crossing } from '../hub/codec.ts'
import type { Part, Proof } from '../hub/conversation.ts'
import { compact, listOf, numberOf, stringOf } from '../hub/fields.ts'
import { CUT, type BlockHead, type HubEvent, type StreamDecoder } from '../hub/stream.ts'
import { StreamUnwrapper } from '../hub/unwrap.ts'
import { blockOf, callId, citationsOf, finishOf, placed, signedApart } from './gemini-answer.ts'
import { decodeGeminiError, isGeminiError } from './gemini-errors.ts'
import { camel, decodePart, OpenCalls } from './gemini-parts.ts'
import type { Wire } from './wire.ts'

const DIALECT = 'gemini'

/** What is known of one candidate while it is told. */
interface Candidate {
  /** The block that further text of the same kind goes to. */
  open?: { readonly block: number; readonly type: 'text' | 'reasoning' }
  /** The last text block and its text, for the sources that come behind it. */
  text: string
  textBlock: number
  hasCall: boolean
  /** The signature of the open text, told when that is over. */
  signature?: Proof
  finish?: { readonly raw: string; readonly message: string | undefined }
}

/** Sources are found in this much of a text. */
const MAX_CITED = 1024 * 1024

/** Reads the events of one answer. Its end is the end of the connection: nothing else says that no more comes. */
export class GeminiStreamDecoder implements StreamDecoder {
  readonly #crossing: Crossing
  readonly #unwrapper: StreamUnwrapper
  readonly #candidates = new Map<number, Candidate>()
  readonly #calls = new OpenCalls()
  #blocks = 0
  #called = 0
  #hasStarted = false
  #hasEnded = false
  #blocked: Finish | undefined
  #usage: Wire | undefined
  #events: HubEvent[] = []

  constructor(crossing: Crossing) {
    this.#crossing = crossing
    this.#unwrapper = new StreamUnwrapper(crossing)
  }

  push(event: Json): readonly HubEvent[] {
    // Some errors come in a list.
    for (const one of Array.isArray(event) ? event : [event]) if (!this.#hasEnded) this.#read(one)
    return this.#take()
  }

  end(): readonly HubEvent[] {
    if (this.#hasEnded) return []
    this.#hasEnded = true
    const finished = [...this.#candidates].filter(([, { finish }]) => finish !== undefined)
    for (const [index, candidate] of this.#candidates) this.#close(candidate, index)
    for (const [index, { finish, hasCall }] of finished) {
      this.#events.push({
        type: 'finish',
        finish: finishOf(finish!.raw, hasCall, finish!.message),
        ...(index === 0 ? {} : { choice: index }),
      })
    }
    const isComplete = finished.length > 0 || this.#blocked !== undefined
    if (finished.length === 0 && this.#blocked !== undefined) {
      this.#events.push({ type: 'finish', finish: this.#blocked })
    }
    this.#tellUsage()
    this.#events.push(isComplete ? { type: 'end' } : { type: 'error', error: CUT })
    return this.#take()
  }

  #take(): readonly HubEvent[] {
    const events = this.#events
    this.#events = []
    return this.#unwrapper.push(events)
  }

  #read(value: Json): void {
    const event = camel(value)
    if (isGeminiError(event)) {
      this.#hasEnded = true
      this.#tellUsage()
      this.#events.push({ type: 'error', error: decodeGeminiError(200, value) })
      return
    }
    if (event['usageMetadata'] !== undefined) this.#usage = event
    this.#start(event)
    this.#blocked = blockOf(event) ?? this.#blocked
    for (const item of listOf(event['candidates'])) this.#candidate(camel(item))
  }

  /** Every event carries the count so far; the last one is the whole. */
  #tellUsage(): void {
    const usage = geminiUsage(this.#usage)
    if (usage === undefined) return
    this.#events.push({ type: 'usage', usage, raw: this.#usage?.['usageMetadata'] as Json })
  }

  #start(event: Wire): void {
    if (this.#hasStarted) return
    this.#hasStarted = true
    this.#events.push(
      compact<HubEvent & { type: 'start' }>({
        type: 'start',
        id: stringOf(event['responseId']) ?? '',
        model: stringOf(event['modelVersion']) ?? '',
        usage: geminiUsage(event),
      }),
    )
  }

  #candidate(item: Wire): void {
    const index = numberOf(item['index']) ?? 0
    let candidate = this.#candidates.get(index)
    if (candidate === undefined) {
      candidate = { text: '', textBlock: -1, hasCall: false }
      this.#candidates.set(index, candidate)
    }
    for (const value of listOf(camel(item['content'])['parts'])) {
      const part = decodePart(value, callId(this.#crossing, this.#called), this.#calls)
      const isOwn = this.#crossing.request.source === DIALECT
      for (const told of isOwn ? [part] : signedApart(part)) this.#part(told, index, candidate)
    }
    if (item['groundingMetadata'] !== undefined) this.#cite(item, candidate)
    const raw = stringOf(item['finishReason'])
    if (raw !== undefined) candidate.finish = { raw, message: stringOf(item['finishMessage']) }
  }

  #part(part: Part, index: number, candidate: Candidate): void {
    switch (part.type) {
      case 'text':
        return this.#say('text', part.text, index, candidate)
      case 'reasoning': {
        const { proof, text } = part
        if (proof !== undefined && text === '' && candidate.open?.type === 'text') {
          candidate.signature = proof
          return
        }
        this.#say('reasoning', text, index, candidate)
        if (proof !== undefined) this.#sign(proof, index, candidate)
        return
      }
      case 'toolCall': {
        this.#close(candidate, index)
        this.#called++
        candidate.hasCall = true
        const { id, name, kind, proof, native } = part
        const head = compact<BlockHead>({ type: 'toolCall', id, name, kind, proof, native })
        const block = this.#open(head, index)
        const delta = { type: 'arguments', text: part.arguments } as const
        this.#events.push({ type: 'blockDelta', block, delta }, { type: 'blockStop', block })
        return
      }
      case 'native': {
        this.#close(candidate, index)
        const block = this.#open(part, index)
        this.#events.push({ type: 'blockStop', block })
        return
      }
      default:
        return this.#say('text', '', index, candidate)
    }
  }

  #open(head: BlockHead, index: number): number {
    const block = this.#blocks++
    this.#events.push({
      type: 'blockStart',
      block,
      head,
      ...(index === 0 ? {} : { choice: index }),
    })
    return block
  }

  #say(type: 'text' | 'reasoning', text: string, index: number, candidate: Candidate): void {
    if (text === '') return
    if (candidate.open?.type !== type) {
      this.#close(candidate, index)
      const head: BlockHead = type === 'text' ? { type } : { type, isSummary: true }
      candidate.open = { block: this.#open(head, index), type }
      if (type === 'text') {
        candidate.text = ''
        candidate.textBlock = candidate.open.block
      }
    }
    const { block } = candidate.open
    if (type === 'text' && candidate.text.length < MAX_CITED) candidate.text += text
    this.#events.push({ type: 'blockDelta', block, delta: { type: 'text', text } })
  }

  /** A proof ends the thought that it proves; one without words is a thought of its own. */
  #sign(proof: Proof, index: number, candidate: Candidate): void {
    if (candidate.open?.type !== 'reasoning') {
      this.#close(candidate, index)
      const head = { type: 'reasoning', isSummary: true, proof } as const
      candidate.open = { block: this.#open(head, index), type: 'reasoning' }
    }
    const { block } = candidate.open
    delete candidate.open
    this.#events.push({ type: 'blockStop', block, proof })
  }

  #close(candidate: Candidate, index: number): void {
    const { open, signature } = candidate
    delete candidate.open
    delete candidate.signature
    if (open !== undefined) this.#events.push({ type: 'blockStop', block: open.block })
    if (signature !== undefined) this.#sign(signature, index, candidate)
  }

  /** Sources come at the end; those of a block that is over are too late. */
  #cite(item: Wire, { open, text, textBlock }: Candidate): void {
    if (open?.block !== textBlock) return
    for (const found of citationsOf(item)) {
      for (const citation of placed(found, text)) {
        this.#events.push({
          type: 'blockDelta',
          block: textBlock,
          delta: { type: 'citation', citation },
        })
      }
    }
  }
}
