import fc from 'fast-check'
import { expect, it } from 'vitest'
import { encodeFrame, type Frame, FrameReader, FrameWriter } from '#core/sandbox/frames.ts'

it('are the same again, wherever the pieces are cut', () => {
  const number = fc.integer({ min: 0, max: 0xffffffff })
  const frames = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 255 }), number, number, fc.string({ unit: 'binary' })),
  )
  fc.assert(
    fc.property(frames, fc.integer({ min: 1, max: 40 }), (sent, size) => {
      const bytes = Buffer.concat(sent.map((frame) => encodeFrame(...frame)))
      const read: Frame[] = []
      const reader = new FrameReader((frame) => read.push(frame))
      for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size))
      // A lone surrogate is no character, and UTF-8 has none.
      const texts = sent.map(([kind, id, subject, text]) => ({
        kind,
        id,
        subject,
        text: text.toWellFormed(),
      }))
      expect(read).toEqual(texts)
    }),
    { numRuns: 50 },
  )
})

it('of one turn are written as one piece', async () => {
  const written: Buffer[] = []
  const writer = new FrameWriter((bytes) => written.push(bytes))
  for (const id of [1, 2, 3]) writer.send(2, id, 7, 'x')
  expect(written).toEqual([])
  await new Promise(setImmediate)
  expect(written).toHaveLength(1)
  const ids: number[] = []
  new FrameReader(({ id }) => ids.push(id)).push(written[0]!)
  expect(ids).toEqual([1, 2, 3])
})
