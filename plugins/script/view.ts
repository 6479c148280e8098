import type { Chunk, ExchangeView, Json, JsonObject, Message, Script } from '#core/sdk.ts'

const ROOTS = ['id', 'route', 'now', 'env', 'consumer', 'usage', 'vars'] as const
const REQUEST = [
  'method',
  'path',
  'query',
  'headers',
  'params',
  'host',
  'ip',
  'protocol',
  'dialect',
  'model',
] as const
const ANSWER = ['status', 'headers', 'isStream'] as const
const PIECE = ['data', 'json', 'text'] as const

/** What a script sees of an exchange, without what it cannot reach because it does not name it. Bodies go beside it. */
export class View {
  readonly #roots: readonly (typeof ROOTS)[number][]
  /** Undefined where it does not name the root at all. */
  readonly #request: readonly (typeof REQUEST)[number][] | undefined
  readonly #answer: readonly (typeof ANSWER)[number][] | undefined
  readonly #piece: readonly (typeof PIECE)[number][]
  readonly #seesTexts: boolean

  constructor(script: Script) {
    this.#roots = ROOTS.filter((root) => script.fieldsOf(root)?.size !== 0)
    this.#request = namedOf(script.fieldsOf('req'), REQUEST)
    this.#answer = namedOf(script.fieldsOf('res'), ANSWER)
    this.#piece = PIECE.filter((field) => script.mentions(field))
    this.#seesTexts = script.mentions('text')
  }

  /** What it sees of an exchange on its way down. */
  request(exchange: ExchangeView): JsonObject {
    return { hook: 'request', ...this.#exchange(exchange), req: this.#req(exchange) ?? {} }
  }

  /** What it sees on the way up. */
  response(exchange: ExchangeView): JsonObject {
    const [req, res] = [this.#req(exchange) ?? {}, this.#res(exchange) ?? {}]
    return { hook: 'response', ...this.#exchange(exchange), req, res }
  }

  /** What it sees of an event of an answer, or of a plain answer as a whole. */
  chunk(exchange: ExchangeView, chunk: Chunk): JsonObject {
    const { event, isWhole } = chunk
    const [req, res] = [this.#req(exchange), this.#res(exchange)]
    const seen = { event, isWhole, ...this.#pieceOf(chunk) }
    return { hook: 'chunk', ...this.#exchange(exchange), chunk: seen, ...given({ req, res }) }
  }

  /** What it sees of a message of a WebSocket session. */
  message(exchange: ExchangeView, message: Message): JsonObject {
    const { from, isBinary } = message
    const msg = { from, isBinary, ...this.#pieceOf(message) }
    const req = this.#req(exchange)
    return { hook: 'message', ...this.#exchange(exchange), msg, ...given({ req }) }
  }

  #exchange(exchange: ExchangeView): JsonObject {
    return pick(exchange, this.#roots)
  }

  #req({ req }: ExchangeView): JsonObject | undefined {
    return this.#request && pick(req, this.#request)
  }

  #res({ res }: ExchangeView): JsonObject | undefined {
    return this.#answer && pick(res, this.#answer)
  }

  /** A piece of an answer is looked at often, so what a word of the script does not ask for is not even made. */
  #pieceOf(piece: Chunk | Message): JsonObject {
    const seen = pick(piece, this.#piece)
    if (!this.#seesTexts) return seen
    const { texts } = piece
    const isLast = texts.every((one) => one.isLast)
    return { ...seen, texts: texts as unknown as Json, isLast }
  }
}

/** Those of the fields that a script can reach; all where that cannot be told, undefined where none. */
function namedOf<F extends string>(
  named: ReadonlySet<string> | undefined,
  fields: readonly F[],
): readonly F[] | undefined {
  if (named?.size === 0) return undefined
  return fields.filter((field) => named?.has(field) ?? true)
}

/** The fields that are there: JSON has no undefined. */
function pick<T extends object>(from: T, fields: readonly (keyof T & string)[]): JsonObject {
  const picked: JsonObject = {}
  for (const field of fields) {
    const value = from[field]
    if (value !== undefined) picked[field] = value as Json
  }
  return picked
}

function given(fields: Readonly<Record<string, JsonObject | undefined>>): JsonObject {
  return pick(fields as Record<string, JsonObject>, Object.keys(fields))
}
