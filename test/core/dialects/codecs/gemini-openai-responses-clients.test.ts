import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { anthropicCodec } from '#core/dialects/codecs/anthropic.ts'
import { geminiCodec } from '#core/dialects/codecs/gemini.ts'
import { openaiChatCodec } from '#core/dialects/codecs/openai-chat.ts'
import { openaiResponsesCodec } from '#core/dialects/codecs/openai-responses.ts'
import type { Codec } from '#core/dialects/hub/codec.ts'
import type { CodecName } from '#core/dialects/hub/conversation.ts'
import type { JsonObject } from '#core/kit/json.ts'
import { hasRecordings, recordings } from '../recordings.ts'
import { crossingTo, followed, shapeOf, streamed } from './following.ts'
import { classOf, OneAnswer, seenBy, type Seen } from './sdk-clients.ts'

const CODECS: Readonly<Record<CodecName, Codec>> = {
  'openai-chat': openaiChatCodec,
  'openai-responses': openaiResponsesCodec,
  anthropic: anthropicCodec,
  gemini: geminiCodec,
}

const PLAIN: Readonly<Record<CodecName, JsonObject>> = {
  'openai-chat': { model: 'm', messages: [], stream_options: { include_usage: true } },
  'openai-responses': { model: 'm', input: 'Hi' },
  anthropic: { model: 'm', max_tokens: 100, messages: [] },
  gemini: { model: 'm', contents: [] },
}

const ours: ReadonlySet<CodecName> = new Set<CodecName>(['openai-responses', 'gemini'])
const server = new OneAnswer()

beforeAll(() => server.start())
afterAll(() => server.close())

/** Each client of ours with every upstream, and every client with upstreams of ours. */
const lanes = (Object.keys(CODECS) as CodecName[]).flatMap((client) =>
  (Object.keys(CODECS) as CodecName[])
    .filter((upstream) => upstream !== client && (ours.has(client) || ours.has(upstream)))
    .map((upstream) => ({ client, upstream })),
)

describe.runIf(hasRecordings).each(lanes)(
  'a $client client of $upstream',
  ({ client, upstream }) => {
    const recorded = recordings().filter(({ dialect }) => dialect === upstream)
    const crossing = () => crossingTo(CODECS[client].decodeRequest(PLAIN[client])!, upstream)

    test.each(recorded.filter(({ response }) => response !== undefined))(
      'sees what was answered in $name',
      async ({ response }) => {
        const way = crossing()
        const answer = CODECS[upstream].decodeAnswer(response!, way)!
        server.json(CODECS[client].encodeAnswer(answer, way))
        expect(await seenBy(client, server.url, false)).toEqual(meant(answer, client))
      },
    )

    test.each(recorded.filter(({ events }) => events !== undefined))(
      'sees what was streamed in $name',
      async ({ events }) => {
        const way = crossing()
        const told = followed(CODECS[upstream].streamDecoder(way), events!)
        const again = crossing()
        const decoder = CODECS[upstream].streamDecoder(again)
        server.events(streamed(decoder, CODECS[client].streamEncoder(again), events!))
        expect(await seenBy(client, server.url, true)).toEqual(meant(told, client))
      },
    )
  },
)

/** What the client must see: free text of a tool stands in an object where there are no such tools. */
function meant(answer: Parameters<typeof shapeOf>[0], client: CodecName): Seen {
  const isWrapped = !client.startsWith('openai-')
  const { text, calls, reason, usage } = shapeOf(answer)
  return {
    text,
    calls: calls.map(({ name, kind, arguments: input }) => ({
      name,
      arguments: kind === 'custom' && isWrapped ? { input } : input,
    })),
    finish: classOf(reason),
    input: usage?.inputTokens ?? 0,
    output: usage?.outputTokens ?? 0,
    cached: usage?.cacheReadTokens ?? 0,
  }
}
