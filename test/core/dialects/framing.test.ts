import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EventStreamParser } from '#core/dialects/event-stream.ts'
import {
  EVENT_STREAM,
  isFramedAs,
  NDJSON,
  SSE,
  type StreamFraming,
} from '#core/dialects/framing.ts'
import type { Json } from '#core/kit/json.ts'
import { LineParser } from '#core/kit/lines.ts'
import { exceptionFrame, eventFrame } from '../../support/event-frames.ts'

/** The events that come of bytes which arrive in pieces that end at `places`. */
function cut(framing: StreamFraming, bytes: Buffer, places: readonly number[] = []) {
  const events: (Json | undefined)[] = []
  const reader = framing.reader({
    event: (event) => events.push(event),
    done: () => events.push(undefined),
    idle: () => {},
    fault: (text) => events.push(`no JSON: ${text}`),
  })
  const ends = places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b)
  let start = 0
  for (const end of [...ends, bytes.length]) {
    // A copy: what is held must not be memory that its owner uses again.
    const piece = Buffer.from(bytes.subarray(start, end))
    reader.push(piece)
    piece.fill(0)
    start = end
  }
  reader.end()
  return events
}

const events: Json[] = [{ a: 'ä€😀' }, { b: [1, { c: null }] }, { text: 'x'.repeat(300) }, {}]

const STREAMS: readonly (readonly [
  string,
  StreamFraming,
  Buffer,
  readonly (Json | undefined)[],
])[] = [
  [
    'server-sent events',
    SSE,
    Buffer.from(
      `: OPENROUTER PROCESSING\n\n${events.map((event) => `event: x\r\ndata: ${JSON.stringify(event)}\r\n\r\n`).join('')}data: [DONE]\n\n`,
    ),
    [...events, undefined],
  ],
  [
    'lines of JSON',
    NDJSON,
    Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join('\r\n')),
    events,
  ],
  [
    "Amazon's frames",
    EVENT_STREAM,
    Buffer.concat([
      ...events.map((event) => eventFrame('delta', event)),
      exceptionFrame('throttlingException', 'Too many requests'),
    ]),
    [
      ...events.map((event) => ({ delta: event })),
      { exception: { type: 'throttlingException', message: 'Too many requests' } },
    ],
  ],
]

describe.each(STREAMS)('%s', (_name, framing, bytes, expected) => {
  it('are cut into events', () => {
    expect(cut(framing, bytes)).toEqual(expected)
  })

  it('give the same events wherever the bytes are split', () => {
    expect(cut(framing, bytes, [...bytes.keys()])).toEqual(expected)
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 8 }), (places) => {
        expect(cut(framing, bytes, places)).toEqual(expected)
      }),
      { numRuns: 200 },
    )
  })
})

describe('the end of a stream', () => {
  it('completes an event of which only the last line end is missing', () => {
    expect(cut(SSE, Buffer.from('data: {"a":1}'))).toEqual([{ a: 1 }])
    expect(cut(NDJSON, Buffer.from('{"a":1}\n{"b":2}'))).toEqual([{ a: 1 }, { b: 2 }])
  })

  it('does not make an event of half a frame', () => {
    const bytes = Buffer.concat([eventFrame('a', 1), eventFrame('b', 2).subarray(0, -1)])
    expect(cut(EVENT_STREAM, bytes)).toEqual([{ a: 1 }])
  })
})

describe('bytes that are no stream', () => {
  const frame = eventFrame('a', { b: 1 })

  it.each([
    [
      'a frame whose content was changed',
      frame.map((byte, at) => (at === frame.length - 6 ? byte ^ 1 : byte)),
    ],
    [
      'a frame whose header fields were changed',
      frame.map((byte, at) => (at === 20 ? byte ^ 1 : byte)),
    ],
    ['a length below the least', Buffer.alloc(16)],
    ['a text', Buffer.from('\0\0\0\x20not a frame of the event stream')],
  ])('are refused: %s', (_name, bytes) => {
    const expected = expect.objectContaining({ code: 'UPSTREAM_PROTOCOL' }) as Error
    expect(() => cut(EVENT_STREAM, Buffer.from(bytes))).toThrow(expected)
  })

  it('are told as a fault where an event is no JSON', () => {
    expect(cut(NDJSON, Buffer.from('{"a":1}\n<html>\n'))).toEqual([{ a: 1 }, 'no JSON: <html>'])
    expect(cut(SSE, Buffer.from('data: <html>\n\n'))).toEqual(['no JSON: <html>'])
  })

  it.each([
    ['a line', () => new LineParser(() => {}, 32), Buffer.alloc(33, 'x')],
    ['a frame', () => new EventStreamParser(() => {}, 32), eventFrame('a', 'x'.repeat(32))],
  ])(
    'are refused once an event is too large, before they fill memory: %s',
    (_name, make, bytes) => {
      expect(() => make().push(bytes)).toThrow('larger than 32 bytes')
      const piecewise = make()
      const push = () => {
        for (const byte of bytes) piecewise.push(Buffer.from([byte]))
      }
      expect(push).toThrow('larger than 32 bytes')
    },
  )
})

describe('the media type', () => {
  it('is known with its parameters, in any case', () => {
    expect(isFramedAs(SSE, 'Text/Event-Stream; charset=utf-8')).toBe(true)
    expect(isFramedAs(EVENT_STREAM, 'application/vnd.amazon.eventstream')).toBe(true)
    expect(isFramedAs(NDJSON, 'application/x-ndjson')).toBe(true)
    expect(isFramedAs(NDJSON, 'application/json')).toBe(false)
    expect(isFramedAs(SSE, '')).toBe(false)
  })
})
