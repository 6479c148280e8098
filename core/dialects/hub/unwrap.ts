import type { Finish, HubAnswer, HubChoice } from './answer.ts'
import type { Crossing } from './codec.ts'
import type { Part, TextPart } from './conversation.ts'
import type { HubEvent } from './stream.ts'
import { unwrapInput } from './tool-arguments.ts'

/**
 * Undoes in an answer what the request's encoder did to it: renamed tools, custom tools that were wrapped, a tool
 * that stands for a JSON schema. Each decoder of an upstream's answer ends with it.
 */
export function unwrapAnswer(answer: HubAnswer, crossing: Crossing): HubAnswer {
  const { alternatives } = answer
  return {
    ...answer,
    ...unwrapChoice(answer, crossing),
    ...(alternatives === undefined
      ? {}
      : { alternatives: alternatives.map((choice) => unwrapChoice(choice, crossing)) }),
  }
}

function unwrapChoice<T extends HubChoice>(choice: T, crossing: Crossing): T {
  const parts = choice.parts.map((part) => unwrapPart(part, crossing))
  const hasCall = parts.some(({ type }) => type === 'toolCall')
  return { ...choice, parts, finish: unwrapFinish(choice.finish, crossing, hasCall) }
}

function unwrapPart(part: Part, { names, wrappedTools, schemaTool }: Crossing): Part {
  if (part.type !== 'toolCall') return part
  if (part.name === schemaTool) return { type: 'text', text: part.arguments } satisfies TextPart
  const name = names.decodeTool(part.name)
  if (!wrappedTools.has(part.name)) return name === part.name ? part : { ...part, name }
  const { input: _, ...call } = part
  return { ...call, name, kind: 'custom', arguments: unwrapInput(part.arguments) }
}

/** The forced tool is no tool to the client. */
function unwrapFinish(finish: Finish, { schemaTool }: Crossing, hasCall: boolean): Finish {
  if (schemaTool === undefined || hasCall || finish.reason !== 'tool') return finish
  const { native: _, ...rest } = finish
  return { ...rest, reason: 'stop' }
}

/** Input of wrapped custom tools that is larger than this together is told as it comes, still wrapped. */
const MAX_WRAPPED_LENGTH = 4 * 1024 * 1024

/** Undoes in a stream what `unwrapAnswer` undoes in an answer. Input of wrapped tools is told as a whole. */
export class StreamUnwrapper {
  readonly #crossing: Crossing
  readonly #schemaBlocks = new Set<number>()
  readonly #wrapped = new Map<number, string>()
  #wrappedLength = 0
  #hasCall = false

  constructor(crossing: Crossing) {
    this.#crossing = crossing
  }

  push(events: readonly HubEvent[]): readonly HubEvent[] {
    return events.flatMap((event) => this.#one(event))
  }

  #one(event: HubEvent): HubEvent | HubEvent[] {
    switch (event.type) {
      case 'blockStart':
        return this.#start(event)
      case 'blockDelta':
        return this.#delta(event)
      case 'blockStop': {
        const text = this.#wrapped.get(event.block)
        this.#wrapped.delete(event.block)
        this.#schemaBlocks.delete(event.block)
        if (text === undefined) return event
        const delta = { type: 'arguments', text: unwrapInput(text) } as const
        return [{ type: 'blockDelta', block: event.block, delta }, event]
      }
      case 'finish':
        return { ...event, finish: unwrapFinish(event.finish, this.#crossing, this.#hasCall) }
      default:
        return event
    }
  }

  #start(event: HubEvent & { readonly type: 'blockStart' }): HubEvent {
    const { head, block } = event
    if (head.type !== 'toolCall') return event
    const { names, wrappedTools, schemaTool } = this.#crossing
    if (head.name === schemaTool) {
      this.#schemaBlocks.add(block)
      return { ...event, head: { type: 'text' } }
    }
    this.#hasCall = true
    const name = names.decodeTool(head.name)
    if (!wrappedTools.has(head.name)) return { ...event, head: { ...head, name } }
    this.#wrapped.set(block, '')
    return { ...event, head: { ...head, name, kind: 'custom' } }
  }

  #delta(event: HubEvent & { readonly type: 'blockDelta' }): HubEvent | HubEvent[] {
    const { block, delta } = event
    if (delta.type !== 'arguments') return event
    if (this.#schemaBlocks.has(block)) {
      return { ...event, delta: { type: 'text', text: delta.text } }
    }
    const text = this.#wrapped.get(block)
    if (text === undefined) return event
    const longer = text + delta.text
    this.#wrappedLength += delta.text.length
    if (this.#wrappedLength <= MAX_WRAPPED_LENGTH) {
      this.#wrapped.set(block, longer)
      return []
    }
    this.#wrapped.delete(block)
    return { ...event, delta: { type: 'arguments', text: longer } }
  }
}
