import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import { errorClass } from '../errors.ts'
import { kindOfError, kindOfStatus, type ErrorKind, type HubError } from '../hub/answer.ts'
import type { EncodedError } from '../hub/codec.ts'
import { compact, listOf, numberOf, objectOf, stringOf } from '../hub/fields.ts'

const KINDS: Readonly<Record<string, ErrorKind>> = {
  UNAUTHENTICATED: 'authentication',
  PERMISSION_DENIED: 'permission',
  NOT_FOUND: 'notFound',
  ABORTED: 'conflict',
  RESOURCE_EXHAUSTED: 'rateLimit',
  UNAVAILABLE: 'overloaded',
  DEADLINE_EXCEEDED: 'timeout',
}

/** Reads an error's body. Streams wrap it in a list of one. */
export function decodeGeminiError(status: number, body: Json | undefined): HubError {
  const [only] = Array.isArray(body) ? body : [body]
  const error = objectOf(objectOf(only)['error'])
  const code = status >= 400 ? status : (numberOf(error['code']) ?? 500)
  const message = stringOf(error['message']) ?? `the upstream answered ${status}`
  const name = stringOf(error['status'])
  const details = listOf(error['details']).map(objectOf)
  return compact<HubError>({
    kind: kindOf(code, name, message, details),
    status: code,
    message,
    code: name,
    param: fieldOf(details),
    retryAfterMs: retryAfter(details),
  })
}

type Details = readonly Readonly<Record<string, Json | undefined>>[]

/** A wrong key is a bad request to Google, with its own reason. */
function kindOf(code: number, name: string | undefined, message: string, details: Details) {
  if (details.some(({ reason }) => reason === 'API_KEY_INVALID')) return 'authentication'
  const kind = kindOfError(code, message, name)
  return kind === kindOfStatus(code) && code < 400 ? (KINDS[name ?? ''] ?? kind) : kind
}

function fieldOf(details: Details): string | undefined {
  const [violation] = details.flatMap(({ fieldViolations }) => listOf(fieldViolations))
  return stringOf(objectOf(violation)['field'])
}

const DELAY = /^(\d+(?:\.\d+)?)s$/

function retryAfter(details: Details): number | undefined {
  for (const { retryDelay } of details) {
    const match = DELAY.exec(stringOf(retryDelay) ?? '')
    if (match !== null) return Math.ceil(Number(match[1]) * 1000)
  }
  return undefined
}

/** Writes an error's body. */
export function encodeGeminiError(error: HubError, requestId: string): EncodedError {
  return { status: error.status, body: { error: geminiErrorOf(error, requestId) } }
}

function geminiErrorOf({ kind, status, message, code, retryAfterMs }: HubError, requestId: string) {
  const details: JsonObject[] = [
    {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: (code ?? kind).replaceAll(/[^A-Za-z0-9]+/g, '_').toUpperCase(),
      domain: 'sluice',
      metadata: { requestId },
    },
  ]
  if (retryAfterMs !== undefined) {
    details.push({
      '@type': 'type.googleapis.com/google.rpc.RetryInfo',
      retryDelay: `${retryAfterMs / 1000}s`,
    })
  }
  return { code: status, message, status: errorClass(status).gemini, details }
}

/** True for an event or a body that is an error. */
export function isGeminiError(event: unknown): boolean {
  return isObject(event) && isObject(event['error'])
}
