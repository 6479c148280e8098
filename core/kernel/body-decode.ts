import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib'
import { GatewayError } from '../errors.ts'

const DECODERS: Readonly<Record<string, (bytes: Buffer, options: object) => Promise<Buffer>>> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
  zstd: promisify(zstdDecompress),
}

/** No body may grow beyond this, whatever its limit as it travels. Bytes. */
const MAX_DECODED = 32 * 1024 ** 2
/** Nor beyond so many times its size; text rarely reaches thirty. */
const MAX_RATIO = 100
/** Small bodies may have any ratio: there is no harm in them. Bytes. */
const SMALL = 64 * 1024

/**
 * Takes one content coding (gzip, deflate, br, zstd) off a body that somebody must read. Rejects with
 * UNSUPPORTED_ENCODING for any other and for more than one, with BODY_TOO_LARGE where the body grows beyond
 * `limitBytes`, 32 MB or a hundred times its size, with BAD_REQUEST where it is broken.
 */
export async function decodeBody(
  bytes: Buffer,
  encoding: string | undefined,
  limitBytes: number,
): Promise<Buffer> {
  const coding = (encoding ?? 'identity').trim().toLowerCase()
  if (coding === 'identity' || bytes.length === 0) return bytes
  const decode = Object.hasOwn(DECODERS, coding) ? DECODERS[coding] : undefined
  if (decode === undefined) {
    throw new GatewayError(
      'UNSUPPORTED_ENCODING',
      `expected gzip, deflate, br or zstd in content-encoding, got ${JSON.stringify(encoding)}`,
      { headers: { 'accept-encoding': 'gzip, deflate, br, zstd' } },
    )
  }
  const limit = Math.min(limitBytes, MAX_DECODED, Math.max(SMALL, bytes.length * MAX_RATIO))
  try {
    return await decode(bytes, { maxOutputLength: limit })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new GatewayError('BODY_TOO_LARGE', `the body is larger than ${limit} bytes decoded`)
    }
    throw new GatewayError('BAD_REQUEST', `the body is not valid ${coding}`, { cause })
  }
}
