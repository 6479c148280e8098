import type { Readable } from 'node:stream'
import type { ByteSink, ByteSource } from './byte-source.ts'

/** A Node stream as a source. One that closes before its end counts as cut, and so does one that holds no bytes. */
export function readableSource(readable: Readable): ByteSource {
  let sink: ByteSink | undefined
  let failure: Error | undefined
  let isOver = false

  function fail(cause: Error): void {
    if (isOver) return
    isOver = true
    failure = cause
    sink?.error(cause)
  }

  // From the start: an error without a listener would end the process.
  readable.on('error', fail)
  readable.on('close', () => fail(new Error('the stream closed before its end')))
  return {
    pipe(to) {
      // What broke before anybody read it is told now.
      if (failure ?? readable.errored) return to.error((failure ?? readable.errored)!)
      if (readable.closed) return to.error(new Error('the stream closed before it was read'))
      sink = to
      readable.on('data', (chunk: unknown) => {
        if (isOver) return
        const bytes = toBuffer(chunk)
        if (bytes === undefined) {
          fail(new TypeError(`a stream of ${typeof chunk}s cannot be sent, only text and bytes`))
          readable.destroy()
        } else if (!to.data(bytes)) readable.pause()
      })
      readable.on('end', () => {
        if (isOver) return
        isOver = true
        to.end()
      })
    },
    resume() {
      readable.resume()
    },
    abort(reason) {
      fail(reason)
      readable.destroy()
    },
  }
}

function toBuffer(chunk: unknown): Buffer | undefined {
  if (Buffer.isBuffer(chunk)) return chunk
  if (typeof chunk === 'string') return Buffer.from(chunk)
  if (!(chunk instanceof Uint8Array)) return undefined
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
}
