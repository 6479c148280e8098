import { describe, expect, test } from 'vitest'
import { geminiCodec as codec } from '#core/dialects/codecs/gemini.ts'
import { hasRecordings, recordings } from '../recordings.ts'
import { crossingTo, followed, shapeOf, streamed } from './following.ts'

const all = recordings().filter(({ dialect }) => dialect === codec.name)

describe.runIf(hasRecordings)('recorded requests', () => {
  test.each(all)('of $name are the same after both ways', ({ request }) => {
    const decoded = codec.decodeRequest(request)!
    const crossing = crossingTo(decoded, codec.name)
    expect(codec.encodeRequest(decoded, crossing)).toEqual(request)
    expect(crossing.report.findings).toEqual([])
  })
})

describe.runIf(hasRecordings)('recorded answers', () => {
  test.each(all.filter(({ response }) => response !== undefined))(
    'of $name are the same after both ways',
    ({ request, response }) => {
      const crossing = crossingTo(codec.decodeRequest(request)!, codec.name)
      const answer = codec.decodeAnswer(response!, crossing)!
      const { sdkHttpResponse: _, ...body } = response!
      expect(codec.encodeAnswer(answer, crossing)).toMatchObject(body)
    },
  )
})

describe.runIf(hasRecordings)('recorded streams', () => {
  const streams = all.filter(({ events }) => events !== undefined)

  test.each(streams)('of $name say what their parts say', ({ request, events }) => {
    const crossing = crossingTo(codec.decodeRequest(request)!, codec.name)
    const told = followed(codec.streamDecoder(crossing), events!)
    const parts = events!.flatMap((event) => codec.decodeAnswer(event, crossing)?.parts ?? [])
    const last = codec.decodeAnswer(events!.at(-1)!, crossing)!
    const reason = parts.some(({ type }) => type === 'toolCall') ? 'tool' : last.finish.reason
    const meant = { ...last, parts, finish: { ...last.finish, reason } }
    expect({ ...shapeOf(told), proofs: 0 }).toEqual({ ...shapeOf(meant), proofs: 0 })
  })

  test.each(streams)('of $name tell the same after both ways', ({ request, events }) => {
    const crossing = crossingTo(codec.decodeRequest(request)!, codec.name)
    const written = streamed(codec.streamDecoder(crossing), codec.streamEncoder(crossing), events!)
    const again = written.map(({ data }) => JSON.parse(data) as never)
    const told = followed(codec.streamDecoder(crossing), again)
    expect(shapeOf(told)).toEqual(shapeOf(followed(codec.streamDecoder(crossing), events!)))
  })
})
