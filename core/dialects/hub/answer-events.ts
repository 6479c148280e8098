import type { HubAnswer, HubChoice } from './answer.ts'
import type { Part } from './conversation.ts'
import { compact } from './fields.ts'
import type { BlockDelta, BlockHead, HubEvent } from './stream.ts'

/** A complete answer as the events of a stream, for an upstream that answers whole where a stream was asked for. */
export function* eventsOf(answer: HubAnswer): Generator<HubEvent> {
  const { id, model, created, usage, rawUsage } = answer
  yield compact<HubEvent & { type: 'start' }>({ type: 'start', id, model, created, usage })
  const blocks = { next: 0 }
  yield* choiceEvents(answer, 0, blocks)
  for (const [index, choice] of (answer.alternatives ?? []).entries()) {
    yield* choiceEvents(choice, index + 1, blocks)
  }
  if (usage !== undefined) {
    yield compact<HubEvent & { type: 'usage' }>({ type: 'usage', usage, raw: rawUsage })
  }
  yield { type: 'end' }
}

function* choiceEvents(
  { parts, finish }: HubChoice,
  index: number,
  blocks: { next: number },
): Generator<HubEvent> {
  const where = index === 0 ? {} : { choice: index }
  for (const part of parts) {
    const head = headOf(part)
    if (head === undefined) continue
    const block = blocks.next++
    yield { type: 'blockStart', block, head, ...where }
    for (const delta of deltasOf(part)) yield { type: 'blockDelta', block, delta }
    const proof = part.type === 'reasoning' ? part.proof : undefined
    yield { type: 'blockStop', block, ...(proof === undefined ? {} : { proof }) }
  }
  yield { type: 'finish', finish, ...where }
}

/** What of an answer's parts can be told in a stream: models answer with nothing else. */
function headOf(part: Part): BlockHead | undefined {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return compact<BlockHead>({ type: part.type, native: part.native })
    case 'reasoning': {
      const { type, isSummary, proof, native } = part
      return compact<BlockHead>({ type, isSummary, proof, native })
    }
    case 'toolCall': {
      const { type, id, name, kind, proof, native } = part
      return compact<BlockHead>({ type, id, name, kind, proof, native })
    }
    case 'native':
      return part
    default:
      return undefined
  }
}

function deltasOf(part: Part): BlockDelta[] {
  switch (part.type) {
    case 'text':
      return [
        { type: 'text', text: part.text },
        ...(part.citations ?? []).map((citation) => ({ type: 'citation', citation }) as const),
      ]
    case 'refusal':
    case 'reasoning':
      return [{ type: 'text', text: part.text }]
    case 'toolCall':
      return [{ type: 'arguments', text: part.arguments }]
    default:
      return []
  }
}
