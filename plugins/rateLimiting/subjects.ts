import { hash } from 'node:crypto'
import { CREDENTIAL_HEADERS } from '#core/dialects/credentials.ts'
import { clientNetwork } from '#core/kit/ip.ts'
import type { ExchangeView, Expression, Json } from '#core/sdk.ts'

/** What a request is counted under; undefined where it is not counted. */
export type SubjectOf = (exchange: ExchangeView) => string | undefined

/** The limits that need no `key`. */
export const BUILT_IN: Readonly<Record<string, SubjectOf>> = {
  perUser({ consumer, req }) {
    if (consumer === undefined) return `ip:${clientNetwork(req.ip)}`
    return bounded(textOf(consumer['user'] ?? consumer.id))
  },
  perAPIKey({ consumer, req }) {
    if (consumer === undefined) return presented(req)
    const { keyId } = consumer
    return keyId === undefined ? undefined : bounded(textOf(keyId))
  },
  perIP: ({ req }) => clientNetwork(req.ip),
}

/** How a limit finds what to count a request under. */
export function subjectOf(name: string, key: Expression | undefined): SubjectOf {
  if (key === undefined) return BUILT_IN[name]!
  return (exchange) => {
    const value = key.evaluate(exchange)
    if (value === null || value === undefined || value === '') return undefined
    return bounded(textOf(value))
  }
}

/** A credential that nobody has checked, by its digest: it must not stand in a store. */
function presented({ headers, query, dialect }: ExchangeView['req']): string | undefined {
  const name = KEY_HEADERS.find((header) => headers[header] !== undefined)
  const credential = name === undefined ? dialect === 'gemini' && query['key'] : headers[name]
  if (typeof credential !== 'string' || credential === '') return undefined
  return `presented:${digest(credential.replace(/^[A-Za-z]+ +/, ''))}`
}

const KEY_HEADERS = CREDENTIAL_HEADERS.filter((name) => name !== 'cookie')

function textOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Longer names are counted under their digest. Characters. */
const MAX_NAME = 128

/** A name as it stands in a counter's key. */
export function bounded(text: string): string {
  return text.length <= MAX_NAME ? text : `digest:${digest(text)}`
}

function digest(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, 32)
}
