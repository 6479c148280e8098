import { isObject, type Json } from '../../kit/json.ts'
import type { ClientDialect, TextKind } from '../dialect.ts'
import { fieldTexts } from './http.ts'
import { addJsonPlace, addPlace, mapsOf, type Place } from './text-format.ts'

type Path = readonly (string | number)[]

/** The texts of a request: what the model is told by system, user and tools, and what it has said before. */
export function requestPlaces(dialect: ClientDialect, body: Json): readonly Place[] {
  if (dialect === 'http') return fieldTexts.places(body, true)
  const reader = new Reader()
  if (isObject(body)) READERS[dialect](reader, body)
  return reader.places
}

type Body = Record<string, unknown>

const READERS: Readonly<
  Record<Exclude<ClientDialect, 'http'>, (reader: Reader, body: Body) => void>
> = {
  'openai-chat'(reader, body) {
    reader.messages(body['messages'], ['messages'])
    // Completions and embeddings.
    for (const name of ['prompt', 'input']) reader.content(body[name], [name])
  },
  'openai-responses'(reader, body) {
    reader.content(body['instructions'], ['instructions'])
    reader.content(body['input'], ['input'])
    reader.messages(body['input'], ['input'])
  },
  anthropic(reader, body) {
    reader.content(body['system'], ['system'])
    reader.messages(body['messages'], ['messages'])
  },
  gemini(reader, body) {
    for (const name of ['systemInstruction', 'system_instruction', 'content']) {
      reader.turn(body[name], [name])
    }
    reader.turn(body['contents'], ['contents'])
    for (const [index, one] of mapsOf(body['contents'])) reader.turn(one, ['contents', index])
  },
}

class Reader {
  readonly places: Place[] = []

  /** Messages, items of input, and calls among them. */
  messages(list: unknown, at: Path): void {
    for (const [index, message] of mapsOf(list)) {
      const path = [...at, index]
      for (const name of ['content', 'output', 'summary']) {
        this.content(message[name], [...path, name])
      }
      for (const name of ['refusal', 'text']) this.#text(message[name], [...path, name])
      this.#text(message['reasoning_content'], [...path, 'reasoning_content'], 'reasoning')
      this.#text(message['arguments'], [...path, 'arguments'], 'arguments')
      for (const [position, call] of mapsOf(message['tool_calls'])) {
        const target = call['function']
        if (!isObject(target)) continue
        const here = [...path, 'tool_calls', position, 'function', 'arguments']
        this.#text(target['arguments'], here, 'arguments')
      }
    }
  }

  /** Text, or a list of texts or of parts; a tool's result has such a list in it. */
  content(content: unknown, at: Path): void {
    this.#text(content, at)
    if (!Array.isArray(content)) return
    for (const [index, part] of content.entries()) {
      const path = [...at, index]
      this.#text(part, path)
      if (isObject(part)) this.#part(part, path)
    }
  }

  #part(part: Body, at: Path): void {
    this.#text(part['text'], [...at, 'text'])
    this.#text(part['thinking'], [...at, 'thinking'], 'reasoning')
    this.content(part['content'], [...at, 'content'])
    this.#json(part['input'], [...at, 'input'])
    const { source } = part
    if (isObject(source) && source['type'] === 'text') {
      this.#text(source['data'], [...at, 'source', 'data'])
    }
  }

  /** A turn of Gemini: parts, or text alone. */
  turn(turn: unknown, at: Path): void {
    this.#text(turn, at)
    if (!isObject(turn)) return
    for (const [index, part] of mapsOf(turn['parts'])) {
      const path = [...at, 'parts', index]
      this.#text(part['text'], [...path, 'text'], part['thought'] === true ? 'reasoning' : 'text')
      for (const [name, field] of [
        ['functionCall', 'args'],
        ['functionResponse', 'response'],
      ] as const) {
        const call = part[name]
        if (isObject(call)) this.#json(call[field], [...path, name, field])
      }
    }
  }

  #text(text: unknown, path: Path, kind: TextKind = 'text'): void {
    addPlace(this.places, text, path, { kind, choice: 0, block: path.join('.'), form: 'whole' })
  }

  #json(value: unknown, path: Path): void {
    addJsonPlace(this.places, value, path, { choice: 0, block: path.join('.') })
  }
}
