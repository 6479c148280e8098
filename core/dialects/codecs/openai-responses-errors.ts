import { isObject, type Json } from '../../kit/json.ts'
import { errorClass } from '../errors.ts'
import { kindOfError, type HubError } from '../hub/answer.ts'
import type { EncodedError } from '../hub/codec.ts'
import { compact, objectOf, stringOf } from '../hub/fields.ts'

/** `Please try again in 1.5s`, as the words of a rate limit end. */
const TRY_AGAIN = /try again in (\d+(?:\.\d+)?)(ms|s|m)\b/
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 }

/** What the error codes inside streams would have had as a status. */
const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  rate_limit_exceeded: 429,
  insufficient_quota: 429,
  invalid_prompt: 400,
  context_length_exceeded: 400,
  server_is_overloaded: 503,
  slow_down: 503,
}

/** Reads an error's body: `{ error }`, an `error` event in either of its forms, or a failed response. */
export function decodeResponsesError(status: number, body: Json | undefined): HubError {
  const outer = objectOf(body)
  const failed = objectOf(outer['response'])
  const nested = isObject(outer['error']) ? outer['error'] : failed['error']
  const error = objectOf(isObject(nested) ? nested : outer)
  const message =
    stringOf(error['message']) ?? stringOf(outer['error']) ?? `the upstream answered ${status}`
  const code = stringOf(error['code']) ?? (error === outer ? undefined : stringOf(error['type']))
  const inStream = status < 400 ? (STATUS_OF_CODE[code ?? ''] ?? 500) : status
  return compact<HubError>({
    kind: kindOfError(inStream, message, code),
    status: inStream,
    message,
    code,
    param: stringOf(error['param']),
    retryAfterMs: retryAfter(message),
  })
}

function retryAfter(message: string): number | undefined {
  const match = TRY_AGAIN.exec(message)
  return match === null ? undefined : Math.ceil(Number(match[1]) * UNIT_MS[match[2]!]!)
}

/** OpenAI's own words for a class of failure, where it has them. */
const CODES: Partial<Readonly<Record<HubError['kind'], string>>> = {
  authentication: 'invalid_api_key',
  billing: 'insufficient_quota',
  contextLength: 'context_length_exceeded',
  rateLimit: 'rate_limit_exceeded',
  notFound: 'model_not_found',
}

/** The `error` object of the OpenAI dialects. */
export function openaiErrorOf({ kind, status, message, code, param }: HubError) {
  return {
    message,
    type: errorClass(status).openai,
    param: param ?? null,
    code: CODES[kind] ?? code ?? null,
  }
}

/** Writes an error's body. A quota that is used up is 429 at OpenAI, whatever the upstream had. */
export function encodeResponsesError(error: HubError): EncodedError {
  const status = error.kind === 'billing' ? 429 : error.status
  return { status, body: { error: openaiErrorOf(error) } }
}
