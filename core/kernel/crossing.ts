import {
  type Conversion,
  conversionOf,
  endpointIn,
  isLlmDialect,
  targetsOf,
} from '../dialects/operations.ts'
import { GatewayError } from '../errors.ts'
import { aliasOf, assertWanted, type DeliverOptions, type LiveUpstream } from './ask.ts'
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
  const { route, readsAnswer } = options
  const { config: upstream } = live
  const { apiPath: path } = exchange.req
  const conversion = conversionFor(exchange, path)
  const [to] = conversion === undefined ? [] : targetsOf(upstream.dialects, conversion)
  if (conversion === undefined || to === undefined) throw unsupported(exchange, live, path)
  const { CONVERSIONS } = await conversions()
  await readJsonBody(exchange, route.bodyBytes, options.jsonDepth)
  assertWanted(exchange)
  await CONVERSIONS[conversion](exchange, live, options, {
    upstream,
    to,
    path,
    alias: aliasOf(exchange, live),
    isStrict: isStrict(exchange, route),
    readsAnswer,
  })
}

/** How what a client asks for is converted; undefined where it cannot be. `path` is the client's, as the upstream would see it. */
export function conversionFor({ req }: LiveExchange, path: string): Conversion | undefined {
  if (!isLlmDialect(req.dialect) || req.protocol === 'websocket') return undefined
  const known = endpointIn(req.dialect, req.method, path, req.headers)
  if (known === undefined || known.endpoint.method === 'DELETE') return undefined
  return conversionOf(known.endpoint.operation)
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

let loading: ReturnType<typeof load> | undefined

async function load() {
  return await import('./conversions.ts')
}

/** Loaded when it is first needed: most gateways speak one dialect on both sides. */
export function conversions(): ReturnType<typeof load> {
  loading ??= load()
  return loading
}
