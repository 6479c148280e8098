import { promisify } from 'node:util'
import { brotliDecompress, gunzip, zstdDecompress, type InputType } from 'node:zlib'
import { GatewayError } from '../errors.ts'

/** No answer grows larger than this by decoding. */
const MAX_DECODED_BYTES = 32 * 1024 ** 2
/** How often its own size an answer may become; more is a bomb. */
const MAX_RATIO = 100
/** Small texts of one repeated word may well pass the ratio. */
const ALWAYS_ALLOWED_BYTES = 65_536

type Decoder = (body: InputType, options: { maxOutputLength: number }) => Promise<Buffer>

const DECODERS: Record<string, Decoder | undefined> = {
  gzip: promisify(gunzip) as Decoder,
  'x-gzip': promisify(gunzip) as Decoder,
  br: promisify(brotliDecompress) as Decoder,
  zstd: promisify(zstdDecompress) as Decoder,
}

/**
 * Undoes one content coding (RFC 9110 §8.4.1). Throws ANSWER_TOO_LARGE past `limitBytes`, 32 MiB or a hundred times
 * the body's size, and UPSTREAM_PROTOCOL for another coding, more than one, or a broken body.
 */
export async function decode(encoding: string, body: Buffer, limitBytes: number): Promise<Buffer> {
  const name = encoding.trim().toLowerCase()
  if (name === 'identity') return body
  const decoder = DECODERS[name]
  if (decoder === undefined) {
    const found = JSON.stringify(encoding)
    throw new GatewayError(
      'UPSTREAM_PROTOCOL',
      `the answer is encoded as ${found}, expected gzip, br or zstd`,
    )
  }
  const ratioBytes = Math.max(body.length * MAX_RATIO, ALWAYS_ALLOWED_BYTES)
  const maxOutputLength = Math.max(1, Math.min(limitBytes, MAX_DECODED_BYTES, ratioBytes))
  try {
    return await decoder(body, { maxOutputLength })
  } catch (cause) {
    if (cause instanceof RangeError) {
      const detail = `the decoded answer is longer than ${maxOutputLength} bytes`
      throw new GatewayError('ANSWER_TOO_LARGE', detail, { cause })
    }
    throw new GatewayError('UPSTREAM_PROTOCOL', `the answer is not valid ${name}`, { cause })
  }
}
