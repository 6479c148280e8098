import type { Json } from '../../kit/json.ts'
import { errorClass } from '../errors.ts'
import { kindOfError, type HubError } from '../hub/answer.ts'
import type { EncodedError } from '../hub/codec.ts'
import { compact, objectOf, stringOf } from '../hub/fields.ts'

/** The statuses of the types, for errors inside a stream that began with 200. */
const STATUSES: ReadonlyMap<string, number> = new Map([
  ['invalid_request_error', 400],
  ['authentication_error', 401],
  ['billing_error', 402],
  ['permission_error', 403],
  ['not_found_error', 404],
  ['conflict_error', 409],
  ['request_too_large', 413],
  ['rate_limit_error', 429],
  ['api_error', 500],
  ['timeout_error', 504],
  ['overloaded_error', 529],
])

/** Reads `{ type: "error", error: { type, message } }`, of an answer or of a stream, where the status is 200. */
export function decodeMessageError(status: number, body: Json | undefined): HubError {
  const outer = objectOf(body)
  const error = objectOf(outer['error'])
  const code = stringOf(error['type'])
  const message =
    stringOf(error['message']) ??
    stringOf(outer['message']) ??
    `the upstream answered with status ${status}`
  const stated = status === 200 ? (STATUSES.get(code ?? '') ?? 500) : status
  return compact<HubError>({
    kind: kindOfError(stated, message, code),
    status: stated,
    message,
    code: stringOf(objectOf(error['details'])['error_code']) ?? code,
  })
}

/** Writes an error as Anthropic does; an overload has a status of its own there. */
export function encodeMessageError(error: HubError, requestId: string): EncodedError {
  const { code, kind, message } = error
  const status = kind === 'overloaded' ? 529 : kind === 'billing' ? 402 : error.status
  const { anthropic: type } = errorClass(status)
  const details = code === undefined || code === type ? {} : { details: { error_code: code } }
  return {
    status,
    body: { type: 'error', error: { type, message, ...details }, request_id: requestId },
  }
}
