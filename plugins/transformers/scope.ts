import { scopeWith } from '#core/kit/scope.ts'
import type { ExchangeView, Expression, GatewayRequest, Json, Part, Scope } from '#core/sdk.ts'

/**
 * Evaluates an expression of a rule. Earlier rules of the step may have changed the document already, and each event
 * of a stream is a document of its own, so `$req.body` and `$res.body` must be the one at hand.
 */
export function evaluateAt(
  expression: Expression,
  exchange: ExchangeView,
  part: Part,
  document: Json | undefined,
): Json {
  return expression.evaluate(scopeAt(expression, exchange, part, document))
}

/** The same as evaluateAt, for conditions. */
export function testAt(
  expression: Expression,
  exchange: ExchangeView,
  part: Part,
  document: Json | undefined,
): boolean {
  return expression.test(scopeAt(expression, exchange, part, document))
}

function scopeAt(
  expression: Expression,
  exchange: ExchangeView,
  part: Part,
  document: Json | undefined,
): Scope {
  if (!expression.reads.has(part)) return exchange
  const isRequest = part === 'request.body'
  const seen = isRequest ? exchange.req.body : exchange.res.body
  if (seen === document) return exchange
  return scopeWith(
    exchange,
    isRequest
      ? { req: requestWith(exchange.req, document) }
      : { res: answerWith(exchange.res, document) },
  )
}

function requestWith(req: Readonly<GatewayRequest>, body: Json | undefined): object {
  const { method, path, query, headers, params, host, ip, protocol, dialect, model } = req
  return { method, path, query, headers, params, host, ip, protocol, dialect, model, body }
}

function answerWith(res: ExchangeView['res'], body: Json | undefined): object {
  const { status, headers, isStream } = res
  return { status, headers, isStream, body }
}
