import type { Finish, HubAnswer } from '#core/dialects/hub/answer.ts'
import type { Crossing } from '#core/dialects/hub/codec.ts'
import type { CodecName, Part, ToolCallPart } from '#core/dialects/hub/conversation.ts'
import { newCrossing } from '#core/dialects/hub/crossing.ts'
import type { HubRequest } from '#core/dialects/hub/request.ts'
import type {
  BlockHead,
  HubEvent,
  OutEvent,
  StreamDecoder,
  StreamEncoder,
} from '#core/dialects/hub/stream.ts'
import type { Usage } from '#core/dialects/dialect.ts'
import type { Json } from '#core/kit/json.ts'

/** A crossing as the gateway would start it. */
export function crossingTo(request: HubRequest, target: CodecName): Crossing {
  return newCrossing(request, target, { requestId: 'req1', created: 1_700_000_000 })
}

/** What a stream told, as if it had been one answer. */
export interface Told {
  readonly parts: Part[]
  readonly finish: Finish | undefined
  readonly usage: Usage | undefined
  /** The last event. */
  readonly end: HubEvent | undefined
}

/** Puts a stream's blocks together; fails on events that break the hub's grammar. */
export function collected(events: readonly HubEvent[]): Told {
  const blocks = new Map<number, { head: BlockHead; text: string; part: number }>()
  const parts: Part[] = []
  let finish: Finish | undefined
  let usage: Usage | undefined
  for (const [index, event] of events.entries()) {
    const isLast = event.type === 'end' || event.type === 'error'
    if (isLast !== (index === events.length - 1)) throw new Error(`misplaced ${event.type}`)
    if (event.type === 'blockStart') {
      if (event.block !== parts.length) throw new Error('blocks are numbered in order')
      blocks.set(event.block, {
        head: event.head,
        text: '',
        part: parts.push(made(event.head, '')) - 1,
      })
    } else if (event.type === 'blockDelta') {
      const block = blocks.get(event.block)
      if (block === undefined) throw new Error('a delta of a block that is not open')
      if (event.delta.type !== 'citation') block.text += event.delta.text
    } else if (event.type === 'blockStop') {
      const block = blocks.get(event.block)
      if (!blocks.delete(event.block)) throw new Error('a block is stopped twice')
      const part = made(block!.head, block!.text)
      parts[block!.part] =
        event.proof === undefined ? part : ({ ...part, proof: event.proof } as Part)
    } else if (event.type === 'finish') {
      if (blocks.size > 0) throw new Error('finished with open blocks')
      finish = event.finish
    } else if (event.type === 'usage') usage = event.usage
  }
  return { parts, finish, usage, end: events.at(-1) }
}

function made(head: BlockHead, text: string): Part {
  if (head.type === 'toolCall') return { ...head, arguments: text } satisfies ToolCallPart
  if (head.type === 'native') return head
  return { ...head, text }
}

/** All that a decoder reads from a stream. */
export function followed(decoder: StreamDecoder, events: readonly Json[]): Told {
  return collected([...events.flatMap((event) => decoder.push(event)), ...decoder.end()])
}

/** A stream of one dialect as the events of another. */
export function streamed(
  decoder: StreamDecoder,
  encoder: StreamEncoder,
  events: readonly Json[],
): OutEvent[] {
  const hub = [...events.flatMap((event) => decoder.push(event)), ...decoder.end()]
  return hub.flatMap((event) => encoder.push(event))
}

/** What any client would see of an answer: texts, thoughts, calls, end and usage. */
export function shapeOf({
  parts,
  finish,
  usage,
}: Pick<HubAnswer, 'parts' | 'finish' | 'usage'> | Told) {
  const text = parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
  const thoughts = parts.map((part) => (part.type === 'reasoning' ? part.text : '')).join('')
  const all: readonly Part[] = parts
  const calls = all
    .filter((part) => part.type === 'toolCall')
    .map(({ name, kind, arguments: json }) => ({
      name,
      kind,
      arguments: kind === 'custom' ? json : (JSON.parse(json === '' ? '{}' : json) as unknown),
    }))
  const proofs = parts.filter((part) => 'proof' in part && part.proof !== undefined).length
  return { text, thoughts, calls, proofs, reason: finish?.reason, usage }
}
