import type Anthropic from '@anthropic-ai/sdk'
import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import type { Json } from '#core/kit/json.ts'
import { hasRecordings, recordings } from '../recordings.ts'
import {
  chat,
  codecOf,
  cross,
  crossStream,
  decodeStream,
  encodeStream,
  faultsOf,
  gistOfChat,
  gistOfMessage,
  messages,
  otherThan,
  parsed,
  plainCrossing,
  readByAnthropic,
  readByOpenai,
} from './crossings.ts'

const recorded = recordings().flatMap((recording) => {
  const codec = codecOf(recording.dialect)
  return codec === undefined ? [] : [{ ...recording, codec }]
})
const withAnswer = recorded.filter(({ codec, response }) => {
  const isOne = response?.['type'] === 'message' || response?.['object'] === 'chat.completion'
  return isOne && codec !== undefined
})
const withEvents = recorded.filter(({ events }) => events !== undefined)

function gist(name: string, answer: Json) {
  return name === chat.name
    ? gistOfChat(answer as unknown as OpenAI.Chat.ChatCompletion)
    : gistOfMessage(answer as unknown as Anthropic.Message)
}

describe.skipIf(!hasRecordings)('recorded requests', () => {
  it.each(recorded)(
    '$name ($dialect): its own dialect gets it back as it was',
    ({ codec, request }) => {
      const crossing = cross(codec, codec, request)
      expect(codec.encodeRequest(crossing.request, crossing)).toEqual(request)
      expect(crossing.report.findings).toEqual([])
    },
  )

  it.each(recorded)(
    '$name ($dialect): the other dialect understands it alike',
    ({ codec, request }) => {
      const other = otherThan(codec)
      const model = other === chat ? 'gpt-4o' : 'claude-sonnet-4-6'
      const crossing = cross(codec, other, request, model)
      const encoded = other.encodeRequest(crossing.request, crossing)
      const again = other.decodeRequest(encoded)!
      const said = (parts: readonly { type: string }[]) =>
        parts
          .flatMap((part) => ('text' in part && part.type === 'text' ? [part.text] : []))
          .join('')
      const texts = (hub: typeof again) => hub.messages.map(({ parts }) => said(parts)).join('')
      const calls = (hub: typeof again) =>
        hub.messages.flatMap(({ parts }) =>
          parts.flatMap((part) =>
            part.type === 'toolCall'
              ? [[part.id, part.name, JSON.parse(part.arguments) as Json]]
              : [],
          ),
        )
      const isTold = crossing.report.findings.some(({ field }) => field.startsWith('messages'))
      expect(isTold || texts(again)).toBe(isTold || texts(crossing.request))
      expect(calls(again)).toEqual(calls(crossing.request))
      const functions = crossing.request.tools.filter(({ type }) => type === 'function')
      expect(again.tools.map(({ name }) => name)).toEqual(functions.map(({ name }) => name))
    },
  )
})

describe.skipIf(!hasRecordings)('recorded answers', () => {
  it.each(withAnswer)('$name ($dialect): same gist in each dialect', ({ codec, response }) => {
    const other = otherThan(codec)
    const crossing = plainCrossing(other, codec)
    const answer = codec.decodeAnswer(response!, crossing)!
    const told = other.encodeAnswer(answer, crossing)
    expect(gist(other.name, told)).toEqual(gist(codec.name, response!))
    const own = codec.encodeAnswer(answer, plainCrossing(codec, codec))
    expect(gist(codec.name, own)).toEqual(gist(codec.name, response!))
  })
})

describe.skipIf(!hasRecordings)('recorded streams', () => {
  it.each(withEvents)('$name ($dialect): official clients read the same', async (recording) => {
    const { codec, events } = recording
    const isChat = codec === chat
    const raw = events!.map((event) => ({
      event: isChat ? undefined : (event['type'] as string),
      data: JSON.stringify(event),
    }))
    const source = isChat
      ? gistOfChat(await readByOpenai([...raw, { event: undefined, data: '[DONE]' }]))
      : gistOfMessage(await readByAnthropic(raw))
    const usage = { stream_options: { include_usage: true } }

    const toChat = crossStream(codec, chat, events!, plainCrossing(chat, codec, usage))
    const chatGist = gistOfChat(await readByOpenai(toChat))
    const toMessages = crossStream(codec, messages, events!, plainCrossing(messages, codec))
    const messageGist = gistOfMessage(await readByAnthropic(toMessages))

    // OpenAI tells usage on request only, while Anthropic's form needs some number.
    const { input = 0, output = 0 } = source
    expect(chatGist).toEqual(source)
    expect(messageGist).toEqual({ ...source, input, output })
  })

  it.each(withEvents)('$name ($dialect): cut anywhere, the client is told', ({ codec, events }) => {
    for (let cut = 0; cut < events!.length; cut++) {
      const crossing = plainCrossing(otherThan(codec), codec)
      const decoded = decodeStream(codec, events!.slice(0, cut), crossing)
      const isFinished = decoded.some(({ type }) => type === 'finish')
      const last = decoded.at(-1)?.type
      // A finish reason is enough for a chat, whose servers don't all send [DONE].
      expect(last).toBe(codec === chat && isFinished ? 'end' : 'error')
    }
  })

  it.each(withEvents)('$name ($dialect): blocks open and close in order', ({ codec, events }) => {
    const decoded = decodeStream(codec, events!, plainCrossing(codec, codec))
    expect(faultsOf(decoded)).toEqual([])
    const written = encodeStream(messages, decoded, plainCrossing(messages, codec))
    const types = parsed(written).map((event) => event['type'])
    expect(types[0]).toBe('message_start')
    expect(types.at(-1)).toBe('message_stop')
  })
})
