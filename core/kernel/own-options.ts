import { isLlmDialect } from '../dialects/operations.ts'
import { GatewayError } from '../errors.ts'
import { isObject, type Json, type JsonObject } from '../kit/json.ts'
import type { DeliverOptions, LiveUpstream } from './ask.ts'
import type { LiveExchange } from './exchange.ts'
import { readJsonBody } from './request-body.ts'

const BAGS = ['"provider_options"', '"extra_body"']

/**
 * The body for an upstream of the client's own dialect with what is meant for this upstream merged into it, as a
 * conversion does: the client does not know who will be asked. `body` is what takes the place of the client's, if
 * anything does. For routes of several dialects only; elsewhere clients know whom they speak to.
 */
export async function withOwnOptions(
  exchange: LiveExchange,
  { config }: LiveUpstream,
  body: Json | undefined,
  { route, jsonDepth }: DeliverOptions,
): Promise<Json | undefined> {
  const { req } = exchange
  const { bytes, dialect } = req
  if (!isLlmDialect(dialect) || !BAGS.some((bag) => bytes?.includes(bag))) return body
  await readJsonBody(exchange, route.bodyBytes, jsonDepth)
  const given = body ?? req.body
  if (!isObject(given)) return body
  const [{ Report }, { mergeProviderOptions, splitProviderOptions }] = await Promise.all([
    import('../dialects/hub/report.ts'),
    import('../dialects/hub/provider-options.ts'),
  ])
  const split = splitProviderOptions(given as JsonObject, dialect, config.name)
  if (split.body === given) return body
  const report = new Report(dialect)
  const merged = mergeProviderOptions(split.body as JsonObject, split.options, report)
  const [refused] = report.refusals()
  if (refused === undefined) return merged
  const { field, reason } = refused
  throw new GatewayError('UNSUPPORTED_PARAMETER', `${field}: ${reason}`, { param: field })
}
