import type { TextKind } from '../dialect.ts'
import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import {
  addPlace,
  indexOf,
  joined,
  mapsOf,
  type Place,
  replaceAt,
  type TextFormat,
} from './text-format.ts'

/** Chat completions, and the completions before them. */
export const chatTexts: TextFormat = {
  repeats: false,

  places(json, isWhole) {
    if (!isObject(json)) return []
    const places: Place[] = []
    for (const [position, choice] of mapsOf(json['choices'])) {
      const at = ['choices', position]
      const index = indexOf(choice, position)
      const form = isWhole ? 'whole' : 'piece'
      if (typeof choice['text'] === 'string')
        addPlace(places, choice['text'], [...at, 'text'], {
          kind: 'text',
          choice: index,
          block: `${index}.text`,
          form,
        })
      for (const name of ['message', 'delta']) {
        const message = choice[name]
        if (!isObject(message)) continue
        const speech = new Speech(places, index, name === 'message' || isWhole ? 'whole' : 'piece')
        speech.read(message, [...at, name])
      }
    }
    return joined(places)
  },

  ends(json, { choice, block }, places) {
    if (!isObject(json)) return false
    const others = mapsOf(json['choices']).filter(
      ([position, one]) => indexOf(one, position) === choice,
    )
    if (others.some(([, one]) => (one['finish_reason'] ?? null) !== null)) return true
    // A choice tells one thing after the other: what it thinks, what it says, each call.
    return places.some((place) => place.choice === choice && place.block !== block)
  },

  piece(event, place, text) {
    const { usage: _usage, choices, ...head } = event
    const [, position = '0', message = 'delta', ...field] = place.paths[0]!
    const choice = (choices as JsonObject[])[Number(position)]!
    const index = indexOf(choice, Number(position))
    if (message === 'text') return { ...head, choices: [{ index, text, finish_reason: null }] }
    const delta = pieceOf(choice[message] as JsonObject, field, text)
    return { ...head, choices: [{ index, delta, finish_reason: null }] }
  },

  forget: (json, { paths }) =>
    paths.reduce((left, path) => replaceAt(left, [...path.slice(0, 2), 'logprobs'], null), json),
}

const FIELDS: readonly [name: string, kind: TextKind][] = [
  // DeepSeek and others; vLLM, Groq, OpenRouter.
  ['reasoning_content', 'reasoning'],
  ['reasoning', 'reasoning'],
  ['content', 'text'],
  ['refusal', 'refusal'],
]

/** Reads the message of one choice, or what is added to it. */
class Speech {
  readonly #places: Place[]
  readonly #choice: number
  readonly #form: 'piece' | 'whole'

  constructor(places: Place[], choice: number, form: 'piece' | 'whole') {
    this.#places = places
    this.#choice = choice
    this.#form = form
  }

  read(message: Record<string, unknown>, at: readonly (string | number)[]): void {
    for (const [name, kind] of FIELDS) {
      const text = message[name]
      // Most are not there, and a path costs more than a look.
      if (typeof text === 'string' && text !== '') this.#add(kind, name, text, [...at, name])
    }
    if (message['reasoning_details'] !== undefined) {
      this.#readDetails(message['reasoning_details'], [...at, 'reasoning_details'])
    }
    if (Array.isArray(message['content'])) {
      this.#readParts(message['content'], [...at, 'content'])
    }
    if (isObject(message['audio'])) {
      this.#add('text', 'audio', message['audio']['transcript'], [...at, 'audio', 'transcript'])
    }
    this.#readCalls(message, at)
  }

  /** As OpenRouter tells of thoughts. */
  #readDetails(details: unknown, at: readonly (string | number)[]): void {
    for (const [index, part] of mapsOf(details)) {
      for (const name of ['text', 'summary']) {
        this.#add('reasoning', `details.${name}`, part[name], [...at, index, name])
      }
    }
  }

  /** Content as a list of parts; Mistral thinks in one of them. */
  #readParts(parts: unknown, at: readonly (string | number)[]): void {
    for (const [index, part] of mapsOf(parts)) {
      this.#add('text', 'content', part['text'], [...at, index, 'text'])
      this.#add('refusal', 'refusal', part['refusal'], [...at, index, 'refusal'])
      for (const [inner, thought] of mapsOf(part['thinking'])) {
        this.#add('reasoning', 'thinking', thought['text'], [
          ...at,
          index,
          'thinking',
          inner,
          'text',
        ])
      }
    }
  }

  #readCalls(message: Record<string, unknown>, at: readonly (string | number)[]): void {
    for (const [position, call] of mapsOf(message['tool_calls'])) {
      const block = `call.${indexOf(call, position)}`
      for (const [name, field] of [
        ['function', 'arguments'],
        ['custom', 'input'],
      ] as const) {
        const target = call[name]
        if (!isObject(target)) continue
        this.#add('arguments', block, target[field], [...at, 'tool_calls', position, name, field])
      }
    }
    const call = message['function_call']
    if (isObject(call)) {
      this.#add('arguments', 'call', call['arguments'], [...at, 'function_call', 'arguments'])
    }
  }

  #add(kind: TextKind, name: string, text: unknown, path: readonly (string | number)[]): void {
    const choice = this.#choice
    addPlace(this.#places, text, path, {
      kind,
      choice,
      block: `${choice}.${name}`,
      form: this.#form,
    })
  }
}

/** What of a delta leads to the text: without its role, ids and names, which SDKs would add up. */
function pieceOf(value: Json, path: readonly string[], text: string): JsonObject {
  const [name, ...rest] = path
  const below = (value as JsonObject)[name!]!
  if (rest.length === 0) return { [name!]: text }
  if (!Array.isArray(below)) return { [name!]: pieceOf(below, rest, text) }
  const item = below[Number(rest[0])] as JsonObject
  const { index, type } = item
  return {
    [name!]: [
      {
        ...(index !== undefined && { index }),
        ...(type !== undefined && name !== 'tool_calls' && { type }),
        ...pieceOf(item, rest.slice(1), text),
      },
    ],
  }
}
