import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { CODECS, upstreamCodec } from '#core/dialects/codecs/index.ts'
import { EVENT_STREAM } from '#core/dialects/framing.ts'
import type { CodecName } from '#core/dialects/hub/conversation.ts'
import { newCrossing } from '#core/dialects/hub/crossing.ts'
import type { HubEvent } from '#core/dialects/hub/stream.ts'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { eventFrames } from '../../../support/event-frames.ts'
import { hasRecordings } from '../recordings.ts'
import { faultsOf } from './crossings.ts'
import { collected } from './following.ts'

const FOLDER = new URL('../../../../../shared/recordings/conversations/', import.meta.url)

/** Recorded turns of Converse. */
function recorded() {
  if (!hasRecordings) return []
  return readdirSync(FOLDER).flatMap((name) =>
    ['', 'followup-'].flatMap((prefix) => {
      const read = (file: string) => {
        const url = new URL(`${name}/bedrock/${prefix}${file}.json`, FOLDER)
        return existsSync(url) ? (JSON.parse(readFileSync(url, 'utf8')) as Json) : undefined
      }
      const response = read('response') as JsonObject | undefined
      const events = read('response-streaming') as JsonObject[] | undefined
      if (response === undefined || events === undefined) return []
      return [{ name: `${name} ${prefix}`, response, events }]
    }),
  )
}

const crossing = () => {
  const body = { max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }] }
  const model = 'us.anthropic.claude-haiku-4-5-20251001-v1:0'
  const request = { ...CODECS.anthropic.decodeRequest(body)!, model }
  return newCrossing(request, 'bedrock', { requestId: 'r1', created: 1 })
}

const codec = upstreamCodec('bedrock')

describe.runIf(hasRecordings)('recorded answers of Bedrock', () => {
  it('are there', () => expect(recorded().length).toBeGreaterThan(10))

  it.each(recorded())('$name: plain and streamed have the same shape', ({ events, response }) => {
    const plain = codec.decodeAnswer(response, crossing())!
    const decoder = codec.streamDecoder(crossing())
    const hub: HubEvent[] = []
    const reader = EVENT_STREAM.reader({
      event: (event) => hub.push(...decoder.push(event)),
      done: () => {},
      idle: () => {},
      fault: () => {},
    })
    reader.push(eventFrames(events))
    reader.end()
    hub.push(...decoder.end())

    expect(faultsOf(hub)).toEqual([])
    const streamed = collected(hub)
    const usage = response['usage'] as JsonObject
    expect(plain.usage).toMatchObject({
      inputTokens: usage['inputTokens'],
      outputTokens: usage['outputTokens'],
      totalTokens: usage['totalTokens'],
    })
    expect(streamed.usage?.inputTokens).toBe(plain.usage?.inputTokens)
    expect(streamed.finish).toMatchObject({ reason: plain.finish.reason })
    // Two runs of a model: the same pieces in other words.
    const shape = (parts: typeof plain.parts) => [...new Set(parts.map(({ type }) => type))]
    expect(shape(streamed.parts)).toEqual(shape(plain.parts))

    for (const name of Object.keys(CODECS) as CodecName[]) {
      const told = CODECS[name].encodeAnswer(plain, crossing())
      const plainly = newCrossing(crossing().request, name, { requestId: 'r1', created: 1 })
      const again = CODECS[name].decodeAnswer(told, plainly)!
      expect(again.usage?.totalTokens).toBe(plain.usage?.totalTokens)
      expect(again.parts.filter(({ type }) => type === 'text')).toMatchObject(
        plain.parts.flatMap((part) => (part.type === 'text' ? [{ text: part.text }] : [])),
      )
    }
  })
})

describe('exceptions of Bedrock', () => {
  it.each([
    ['throttlingException', 429, 'rateLimit'],
    ['validationException', 400, 'badRequest'],
    ['serviceUnavailableException', 503, 'overloaded'],
    ['modelStreamErrorException', 500, 'server'],
    ['somethingNew', 500, 'server'],
  ])('within a stream have the status that they would have had: %s', (type, status, kind) => {
    const decoder = codec.streamDecoder(crossing())
    const events = decoder.push({ exception: { type, message: 'no' } })
    expect(events).toEqual([{ type: 'error', error: { kind, status, message: 'no', code: type } }])
    expect(decoder.end()).toEqual([])
  })

  it('are named in the body by some of its services', () => {
    const body = { __type: 'com.amazon.coral.service#AccessDeniedException', Message: 'no' }
    expect(codec.decodeError(403, body)).toEqual({
      kind: 'permission',
      status: 403,
      message: 'no',
      code: 'AccessDeniedException',
    })
  })
})
