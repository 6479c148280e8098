import { GatewayError } from '../../errors.ts'
import { isObject, jsonOf } from '../../kit/json.ts'
import { Secret } from '../../kit/secret.ts'
import type { FetchAnswer } from '../../sdk.ts'
import { guardedFetch } from '../fetch.ts'
import type { Token } from './token-source.ts'

/** For a token that doesn't say how long it is good. */
const ASSUMED_SECONDS = 300
const TIMEOUT_MS = 10_000
const LIMIT_BYTES = 64 * 1024

/**
 * Asks a token endpoint (RFC 6749 §5). Its URL stands in the operator's config, so it may be a private one. Redirects are not
 * followed. Throws UPSTREAM_CREDENTIALS; neither the secret nor the server's own words are told.
 */
export async function askForToken(
  url: string,
  form: URLSearchParams,
  { headers = {}, now }: { readonly headers?: Record<string, string>; readonly now: () => number },
): Promise<Token> {
  const answer = await guardedFetch(
    url,
    {
      method: 'POST',
      headers: {
        ...headers,
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: form.toString(),
      timeoutMs: TIMEOUT_MS,
      limitBytes: LIMIT_BYTES,
    },
    { isTrusted: () => true },
  )
  return tokenOf(answer, now())
}

function tokenOf({ body, status }: FetchAnswer, now: number): Token {
  const json = jsonOf(body)
  const fields = isObject(json) ? json : {}
  const { access_token: value, expires_in: seconds, token_type: type } = fields
  if (status !== 200 || typeof value !== 'string') throw refusal(status, fields['error'])
  if (typeof type === 'string' && type.toLowerCase() !== 'bearer') {
    throw new GatewayError('UPSTREAM_CREDENTIALS', 'the token endpoint gave no bearer token')
  }
  // Some servers write the number as text.
  const life = Number(seconds)
  const lifeMs = (Number.isFinite(life) && life > 0 ? life : ASSUMED_SECONDS) * 1_000
  if (!/^[\x21-\x7e]+$/.test(value)) throw refusal(status, undefined)
  return { value: new Secret(value), expiresAt: now + lifeMs }
}

/** Only an error code of the known form is shown: what a server says beside it may repeat the secret. */
function refusal(status: number, error: unknown): GatewayError {
  const code = typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? ` (${error})` : ''
  const said = status === 200 ? 'gave no token' : `answered ${status}${code}`
  return new GatewayError('UPSTREAM_CREDENTIALS', `the token endpoint ${said}`)
}
