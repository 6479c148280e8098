import { mayHoldSeal } from '../dialects/hub/proof.ts'
import { conversionOf, endpointIn, isLlmDialect, targetsOf } from '../dialects/operations.ts'
import type { Json } from '../kit/json.ts'
import type { DeliverOptions, LiveUpstream } from './ask.ts'
import type { LiveExchange } from './exchange.ts'
import { readJsonBody } from './request-body.ts'

/** True where a conversation may go to upstreams of several dialects in turn. */
export function mixDialects(upstreams: ReadonlyMap<string, LiveUpstream>): boolean {
  const spoken = [...upstreams.values()].flatMap(({ config }) => targetsOf(config.dialects))
  return new Set(spoken).size > 1
}

/**
 * The body for an upstream of the client's own dialect where it holds thoughts of another provider's model; undefined
 * where it may pass as it is. The exchange keeps the client's: another attempt may go to that provider.
 */
export async function withoutSeals(
  exchange: LiveExchange,
  path: string,
  model: string | undefined,
  { route, jsonDepth }: DeliverOptions,
): Promise<Json | undefined> {
  const { req } = exchange
  const { bytes, dialect, headers, method } = req
  if (bytes === undefined || !isLlmDialect(dialect) || !mayHoldSeal(bytes)) return undefined
  const operation = endpointIn(dialect, method, path, headers)?.endpoint.operation ?? ''
  if (conversionOf(operation) !== 'conversation') return undefined
  await readJsonBody(exchange, route.bodyBytes, jsonDepth)
  if (req.body === undefined) return undefined
  const { unsealed } = await import('../dialects/unsealed.ts')
  return unsealed(dialect, req.body, model ?? '')
}
