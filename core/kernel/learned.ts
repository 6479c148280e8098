import { Newest } from '../kit/newest.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** Models of one upstream of which something is remembered, and fields of one model. The oldest model goes first. */
const MAX_MODELS = 256
const MAX_FIELDS = 16

const EMPTY: ReadonlySet<string> = new Set()

/** By live upstream: what is learned ends with it, so a changed upstream is asked anew. */
const learned = new WeakMap<Upstream, Newest<string, Set<string>>>()

/** The fields that this upstream has refused for a model. */
export function refusedFields(upstream: Upstream, model: string): ReadonlySet<string> {
  return learned.get(upstream)?.get(model) ?? EMPTY
}

/** Remembers that this upstream refuses a field for a model. */
export function rememberRefused(upstream: Upstream, model: string, field: string): void {
  let models = learned.get(upstream)
  if (models === undefined) learned.set(upstream, (models = new Newest(MAX_MODELS)))
  let fields = models.get(model)
  if (fields === undefined) {
    models.set(model, (fields = new Set()))
  }
  if (fields.size < MAX_FIELDS) fields.add(field)
}
