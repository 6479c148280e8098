import type { Chunk, ExchangeView, JsonObject, Message, Script } from '#core/sdk.ts'

/** What a script sees of an exchange on its way down. Bodies go beside it. */
export function requestView(exchange: ExchangeView): JsonObject {
  return { hook: 'request', ...common(exchange) }
}

/** What it sees on the way up. */
export function responseView(exchange: ExchangeView): JsonObject {
  const { status, headers, isStream } = exchange.res
  const res = { status, headers: { ...headers }, isStream }
  return { hook: 'response', ...common(exchange), res, ...given({ usage: exchange.usage }) }
}

/** Which parts of a view a script names. A part of an answer is looked at often, so the rest is left out. */
export interface Uses {
  readonly req: boolean
  readonly res: boolean
  readonly data: boolean
  readonly json: boolean
  readonly text: boolean
}

/** What a script's text names. */
export function usesOf(program: Script): Uses {
  const names = (word: string) => program.mentions(word)
  return {
    req: names('req'),
    res: names('res'),
    data: names('data'),
    json: names('json'),
    text: names('text'),
  }
}

/** What it sees of an event of an answer, or of a plain answer as a whole. */
export function chunkView(exchange: ExchangeView, chunk: Chunk, uses: Uses): JsonObject {
  const { event, isWhole } = chunk
  const seen = { event, isWhole, ...pieceOf(chunk, uses) }
  const view = uses.req ? common(exchange) : outline(exchange)
  const { status, headers, isStream } = exchange.res
  const res = uses.res ? { status, headers: { ...headers }, isStream } : undefined
  return { hook: 'chunk', ...view, chunk: seen, ...given({ res, usage: exchange.usage }) }
}

/** What it sees of a message of a WebSocket session. */
export function messageView(exchange: ExchangeView, message: Message, uses: Uses): JsonObject {
  const { from, isBinary } = message
  const msg = { from, isBinary, ...pieceOf(message, uses) }
  return { hook: 'message', ...(uses.req ? common(exchange) : outline(exchange)), msg }
}

function pieceOf(piece: Chunk | Message, uses: Uses): JsonObject {
  const texts = uses.text ? piece.texts : undefined
  return given({
    data: uses.data ? piece.data : undefined,
    json: uses.json ? piece.json : undefined,
    text: texts && piece.text,
    texts,
    isLast: texts?.every(({ isLast }) => isLast),
  })
}

function outline({ id, route, now, env, consumer, vars }: ExchangeView): JsonObject {
  return { id, route, now, env, vars, ...given({ consumer }) } as JsonObject
}

function common(exchange: ExchangeView): JsonObject {
  const { id, route, now, env, consumer, upstream, vars } = exchange
  const { method, path, query, headers, params, host, ip, protocol, dialect, model } = exchange.req
  const req = {
    method,
    path,
    query,
    headers,
    params,
    host,
    ip,
    protocol,
    dialect,
    ...given({ model }),
  }
  return { id, route, now, env, req, vars, ...given({ consumer, upstream }) } as JsonObject
}

/** Without what is not there: JSON has no undefined. */
function given(fields: object): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
