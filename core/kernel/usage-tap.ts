import { usageOfAnswer } from '../dialects/usage.ts'
import type { ByteSink } from '../kit/byte-source.ts'
import type { LiveExchange } from './exchange.ts'

/** A JSON answer that is passed on as it comes is remembered up to this size, to count its tokens. Bytes. */
const MAX_KEPT = 4 * 1024 * 1024

/** Keeps a copy of a JSON answer that did not say its length, and tells the exchange its usage once it has ended. */
export function tapUsage(exchange: LiveExchange, to: ByteSink): ByteSink {
  let kept: Buffer[] = []
  let size = 0
  return {
    data(chunk) {
      size += chunk.length
      if (size <= MAX_KEPT) kept.push(chunk)
      else kept = []
      return to.data(chunk)
    },
    end() {
      // Read only if somebody asks for it.
      exchange.streamUsage = () => {
        const usage =
          size > MAX_KEPT ? undefined : usageOfAnswer(exchange.dialect, Buffer.concat(kept, size))
        kept = []
        exchange.streamUsage = () => usage
        return usage
      }
      to.end()
    },
    error: (cause) => to.error(cause),
  }
}
