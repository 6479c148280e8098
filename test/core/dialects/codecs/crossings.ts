import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { anthropicCodec } from '#core/dialects/codecs/anthropic.ts'
import { openaiChatCodec } from '#core/dialects/codecs/openai-chat.ts'
import type { Codec, Crossing } from '#core/dialects/hub/codec.ts'
import type { CodecName } from '#core/dialects/hub/conversation.ts'
import { newCrossing } from '#core/dialects/hub/crossing.ts'
import type { HubRequest } from '#core/dialects/hub/request.ts'
import type { HubEvent, OutEvent } from '#core/dialects/hub/stream.ts'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { formatEvent } from '#core/kit/sse.ts'

export const chat = openaiChatCodec
export const messages = anthropicCodec

const CODECS: Readonly<Partial<Record<CodecName, Codec>>> = {
  'openai-chat': chat,
  anthropic: messages,
}

/** The codec of a dialect that these tests are about. */
export function codecOf(name: CodecName): Codec | undefined {
  return CODECS[name]
}

/** The other of the two codecs. */
export function otherThan(codec: Codec): Codec {
  return codec === chat ? messages : chat
}

/** A request's way from a client of `from` to `model` behind `to`. */
export function cross(from: Codec, to: Codec, body: JsonObject, model?: string): Crossing {
  const decoded = from.decodeRequest(body)!
  const request: HubRequest = model === undefined ? decoded : { ...decoded, model }
  return newCrossing(request, to.name, { requestId: 'req1', created: 1_700_000_000 })
}

/** A crossing for an answer: a client of `from` asked for nothing special. */
export function plainCrossing(from: Codec, to: Codec, extra: JsonObject = {}): Crossing {
  const body = { model: 'm', max_tokens: 100, messages: [{ role: 'user', content: 'Hi' }] }
  return cross(from, to, { ...body, ...extra })
}

/** What the upstream gets for a client's body, and what was reported. */
export function sent(from: Codec, to: Codec, body: JsonObject, model: string) {
  const crossing = cross(from, to, body, model)
  const encoded = to.encodeRequest(crossing.request, crossing)
  return { body: encoded, crossing, findings: crossing.report.findings }
}

/** The hub's events of an upstream's stream. */
export function decodeStream(codec: Codec, events: readonly Json[], crossing: Crossing) {
  const decoder = codec.streamDecoder(crossing)
  const decoded: HubEvent[] = events.flatMap((event) => [...decoder.push(event)])
  return [...decoded, ...decoder.end()]
}

/** A client's stream of hub events. */
export function encodeStream(codec: Codec, events: readonly HubEvent[], crossing: Crossing) {
  const encoder = codec.streamEncoder(crossing)
  return events.flatMap((event) => [...encoder.push(event)])
}

/** An upstream's stream as the client of another dialect gets it. */
export function crossStream(to: Codec, from: Codec, events: readonly Json[], crossing: Crossing) {
  return encodeStream(from, decodeStream(to, events, crossing), crossing)
}

/** The JSON of events, without `[DONE]`. */
export function parsed(events: readonly OutEvent[]): JsonObject[] {
  return events
    .filter(({ data }) => data !== '[DONE]')
    .map(({ data }) => JSON.parse(data) as JsonObject)
}

function streamed(events: readonly OutEvent[]): Response {
  const text = events.map(({ event, data }) => formatEvent(event, data)).join('')
  return new Response(text, { headers: { 'content-type': 'text/event-stream' } })
}

/** The completion that OpenAI's SDK makes of a stream. Throws what the SDK throws. */
export async function readByOpenai(
  events: readonly OutEvent[],
): Promise<OpenAI.Chat.ChatCompletion> {
  const client = new OpenAI({
    apiKey: 'k',
    maxRetries: 0,
    fetch: () => Promise.resolve(streamed(events)),
  })
  const stream = client.chat.completions.stream({
    model: 'm',
    messages: [{ role: 'user', content: 'Hi' }],
    stream_options: { include_usage: true },
  })
  return await stream.finalChatCompletion()
}

