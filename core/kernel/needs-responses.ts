import type { Capabilities } from '../dialects/capabilities.ts'
import { effortOf } from '../dialects/hub/efforts.ts'
import type { HubRequest } from '../dialects/hub/request.ts'
import { GatewayError } from '../errors.ts'
import { convertRequest, type ConvertedRequest, type ConvertOptions } from './converted-request.ts'
import type { LiveExchange } from './exchange.ts'

/** True for what newer models of OpenAI answer by Responses only: tools, and an effort to think with. */
function needsResponses(
  { tools, reasoning, maxOutputTokens }: HubRequest,
  { chatToolsWithEffort, maxOutputTokens: most }: Capabilities,
): boolean {
  if (chatToolsWithEffort || tools.length === 0 || reasoning === undefined) return false
  const effort = effortOf(reasoning, maxOutputTokens ?? most)
  return effort !== undefined && effort !== 'none'
}

/**
 * The request for the upstream's other API, where the model needs it; undefined where it does not, and where Responses
 * cannot say all of it (it has no stop sequences): then Chat Completions is to tell what is wrong.
 */
export function convertForResponses(
  exchange: LiveExchange,
  { crossing }: ConvertedRequest,
  given: Omit<ConvertOptions, 'to'>,
): ConvertedRequest | undefined {
  if (!needsResponses(crossing.request, crossing.capabilities)) return undefined
  try {
    return convertRequest(exchange, { ...given, to: 'openai-responses' })
  } catch (cause) {
    if (cause instanceof GatewayError && cause.code === 'UNSUPPORTED_PARAMETER') return undefined
    throw cause
  }
}
