import { GatewayError, type RequestPatch } from '#core/sdk.ts'

/** What clients are answered who are not let in. Constant: why a credential is wrong is nobody's business. */
export interface Refusals {
  readonly missing: RequestPatch
  readonly wrong: RequestPatch
  readonly ambiguous: RequestPatch
}

/** Makes the answers, with the challenges (RFC 9110 §11.6.1) of the methods in use. */
export function refusalsFor(methods: readonly string[], realm: string): Refusals {
  const schemes = methods.map((method) => (method === 'basic' ? 'Basic' : 'Bearer'))
  // RFC 7617 §2.1: the charset is told, since browsers would guess another one.
  const rest = { Bearer: '', Basic: ', charset="UTF-8"' } as const
  const challenge = (error: string) =>
    [...new Set(schemes)]
      .map((scheme) => {
        // RFC 6750 §3: without a credential there is no error to tell.
        const detail = scheme === 'Bearer' ? error : ''
        return `${scheme} realm="${realm}"${rest[scheme as keyof typeof rest]}${detail}`
      })
      .join(', ')
  const refuse = (message: string, error = ''): RequestPatch => ({
    deny: {
      code: 'UNAUTHENTICATED',
      message,
      headers: { 'www-authenticate': challenge(error) },
    },
  })
  return {
    missing: refuse('no credential was presented'),
    wrong: refuse('the credential is not valid', ', error="invalid_token"'),
    ambiguous: refuse(
      'two different credentials were presented; send one',
      ', error="invalid_request"',
    ),
  }
}

/** Answer to an address that has presented too many wrong credentials. */
export function blocked(waitMs: number): RequestPatch {
  const seconds = String(Math.ceil(waitMs / 1_000))
  return {
    deny: {
      code: 'RATE_LIMITED',
      message: `too many wrong credentials from this address; try again in ${seconds}s`,
      headers: { 'retry-after': seconds },
    },
  }
}

/** Answer where nobody can tell at the moment whether a credential is valid: closed, and worth another try. */
export function unavailable(cause?: unknown): GatewayError {
  return new GatewayError(
    'AUTH_UNAVAILABLE',
    'the credential cannot be checked at the moment; try again',
    { cause, headers: { 'retry-after': '1' } },
  )
}
