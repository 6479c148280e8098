import type { ExpressionScope } from '../config/schema.ts'
import type { Usage } from '../dialects/dialect.ts'
import type { Chunk, GatewayRequest, GatewayResponse, Message, UpstreamView } from '../exchange.ts'
import type { Part, Scope } from './expression.ts'

/** A word that a path may begin with. */
export type Root = keyof Scope

/** What each scope of expressions can see. */
export const ROOTS: Readonly<Record<ExpressionScope, readonly Root[]>> = {
  match: ['req', 'env', 'now'],
  request: ['req', 'env', 'now', 'consumer', 'vars'],
  response: ['req', 'env', 'now', 'consumer', 'vars', 'res', 'upstream', 'usage'],
  chunk: ['req', 'env', 'now', 'consumer', 'vars', 'res', 'upstream', 'usage', 'chunk'],
  message: ['req', 'env', 'now', 'consumer', 'vars', 'upstream', 'msg'],
}

/** Every root there is. */
export const ALL_ROOTS: ReadonlySet<string> = new Set(Object.values(ROOTS).flat())

/** What is known of a field. `names` holds free names, so the rest of a path is one name, dots included. */
interface Field {
  readonly holds: 'names' | 'any'
  readonly reads?: Part
  /** False where a route has not been chosen yet. */
  readonly inMatch?: false
}

const ANY: Field = { holds: 'any' }
const NAMES: Field = { holds: 'names' }

const REQUEST: Record<Exclude<keyof GatewayRequest, 'bodyText'>, Field> = {
  method: ANY,
  path: ANY,
  query: NAMES,
  headers: NAMES,
  params: ANY,
  host: ANY,
  ip: ANY,
  protocol: ANY,
  dialect: ANY,
  model: { holds: 'any', reads: 'request.model', inMatch: false },
  body: { holds: 'any', reads: 'request.body', inMatch: false },
}

const RESPONSE: Record<Exclude<keyof GatewayResponse, 'set' | 'remove'>, Field> = {
  status: ANY,
  headers: ANY,
  body: { holds: 'any', reads: 'response.body' },
  isStream: ANY,
}

const UPSTREAM: Record<keyof UpstreamView, Field> = {
  name: ANY,
  endpoint: ANY,
  key: ANY,
  attempt: ANY,
  dialect: ANY,
  dropped: ANY,
  emulated: ANY,
}

const TOKENS: Field = { holds: 'any', reads: 'usage' }

const USAGE: Record<keyof Usage, Field> = {
  inputTokens: TOKENS,
  outputTokens: TOKENS,
  totalTokens: TOKENS,
  cacheReadTokens: TOKENS,
  cacheWriteTokens: TOKENS,
  reasoningTokens: TOKENS,
  isEstimated: TOKENS,
}

const CHUNK: Record<keyof Chunk, Field> = {
  event: ANY,
  data: ANY,
  json: ANY,
  isWhole: ANY,
  text: ANY,
  texts: ANY,
}

const MESSAGE: Record<keyof Message, Field> = {
  from: ANY,
  isBinary: ANY,
  data: ANY,
  json: ANY,
  text: ANY,
  texts: ANY,
}

/**
 * Roots whose first level is fixed by exchange.ts. That level may be getters of a class, so it is read as plain
 * properties and nothing but the names in these tables is ever read.
 */
export const FIELDS: ReadonlyMap<string, ReadonlyMap<string, Field>> = new Map(
  Object.entries({
    req: REQUEST,
    res: RESPONSE,
    upstream: UPSTREAM,
    usage: USAGE,
    chunk: CHUNK,
    msg: MESSAGE,
  }).map(([root, fields]) => [root, new Map<string, Field>(Object.entries(fields))]),
)

/** Roots that are small and plain, so that `$usage` by itself is a value. */
export const WHOLE_ROOTS: ReadonlySet<string> = new Set([
  'consumer',
  'vars',
  'now',
  'upstream',
  'usage',
])
