import { DisconnectsClientError, ErrorReply, SocketClosedUnexpectedlyError } from 'redis'
import { StoreUnavailable } from '../unavailable.ts'

/** The answer of an operation is missing: it may have been done, or be done yet. */
export class Unanswered extends StoreUnavailable {}

/** A server that can be reached, but is not one to keep a store in: trying again is of no use. */
export class Unfit extends Error {}

/** Replies that say: not now. (https://redis.io/docs/latest/develop/reference/protocol-spec/ names no list; these are the server's.) */
const PASSING = /^(LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|READONLY|NOREPLICAS|OOM|MISCONF)\b/

/** Replies of a server that is not the one to ask any more, or not yet. */
const MOVED = /^(READONLY|MASTERDOWN|LOADING)\b/

/** What they and the system's codes mean to an operator, with what to do about it. */
const MEANINGS: readonly (readonly [RegExp, string])[] = [
  [/^WRONGPASS\b/, 'the user name or password is wrong'],
  [
    /^NOAUTH\b/,
    'it wants a password\n  hint: redis://user:password@host, or store: { url, password }',
  ],
  [/^NOPERM\b/, 'the user may not do what a store needs'],
  [/^OOM\b/, 'its memory is full (maxmemory)'],
  [/^MISCONF\b/, 'it cannot write its snapshots, and takes no writes until it can'],
  [/^READONLY\b/, 'it is a replica'],
  [/^LOADING\b/, 'it is loading its data'],
  [/^NOREPLICAS\b/, 'it has fewer replicas than it wants for a write'],
]

const SYSTEM_MEANINGS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name server does not answer',
  ETIMEDOUT: 'it does not answer',
  EHOSTUNREACH: 'there is no way to that host',
}

/** True for an error that the server has answered with. */
export function isRefusal(cause: unknown): cause is ErrorReply {
  return cause instanceof ErrorReply
}

/** True where another connection may lead to a server that takes it. */
export function mustMove(cause: ErrorReply): boolean {
  return MOVED.test(cause.message)
}

/** True where trying to connect again is of no use: something must be changed first. */
export function isPermanent(cause: unknown): boolean {
  if (cause instanceof Unfit) return true
  if (isRefusal(cause)) return !PASSING.test(cause.message)
  const { code = '' } = cause as NodeJS.ErrnoException
  return /CERT|ERR_TLS|ERR_SSL/.test(code)
}

/** Why Redis failed, in words. */
export function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const { message } = cause
  const { code } = cause as NodeJS.ErrnoException
  if (code !== undefined && /SELF_SIGNED|UNABLE_TO/.test(code)) {
    return `its certificate is not trusted (${code})\n  hint: NODE_EXTRA_CA_CERTS=FILE names an authority to trust`
  }
  if (code !== undefined) return `${SYSTEM_MEANINGS[code] ?? message} (${code})`
  if (cause instanceof SocketClosedUnexpectedlyError || cause instanceof DisconnectsClientError) {
    return 'the connection was cut'
  }
  const [, meaning] = MEANINGS.find(([pattern]) => pattern.test(message)) ?? []
  if (meaning === undefined) return message
  const [said, ...hint] = meaning.split('\n')
  return [`${said} (${message.split(' ', 1)[0]})`, ...hint].join('\n')
}

/** What operations reject with, in words. */
export function tellOf(shown: string, reason: string): string {
  return `store ${JSON.stringify(shown)}: ${reason}`
}
