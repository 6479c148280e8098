import { once } from 'node:events'
import pino from 'pino'
import type { Host } from '#core/sdk.ts'

/** Where lines go, and how to end it. */
export interface Destination {
  readonly stream: pino.DestinationStream
  /** Writes what still waits, and closes. */
  close(): Promise<void>
}

/** Lines wait for one another up to this many bytes: one system call for a dozen of them. */
const BATCH_BYTES = 4096

/** No line waits longer than this. */
const FLUSH_MS = 500

/**
 * Opens `stdout`, `stderr` or a file, to append to. Writing is asynchronous, so a slow disk delays no exchange; what
 * waits is bounded, and what does not fit is dropped, counted and told. Rejects where the file cannot be opened.
 */
export async function openDestination(
  name: string,
  bufferBytes: number,
  host: Host,
): Promise<Destination> {
  const stream = pino.destination({
    dest: name === 'stdout' ? 1 : name === 'stderr' ? 2 : name,
    sync: false,
    minLength: BATCH_BYTES,
    maxLength: Math.max(bufferBytes, BATCH_BYTES),
    mkdir: true,
    contentMode: 'buffer',
  })
  const sink = stream as unknown as { write(piece: Buffer): boolean }
  try {
    await once(stream, 'ready')
  } catch (cause) {
    throw new Error(`cannot open the log ${JSON.stringify(name)}`, { cause })
  }

  /** Nobody reads the pipe any more; pino writes no further. */
  let isGone = false
  let isFailing = false
  let isDirty = false
  let dropped = 0
  const count = host.metrics.counter('log_lines_dropped_total', 'Log lines that found no room.')
  stream.on('error', (cause: NodeJS.ErrnoException) => {
    isGone ||= cause.code === 'EPIPE'
    // Once per failure: a full disk must not fill the other log with a line for each line.
    if (!isFailing) host.log.error('log not written', { destination: name, err: cause })
    isFailing = true
  })
  stream.on('write', () => {
    isFailing = false
  })
  stream.on('drop', () => {
    dropped++
    count.add(1)
  })
  host.every(FLUSH_MS, () => {
    if (isDirty && !isGone) stream.flush()
    isDirty = false
    if (dropped === 0) return
    host.log.warn('log lines dropped', { destination: name, lines: dropped })
    dropped = 0
  })

  let closing: Promise<void> | undefined
  async function end(): Promise<void> {
    if (isGone) return
    try {
      const closed = once(stream, 'close')
      stream.end()
      await closed
    } catch {
      // Told already, by the listener above.
      stream.destroy()
    }
  }

  return {
    stream: {
      write(line) {
        isDirty = true
        // As bytes: the stream would count those of all that waits anew with each line of text.
        sink.write(Buffer.from(line))
      },
    },
    close: () => (closing ??= end()),
  }
}
