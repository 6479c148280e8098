import { PassThrough, Readable } from 'node:stream'
import { expect, test } from 'vitest'
import type { ByteSink } from '#core/kit/byte-source.ts'
import { readableSource } from '#core/kit/readable-source.ts'

/** Collects what comes, and says so when it is over. */
function collect(isReady: () => boolean = () => true) {
  const over = Promise.withResolvers<string>()
  const chunks: Buffer[] = []
  const ends: string[] = []
  const sink: ByteSink = {
    data(chunk) {
      chunks.push(chunk)
      return isReady()
    },
    end() {
      ends.push('end')
      over.resolve('end')
    },
    error(cause) {
      ends.push(cause.message)
      over.resolve(cause.message)
    },
  }
  return { sink, over: over.promise, ends, text: () => Buffer.concat(chunks).toString() }
}

test('text, bytes and typed arrays come as buffers', async () => {
  const { sink, over, text } = collect()
  readableSource(Readable.from(['grün', Buffer.from(' und '), new Uint8Array([97, 98])])).pipe(sink)
  expect(await over).toBe('end')
  expect(text()).toBe('grün und ab')
})

test('a stream of objects is cut rather than sent as nonsense', async () => {
  const { sink, over } = collect()
  const readable = Readable.from([{ a: 1 }])
  readableSource(readable).pipe(sink)
  expect(await over).toContain('a stream of objects cannot be sent')
  expect(readable.destroyed).toBe(true)
})

test('an error before, during and after the reading is told once', async () => {
  const before = new PassThrough()
  const source = readableSource(before)
  before.destroy(new Error('early'))
  await new Promise((resolve) => before.once('close', resolve))
  const early = collect()
  source.pipe(early.sink)
  expect(await early.over).toBe('early')

  const during = new PassThrough()
  const middle = collect()
  const aborted = readableSource(during)
  aborted.pipe(middle.sink)
  during.write('some')
  during.destroy(new Error('broke'))
  expect(await middle.over).toBe('broke')
  aborted.abort(new Error('late'))
  expect(middle.ends).toEqual(['broke'])
})

test('a stream that was over before anybody looked is cut', () => {
  const readable = new PassThrough()
  readable.destroy()
  return new Promise<void>((resolve) => {
    readable.once('close', () => {
      const { sink, ends } = collect()
      readableSource(readable).pipe(sink)
      expect(ends).toEqual(['the stream closed before it was read'])
      resolve()
    })
  })
})

test('one that closes before its end is cut, never ended', async () => {
  const readable = new PassThrough()
  const { sink, over } = collect()
  readableSource(readable).pipe(sink)
  readable.write('half')
  setImmediate(() => readable.destroy())
  expect(await over).toBe('the stream closed before its end')
})

test('a sink that is full makes the stream wait until it is told to go on', async () => {
  let isReady = false
  const { sink, over, text } = collect(() => isReady)
  const readable = new PassThrough()
  const source = readableSource(readable)
  source.pipe(sink)
  readable.write('a')
  readable.end('b')
  await expect.poll(() => readable.isPaused()).toBe(true)
  expect(text()).toBe('a')
  isReady = true
  source.resume()
  expect(await over).toBe('end')
  expect(text()).toBe('ab')
})

test('abort closes the stream, with and without a reader', async () => {
  const unread = new PassThrough()
  const lonely = readableSource(unread)
  lonely.abort(new Error('nobody wants it'))
  expect(unread.destroyed).toBe(true)
  const late = collect()
  lonely.pipe(late.sink)
  expect(late.ends).toEqual(['nobody wants it'])
  const read = new PassThrough()
  const { sink, ends } = collect()
  const source = readableSource(read)
  source.pipe(sink)
  source.abort(new Error('gone'))
  expect(read.destroyed).toBe(true)
  expect(ends).toEqual(['gone'])
})
