import type { Json } from '../kit/json.ts'
import { CODECS } from './codecs/index.ts'
import type { LlmDialect } from './dialect.ts'
import { newCrossing } from './hub/crossing.ts'

/**
 * A request of the upstream's own dialect without the thoughts of other providers' models: the client had them from
 * this gateway, sealed, and hands them back. `model` is the upstream's name of it.
 */
export function unsealed(dialect: LlmDialect, body: Json, model: string): Json {
  const codec = CODECS[dialect]
  const request = codec.decodeRequest(body, { model })
  if (request === undefined) return body
  const crossing = newCrossing({ ...request, model }, dialect, { requestId: '', created: 0 })
  return codec.encodeRequest(request, crossing)
}
