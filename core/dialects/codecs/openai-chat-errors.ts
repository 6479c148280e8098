import { isObject, type Json } from '../../kit/json.ts'
import { errorClass } from '../errors.ts'
import { kindOfError, type ErrorKind, type HubError } from '../hub/answer.ts'
import type { EncodedError } from '../hub/codec.ts'
import { compact, json, numberOf, objectOf, stringOf } from '../hub/fields.ts'

/**
 * Reads an error of OpenAI or of a server like it: `{ error: { message, type, code, param } }`, `{ error: "text" }`,
 * `{ message }` or `{ detail }`.
 */
export function decodeChatError(status: number, body: Json | undefined): HubError {
  const outer = objectOf(body)
  const error = objectOf(outer['error'])
  const message =
    stringOf(error['message']) ??
    stringOf(outer['error']) ??
    stringOf(outer['message']) ??
    stringOf(outer['detail']) ??
    `the upstream answered with status ${status}`
  // OpenRouter tells the status as the code.
  const numeric = numberOf(error['code'] ?? outer['code'])
  const code = stringOf(error['code']) ?? stringOf(error['type'])
  const stated = status === 200 ? (numeric ?? 500) : status
  return compact<HubError>({
    kind: kindOfError(stated, message, code),
    status: stated,
    message,
    code,
    param: stringOf(error['param']),
  })
}

const CODES: Readonly<Partial<Record<ErrorKind, string>>> = {
  contextLength: 'context_length_exceeded',
  authentication: 'invalid_api_key',
  billing: 'insufficient_quota',
  notFound: 'model_not_found',
  rateLimit: 'rate_limit_exceeded',
}

/** OpenAI's own statuses: it has neither 402 nor 529. */
const STATUSES: ReadonlyMap<number, number> = new Map([
  [402, 429],
  [529, 503],
])

/** Writes an error as OpenAI does. */
export function encodeChatError(error: HubError): EncodedError {
  const { kind, message, param, status } = error
  return {
    status: STATUSES.get(status) ?? status,
    body: {
      error: json({
        message,
        type: errorClass(status).openai,
        param: param ?? null,
        code: CODES[kind] ?? error.code ?? null,
      }),
    },
  }
}

/** True for the chunk of a stream that tells an error; vLLM's older form says it of the whole. */
export function isErrorChunk(event: Json): boolean {
  if (!isObject(event)) return false
  return event['object'] === 'error' || (event['error'] !== undefined && event['error'] !== null)
}
