import type { AnswerHeaders } from '../exchange.ts'
import { connectionOptions, isHopByHop } from './hop-by-hop.ts'

/** What undici hands over: lower-case names, a list where a field came more than once. */
export type ReceivedHeaders = Readonly<Record<string, string | string[] | undefined>>

/** Said by the upstream about itself, its own sessions and its own credentials: not for the gateway's clients. */
const UPSTREAMS_OWN = new Set([
  'set-cookie',
  'server',
  'www-authenticate',
  'alt-svc',
  'strict-transport-security',
])

/** On a route that passes any API through, cookies and challenges belong to the API. */
const PASSED_BY_HTTP = new Set(['set-cookie', 'www-authenticate'])

/** A map without `__proto__` or `toString`; cheaper than `Object.create(null)`, which V8 keeps as a hash table. */
const Fields = function Fields() {} as unknown as new () => AnswerHeaders
Fields.prototype = Object.freeze(Object.create(null))

/**
 * The fields of an answer that are passed on: hop-by-hop ones are gone (RFC 9110 §7.6.1), and so is what only the
 * upstream's direct clients should hear.
 */
export function answerHead(received: ReceivedHeaders, isHttpDialect: boolean): AnswerHeaders {
  const headers: AnswerHeaders = new Fields()
  const named = connectionOptions(received['connection'])
  for (const name of Object.keys(received)) {
    const value = received[name]
    if (value === undefined || isHopByHop(name) || named?.has(name)) continue
    if (UPSTREAMS_OWN.has(name) && !(isHttpDialect && PASSED_BY_HTTP.has(name))) continue
    headers[name] = typeof value === 'string' || name === 'set-cookie' ? value : value.join(', ')
  }
  return headers
}
