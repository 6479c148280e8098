import type { TargetName } from '../dialects/hub/conversation.ts'
import { conversionOf, endpointIn, isLlmDialect, targetsOf } from '../dialects/operations.ts'
import { GatewayError } from '../errors.ts'
import type { UpstreamAnswer } from '../upstream/upstream.ts'
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
import type { ConvertedRequest } from './converted-request.ts'
import type { LiveExchange } from './exchange.ts'
import { refusedFields, rememberRefused } from './learned.ts'
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
  const { route } = options
  const path = strippedPath(exchange.req.path, route.stripPrefix)
  const to = targetDialect(exchange, path, live.config)
  if (to === undefined) throw unsupported(exchange, live, path)
  const { convertRequest, leaveOut, refusalOf, applyConverted, reportHeaders } = await converter()
  await readJsonBody(exchange, route.bodyBytes, options.jsonDepth)
  assertWanted(exchange)
  const isStrictly = isStrict(exchange, route)
  let converted = convertRequest(exchange, {
    upstream: live.config,
    to,
    path,
    alias: aliasOf(exchange, live),
    isStrict: isStrictly,
    readsAnswer: options.readsAnswer,
  })
  const { request, report } = converted.crossing
  // Who asks that nothing is dropped hears of the refusal instead.
  if (!isStrictly) converted = leaveOut(converted, refusedFields(live.upstream, request.model))
  let answer = await askConverted(exchange, live, converted, options)
  for (let tries = isStrictly ? MAX_TRIES : 1; tries < MAX_TRIES; tries++) {
    const refused = refusalOf(converted, answer)
    if (refused === undefined) break
    rememberRefused(live.upstream, request.model, refused)
    converted = leaveOut(converted, new Set([refused]))
    answer = await askConverted(exchange, live, converted, options)
  }
  try {
    applyConverted(exchange, converted, answer)
  } finally {
    showUpstream(exchange, live, answer, {
      dialect: to,
      dropped: report.fields('dropped'),
      emulated: report.fields('emulated'),
    })
  }
  const { res } = exchange
  for (const [name, value] of Object.entries(reportHeaders(converted))) res.set(name, value)
}

/** A request may have more than one field that a model does not take, and each is refused by itself. */
const MAX_TRIES = 4

/** One try. */
async function askConverted(
  exchange: LiveExchange,
  live: LiveUpstream,
  { to, crossing, destination, headers, body }: ConvertedRequest,
  { route, answerBytes, replays }: DeliverOptions,
): Promise<UpstreamAnswer> {
  const { req } = exchange
  exchange.attempts++
  return ask(exchange, live, {
    id: exchange.id,
    method: 'POST',
    dialect: to,
    model: crossing.request.model,
    path: destination.path,
    query: destination.query,
    headers,
    body: Buffer.from(JSON.stringify(body)),
    client: { ip: req.ip, host: req.authority, protocol: req.scheme },
    deadline: deadlineOf(exchange, live, route),
    bufferUpTo: answerBytes,
    mustBuffer: true,
    endpoint: undefined,
    key: undefined,
    tried: replays ? triedOf(exchange, live) : undefined,
    firstByteMs: exchange.firstByteMs,
  })
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
  const [request, answer] = await Promise.all([
    import('./converted-request.ts'),
    import('./converted-answer.ts'),
  ])
  return { ...request, ...answer }
}

let loading: ReturnType<typeof load> | undefined

/** What converts requests and answers. Loaded when it is first needed: most gateways speak one dialect on both sides. */
export function converter(): ReturnType<typeof load> {
  loading ??= load()
  return loading
}
