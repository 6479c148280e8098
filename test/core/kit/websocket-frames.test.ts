import * as fc from 'fast-check'
import { createRequire } from 'node:module'
import type { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { CLOSE, closeFrame, FrameScanner, pingFrame } from '#core/kit/websocket-frames.ts'

const { Receiver } = createRequire(import.meta.url)('ws') as {
  Receiver: new (options: object) => Writable
}

/** One frame, with every field as told, right or wrong. */
interface Frame {
  readonly isFinal: boolean
  readonly reserved: number
  readonly opcode: number
  readonly isMasked: boolean
  /** How the length is written: as short as it can be, or longer. */
  readonly form: 'short' | '16' | '64'
  readonly size: number
}

const frame = (change: Partial<Frame> = {}): Frame => ({
  isFinal: true,
  reserved: 0,
  opcode: 1,
  isMasked: true,
  form: 'short',
  size: 3,
  ...change,
})

function encode({ isFinal, reserved, opcode, isMasked, form, size }: Frame): Buffer {
  const first = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode
  const mask = isMasked ? 0x80 : 0
  let head: number[]
  if (form === '64' || size > 65_535) {
    const length = Buffer.alloc(8)
    length.writeBigUInt64BE(BigInt(size))
    head = [first, mask | 127, ...length]
  } else if (form === '16' || size > 125) head = [first, mask | 126, size >> 8, size & 255]
  else head = [first, mask | size]
  const payload = Buffer.alloc(size, 'a')
  // A close frame needs a code that is allowed: 1000.
  if (opcode === 8 && size >= 2) payload.writeUInt16BE(1000)
  if (!isMasked) return Buffer.concat([Buffer.from(head), payload])
  const key = [1, 2, 3, 4]
  const masked = payload.map((byte, index) => byte ^ key[index % 4]!)
  return Buffer.concat([Buffer.from(head), Buffer.from(key), masked])
}

const limits = { maxPayloadBytes: 300, maxFragments: 4, isMasked: true }

const scan = (...frames: Frame[]) => {
  const scanner = new FrameScanner(limits)
  return { scanner, violation: scanner.scan(Buffer.concat(frames.map(encode))) }
}

test('messages are counted, control frames between their fragments are not', () => {
  const { scanner, violation } = scan(
    frame(),
    frame({ isFinal: false, opcode: 2 }),
    frame({ opcode: 9, size: 0 }),
    frame({ opcode: 0 }),
  )
  expect(violation).toBeUndefined()
  expect(scanner.messages).toBe(2)
  expect(scanner.isBetweenFrames).toBe(true)
  expect(scanner.sawClose).toBe(false)
})

test('a close frame is seen', () => {
  expect(scan(frame({ opcode: 8, size: 2 })).scanner.sawClose).toBe(true)
})

test.each([
  ['a reserved bit', [frame({ reserved: 4 })], CLOSE.protocolError],
  ['no mask', [frame({ isMasked: false })], CLOSE.protocolError],
  ['an unknown opcode', [frame({ opcode: 5 })], CLOSE.protocolError],
  ['an unknown control opcode', [frame({ opcode: 11 })], CLOSE.protocolError],
  ['a fragmented ping', [frame({ opcode: 9, isFinal: false })], CLOSE.protocolError],
  ['a ping of 126 bytes', [frame({ opcode: 9, size: 126 })], CLOSE.protocolError],
  ['a ping whose length is written long', [frame({ opcode: 9, form: '16' })], CLOSE.protocolError],
  ['a continuation of nothing', [frame({ opcode: 0 })], CLOSE.protocolError],
  ['a message within a message', [frame({ isFinal: false }), frame()], CLOSE.protocolError],
  ['a message that is too large', [frame({ size: 301 })], CLOSE.tooBig],
  [
    'fragments that are too large together',
    [frame({ isFinal: false, size: 200 }), frame({ opcode: 0, size: 101 })],
    CLOSE.tooBig,
  ],
  [
    'too many fragments',
    [
      frame({ isFinal: false }),
      ...Array.from({ length: 4 }, () => frame({ isFinal: false, opcode: 0 })),
    ],
    CLOSE.policy,
  ],
])('%s is a violation', (_, frames, code) => {
  expect(scan(...frames).violation?.code).toBe(code)
})

test('a length beyond all numbers is too big', () => {
  const scanner = new FrameScanner(limits)
  const bytes = Buffer.from([0x82, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4])
  expect(scanner.scan(bytes)?.code).toBe(CLOSE.tooBig)
})

describe('after a violation a frame may be put in', () => {
  const bad = encode(frame({ reserved: 1, size: 0 }))

  test('where the receiver has had whole frames only', () => {
    const scanner = new FrameScanner(limits)
    scanner.scan(encode(frame()))
    expect(scanner.scan(bad)).toBeDefined()
    expect(scanner.isBetweenFrames).toBe(true)
  })

  test('and not where the receiver waits for the rest of one', () => {
    const good = encode(frame())
    const scanner = new FrameScanner(limits)
    expect(scanner.scan(good.subarray(0, -1))).toBeUndefined()
    expect(scanner.scan(Buffer.concat([good.subarray(-1), bad]))).toBeDefined()
    expect(scanner.isBetweenFrames).toBe(false)
    const split = new FrameScanner(limits)
    split.scan(bad.subarray(0, 1))
    expect(split.scan(bad.subarray(1))).toBeDefined()
    expect(split.isBetweenFrames).toBe(false)
  })
})

/** What ws makes of the same bytes. */
async function receive(pieces: readonly Buffer[]) {
  const seen = { messages: 0, sawClose: false, code: undefined as string | undefined }
  const receiver = new Receiver({
    isServer: true,
    allowSynchronousEvents: true,
    maxPayload: limits.maxPayloadBytes,
    maxFragments: limits.maxFragments,
    maxBufferedChunks: 10_000,
    skipUTF8Validation: true,
  })
  receiver.on('message', () => seen.messages++)
  receiver.on('conclude', () => (seen.sawClose = true))
  receiver.on('error', (error: Error & { code: string }) => (seen.code ??= error.code))
  for (const piece of pieces) {
    if (seen.code !== undefined || seen.sawClose) break
    receiver.write(piece)
    // Its errors come a turn later.
    await new Promise((resolve) => setImmediate(resolve))
  }
  return seen
}

/** The code as ws names it. */
const NAMES: Record<string, number> = {
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: CLOSE.tooBig,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: CLOSE.tooBig,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: CLOSE.policy,
}

const anyFrame: fc.Arbitrary<Frame> = fc.record({
  isFinal: fc.boolean(),
  reserved: fc.oneof({ weight: 30, arbitrary: fc.constant(0) }, fc.nat(7)),
  opcode: fc.oneof(
    { weight: 10, arbitrary: fc.constantFrom(0, 1, 2, 9, 10) },
    { weight: 1, arbitrary: fc.nat(15) },
  ),
  isMasked: fc.oneof({ weight: 30, arbitrary: fc.constant(true) }, fc.constant(false)),
  form: fc.constantFrom('short', 'short', 'short', '16', '64'),
  // A close of one byte is for the receiver to refuse: the scanner does not look into payloads.
  size: fc.oneof(fc.constantFrom(0, 2, 125), fc.integer({ min: 2, max: 200 })),
})

/** Mostly whole messages, so that long sequences are valid too. */
const anyFrames = fc.oneof(
  fc.array(anyFrame, { maxLength: 6 }),
  fc
    .array(
      fc.constantFrom(
        [frame({ size: 0 })],
        [frame({ opcode: 2, size: 126 })],
        [frame({ isFinal: false }), frame({ opcode: 9 }), frame({ opcode: 0, size: 130 })],
        [frame({ opcode: 10, size: 125 })],
      ),
      { maxLength: 8 },
    )
    .map((groups) => groups.flat()),
)

const splitAt = (bytes: Buffer, cuts: readonly number[]) => {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length]
  at.sort((a, b) => a - b)
  return at.slice(1).map((to, index) => bytes.subarray(at[index], to))
}

