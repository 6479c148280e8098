import type { ByteSink, ByteSource } from '../kit/byte-source.ts'
import { maskSecrets } from '../kit/secret.ts'

/** An error is read as a whole up to this size, so that a secret cannot hide between two pieces. Bytes. */
const MAX_HELD = 64 * 1024

/**
 * The body of an upstream's error answer without the secrets of this gateway: providers repeat the key that they
 * refuse, and it is not for our clients to read.
 */
export function maskedBody(body: Buffer | ByteSource): Buffer | ByteSource {
  return Buffer.isBuffer(body) ? maskedBytes(body) : maskedSource(body)
}

function maskedBytes(bytes: Buffer): Buffer {
  // As Latin-1, so that bytes that are no text stay what they are; a secret is ASCII or it is not found here.
  const text = bytes.toString('latin1')
  const masked = maskSecrets(text)
  return masked === text ? bytes : Buffer.from(maskSecrets(bytes.toString()))
}

function maskedSource(source: ByteSource): ByteSource {
  let held: Buffer[] | undefined = []
  let size = 0
  function take(): Buffer {
    const whole = maskedBytes(Buffer.concat(held ?? []))
    held = undefined
    return whole
  }
  return {
    pipe(sink: ByteSink) {
      source.pipe({
        data(chunk) {
          if (held === undefined) return sink.data(maskedBytes(chunk))
          held.push(chunk)
          size += chunk.length
          return size <= MAX_HELD || sink.data(take())
        },
        end() {
          if (size > 0 && held !== undefined) sink.data(take())
          sink.end()
        },
        error: (cause) => sink.error(cause),
      })
    },
    resume: () => source.resume(),
    abort: (reason) => source.abort(reason),
  }
}
