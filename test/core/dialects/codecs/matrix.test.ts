import { describe, expect, it } from 'vitest'
import { CODECS } from '#core/dialects/codecs/index.ts'
import type { FinishReason, HubAnswer } from '#core/dialects/hub/answer.ts'
import type { CodecName, Part } from '#core/dialects/hub/conversation.ts'
import { newCrossing } from '#core/dialects/hub/crossing.ts'
import type { HubRequest } from '#core/dialects/hub/request.ts'
import type { HubEvent } from '#core/dialects/hub/stream.ts'
import type { Json } from '#core/kit/json.ts'
import { hasRecordings, recordings, type Recording } from '../recordings.ts'

const NAMES = Object.keys(CODECS) as CodecName[]

/** Models that take all there is to take. */
const MODELS: Readonly<Record<CodecName, string>> = {
  'openai-chat': 'gpt-4o',
  'openai-responses': 'gpt-4o',
  anthropic: 'claude-sonnet-4-6',
  gemini: 'gemini-3-pro',
}

const HI: Readonly<Record<CodecName, HubRequest>> = {
  'openai-chat': hi('openai-chat', {
    messages: [{ role: 'user', content: 'Hi' }],
    stream_options: { include_usage: true },
  }),
  'openai-responses': hi('openai-responses', { input: 'Hi' }),
  anthropic: hi('anthropic', { messages: [{ role: 'user', content: 'Hi' }], max_tokens: 9 }),
  gemini: hi('gemini', { contents: [{ parts: [{ text: 'Hi' }] }] }),
}

function hi(name: CodecName, body: Json): HubRequest {
  return CODECS[name].decodeRequest(body, { model: 'm' })!
}

function crossing(client: CodecName, upstream: CodecName) {
  return newCrossing(HI[client], upstream, { requestId: 'r1', created: 1 })
}

/** What all dialects can tell. */
interface Gist {
  text: string
  readonly calls: { name: string; arguments: Json }[]
  finish: string
  input: number | undefined
  output: number | undefined
}

/** Not every dialect tells these apart. */
const CLASSES: Readonly<Partial<Record<FinishReason, string>>> = {
  stopSequence: 'stop',
  context: 'length',
  pause: 'stop',
  malformed: 'stop',
}

function finishClass(reason: FinishReason): string {
  return CLASSES[reason] ?? reason
}

function textOf(parts: readonly Part[]): string {
  return parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
}

function gistOf({ finish, parts, usage }: HubAnswer): Gist {
  const calls = parts.flatMap((part) =>
    part.type === 'toolCall' ? [{ name: part.name, arguments: parse(part.arguments) }] : [],
  )
  return {
    text: textOf(parts),
    calls,
    finish: finishClass(finish.reason),
    input: usage?.inputTokens,
    output: usage?.outputTokens,
  }
}

/** Free text, for which some dialects have no place, is wrapped on the way. */
function parse(text: string): Json {
  if (text === '') return {}
  try {
    return JSON.parse(text) as Json
  } catch {
    return { input: text }
  }
}

/** Some dialects cannot leave usage out. */
function counted({ input = 0, output = 0, ...gist }: Gist): Gist {
  return { ...gist, input, output }
}

function gistOfStream(events: readonly HubEvent[]): Gist {
  const gist: Gist = { text: '', calls: [], finish: '', input: undefined, output: undefined }
  const blocks = new Map<number, { type: string; name: string; text: string }>()
  for (const event of events) {
    if ('choice' in event && event.choice !== undefined) continue
    if (event.type === 'blockStart') {
      const name = event.head.type === 'toolCall' ? event.head.name : ''
      blocks.set(event.block, { type: event.head.type, name, text: '' })
    } else if (event.type === 'blockDelta' && event.delta.type !== 'citation') {
      const block = blocks.get(event.block)
      if (block !== undefined) block.text += event.delta.text
    } else if (event.type === 'finish') gist.finish = finishClass(event.finish.reason)
    else if (event.type === 'usage') {
      gist.input = event.usage.inputTokens
      gist.output = event.usage.outputTokens
    } else if (event.type === 'error') gist.finish = `error: ${event.error.message}`
  }
  for (const { name, text, type } of blocks.values()) {
    if (type === 'text') gist.text += text
    else if (type === 'toolCall') gist.calls.push({ name, arguments: parse(text) })
  }
  return gist
}

function decodeAll(name: CodecName, events: readonly Json[], client: CodecName): HubEvent[] {
  const decoder = CODECS[name].streamDecoder(crossing(client, name))
  return [...events.flatMap((event) => decoder.push(event)), ...decoder.end()]
}

const all = recordings()
const pairs = (list: readonly Recording[]) =>
  list.flatMap((recording) =>
    NAMES.filter((name) => name !== recording.dialect).map((client) => ({ ...recording, client })),
  )

describe.skipIf(!hasRecordings)('each dialect through each other', () => {
  const answered = all.filter(
    ({ dialect, response }) =>
      response !== undefined &&
      CODECS[dialect].decodeAnswer(response, crossing(dialect, dialect)) !== undefined,
  )

  it.each(pairs(answered))('$name: a client of $client reads the answer', (recording) => {
    const { client, dialect, response } = recording
    const way = crossing(client, dialect)
    const answer = CODECS[dialect].decodeAnswer(response!, way)!
    const told = CODECS[client].encodeAnswer(answer, way)
    const again = CODECS[client].decodeAnswer(told, crossing(client, client))!
    expect(counted(gistOf(again))).toEqual(counted(gistOf(answer)))
  })

  const streamed = all.filter(({ events }) => events !== undefined)

  it.each(pairs(streamed))('$name: a client of $client reads the stream', (recording) => {
    const { client, dialect, events } = recording
    const source = decodeAll(dialect, events!, client)
    const encoder = CODECS[client].streamEncoder(crossing(client, dialect))
    const told = source
      .flatMap((event) => encoder.push(event))
      .filter(({ data }) => data !== '[DONE]')
      .map(({ data }) => JSON.parse(data) as Json)
    const again = gistOfStream(decodeAll(client, told, client))
    expect(counted(again)).toEqual(counted(gistOfStream(source)))
  })

  it.each(pairs(all))('$name: an upstream of $client reads the request', (recording) => {
    const { client: target, dialect, request } = recording
    const decoded = CODECS[dialect].decodeRequest(request, { model: 'm' })!
    const sent = { ...decoded, model: MODELS[target] }
    const way = newCrossing(sent, target, { requestId: 'r1', created: 1 })
    const encoded = CODECS[target].encodeRequest(sent, way)
    const again = CODECS[target].decodeRequest(encoded, { model: 'm' })!
    const moved = way.report.findings.some(({ field }) =>
      /^(?:messages|input|contents)/.test(field),
    )
    const texts = (hub: HubRequest) => hub.messages.map(({ parts }) => textOf(parts)).join('')
    const calls = (hub: HubRequest) =>
      hub.messages.flatMap(({ parts }) =>
        parts.flatMap((part) =>
          part.type === 'toolCall' ? [part.name, parse(part.arguments)] : [],
        ),
      )
    expect(moved || texts(again)).toEqual(moved || texts(decoded))
    expect(moved || calls(again)).toEqual(moved || calls(decoded))
    expect(again.maxOutputTokens ?? 0).toBeGreaterThanOrEqual(0)
  })
})
