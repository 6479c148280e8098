import { isObject, type Json } from '../../kit/json.ts'
import type { Usage } from '../dialect.ts'
import {
  type Finish,
  type FinishReason,
  type HubAnswer,
  type HubError,
  kindOfError,
} from '../hub/answer.ts'
import type { Crossing } from '../hub/codec.ts'
import type { Part, ToolCallPart } from '../hub/conversation.ts'
import { compact, listOf, objectOf, stringOf } from '../hub/fields.ts'
import { CUT, type HubEvent, type StreamDecoder } from '../hub/stream.ts'
import { StreamUnwrapper, unwrapAnswer } from '../hub/unwrap.ts'
import { countOf, makeUsage } from '../usage.ts'

type Fields = Readonly<Record<string, Json | undefined>>

/** Reads a complete answer; undefined where the body has no message. */
export function decodeOllamaAnswer(body: Json, crossing: Crossing): HubAnswer | undefined {
  if (!isObject(body) || !isObject(body['message'])) return undefined
  const message = objectOf(body['message'])
  const parts: Part[] = []
  const thinking = thinkingOf(message)
  if (thinking !== '') parts.push({ type: 'reasoning', text: thinking })
  const text = stringOf(message['content']) ?? ''
  if (text !== '') parts.push({ type: 'text', text })
  const calls = listOf(message['tool_calls']).map((call, index) =>
    decodeCall(objectOf(call), `call_${crossing.requestId}_${index}`),
  )
  const answer = compact<HubAnswer>({
    id: '',
    model: stringOf(body['model']) ?? '',
    created: secondsOf(body['created_at']),
    parts: [...parts, ...calls],
    finish: decodeFinish(body as Fields, calls.length > 0),
    usage: ollamaUsage(body as Fields),
  })
  return unwrapAnswer(answer, crossing)
}

/** Older versions give calls no ids: `id` takes their place. */
function decodeCall(call: Fields, id: string): ToolCallPart {
  const definition = objectOf(call['function'])
  const given = definition['arguments']
  const input = isObject(given) ? given : undefined
  return compact<ToolCallPart>({
    type: 'toolCall',
    id: stringOf(call['id']) || id,
    name: stringOf(definition['name']) ?? '',
    arguments: input === undefined ? (stringOf(given) ?? '{}') : JSON.stringify(input),
    input,
    kind: 'function',
  })
}

/** Some servers that speak as Ollama does name it like OpenAI's followers. */
function thinkingOf(message: Fields): string {
  return stringOf(message['thinking'] ?? message['reasoning_content']) ?? ''
}

function secondsOf(value: Json | undefined): number | undefined {
  const time = Date.parse(stringOf(value) ?? '')
  return Number.isNaN(time) ? undefined : Math.floor(time / 1000)
}

const REASONS: ReadonlyMap<string, FinishReason> = new Map([
  ['stop', 'stop'],
  ['length', 'length'],
])

function decodeFinish(body: Fields, hasCall: boolean): Finish {
  const raw = stringOf(body['done_reason']) ?? ''
  const reason = REASONS.get(raw) ?? 'stop'
  return { reason: reason === 'stop' && hasCall ? 'tool' : reason, raw }
}

/** The prompt is not counted where all of it was cached. */
function ollamaUsage(body: Fields): Usage | undefined {
  const input = countOf(body['prompt_eval_count'])
  const output = countOf(body['eval_count'])
  if (input === undefined && output === undefined) return undefined
  return makeUsage({ input: input ?? 0, output: output ?? 0 })
}

/** Reads `{ error: "text" }`, of an answer or of a line of a stream, where the status is 200. */
export function decodeOllamaError(status: number, body: Json | undefined): HubError {
  const { error } = objectOf(body)
  const message = stringOf(error) ?? stringOf(objectOf(error)['message'])
  const stated = status === 200 ? 500 : status
  const said = message ?? `the upstream answered with status ${status}`
  return { kind: kindOfError(stated, said), status: stated, message: said }
}

/** Reads the lines of a streamed answer. */
export function ollamaStreamDecoder(crossing: Crossing): StreamDecoder {
  return new OllamaStreamDecoder(crossing)
}

/** Calls come whole; prose comes in pieces. */
class OllamaStreamDecoder implements StreamDecoder {
  readonly #unwrapper: StreamUnwrapper
  readonly #requestId: string
  #prose: { readonly block: number; readonly type: 'text' | 'reasoning' } | undefined
  #next = 0
  #calls = 0
  #hasStarted = false
  #isOver = false

  constructor(crossing: Crossing) {
    this.#unwrapper = new StreamUnwrapper(crossing)
    this.#requestId = crossing.requestId
  }

  push(event: Json): readonly HubEvent[] {
    if (this.#isOver || !isObject(event)) return []
    if (event['error'] !== undefined) {
      this.#isOver = true
      return [{ type: 'error', error: decodeOllamaError(200, event as Json) }]
    }
    const events: HubEvent[] = []
    if (!this.#hasStarted) events.push(this.#start(event as Fields))
    const message = objectOf(event['message'])
    this.#say('reasoning', thinkingOf(message), events)
    this.#say('text', stringOf(message['content']) ?? '', events)
    for (const call of listOf(message['tool_calls'])) this.#call(objectOf(call), events)
    if (event['done'] === true) this.#finish(event as Fields, events)
    return this.#unwrapper.push(events)
  }

  end(): readonly HubEvent[] {
    if (this.#isOver) return []
    this.#isOver = true
    return [{ type: 'error', error: CUT }]
  }

  #start(event: Fields): HubEvent {
    this.#hasStarted = true
    return compact<HubEvent & { type: 'start' }>({
      type: 'start',
      id: '',
      model: stringOf(event['model']) ?? '',
      created: secondsOf(event['created_at']),
    })
  }

  #say(type: 'text' | 'reasoning', text: string, events: HubEvent[]): void {
    if (text === '') return
    if (this.#prose?.type !== type) {
      this.#close(events)
      this.#prose = { type, block: this.#next++ }
      events.push({ type: 'blockStart', block: this.#prose.block, head: { type } })
    }
    events.push({ type: 'blockDelta', block: this.#prose.block, delta: { type: 'text', text } })
  }

  #call(call: Fields, events: HubEvent[]): void {
    this.#close(events)
    const ownId = `call_${this.#requestId}_${this.#calls++}`
    const { arguments: text, id, kind, name } = decodeCall(call, ownId)
    const block = this.#next++
    events.push(
      { type: 'blockStart', block, head: { type: 'toolCall', id, name, kind } },
      { type: 'blockDelta', block, delta: { type: 'arguments', text } },
      { type: 'blockStop', block },
    )
  }

  #close(events: HubEvent[]): void {
    if (this.#prose === undefined) return
    events.push({ type: 'blockStop', block: this.#prose.block })
    this.#prose = undefined
  }

  #finish(event: Fields, events: HubEvent[]): void {
    this.#isOver = true
    this.#close(events)
    events.push({ type: 'finish', finish: decodeFinish(event, this.#calls > 0) })
    const usage = ollamaUsage(event)
    if (usage !== undefined) events.push({ type: 'usage', usage })
    events.push({ type: 'end' })
  }
}
