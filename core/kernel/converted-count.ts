import {
  conversationOf,
  countRequest,
  decodeCount,
  encodeCount,
  guessCount,
} from '../dialects/count-tokens.ts'
import { jsonOf } from '../kit/json.ts'
import { GatewayError } from '../errors.ts'
import type { DeliverOptions, LiveUpstream } from './ask.ts'
import { askAs } from './ask-as.ts'
import { applyError, showReport } from './converted-answer.ts'
import { bodyOf, convertRequest, type ConvertOptions } from './converted-request.ts'
import type { LiveExchange } from './exchange.ts'

/** What an upstream says that has no such endpoint, whatever its dialect's documents say. */
const NO_ENDPOINT: ReadonlySet<number> = new Set([404, 405, 501])

const UNASKED = { endpoint: 0, key: undefined }

/** Counts the tokens of a request in the upstream's own way, or guesses where it has none. */
export async function deliverCount(
  exchange: LiveExchange,
  live: LiveUpstream,
  options: DeliverOptions,
  given: ConvertOptions,
): Promise<void> {
  const dialect = exchange.req.dialect as Exclude<typeof exchange.req.dialect, 'http'>
  const body = conversationOf(dialect, bodyOf(exchange.req))
  const converted = convertRequest(exchange, { ...given, body })
  const { to, crossing, headers } = converted
  const { report, request } = crossing
  const counting = countRequest(to, request, converted.body)
  const answer =
    counting &&
    (await askAs(exchange, live, options, {
      dialect: to,
      model: request.model,
      headers,
      ...counting,
    }))
  exchange.upstreamUsage = () => undefined
  const shown = { report, model: request.model }
  if (answer !== undefined && !NO_ENDPOINT.has(answer.status)) {
    const json = Buffer.isBuffer(answer.body) ? jsonOf(answer.body) : undefined
    const tokens = decodeCount(json)
    if (answer.status >= 400) applyError(exchange, converted, answer, json)
    else if (tokens === undefined) {
      throw new GatewayError('UPSTREAM_PROTOCOL', `the upstream gave no count of tokens in ${to}`)
    } else tell(exchange, encodeCount(dialect, tokens))
    return showReport(exchange, live, answer, shown)
  }
  report.note('emulated', dialect === 'gemini' ? 'totalTokens' : 'input_tokens', 'it is estimated')
  tell(exchange, encodeCount(dialect, guessCount(dialect, body)))
  showReport(exchange, live, answer ?? UNASKED, shown)
}

function tell({ res }: LiveExchange, body: ReturnType<typeof encodeCount>): void {
  res.status = 200
  res.set('content-type', 'application/json')
  res.body = body
}
