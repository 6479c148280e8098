import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../errors.ts'
import type { Headers } from '../exchange.ts'
import { STRICT_HEADER } from './crossing.ts'

/** What a request head may hold. */
export interface HeadLimits {
  /** Number of header fields. */
  readonly headers: number
  readonly urlBytes: number
}

/** A request head that has one meaning only. */
export interface CheckedHead {
  /** Every field by lower-case name, in a map without `constructor`, `toString` and the like. */
  readonly headers: Headers
  /** In origin form (RFC 9112 §3.2.1), not yet normalised; `*` for `OPTIONS *`. */
  readonly target: string
  /** True where the head announces a body: chunked, or a length above 0. */
  readonly hasBody: boolean
  /** True where the client asks to go on as WebSocket. */
  readonly isUpgrade: boolean
}

/** What is to be done with a field, found once per name and then remembered. */
interface Field {
  readonly name: string
  readonly rule: Rule
}

type Rule = 'join' | 'cookie' | 'single' | 'drop' | 'refuse'

/** A second one of these would let two servers read two different requests. */
const SINGLE = new Set([
  'authorization',
  'content-length',
  'content-type',
  'expect',
  'from',
  'host',
  'if-modified-since',
  'if-unmodified-since',
  'max-forwards',
  'origin',
  'proxy-authorization',
  'referer',
  'sec-websocket-key',
  'sec-websocket-version',
  'transfer-encoding',
  'x-request-id',
])

/** Names that reach a prototype in code that copies fields into plain objects. */
const FORBIDDEN = new Set(['constructor', 'prototype'])

/** Names as they were written, each classified once. Full, it begins anew: made-up names push nobody out for long. */
const fields = new Map<string, Field>()
const MAX_FIELDS = 2_048

// A class, because objects from Object.create(null) are hash tables: filling one with twelve fields costs 2.5 times as much.
const FieldMap = function FieldMap() {} as unknown as new () => Headers
FieldMap.prototype = Object.freeze(Object.create(null))

/**
 * Reads the head of a request, in one pass, and refuses what llhttp lets through but another server might read
 * differently (RFC 9112 §11.2): framing, versions, hosts, targets, names, upgrades. Bytes that no field may hold
 * (NUL, CR, LF, controls) never come this far. Throws BAD_REQUEST, URL_TOO_LONG or HEADERS_TOO_LARGE, each with
 * `connection: close`, since nobody knows where the next request would begin.
 */
export function checkRequest(req: IncomingMessage, limits: HeadLimits): CheckedHead {
  if (req.httpVersionMajor !== 1 || req.httpVersionMinor > 1) {
    throw refuse(`expected HTTP/1.0 or HTTP/1.1, got HTTP/${req.httpVersion}`)
  }
  const headers = readHeaders(req.rawHeaders, limits.headers)
  const isLegacy = req.httpVersionMinor === 0
  const target = checkTarget(req, headers, isLegacy, limits.urlBytes)
  const hasBody = checkFraming(headers, isLegacy)
  const { expect } = headers
  if (expect !== undefined && expect.toLowerCase() !== '100-continue') {
    throw refuse(`expected 100-continue in expect, got ${quote(expect)}`)
  }
  const isUpgrade = headers['upgrade'] !== undefined && checkUpgrade(req, headers, hasBody)
  return { headers, target, hasBody, isUpgrade }
}

function readHeaders(raw: readonly string[], limit: number): Headers {
  if (raw.length > limit * 2) {
    throw new GatewayError(
      'HEADERS_TOO_LARGE',
      `expected at most ${limit} header fields, got ${raw.length / 2}`,
      CLOSE,
    )
  }
  const headers = new FieldMap()
  for (let index = 0; index < raw.length; index += 2) {
    const { name, rule } = fields.get(raw[index]!) ?? classify(raw[index]!)
    const value = raw[index + 1]!
    if (rule === 'refuse') throw refuse(`the header field name ${quote(name)} is not allowed`)
    if (rule === 'drop') continue
    const earlier = headers[name]
    if (earlier === undefined) headers[name] = value
    else if (rule === 'single') throw refuse(`the header field ${name} came twice`)
    else headers[name] = earlier + (rule === 'cookie' ? '; ' : ', ') + value
  }
  return headers
}

function classify(written: string): Field {
  const name = written.toLowerCase()
  const field = { name, rule: ruleFor(name) }
  if (fields.size >= MAX_FIELDS) fields.clear()
  fields.set(written, field)
  return field
}

