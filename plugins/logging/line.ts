import type { ExchangeView, Expression, Json, Outcome } from '#core/sdk.ts'
import { maskCredentials } from './credentials.ts'
import { loggable, scrub } from './personal-data.ts'

/** What of an exchange is written, beside what always is. */
export interface LineOptions {
  readonly requests: {
    readonly logBody: boolean
    readonly logHeaders: boolean
    readonly logMetadata: boolean
    readonly sanitizePII: boolean
  }
  readonly responses: {
    readonly logBody: boolean
    readonly logHeaders: boolean
    readonly logTokens: boolean
    readonly sanitizePII: boolean
  }
  readonly fields: Readonly<Record<string, Expression>>
  readonly bodyLimit: number
}

/** What was kept of an exchange while it passed. */
export interface Capture {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Json | undefined
  /** The data of a stream's events, up to the limit. */
  readonly events: string[]
  /** Characters in `events`. */
  size: number
}

/** The names that a line has of its own, so that `fields` cannot take their place. */
export const OWN_FIELDS: ReadonlySet<string> = new Set(
  (
    'level time msg id route method path status end durationMs firstByteMs requestBytes responseBytes consumer ' +
    'upstream attempt upstreamDialect dropped emulated usage code source detail ip host protocol dialect model query request response'
  ).split(' '),
)

/** One line, without time and level. What is undefined is not written. */
export function lineOf(
  exchange: ExchangeView,
  outcome: Outcome,
  capture: Capture | undefined,
  options: LineOptions,
): Record<string, unknown> {
  const { requests, responses, fields } = options
  const { req, upstream } = exchange
  const { error } = outcome
  const clean = requests.sanitizePII ? scrub : asItIs
  const line: Record<string, unknown> = {
    id: exchange.id,
    route: exchange.route,
    method: req.method,
    path: clean(req.path),
    status: outcome.status,
    end: outcome.end === 'completed' ? undefined : outcome.end,
    durationMs: rounded(outcome.durationMs),
    firstByteMs: outcome.firstByteMs === undefined ? undefined : rounded(outcome.firstByteMs),
    requestBytes: outcome.requestBytes,
    responseBytes: outcome.responseBytes,
    consumer: exchange.consumer?.id,
    upstream: upstream?.name,
    attempt: upstream?.attempt,
    upstreamDialect: upstream?.dialect,
    dropped: orNone(upstream?.dropped),
    emulated: orNone(upstream?.emulated),
    code: error?.code,
    source: error?.source,
    detail: error && clean(error.message),
  }
  if (responses.logTokens) line['usage'] = exchange.usage
  if (requests.logMetadata) addMetadata(line, exchange, clean)
  for (const name in fields) line[name] = valueOf(fields[name]!, exchange)
  if (requests.logHeaders || requests.logBody) line['request'] = requestOf(capture, options, clean)
  if (responses.logHeaders || responses.logBody) {
    line['response'] = responseOf(exchange, capture, options)
  }
  return line
}

function orNone(fields: readonly string[] = []): readonly string[] | undefined {
  return fields.length === 0 ? undefined : fields
}

function addMetadata(
  line: Record<string, unknown>,
  { req }: ExchangeView,
  clean: (text: string) => string,
): void {
  line['ip'] = req.ip
  line['host'] = req.host
  line['protocol'] = req.protocol
  line['dialect'] = req.dialect
  line['model'] = req.model
  const { query } = req
  if (Object.keys(query).length > 0) line['query'] = maskCredentials(query, clean)
}

function requestOf(
  capture: Capture | undefined,
  { requests, bodyLimit }: LineOptions,
  clean: (text: string) => string,
): object | undefined {
  if (capture === undefined) return undefined
  const { headers, body } = capture
  return {
    ...(requests.logHeaders && { headers: maskCredentials(headers, clean) }),
    ...(requests.logBody && body !== undefined && { body: loggable(body, bodyLimit, clean) }),
  }
}

function responseOf(
  { res }: ExchangeView,
  capture: Capture | undefined,
  { responses, bodyLimit }: LineOptions,
): object {
  const clean = responses.sanitizePII ? scrub : asItIs
  const events = capture?.events ?? []
  const body = events.length > 0 ? events.map(parsed) : responses.logBody ? res.body : undefined
  return {
    ...(responses.logHeaders && { headers: maskCredentials(res.headers, clean) }),
    ...(body !== undefined && {
      [events.length > 0 ? 'events' : 'body']: loggable(body, bodyLimit, clean),
    }),
  }
}

/** A field that cannot be computed must not cost the line. */
function valueOf(expression: Expression, exchange: ExchangeView): Json {
  try {
    return expression.evaluate(exchange)
  } catch (cause) {
    return `failed: ${(cause as Error).message}`
  }
}

function parsed(data: string): Json {
  try {
    return JSON.parse(data) as Json
  } catch {
    return data
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10
}

function asItIs(text: string): string {
  return text
}
