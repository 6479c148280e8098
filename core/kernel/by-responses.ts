import { conversionOf, endpointIn } from '../dialects/operations.ts'
import { aliasOf, type DeliverOptions, type LiveUpstream } from './ask.ts'
import { conversions, isStrict } from './crossing.ts'
import type { LiveExchange } from './exchange.ts'
import { readJsonBody } from './request-body.ts'

/** True for a request in OpenAI's first API to an upstream that speaks both. */
export function hasBothApis({ req }: LiveExchange, { upstream, config }: LiveUpstream): boolean {
  return (
    req.dialect === 'openai-chat' &&
    upstream.dialects.includes('openai-responses') &&
    !config.dialects.includes('demo')
  )
}

/**
 * Asks for a chat by Responses, where its model takes tools and an effort by that API only. False where nothing was
 * sent, because the bytes can pass as they are.
 */
export async function deliverByResponses(
  exchange: LiveExchange,
  live: LiveUpstream,
  options: DeliverOptions,
): Promise<boolean> {
  const { req } = exchange
  const { bytes, apiPath: path } = req
  if (!bytes?.includes('"reasoning_effort"') || !bytes.includes('"tools"')) return false
  const operation = endpointIn('openai-chat', req.method, path, req.headers)?.endpoint.operation
  if (conversionOf(operation ?? '') !== 'conversation') return false
  const { CONVERSIONS, convertForResponses, convertRequest } = await conversions()
  await readJsonBody(exchange, options.route.bodyBytes, options.jsonDepth)
  const given = {
    upstream: live.config,
    path,
    alias: aliasOf(exchange, live),
    isStrict: isStrict(exchange, options.route),
    readsAnswer: options.readsAnswer,
  }
  const own = convertRequest(exchange, { ...given, to: 'openai-chat', isStrict: false })
  if (convertForResponses(exchange, own, given) === undefined) return false
  await CONVERSIONS.conversation(exchange, live, options, { ...given, to: 'openai-responses' })
  return true
}
