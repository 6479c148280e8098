import * as fc from 'fast-check'
import { createParser } from 'eventsource-parser'
import { describe, expect, it } from 'vitest'
import { FrameTooLargeError } from '#core/kit/held-bytes.ts'
import { formatEvent, type Frame, SseParser } from '#core/kit/sse.ts'

interface Cut {
  readonly frames: readonly Frame[]
  readonly rest: Buffer
}

function cut(chunks: readonly Buffer[], limitBytes?: number): Cut {
  const frames: Frame[] = []
  const parser = new SseParser((frame) => frames.push(frame), limitBytes)
  for (const chunk of chunks) parser.push(chunk)
  const rest = parser.end()
  return { frames, rest }
}

function split(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b)
  const chunks: Buffer[] = []
  let start = 0
  for (const end of [...ends, bytes.length]) {
    chunks.push(Buffer.from(bytes.subarray(start, end)))
    start = end
  }
  return chunks
}

const joined = ({ frames, rest }: Cut) => Buffer.concat([...frames.map(({ raw }) => raw), rest])
const events = ({ frames }: Cut) =>
  frames.filter(({ isComment }) => !isComment).map(({ event, data }) => ({ event, data }))
const raws = ({ frames }: Cut) => frames.map(({ raw }) => raw.toString('latin1'))

describe('SseParser', () => {
  it('reads name and data, and keeps the bytes with the blank line', () => {
    const { frames } = cut([Buffer.from('event: ping\nid: 7\ndata: {"a":1}\n\ndata:two\n\n')])
    expect(frames.map(({ event, data }) => [event, data])).toEqual([
      ['ping', '{"a":1}'],
      ['message', 'two'],
    ])
    expect(frames[0]!.raw.toString()).toBe('event: ping\nid: 7\ndata: {"a":1}\n\n')
  })

  it.each([
    ['LF', 'data: a\ndata: b\n\n'],
    ['CR', 'data: a\rdata: b\r\r'],
    ['CRLF', 'data: a\r\ndata: b\r\n\r\n'],
    ['a mixture', 'data: a\r\ndata: b\n\r'],
  ])('joins data lines that end in %s', (_name, text) => {
    expect(events(cut([Buffer.from(text)]))).toEqual([{ event: 'message', data: 'a\nb' }])
  })

  it('takes a field without a colon, and only one space off a value', () => {
    expect(events(cut([Buffer.from('data\ndata:  x\n\n')]))).toEqual([
      { event: 'message', data: '\n x' },
    ])
  })

  it('does not let a value begin after the end of its line', () => {
    expect(events(cut([Buffer.from('data:\n\nevent:\ndata: x\n\n')]))).toEqual([
      { event: 'message', data: '' },
      { event: 'message', data: 'x' },
    ])
  })

  it('skips a byte order mark, also when it is split', () => {
    const bytes = Buffer.from('\ufeffdata: x\n\n')
    expect(events(cut(split(bytes, [1, 2])))).toEqual([{ event: 'message', data: 'x' }])
  })

  it('takes a later byte order mark for a part of a name that nobody knows', () => {
    const bytes = Buffer.from('data: x\n\n\ufeffdata: y\n\n')
    expect(events(cut([bytes]))).toEqual([{ event: 'message', data: 'x' }])
  })

  it.each([': OPENROUTER PROCESSING\n\n', '\n', 'retry: 10\n\n', 'event: lonely\n\n'])(
    'counts %j as a comment: nothing to be told of',
    (text) => {
      expect(cut([Buffer.from(text)]).frames.map(({ isComment }) => isComment)).toEqual([true])
    },
  )

  it('gives back a frame that the stream did not complete', () => {
    const { frames, rest } = cut([Buffer.from('data: a\n\ndata: b\n')])
    expect(frames).toHaveLength(1)
    expect(rest.toString()).toBe('data: b\n')
  })

  it('keeps CRLF together where a chunk ends between the two', () => {
    const chunks = [Buffer.from('data: a\r\n\r'), Buffer.from('\ndata: b\r\n\r\n')]
    expect(raws(cut(chunks))).toEqual(['data: a\r\n\r\n', 'data: b\r\n\r\n'])
  })

  it('refuses a frame that outgrows the limit, in one chunk or in many', () => {
    const large = Buffer.from(`data: ${'x'.repeat(100)}\n\n`)
    expect(() => cut([large], 64)).toThrow(FrameTooLargeError)
    expect(() => cut(split(large, [10, 20, 50]), 64)).toThrow('larger than 64 bytes')
    expect(cut([large], large.length).frames).toHaveLength(1)
  })

  it('stays linear in a chunk of a million line ends', () => {
    const bytes = Buffer.from('\n'.repeat(1_000_000) + '\r')
    const began = performance.now()
    expect(cut([bytes]).frames).toHaveLength(1_000_001)
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  it('finds the same frames in the same bytes, split at every place', () => {
    const bytes = Buffer.from(
      ': hi\n\nevent: a\ndata: {"text":"grüße 🎉"}\n\ndata: 1\r\ndata: 2\r\n\r\nid: 1\rdata: x\r\rdata: [DONE]\n\n',
    )
    const whole = cut([bytes])
    for (let at = 0; at <= bytes.length; at++) {
      const parts = cut(split(bytes, [at]))
      expect(raws(parts)).toEqual(raws(whole))
      expect(events(parts)).toEqual(events(whole))
    }
    expect(
      raws(
        cut(
          split(
            bytes,
            Array.from(bytes, (_, at) => at),
          ),
        ),
      ),
    ).toEqual(raws(whole))
  })

  it('agrees with eventsource-parser, wherever the chunks end', () => {
    const piece = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom('\n', '\r', '\r\n', '\n\n', ':', ' ') },
      { weight: 4, arbitrary: fc.constantFrom('data', 'data: ', 'event: ', 'id: 1', 'retry: 3') },
      { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 5 }) },
    )
    const stream = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''))
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 8 }), (text, places) => {
        const bytes = Buffer.from(text)
        const parts = cut(split(bytes, places))
        expect(joined(parts).equals(bytes)).toBe(true)
        expect(raws(parts)).toEqual(raws(cut([bytes])))
        expect(events(parts)).toEqual(oracle(bytes.toString()))
      }),
      { numRuns: 2_000 },
    )
  })
})

function oracle(text: string): { event: string; data: string }[] {
  const found: { event: string; data: string }[] = []
  const parser = createParser({
    onEvent: ({ event, data }) => {
      found.push({ event: event === undefined || event === '' ? 'message' : event, data })
    },
  })
  parser.feed(text)
  return found
}

describe('formatEvent', () => {
  it('writes what the parser reads', () => {
    fc.assert(
      fc.property(fc.option(fc.stringMatching(/^[a-z_.]+$/)), fc.string(), (event, data) => {
        const text = formatEvent(event ?? undefined, data)
        expect(events(cut([Buffer.from(text)]))).toEqual([
          { event: event ?? 'message', data: data.replaceAll(/\r\n|\r/g, '\n') },
        ])
      }),
    )
  })

  it('lets no line end out of a name', () => {
    expect(formatEvent('a\ndata: b', 'c')).toBe('event: a data: b\ndata: c\n\n')
  })
})
