import type { Conversion } from '../dialects/operations.ts'
import type { DeliverOptions, LiveUpstream } from './ask.ts'
import { deliverConversation } from './converted-conversation.ts'
import { deliverCount } from './converted-count.ts'
import { deliverEmbeddings } from './converted-embeddings.ts'
import type { ConvertOptions } from './converted-request.ts'
import type { LiveExchange } from './exchange.ts'
import { deliverModels } from './models-list.ts'

/** One attempt of an operation at an upstream of another dialect. */
type Deliver = (
  exchange: LiveExchange,
  live: LiveUpstream,
  options: DeliverOptions,
  given: ConvertOptions,
) => Promise<void>

/** How each operation that means the same in several dialects is done. */
export const CONVERSIONS: Readonly<Record<Conversion, Deliver>> = {
  conversation: deliverConversation,
  count: deliverCount,
  embeddings: deliverEmbeddings,
  models: (exchange, live, options) => deliverModels(exchange, [live], options),
}

export { convertForResponses } from './needs-responses.ts'
export { convertRequest } from './converted-request.ts'
export { deliverModels }
