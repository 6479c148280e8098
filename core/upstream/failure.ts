import { undici } from './undici.ts'
import { GatewayError } from '../errors.ts'

/** How far an attempt had come when it failed. */
export type Phase = 'connect' | 'head' | 'body'

/** Turns what undici, a socket or DNS says into the gateway's own words; the original stays as the cause. */
export function describeFailure(cause: unknown, phase: Phase): GatewayError {
  if (cause instanceof GatewayError) return cause
  const { errors } = undici()
  if (cause instanceof errors.RequestContentLengthMismatchError) {
    return new GatewayError('BAD_REQUEST', 'the body is not as long as content-length says', {
      cause,
    })
  }
  if (cause instanceof errors.InvalidArgumentError) {
    // undici's last look at a request before it is written: a path or a field with bytes that would break it.
    return new GatewayError('BAD_REQUEST', `the request cannot be passed on: ${cause.message}`, {
      cause,
    })
  }
  if (cause instanceof errors.HeadersOverflowError) {
    return new GatewayError('UPSTREAM_PROTOCOL', 'the header fields of the answer are too large', {
      cause,
    })
  }
  if (phase === 'body') {
    return new GatewayError('UPSTREAM_CUT', `the answer was cut: ${reasonOf(cause)}`, { cause })
  }
  if (isProtocolFault(cause)) {
    return new GatewayError('UPSTREAM_PROTOCOL', 'the answer is not valid HTTP', { cause })
  }
  const what = phase === 'connect' ? 'connecting failed' : 'the connection broke before the answer'
  return new GatewayError('UPSTREAM_UNREACHABLE', `${what}: ${reasonOf(cause)}`, { cause })
}

/** A phrase that may be shown: neither addresses nor inner words. */
function reasonOf(cause: unknown): string {
  const code = codeOf(cause)
  const known = REASONS[code]
  if (known !== undefined) return known
  if (/CERT|SSL|TLS|SIGNATURE|ISSUER/.test(code)) return 'TLS failed'
  return 'connection lost'
}

const REASONS: Record<string, string | undefined> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name lookup failed',
  ETIMEDOUT: 'connection timed out',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'no route to network',
  EPROTO: 'TLS failed',
  UND_ERR_SOCKET: 'connection closed',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'it is not as long as it said',
  HPE_INVALID_CHUNK_SIZE: 'a chunk is malformed',
}

/** The code of an error; of the first that has one where several addresses were tried. */
function codeOf(cause: unknown): string {
  if (cause instanceof AggregateError) {
    for (const inner of cause.errors) {
      const code = codeOf(inner)
      if (code !== '') return code
    }
  }
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code
  return ''
}

function isProtocolFault(cause: unknown): boolean {
  const { errors } = undici()
  return (
    cause instanceof errors.HTTPParserError ||
    cause instanceof errors.ResponseContentLengthMismatchError ||
    (cause instanceof errors.SocketError && /^bad (response|upgrade)/.test(cause.message))
  )
}
