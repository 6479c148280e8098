import { globTest } from '../config/by-model.ts'
import type { UpstreamConfig } from '../config/model.ts'
import type { LlmDialect, WireDialect } from '../dialects/dialect.ts'
import { describeModels, modelNames } from '../dialects/models.ts'
import { endpointIn, targetsOf } from '../dialects/operations.ts'
import { GatewayError } from '../errors.ts'
import { jsonOf } from '../kit/json.ts'
import { assertWanted, type DeliverOptions, type LiveUpstream } from './ask.ts'
import { askAs, type OwnRequest } from './ask-as.ts'
import { headersOf } from './converted-request.ts'
import type { LiveExchange } from './exchange.ts'

/**
 * Answers with the models that upstreams serve, by the names that clients use: what stands in `models`, and what an
 * upstream lists itself where there are patterns or nothing. One that does not answer is left out, unless all are.
 */
export async function deliverModels(
  exchange: LiveExchange,
  upstreams: readonly LiveUpstream[],
  options: DeliverOptions,
): Promise<void> {
  const { req, res, now } = exchange
  const dialect = req.dialect as LlmDialect
  const wanted = endpointIn(dialect, req.method, req.apiPath, req.headers)?.params['model']
  const isKnown = wanted !== undefined && upstreams.some(({ config }) => serves(config, wanted))
  const names = isKnown ? [wanted] : await allNames(exchange, upstreams, options)
  if (wanted !== undefined && !names.includes(wanted)) {
    throw new GatewayError('MODEL_NOT_FOUND', `there is no model ${JSON.stringify(wanted)} here`)
  }
  exchange.upstreamUsage = () => undefined
  res.status = 200
  res.set('content-type', 'application/json')
  res.body = describeModels(dialect, names, wanted, Math.floor(now / 1000))
}

function serves({ models }: UpstreamConfig, name: string): boolean {
  return models.some(({ pattern }) =>
    pattern.includes('*') ? globTest(pattern)(name) : pattern === name,
  )
}

async function allNames(
  exchange: LiveExchange,
  upstreams: readonly LiveUpstream[],
  options: DeliverOptions,
): Promise<string[]> {
  const names = new Set<string>()
  let failure: unknown
  // One after the other: a client that leaves ends the call that is under way.
  for (const live of upstreams) {
    const { models } = live.config
    for (const { pattern } of models) if (!pattern.includes('*')) names.add(pattern)
    if (models.length > 0 && !models.some(({ pattern }) => pattern.includes('*'))) continue
    try {
      const listed = await listOf(exchange, live, options)
      for (const name of listed)
        if (models.length === 0 || serves(live.config, name)) names.add(name)
    } catch (cause) {
      assertWanted(exchange)
      failure ??= cause
    }
  }
  if (names.size === 0 && failure !== undefined) throw failure
  return [...names]
}

/** Where each API lists its models; all at once where it can. */
const LISTS: Readonly<Partial<Record<WireDialect, Pick<OwnRequest, 'path' | 'query'>>>> = {
  'openai-chat': { path: '/v1/models' },
  'openai-responses': { path: '/v1/models' },
  anthropic: { path: '/v1/models', query: 'limit=1000' },
  gemini: { path: '/v1beta/models', query: 'pageSize=1000' },
  mistral: { path: '/v1/models' },
}

async function listOf(
  exchange: LiveExchange,
  live: LiveUpstream,
  options: DeliverOptions,
): Promise<string[]> {
  const { config } = live
  const { req } = exchange
  const isDemo = config.dialects.includes('demo')
  const to = isDemo ? (req.dialect as LlmDialect) : targetsOf(config.dialects)[0]
  const list = to && LISTS[to]
  if (to === undefined || list === undefined) return []
  const version = { 'anthropic-version': '2023-06-01' }
  const headers = headersOf(req, { upstream: config, to }, to === 'anthropic' ? version : {})
  const answer = await askAs(exchange, live, options, {
    dialect: to === 'openai-responses' ? 'openai-chat' : to,
    method: 'GET',
    model: undefined,
    headers,
    ...list,
  })
  if (answer.status < 200 || answer.status > 299) {
    const detail = `${config.name} does not list its models: it answered ${answer.status}`
    throw new GatewayError('UPSTREAM_PROTOCOL', detail)
  }
  return Buffer.isBuffer(answer.body) ? modelNames(jsonOf(answer.body)) : []
}