/** The message that Anthropic's SDK makes of a stream. Throws what the SDK throws. */
export async function readByAnthropic(events: readonly OutEvent[]): Promise<Anthropic.Message> {
  const client = new Anthropic({
    apiKey: 'k',
    maxRetries: 0,
    fetch: () => Promise.resolve(streamed(events)),
  })
  const stream = client.messages.stream({
    model: 'm',
    max_tokens: 100,
    messages: [{ role: 'user', content: 'Hi' }],
  })
  return await stream.finalMessage()
}

/** What matters of an answer, in no dialect. */
export interface Gist {
  readonly text: string
  readonly calls: readonly { readonly name: string; readonly arguments: Json }[]
  readonly finish: string
  readonly input: number | undefined
  readonly output: number | undefined
}

/** The gist of a chat completion. */
export function gistOfChat({ choices, usage }: OpenAI.Chat.ChatCompletion): Gist {
  const { finish_reason: reason, message } = choices[0]!
  const calls = (message.tool_calls ?? []).flatMap((call) =>
    call.type === 'function'
      ? [{ name: call.function.name, arguments: JSON.parse(call.function.arguments) as Json }]
      : [],
  )
  return {
    text: message.content ?? '',
    calls,
    finish: calls.length > 0 && reason === 'stop' ? 'tool_calls' : reason,
    input: usage?.prompt_tokens,
    output: usage?.completion_tokens,
  }
}

const FINISH: Readonly<Record<string, string>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  tool_use: 'tool_calls',
  max_tokens: 'length',
  refusal: 'content_filter',
}

/** The gist of a message. */
export function gistOfMessage({ content, stop_reason: reason, usage }: Anthropic.Message): Gist {
  const texts = content.flatMap((block) => (block.type === 'text' ? [block.text] : []))
  const calls = content.flatMap((block) =>
    block.type === 'tool_use' ? [{ name: block.name, arguments: block.input as Json }] : [],
  )
  const cached = (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0)
  return {
    text: texts.join(''),
    calls,
    finish: FINISH[reason ?? ''] ?? String(reason),
    input: usage.input_tokens + cached,
    output: usage.output_tokens,
  }
}

/** Where a stream breaks what `HubEvent` promises. */
export function faultsOf(events: readonly HubEvent[]): string[] {
  const open = new Set<number>()
  const seen = new Set<number>()
  const faults: string[] = []
  const check = (isRight: boolean, fault: string) => isRight || faults.push(fault)
  check(events[0]?.type === 'start', 'no start')
  check(events.at(-1)?.type === 'end', 'no end')
  for (const event of events) {
    if (event.type === 'blockStart') {
      check(!seen.has(event.block), `block ${event.block} starts twice`)
      seen.add(event.block)
      open.add(event.block)
    } else if (event.type === 'blockDelta') {
      check(open.has(event.block), `a delta of block ${event.block}, which is not open`)
    } else if (event.type === 'blockStop') {
      check(open.delete(event.block), `block ${event.block} stops, which is not open`)
    } else if (event.type === 'finish') check(open.size === 0, 'finish while a block is open')
  }
  return faults
}

/** Where the events of a message break the grammar that Anthropic's clients hold to. */
export function messageFaultsOf(events: readonly JsonObject[]): string[] {
  const faults: string[] = []
  const check = (isRight: boolean, fault: string) => isRight || faults.push(fault)
  let open: Json | undefined
  let next = 0
  check(events[0]?.['type'] === 'message_start', 'no message_start')
  check(events.at(-1)?.['type'] === 'message_stop', 'no message_stop')
  for (const { delta, index, content_block: block, type } of events) {
    if (type === 'content_block_start') {
      check(open === undefined, 'two blocks are open')
      check(index === next, `block ${String(index)} instead of ${next}`)
      next++
      open = (block as JsonObject)['type']
    } else if (type === 'content_block_delta') {
      const kind = String((delta as JsonObject)['type'])
      const fitting = DELTAS[String(open)] ?? []
      check(fitting.includes(kind), `${kind} within ${String(open)}`)
    } else if (type === 'content_block_stop') open = undefined
  }
  const starts = events.filter(({ type }) => type === 'message_start')
  check(starts.length === 1, 'message_start twice')
  return faults
}

const DELTAS: Readonly<Record<string, readonly string[]>> = {
  text: ['text_delta', 'citations_delta'],
  thinking: ['thinking_delta', 'signature_delta'],
  tool_use: ['input_json_delta'],
}
