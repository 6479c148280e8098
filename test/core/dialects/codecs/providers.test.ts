import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CODECS, upstreamCodec } from '#core/dialects/codecs/index.ts'
import { PROVIDER_DIALECTS, type ProviderDialect } from '#core/dialects/dialect.ts'
import type { Crossing } from '#core/dialects/hub/codec.ts'
import type { CodecName } from '#core/dialects/hub/conversation.ts'
import { newCrossing } from '#core/dialects/hub/crossing.ts'
import type { HubRequest } from '#core/dialects/hub/request.ts'
import type { HubEvent } from '#core/dialects/hub/stream.ts'
import { targetsOf } from '#core/dialects/operations.ts'
import { UPSTREAM_SIDES } from '#core/dialects/providers.ts'
import type { Json } from '#core/kit/json.ts'
import { PROVIDER_WIRES, SAID, THOUGHT, type Said } from '../../../support/provider-wires.ts'
import { faultsOf } from './crossings.ts'
import { collected } from './following.ts'
import { OneAnswer, seenBy } from './sdk-clients.ts'

const CLIENTS = Object.keys(CODECS) as CodecName[]
const HI: Readonly<Record<CodecName, Json>> = {
  'openai-chat': {
    messages: [{ role: 'user', content: 'Hi' }],
    stream_options: { include_usage: true },
  },
  'openai-responses': { input: 'Hi' },
  anthropic: { messages: [{ role: 'user', content: 'Hi' }], max_tokens: 9 },
  gemini: { contents: [{ parts: [{ text: 'Hi' }] }] },
}

/** Azure takes OpenAI's own dialect. */
const codecOf = (provider: ProviderDialect) => upstreamCodec(targetsOf([provider])[0]!)

function crossing(client: CodecName, provider: ProviderDialect): Crossing {
  const { model } = PROVIDER_WIRES[provider]
  const request: HubRequest = { ...CODECS[client].decodeRequest(HI[client])!, model }
  return newCrossing(request, targetsOf([provider])[0]!, {
    requestId: 'req1',
    created: 1_700_000_000,
  })
}

/** The hub's events of bytes that arrive in pieces, as the gateway would read them. */
function decoded(provider: ProviderDialect, pieces: readonly Buffer[], way: Crossing): HubEvent[] {
  const decoder = codecOf(provider).streamDecoder(way)
  const events: HubEvent[] = []
  const reader = UPSTREAM_SIDES[provider].framing.reader({
    event: (event) => events.push(...decoder.push(event)),
    done: () => events.push(...decoder.end()),
    idle: () => {},
    fault: (text) => {
      throw new Error(`no JSON: ${text}`)
    },
  })
  for (const piece of pieces) reader.push(piece)
  reader.end()
  return [...events, ...decoder.end()]
}

function expected({ calls = [], finish, input, output, text = '' }: Said) {
  const called = calls.map(({ input: given, name }) => ({ name, arguments: given }))
  return { text, calls: called, finish, input, output }
}

const ways = PROVIDER_DIALECTS.flatMap((provider) =>
  CLIENTS.map((client) => ({ provider, client })),
)
const sayings = Object.entries(SAID)

describe.each(ways)('a client of $client behind $provider', ({ client, provider }) => {
  const wire = PROVIDER_WIRES[provider]
  const server = new OneAnswer()
  beforeAll(() => server.start())
  afterAll(() => server.close())

  it.each(sayings)('reads an answer: %s', async (_name, said) => {
    const way = crossing(client, provider)
    const answer = codecOf(provider).decodeAnswer(wire.answer(said), way)!
    server.json(CODECS[client].encodeAnswer(answer, way))
    expect(await seenBy(client, server.url, false)).toMatchObject(expected(said))
  })

  it.each(sayings)('reads a stream, however it is split: %s', async (_name, said) => {
    const bytes = wire.bytes(wire.events(said))
    const way = crossing(client, provider)
    const events = decoded(provider, [bytes], way)
    expect(faultsOf(events)).toEqual([])
    const single = [...bytes].map((byte) => Buffer.from([byte]))
    expect(decoded(provider, single, crossing(client, provider))).toEqual(events)

    const encoder = CODECS[client].streamEncoder(way)
    server.events(events.flatMap((event) => [...encoder.push(event)]))
    expect(await seenBy(client, server.url, true)).toMatchObject(expected(said))
  })
})

describe.each(PROVIDER_DIALECTS.map((provider) => ({ provider })))('$provider', ({ provider }) => {
  const wire = PROVIDER_WIRES[provider]
  const way = () => crossing('openai-chat', provider)

  it('is never taken for complete where its stream is cut', () => {
    for (const said of Object.values(SAID)) {
      const events = wire.events(said)
      // Behind the finish reason there is nothing left but the count.
      const least = provider === 'bedrock' || provider === 'azure-openai' ? 2 : 1
      for (let length = 0; length <= events.length - least; length++) {
        const bytes = wire.bytes(events.slice(0, length)).toString('latin1')
        const cut = Buffer.from(bytes.replace('data: [DONE]\n\n', ''), 'latin1')
        const last = decoded(provider, [cut], way()).at(-1)
        expect(last).toMatchObject({ type: 'error', error: { code: 'upstream_cut' } })
      }
    }
  })

  it('tells an error in the middle of its stream', () => {
    const events = wire.bytes(wire.events(SAID['text']!).slice(0, 3)).toString('latin1')
    const begun = Buffer.from(events.replace('data: [DONE]\n\n', ''), 'latin1')
    const all = decoded(provider, [begun, wire.failure], way())
    expect(all.filter(({ type }) => type === 'error')).toHaveLength(1)
    expect(all.at(-1)).toMatchObject({
      type: 'error',
      error: { message: 'overheated', status: 500 },
    })
  })

  it('tells an error by its status and message', () => {
    const { decodeError } = codecOf(provider)
    expect(decodeError(429, wire.error('slow down'))).toMatchObject({
      kind: 'rateLimit',
      status: 429,
      message: 'slow down',
    })
    expect(decodeError(400, wire.error('prompt is too long'))).toMatchObject({
      kind: 'contextLength',
    })
    expect(decodeError(502, undefined)).toMatchObject({ kind: 'server', status: 502 })
    expect(decodeError(500, '<html>')).toMatchObject({ kind: 'server' })
  })

  it('tells thoughts apart from the answer', () => {
    if (provider === 'azure-openai') return
    const { decodeAnswer } = codecOf(provider)
    const parts = decodeAnswer(wire.answer(THOUGHT), way())!.parts
    const streamed = collected(decoded(provider, [wire.bytes(wire.events(THOUGHT))], way()))
    for (const told of [parts, streamed.parts]) {
      expect(told).toMatchObject([
        { type: 'reasoning', text: THOUGHT.thoughts },
        { type: 'text', text: THOUGHT.text },
      ])
    }
  })

  it('is read whatever comes', () => {
    const { decodeAnswer, decodeError, streamDecoder } = codecOf(provider)
    const names = ['message', 'choices', 'output', 'content', 'type', 'error', 'messageStop']
    const body = fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...names), fc.jsonValue()))
    fc.assert(
      fc.property(fc.array(body, { maxLength: 4 }), (values) => {
        const decoder = streamDecoder(way())
        for (const value of values as Json[]) {
          decodeAnswer(value, way())
          expect(decodeError(500, value).message).toBeTypeOf('string')
          decoder.push(value)
        }
        decoder.end()
        expect(decoder.end()).toEqual([])
      }),
      { numRuns: 200 },
    )
  })
})
