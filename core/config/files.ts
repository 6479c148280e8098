import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'

/** A file that cannot be used, in words that follow its name. */
export class FileError extends Error {
  override readonly name = 'FileError'
  readonly code: string | undefined

  constructor(message: string, code?: string) {
    super(message)
    this.code = code
  }
}

/** What a file holds, as UTF-8, and whether anybody on the machine may change it. */
export interface TextFile {
  readonly text: string
  readonly isWorldWritable: boolean
}

/** Reads a regular UTF-8 file of at most `limit` bytes; throws a FileError for all others. Never waits on a pipe. */
export async function readTextFile(path: string, limit: number): Promise<TextFile> {
  let handle: FileHandle | undefined
  try {
    // Non-blocking: opening a pipe that nobody writes to would otherwise never return.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stats = await handle.stat()
    if (stats.isDirectory()) throw new FileError('it is a folder', 'EISDIR')
    if (!stats.isFile()) throw new FileError('it is not a regular file')
    if (stats.size > limit) throw tooLarge(stats.size, limit)
    const bytes = await readUpTo(handle, limit + 1)
    if (bytes.length > limit) throw tooLarge(bytes.length, limit)
    const isWorldWritable = process.platform !== 'win32' && (stats.mode & 0o002) !== 0
    return { text: decode(bytes), isWorldWritable }
  } catch (error) {
    throw error instanceof FileError ? error : fromSystem(error as NodeJS.ErrnoException)
  } finally {
    await handle?.close()
  }
}

/** The size that `stat` tells may be 0 (procfs) or out of date: only what was read counts. */
async function readUpTo(handle: FileHandle, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  while (length < limit) {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(Math.min(65_536, limit - length)))
    if (bytesRead === 0) break
    chunks.push(buffer.subarray(0, bytesRead))
    length += bytesRead
  }
  return Buffer.concat(chunks, length)
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new FileError('it is not UTF-8 text')
  }
}

function tooLarge(size: number, limit: number): FileError {
  const [found, accepted] = [size, limit].map((bytes) => bytes.toLocaleString('en'))
  return new FileError(`it has ${found} bytes, and at most ${accepted} are accepted`)
}

const REASONS: Record<string, string> = {
  ENOENT: 'there is no such file (ENOENT)',
  ENOTDIR: 'a part of its path is not a folder (ENOTDIR)',
  EACCES: 'this user may not read it (EACCES)',
  EPERM: 'this user may not read it (EPERM)',
  ELOOP: 'its symbolic links go in a circle (ELOOP)',
  ERR_INVALID_ARG_VALUE: 'that is not a file name',
}

function fromSystem({ code, message }: NodeJS.ErrnoException): FileError {
  return new FileError(REASONS[code ?? ''] ?? code ?? message, code)
}
