import { once } from 'node:events'
import pino from 'pino'
import type { Host } from '#core/sdk.ts'
import { countLosses, type Sink } from './sink.ts'

/** Lines wait for one another up to this many characters: one system call for some hundred of them. */
const BATCH = 65_536
/** At least so many batches fit into the buffer, and into a file that begins anew; a character is up to three bytes. */
const BATCHES = 8
const LINE_FEED = 0x0a

/** No line waits longer than this. Milliseconds. */
const FLUSH_MS = 500

/** A file, `stdout` or `stderr`, and when a file begins anew. */
export interface FileOptions {
  readonly file: string
  readonly size?: number
  readonly every?: 'hour' | 'day'
  readonly keep?: number
}

/** What pino's streams have in common, of one file or of one after another. */
interface FileStream {
  write(piece: Buffer): boolean
  end(): void
  destroy(): void
  on(event: 'error', listener: (cause: NodeJS.ErrnoException) => void): void
  on(event: 'write', listener: () => void): void
  on(event: 'drop', listener: (piece: Buffer) => void): void
}

/**
 * Opens a file to append to. Writing is asynchronous, so a slow disk delays no exchange; what waits is bounded, and
 * what does not fit is dropped, counted and told. Rejects where the file cannot be opened.
 */
export async function openFile(
  options: FileOptions,
  bufferBytes: number,
  host: Host,
): Promise<Sink> {
  const { file } = options
  const stream = await openStream(options, bufferBytes)
  const losses = countLosses(file, host)

  /** Nobody reads the pipe any more; pino writes no further. */
  let isGone = false
  let isFailing = false
  /** Lines that wait for more. */
  let waiting = ''
  const batch = Math.min(BATCH, Math.min(bufferBytes, options.size ?? Infinity) / BATCHES)
  stream.on('error', (cause) => {
    isGone ||= cause.code === 'EPIPE'
    // Once per failure: a full disk must not fill the other log with a line for each line.
    if (!isFailing) host.log.error('log not written', { destination: file, err: cause })
    isFailing = true
  })
  stream.on('write', () => {
    isFailing = false
  })
  stream.on('drop', (piece) => losses.drop(linesIn(piece)))
  host.every(FLUSH_MS, send)

  function send(): void {
    // As bytes: the stream would count those of all that waits anew with each piece of text.
    if (waiting !== '' && !isGone) stream.write(Buffer.from(waiting))
    waiting = ''
  }

  let closing: Promise<void> | undefined
  async function end(): Promise<void> {
    if (isGone) return
    try {
      const closed = once(stream as unknown as NodeJS.EventEmitter, 'close')
      send()
      stream.end()
      await closed
    } catch {
      // Told already, by the listener above.
      stream.destroy()
    }
  }

  return {
    write(line) {
      if (waiting.length + line.length > batch) send()
      waiting += line
    },
    close: () => (closing ??= end()),
  }
}

function linesIn(piece: Buffer): number {
  let lines = 0
  for (let at = piece.indexOf(LINE_FEED); at !== -1; at = piece.indexOf(LINE_FEED, at + 1)) lines++
  return lines
}

async function openStream(options: FileOptions, bufferBytes: number): Promise<FileStream> {
  const { file, size, every, keep } = options
  const common = {
    sync: false,
    minLength: 0,
    maxLength: bufferBytes,
    mkdir: true,
    contentMode: 'buffer',
  } as const
  try {
    let stream: FileStream
    if (size === undefined && every === undefined) {
      const dest = file === 'stdout' ? 1 : file === 'stderr' ? 2 : file
      stream = pino.destination({ ...common, dest }) as unknown as FileStream
    } else {
      const { default: roll } = await import('pino-roll')
      stream = await roll({
        ...common,
        file,
        ...(size !== undefined && { size: `${Math.ceil(size / 1024)}k` }),
        ...(every !== undefined && { frequency: every === 'day' ? 'daily' : 'hourly' }),
        ...(keep !== undefined && { limit: { count: keep } }),
      })
    }
    await once(stream as unknown as NodeJS.EventEmitter, 'ready')
    return stream
  } catch (cause) {
    throw new Error(`cannot open the log ${JSON.stringify(file)}`, { cause })
  }
}
