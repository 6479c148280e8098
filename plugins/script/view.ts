import type { ExchangeView, JsonObject } from '#core/sdk.ts'

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