function ruleFor(name: string): Rule {
  // `_` is a token character, but CGI and WSGI make `content_length` and `content-length` one.
  if (!/^[a-z0-9!#$%&'*+.^`|~-]+$/.test(name) || FORBIDDEN.has(name)) return 'refuse'
  if (name === STRICT_HEADER) return 'single'
  // Ours alone: no client may pretend to be the gateway.
  if (name.startsWith('x-sluice-')) return 'drop'
  if (name === 'cookie') return 'cookie'
  return SINGLE.has(name) ? 'single' : 'join'
}

/** RFC 9112 §3.2: the four forms of a target, of which two are for us. */
function checkTarget(
  req: IncomingMessage,
  headers: Headers,
  isLegacy: boolean,
  limit: number,
): string {
  const target = req.url!
  if (target.length > limit) {
    throw new GatewayError(
      'URL_TOO_LONG',
      `expected a target of at most ${limit} bytes, got ${target.length}`,
      CLOSE,
    )
  }
  const method = req.method!
  if (method === 'CONNECT' || method === 'TRACE') {
    throw refuse(`the method ${method} is not allowed through a gateway`)
  }
  const { host } = headers
  if (host === undefined ? !isLegacy : !isHost(host)) {
    throw refuse(host === undefined ? 'host is missing' : `${quote(host)} is not a host`)
  }
  if (target.charCodeAt(0) === 0x2f) return target
  if (target === '*' && method === 'OPTIONS') return target
  return originForm(target, headers)
}

/** Takes an absolute-form target apart; its authority stands in for a Host that HTTP/1.0 may leave out. */
function originForm(target: string, headers: Headers): string {
  const parts = /^(https?):\/\/([^/?#]*)(.*)$/i.exec(target)
  if (parts === null)
    throw refuse(`expected a target that begins with a slash, got ${quote(target)}`)
  const [, scheme, authority, rest] = parts as unknown as [string, string, string, string]
  if (!isHost(authority)) throw refuse(`${quote(authority)} is not a host`)
  headers['host'] ??= authority
  if (withPort(authority, scheme) !== withPort(headers['host'], scheme)) {
    throw refuse(`the target names ${quote(authority)}, host says ${quote(headers['host'])}`)
  }
  return rest.startsWith('/') ? rest : `/${rest}`
}

function withPort(host: string, scheme: string): string {
  const lower = host.toLowerCase()
  if (/:\d+$/.test(lower)) return lower
  return `${lower}:${scheme.toLowerCase() === 'https' ? 443 : 80}`
}

/** True for a host name or address as `Host` may hold it, with or without a port: no userinfo, no other trick. */
export function isHost(host: string): boolean {
  return /^(?:[a-z0-9._-]{1,255}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i.test(host)
}

/** RFC 9112 §6.3: one way only to know where the body ends. True where there is one. */
function checkFraming(headers: Headers, isLegacy: boolean): boolean {
  const encoding = headers['transfer-encoding']
  const length = headers['content-length']
  if (encoding === undefined) {
    if (length === undefined) return false
    if (!/^\d{1,15}$/.test(length)) throw refuse(`${quote(length)} is not a content-length`)
    return Number(length) > 0
  }
  if (isLegacy) throw refuse('transfer-encoding is not allowed with HTTP/1.0')
  if (length !== undefined) throw refuse('content-length and transfer-encoding exclude each other')
  if (encoding.toLowerCase() !== 'chunked') {
    throw refuse(`expected chunked in transfer-encoding, got ${quote(encoding)}`)
  }
  return true
}

/**
 * RFC 9110 §7.8: without the connection option there is no upgrade to speak of. Any but a plain one to WebSocket is
 * refused: `h2c` through a proxy that passes it on ends in a connection that no rule sees.
 */
function checkUpgrade(req: IncomingMessage, headers: Headers, hasBody: boolean): boolean {
  const isAsked = /(?:^|,)[ \t]*upgrade[ \t]*(?:,|$)/i.test(headers['connection'] ?? '')
  if (!isAsked) return false
  const protocol = headers['upgrade']!
  if (protocol.toLowerCase() !== 'websocket') {
    throw refuse(`expected websocket in upgrade, got ${quote(protocol)}`)
  }
  // Node hands out what follows the head as the first bytes of the new protocol, a body too.
  if (req.method !== 'GET' || hasBody || req.httpVersionMinor === 0) {
    throw refuse('an upgrade to websocket needs a GET of HTTP/1.1 without a body')
  }
  return true
}

const CLOSE = { headers: { connection: 'close' } }

function refuse(detail: string): GatewayError {
  return new GatewayError('BAD_REQUEST', detail, CLOSE)
}

/** At most some forty characters of what a client sent. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}