test('the scanner agrees with ws on any frames, wherever they are split', async () => {
  await fc.assert(
    fc.asyncProperty(anyFrames, fc.array(fc.nat(), { maxLength: 8 }), async (frames, cuts) => {
      const pieces = splitAt(Buffer.concat(frames.map(encode)), cuts)
      const theirs = await receive(pieces)
      const scanner = new FrameScanner(limits)
      let code: number | undefined
      for (const piece of pieces) {
        code ??= scanner.scan(piece)?.code
        if (code !== undefined || scanner.sawClose) break
      }
      // Behind a close frame ws reads no further.
      expect(scanner.sawClose).toBe(theirs.sawClose)
      if (theirs.sawClose) return
      const expected =
        theirs.code === undefined ? undefined : (NAMES[theirs.code] ?? CLOSE.protocolError)
      expect(code).toBe(expected)
      expect(scanner.messages).toBe(theirs.messages)
    }),
    { numRuns: 1_500, interruptAfterTimeLimit: 8_000 },
  )
}, 20_000)

test('frames of our own are read by ws as they were meant', () => {
  const seen: unknown[] = []
  const receiver = new Receiver({ isServer: true, maxPayload: 0, allowSynchronousEvents: true })
  receiver.on('ping', (data: Buffer) => seen.push(['ping', data.length]))
  receiver.on('conclude', (code: number, reason: Buffer) => seen.push([code, reason.toString()]))
  receiver.write(pingFrame(true))
  receiver.write(closeFrame(1012, 'restart', true))
  expect(seen).toEqual([
    ['ping', 0],
    [1012, 'restart'],
  ])
})

test('a reason that is too long is cut between characters', () => {
  const frameBytes = closeFrame(1011, 'ü'.repeat(100), false)
  expect(frameBytes.length).toBeLessThanOrEqual(127)
  const reason = frameBytes.subarray(4)
  expect(reason.toString()).toBe('ü'.repeat(61))
})
