import type { TextKind } from '../dialect.ts'
import { isObject, type Json } from '../../kit/json.ts'
import { addPlace, mapsOf, type Place, replaceAt, type TextFormat } from './text-format.ts'

/** How the deltas of a block are told, and in which field the event that ends it gives all of its text. */
const DELTAS: Readonly<Record<string, readonly [kind: TextKind, whole: string]>> = {
  'response.output_text': ['text', 'text'],
  'response.refusal': ['refusal', 'refusal'],
  'response.reasoning_text': ['reasoning', 'text'],
  'response.reasoning_summary_text': ['reasoning', 'text'],
  'response.function_call_arguments': ['arguments', 'arguments'],
  'response.custom_tool_call_input': ['arguments', 'input'],
  'response.mcp_call_arguments': ['arguments', 'arguments'],
  'response.code_interpreter_call_code': ['arguments', 'code'],
  // Realtime.
  'response.text': ['text', 'text'],
  'response.audio_transcript': ['text', 'transcript'],
  'response.output_audio_transcript': ['text', 'transcript'],
}

/** Events that hold a part, an item, or the whole response. */
const ENDS_ALL = /^response\.(completed|incomplete|failed|done|cancelled)$/

type Path = readonly (string | number)[]

/** The Responses API; the events of the Realtime API are told apart by their response. */
export const responsesTexts: TextFormat = {
  repeats: true,

  places(json, isWhole) {
    if (!isObject(json)) return []
    const places: Place[] = []
    if (isWhole) readItems(places, json['output'], ['output'], '', 'whole')
    else readEvent(places, json)
    return places
  },

  ends(json, { block }) {
    if (!isObject(json) || typeof json['type'] !== 'string') return false
    const { type } = json
    if (ENDS_ALL.test(type)) return block.startsWith(sessionOf(json))
    if (type === 'response.output_item.done') return block.startsWith(`${itemOf(json)}.`)
    return type.endsWith('.done') && block === blockOf(json)
  },

  piece(event, _place, text) {
    return { ...event, delta: text, ...('logprobs' in event && { logprobs: [] }) }
  },

  forget: (json, { paths }) =>
    paths.reduce((left, path) => replaceAt(left, [...path.slice(0, -1), 'logprobs'], []), json),
}

/** Events of the Realtime API that are complete by themselves: the items of a conversation, and what the model is told. */
export const realtimeTexts: TextFormat = {
  repeats: false,

  places(json) {
    if (!isObject(json)) return []
    const places: Place[] = []
    if (isObject(json['item'])) readItem(places, json['item'], ['item'], 'item', 'whole')
    addPlace(places, json['transcript'], ['transcript'], {
      kind: 'text',
      choice: 0,
      block: 'transcript',
      form: 'whole',
    })
    for (const name of ['session', 'response']) {
      const settings = json[name]
      if (!isObject(settings)) continue
      const place = { kind: 'text', choice: 0, block: name, form: 'whole' } as const
      addPlace(places, settings['instructions'], [name, 'instructions'], place)
    }
    return places
  },

  ends: () => true,
  piece: (event) => event,
  forget: (json) => json,
}

function readEvent(places: Place[], event: Record<string, unknown>): void {
  const type = String(event['type'])
  const known = deltaOf(event)
  if (known !== undefined) {
    const [kind, whole] = known
    const place = { kind, choice: 0, block: blockOf(event) }
    if (type.endsWith('.delta'))
      addPlace(places, event['delta'], ['delta'], { ...place, form: 'piece' })
    else if (type.endsWith('.done'))
      addPlace(places, event[whole], [whole], { ...place, form: 'repeat' })
  } else if (isObject(event['part'])) {
    readPart(places, event['part'], ['part'], blockOf(event), 'repeat')
  } else if (isObject(event['item']) && event['output_index'] !== undefined) {
    readItem(places, event['item'], ['item'], itemOf(event), 'repeat')
  } else if (isObject(event['response'])) {
    readItems(
      places,
      event['response']['output'],
      ['response', 'output'],
      sessionOf(event),
      'repeat',
    )
  }
}

function readItems(
  places: Place[],
  items: unknown,
  at: Path,
  session: string,
  form: Place['form'],
): void {
  for (const [index, item] of mapsOf(items)) {
    readItem(places, item, [...at, index], `${session}${index}`, form)
  }
}

function readItem(
  places: Place[],
  item: Record<string, unknown>,
  at: Path,
  block: string,
  form: Place['form'],
): void {
  for (const [index, part] of mapsOf(item['content'])) {
    readPart(places, part, [...at, 'content', index], `${block}.${index}`, form)
  }
  for (const [index, part] of mapsOf(item['summary'])) {
    readPart(places, part, [...at, 'summary', index], `${block}.s${index}`, form)
  }
  for (const name of ['arguments', 'input', 'code']) {
    addPlace(places, item[name], [...at, name], {
      kind: 'arguments',
      choice: 0,
      block: `${block}.args`,
      form,
    })
  }
}

function readPart(
  places: Place[],
  part: Record<string, unknown>,
  at: Path,
  block: string,
  form: Place['form'],
): void {
  const kind = /^(reasoning|summary)/.test(String(part['type'])) ? 'reasoning' : 'text'
  addPlace(places, part['text'], [...at, 'text'], { kind, choice: 0, block, form })
  addPlace(places, part['transcript'], [...at, 'transcript'], { kind, choice: 0, block, form })
  addPlace(places, part['refusal'], [...at, 'refusal'], { kind: 'refusal', choice: 0, block, form })
}

/** The block that an event is about: a part of an item, a summary, or its arguments. Servers that leave out the index have one part. */
function blockOf(event: Record<string, unknown>): string {
  const { content_index: content, summary_index: summary } = event
  if (typeof summary === 'number') return `${itemOf(event)}.s${summary}`
  if (typeof content === 'number') return `${itemOf(event)}.${content}`
  return `${itemOf(event)}.${deltaOf(event)?.[0] === 'arguments' ? 'args' : '0'}`
}

/** What the event is a delta of, or the end of. */
function deltaOf({
  type,
}: Record<string, unknown>): readonly [kind: TextKind, whole: string] | undefined {
  const name = String(type).replace(/\.(?:delta|done)$/, '')
  return Object.hasOwn(DELTAS, name) ? DELTAS[name] : undefined
}

function itemOf(event: Record<string, unknown>): string {
  return `${sessionOf(event)}${String(event['output_index'])}`
}

/** In a session there are many responses. In a stream of one, its events do not name it. */
function sessionOf(event: Record<string, unknown>): string {
  const { response_id: id, response, sequence_number: number } = event
  if (typeof id === 'string') return `${id}/`
  // Only a stream of one response numbers its events.
  if (number !== undefined || !isObject(response) || response['object'] !== 'realtime.response')
    return ''
  return `${String(response['id'])}/`
}

/** The number of an event, where events are numbered. */
export function sequenceOf(json: Json | undefined): number | undefined {
  const number = isObject(json) ? json['sequence_number'] : undefined
  return typeof number === 'number' ? number : undefined
}
