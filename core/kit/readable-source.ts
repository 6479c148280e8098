import type { Readable } from 'node:stream'
import type { ByteSink, ByteSource } from './byte-source.ts'

/** A Node stream as a source. One that closes before its end counts as cut. */
export function readableSource(readable: Readable): ByteSource {
  let sink: ByteSink | undefined
  let isOver = false

  function fail(cause: Error): void {
    if (isOver) return
    isOver = true
    sink?.error(cause)
  }

  // From the start: an error without a listener would end the process.
  readable.on('error', fail)
  readable.on('close', () => fail(new Error('the stream closed before its end')))
  return {
    pipe(to) {
      sink = to
      if (readable.errored) return fail(readable.errored)
      readable.on('data', (chunk: Buffer | string) => {
        if (!to.data(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)) readable.pause()
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
