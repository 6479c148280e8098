import { messageTexts } from '../dialects/texts/index.ts'
import type { Chunk, ExchangeView, Message } from '../exchange.ts'
import type { LiveExchange } from '../kernel/exchange.ts'
import { LiveMessage } from '../kernel/messages.ts'
import { TextStage } from '../kernel/text-stage.ts'
import type { Hooks } from '../sdk.ts'

/**
 * Hooks that are shown frozen views, one per exchange: a hook that changes what it sees, rather than returning a
 * patch, fails here. That is what lets it run in the sandbox, where it sees a copy.
 */
export function watched(hooks: Hooks): Hooks {
  const views = new WeakMap<object, ExchangeView>()
  function viewOf(exchange: ExchangeView): ExchangeView {
    let view = views.get(exchange)
    if (view === undefined) {
      view = exchangeView(exchange as LiveExchange)
      views.set(exchange, view)
    }
    return view
  }
  return {
    ...hooks,
    ...(hooks.request && { request: (exchange) => hooks.request!(viewOf(exchange)) }),
    ...(hooks.response && { response: (exchange) => hooks.response!(viewOf(exchange)) }),
    ...(hooks.chunk && {
      chunk: (one, exchange) => hooks.chunk!(chunkView(one), viewOf(exchange)),
    }),
    ...(hooks.flush && { flush: (exchange) => hooks.flush!(viewOf(exchange)) }),
    ...(hooks.message && {
      message: (one, exchange) => hooks.message!(messageView(one), viewOf(exchange)),
    }),
    ...(hooks.done && { done: (exchange, outcome) => hooks.done!(viewOf(exchange), outcome) }),
  }
}

/** Freezes a value and all below it. */
export function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const one of Object.values(value)) frozen(one)
  return value
}

function exchangeView(exchange: LiveExchange): ExchangeView {
  const { id, route, env, now, deadline } = exchange
  return Object.freeze({
    id,
    route,
    now,
    deadline,
    env: frozen({ ...env }),
    get req() {
      return requestView(exchange)
    },
    get res() {
      return answerView(exchange)
    },
    get consumer() {
      return exchange.consumer && frozen({ ...exchange.consumer })
    },
    get upstream() {
      return exchange.upstream && frozen({ ...exchange.upstream })
    },
    get usage() {
      return exchange.usage && frozen({ ...exchange.usage })
    },
    get vars() {
      return frozen(structuredClone({ ...exchange.vars }))
    },
  })
}

function requestView({ req }: LiveExchange): ExchangeView['req'] {
  const { method, path, host, ip, protocol, dialect } = req
  return Object.freeze({
    method,
    path,
    host,
    ip,
    protocol,
    dialect,
    query: frozen({ ...req.query }),
    headers: frozen({ ...req.headers }),
    params: frozen({ ...req.params }),
    model: req.model,
    body: frozen(req.body),
    bodyText: req.bodyText,
  })
}

function answerView({ res }: LiveExchange): ExchangeView['res'] {
  const refuse = () => {
    throw new TypeError('an answer is changed by what a hook returns')
  }
  return Object.freeze({
    status: res.status,
    headers: frozen({ ...res.headers }),
    set: refuse,
    remove: refuse,
    body: frozen(res.body),
    isStream: res.isStream,
  })
}

function chunkView(chunk: Chunk): Chunk {
  const { event, data, json, isWhole } = chunk
  return Object.freeze({
    event,
    data,
    json: frozen(json),
    isWhole,
    // On demand: who looks at texts is told of them to their end.
    get text() {
      return chunk.text
    },
    get texts() {
      return frozen(chunk.texts)
    },
  })
}

/** A message as its hook gets it. */
export function messageOf(from: Message['from'], content: string | Buffer): LiveMessage {
  const isBinary = typeof content !== 'string'
  const message = new LiveMessage(Buffer.from(content), isBinary, from === 'client')
  message.enter(new TextStage(messageTexts))
  return message
}

function messageView(message: Message): Message {
  const { from, isBinary, data, json } = message
  return Object.freeze({
    from,
    isBinary,
    data,
    json: frozen(json),
    get text() {
      return message.text
    },
    get texts() {
      return frozen(message.texts)
    },
  })
}
