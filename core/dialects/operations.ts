import type { LlmDialect, UpstreamDialect } from './dialect.ts'
import { EMBEDDINGS } from './embeddings.ts'
import type { TargetName } from './hub/conversation.ts'
import { DIALECTS, endpointOf, type KnownEndpoint } from './index.ts'
import { UPSTREAM_SIDES } from './providers.ts'

/**
 * Which operations of one API are done by an upstream of another. All that is not here (files, batches, audio, images,
 * stored responses) belongs to the provider that it was made for, and only passes to an upstream of the same dialect.
 */
const CONVERTED: Readonly<Record<string, Conversion>> = {
  chat: 'conversation',
  responses: 'conversation',
  messages: 'conversation',
  generate: 'conversation',
  'count-tokens': 'count',
  embeddings: 'embeddings',
  models: 'models',
}

/** What an operation means in no dialect: an answer of a model, the tokens of a request, vectors, the models there are. */
export type Conversion = 'conversation' | 'count' | 'embeddings' | 'models'

/** How an operation is converted; undefined where it cannot be. */
export function conversionOf(operation: string): Conversion | undefined {
  return Object.hasOwn(CONVERTED, operation) ? CONVERTED[operation] : undefined
}

/**
 * In which dialects an upstream can be asked for what was written in another, in the order of its config. Not all have
 * embeddings.
 */
export function targetsOf(
  dialects: readonly UpstreamDialect[],
  conversion: Conversion = 'conversation',
): readonly TargetName[] {
  const targets = dialects.flatMap((name): readonly TargetName[] => {
    if (name === 'demo' || name === 'http') return []
    if (name === 'azure-openai') return UPSTREAM_SIDES[name].speaks.filter(isLlmDialect)
    return [name]
  })
  const unique = [...new Set(targets)]
  return conversion === 'embeddings' ? unique.filter((name) => EMBEDDINGS[name]) : unique
}

/** The dialects of APIs that conversations are converted between. */
export function isLlmDialect(name: string): name is LlmDialect {
  return name !== 'http' && Object.hasOwn(DIALECTS, name)
}

/**
 * Operations whose streams say that they are complete, so that one which ends without saying it was cut. Of others,
 * the end of the connection is the end.
 */
const TERMINATED: ReadonlySet<string> = new Set([
  'chat',
  'completions',
  'responses',
  'messages',
  'generate',
])

/** True where a stream from this endpoint must end in an event of its dialect. */
export function endsByEvent(known: KnownEndpoint | undefined): boolean {
  return known !== undefined && TERMINATED.has(known.endpoint.operation)
}

/** The endpoint that a request goes to, where it is one of the dialect's own. */
export function endpointIn(
  dialect: LlmDialect,
  method: string,
  path: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): KnownEndpoint | undefined {
  const known = endpointOf(method, path, headers)
  return known?.dialect === dialect ? known : undefined
}
