import { CREDENTIAL_HEADERS } from './credentials.ts'
import type { LlmDialect } from './dialect.ts'
import type { TargetName } from './hub/conversation.ts'

type Fields = Readonly<Record<string, string | string[]>>

/** How each provider's own header fields begin. */
const OWN: Readonly<Record<LlmDialect, string>> = {
  'openai-chat': 'openai-',
  'openai-responses': 'openai-',
  anthropic: 'anthropic-',
  gemini: 'x-goog-',
}

/** Said of the body as the client wrote it, or of the client's SDK. */
const CLIENTS_OWN = /^(?:accept|accept-encoding|content-.+|digest|repr-digest|x-stainless-.+)$/

/** The client's header fields for an upstream of another dialect: without credentials, and without what only a provider of another understands. */
export function headersFor(target: TargetName, headers: Fields): Record<string, string | string[]> {
  const own = (OWN as Partial<Record<TargetName, string>>)[target]
  const foreign = Object.values(OWN).filter((prefix) => prefix !== own)
  const kept: Record<string, string | string[]> = Object.create(null) as Record<string, string>
  for (const [name, value] of Object.entries(headers)) {
    if (CREDENTIAL_HEADERS.includes(name) || CLIENTS_OWN.test(name)) continue
    if (foreign.some((prefix) => name.startsWith(prefix))) continue
    kept[name] = value
  }
  return kept
}

/** The key that a client has presented, in whatever API's form; undefined where it has none. */
export function presentedKey(headers: Fields, query: string): string | undefined {
  const bearer = /^bearer +(\S+)$/i.exec(text(headers['authorization']))?.[1]
  const named = ['x-api-key', 'x-goog-api-key', 'api-key'].map((name) => text(headers[name]))
  const found = [...named, bearer ?? '', new URLSearchParams(query).get('key') ?? '']
  return found.find((key) => key !== '')
}

/** What of a foreign upstream's header fields is true of the converted answer too. */
const KEPT = /^(?:x-ratelimit-.+|cache-control|x-should-retry)$/

/** An upstream's header fields for a client of another dialect, and the upstream's own id of the request. */
export function answerHeaders(headers: Fields): Record<string, string | string[]> {
  const id = headers['x-request-id'] ?? headers['request-id'] ?? headers['x-amzn-requestid']
  return {
    ...Object.fromEntries(Object.entries(headers).filter(([name]) => KEPT.test(name))),
    ...(id === undefined ? {} : { 'x-sluice-upstream-id': id }),
  }
}

function text(value: string | string[] | undefined): string {
  return typeof value === 'string' ? value : ''
}
