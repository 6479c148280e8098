import { isObject, type Json, type JsonObject } from '#core/kit/json.ts'
import type { Ask, Call, Image, Result, Thought, ToolOffer, Turn } from './conversation.ts'

/** What a request asks for, in the order it was found. */
export class AskBuilder {
  readonly #turns: Turn[] = []
  readonly #system: string[] = []
  readonly #names = new Map<string, string>()

  system(text: string): void {
    this.#system.push(text)
  }

  user(text: string, image?: Image): void {
    if (text === '' && image === undefined) return
    const last = this.#turns.at(-1)
    if (last?.role !== 'user') {
      this.#turns.push({ role: 'user', text, ...(image === undefined ? {} : { image }) })
      return
    }
    this.#turns[this.#turns.length - 1] = {
      ...last,
      text: last.text + text,
      ...(image === undefined ? {} : { image }),
    }
  }

  assistant(piece: { text?: string; thought?: Thought; calls?: Call[] }): void {
    const last = this.#turns.at(-1)
    const turn = last?.role === 'assistant' ? last : { role: 'assistant' as const }
    if (turn === last) this.#turns.pop()
    for (const { id, name } of piece.calls ?? []) this.#names.set(id, name)
    const text = (turn.text ?? '') + (piece.text ?? '')
    const calls = [...(turn.calls ?? []), ...(piece.calls ?? [])]
    const thought = joined(turn.thought, piece.thought)
    this.#turns.push({
      role: 'assistant',
      ...(text === '' ? {} : { text }),
      ...(thought === undefined ? {} : { thought }),
      ...(calls.length === 0 ? {} : { calls }),
    })
  }

  /** `name` is only needed where the call's id does not tell it. */
  result(id: string, output: string, name = this.#names.get(id) ?? ''): void {
    const last = this.#turns.at(-1)
    const result: Result = { id, name, output }
    if (last?.role !== 'tool') this.#turns.push({ role: 'tool', results: [result] })
    else this.#turns[this.#turns.length - 1] = { role: 'tool', results: [...last.results, result] }
  }

  done(rest: Omit<Ask, 'system' | 'turns'>): Ask {
    const system = this.#system.join('\n')
    return { ...(system === '' ? {} : { system }), turns: this.#turns, ...defined(rest) }
  }
}

/** Thoughts come in pieces, and their proof may stand on what follows them. */
function joined(one: Thought | undefined, other: Thought | undefined): Thought | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return { text: one.text + other.text, proof: one.proof === '' ? other.proof : one.proof }
}

function defined<T extends object>(fields: T): T {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as unknown as T
}

/** Optional fields of an ask, some of which were not stated. */
export type Stated = { [K in keyof Omit<Ask, 'system' | 'turns'>]?: Ask[K] | undefined }

/** The same, without those. */
export function stated(fields: Stated): Omit<Ask, 'system' | 'turns'> {
  return defined(fields) as Omit<Ask, 'system' | 'turns'>
}

/** The objects of a list; a text is one with `text`. */
export function partsOf(content: Json | undefined): JsonObject[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  return Array.isArray(content) ? content.filter((part): part is JsonObject => isObject(part)) : []
}

/** The texts of parts in a row. */
export function textOf(content: Json | undefined): string {
  return partsOf(content)
    .map(({ text }) => (typeof text === 'string' ? text : ''))
    .join('')
}

/** The picture of a data URL. */
export function pictureOf(url: unknown): Image | undefined {
  const found = /^data:([^;]+);base64,(.*)$/.exec(String(url))
  return found === null ? undefined : { type: found[1]!, data: found[2]! }
}

/** An offer with what all dialects tell of it. */
export function offerOf(
  { name, description }: JsonObject,
  parameters: Json | undefined,
): ToolOffer {
  return {
    name: String(name),
    description: String(description ?? ''),
    parameters: (parameters ?? {}) as JsonObject,
  }
}
