import { describe, expect, test } from 'vitest'
import { openaiResponsesCodec as codec } from '#core/dialects/codecs/openai-responses.ts'
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
      const { output_text: _, ...body } = response!
      const encoded = codec.encodeAnswer(answer, crossing)
      expect({ ...body, ...encoded }).toEqual({ ...encoded, ...body })
    },
  )
})

describe.runIf(hasRecordings)('recorded streams', () => {
  const streams = all.filter(({ events }) => events !== undefined)

  test.each(streams)('of $name say what their last event says', ({ request, events }) => {
    const crossing = crossingTo(codec.decodeRequest(request)!, codec.name)
    const told = followed(codec.streamDecoder(crossing), events!)
    const last = events!.at(-1)!['response']!
    expect(shapeOf(told)).toEqual(shapeOf(codec.decodeAnswer(last, crossing)!))
  })

  test.each(streams)('of $name end in the same response after both ways', ({ request, events }) => {
    const crossing = crossingTo(codec.decodeRequest(request)!, codec.name)
    const written = streamed(codec.streamDecoder(crossing), codec.streamEncoder(crossing), events!)
    const last = JSON.parse(written.at(-1)!.data) as { response: unknown }
    const told = codec.decodeAnswer(last.response as never, crossing)!
    const meant = codec.decodeAnswer(events!.at(-1)!['response']!, crossing)!
    expect(shapeOf(told)).toEqual(shapeOf(meant))
    expect(
      written.map(({ data }) => (JSON.parse(data) as { sequence_number: number }).sequence_number),
    ).toEqual(written.map((_, index) => index))
  })
})
