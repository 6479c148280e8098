import type { TargetName } from '../dialects/hub/conversation.ts'
import { conversionOf, endpointIn, isLlmDialect, targetsOf } from '../dialects/operations.ts'
import { GatewayError } from '../errors.ts'
import {
  aliasOf,
  ask,
  assertWanted,
  deadlineOf,
  type DeliverOptions,
  type LiveUpstream,
  showUpstream,
  strippedPath,
  triedOf,
} from './ask.ts'
import type { LiveExchange } from './exchange.ts'
import { readJsonBody } from './request-body.ts'

/** The header field by which a client asks that nothing is dropped; it ends at the gateway. */
export const STRICT_HEADER = 'x-sluice-strict'

/**
 * An attempt at an upstream that does not speak the client's dialect: its request is written anew for this upstream,
 * and the answer put back into what the client speaks, so that steps see one dialect only. Throws DIALECT_UNSUPPORTED
 * for what cannot be converted.
 */
export async function deliverConverted(
  exchange: LiveExchange,
  live: LiveUpstream,
  options: DeliverOptions,
): Promise<void> {
  const { req } = exchange
  const { route, readsAnswer, answerBytes } = options
  const path = strippedPath(req.path, route.stripPrefix)
  const to = targetDialect(exchange, path, live.config)
  if (to === undefined) throw unsupported(exchange, live, path)
  const { convertRequest, applyConverted, reportHeaders } = await converter()
  await readJsonBody(exchange, route.bodyBytes, options.jsonDepth)
  assertWanted(exchange)
  const converted = convertRequest(exchange, {
    upstream: live.config,
    to,
    path,
    alias: aliasOf(exchange, live),
    isStrict: isStrict(exchange, route),
    readsAnswer,
  })
  exchange.attempts++
  const { destination, headers, body } = converted
  const answer = await ask(exchange, live, {
    id: exchange.id,
    method: 'POST',
    dialect: to,
    model: converted.crossing.request.model,
    path: destination.path,
    query: destination.query,
    headers,
    body,
    client: { ip: req.ip, host: req.authority, protocol: req.scheme },
    deadline: deadlineOf(exchange, live, route),
    bufferUpTo: answerBytes,
    mustBuffer: true,
    endpoint: undefined,
    key: undefined,
    tried: options.replays ? triedOf(exchange, live) : undefined,
    firstByteMs: exchange.firstByteMs,
  })
  const { report } = converted.crossing
  try {
    applyConverted(exchange, converted, answer)
  } finally {
    showUpstream(exchange, live, answer, {
      dialect: to,
      dropped: report.fields('dropped'),
      emulated: report.fields('emulated'),
    })
  }
  for (const [name, value] of Object.entries(reportHeaders(converted)))
    exchange.res.set(name, value)
}

/**
 * The dialect in which to ask an upstream that does not speak the client's; undefined where the request cannot be
 * converted. Of several, the one that stands first in the config. `path` is the client's, as the upstream would see it.
 */
function targetDialect(
  { req }: LiveExchange,
  path: string,
  { dialects }: LiveUpstream['config'],
): TargetName | undefined {
  if (!isLlmDialect(req.dialect) || req.protocol === 'websocket') return undefined
  const known = endpointIn(req.dialect, req.method, path, req.headers)
  if (known === undefined || conversionOf(known.endpoint.operation) === undefined) return undefined
  return targetsOf(dialects)[0]
}

function unsupported({ req }: LiveExchange, { config }: LiveUpstream, path: string): GatewayError {
  const { dialect } = req
  const reason =
    dialect === 'http' || targetsOf(config.dialects).length === 0
      ? ''
      : `, and ${req.method} ${path} cannot be converted`
  const detail = `the upstream ${config.name} does not speak ${dialect}${reason}`
  return new GatewayError('DIALECT_UNSUPPORTED', detail)
}

/** True where the client or the route asks that nothing is dropped. Throws BAD_REQUEST for what is neither true nor false. */
export function isStrict({ req }: LiveExchange, route: { readonly strict: boolean }): boolean {
  const asked = req.headers[STRICT_HEADER]
  if (asked === undefined || asked === 'false') return route.strict
  if (asked === 'true') return true
  const found = JSON.stringify(asked)
  throw new GatewayError('BAD_REQUEST', `${STRICT_HEADER} is ${found}, expected true or false`)
}

async function load() {
  const [{ convertRequest }, { applyConverted, reportHeaders }] = await Promise.all([
    import('./converted-request.ts'),
    import('./converted-answer.ts'),
  ])
  return { convertRequest, applyConverted, reportHeaders }
}

let loading: ReturnType<typeof load> | undefined

/** What converts requests and answers. Loaded when it is first needed: most gateways speak one dialect on both sides. */
export function converter(): ReturnType<typeof load> {
  loading ??= load()
  return loading
}
