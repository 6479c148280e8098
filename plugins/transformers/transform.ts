import type { Denial, ExchangeView, Host, Json, Text, NewText } from '#core/sdk.ts'
import { type Change, compileRemoval, compileRules } from './body-rules.ts'
import { type BodyCheck, loadChecks } from './body-schema.ts'
import { metadataField } from './metadata.ts'
import { compileNormal } from './normalize.ts'
import { appliesTo, type Form, type Item } from './options.ts'
import { TextFilter } from './text-filter.ts'

/** What has become of a document so far. */
export interface Draft {
  document: Json | undefined
  deny: Denial | undefined
}

/** One transformer, compiled: changes the draft. */
export type Transform = (draft: Draft, exchange: ExchangeView) => void

/** Whose documents are transformed: what the client sends, or what it gets. */
export type Side = 'input' | 'output'

/** The transformers of one form of document, in their order, and what happens to texts that come in pieces. */
export interface Transforms {
  readonly transforms: readonly Transform[]
  readonly filter: TextFilter | undefined
}

/** Compiles what a list of transformers does to one form of document. Rejects where a schema cannot be loaded. */
export async function compileTransforms(
  items: readonly Item[],
  side: Side,
  form: Form,
  host: Host,
): Promise<Transforms> {
  const chosen = items.filter((item) => appliesTo(item, form))
  const inPieces = form === 'event' || form === 'message'
  const filters = chosen.filter((item) => item.type === 'filterContent')
  const compiled = await Promise.all(
    chosen
      .filter((item) => !inPieces || item.type !== 'filterContent')
      .map((item) => compileItem(item, side, form, host)),
  )
  return {
    transforms: compiled.filter((transform) => transform !== undefined),
    filter: inPieces && filters.length > 0 ? new TextFilter(filters) : undefined,
  }
}

/** Does all transformers to a document; stops where one of them refuses it. */
export function transformed(
  transforms: readonly Transform[],
  document: Json | undefined,
  exchange: ExchangeView,
): Draft {
  const draft: Draft = { document, deny: undefined }
  for (const transform of transforms) {
    transform(draft, exchange)
    if (draft.deny) break
  }
  return draft
}

/** The patch for an event or message; undefined where it goes on as it is. */
export function patchOf(
  { transforms, filter }: Transforms,
  shown: { readonly json: Json | undefined; readonly texts: readonly Text[] },
  exchange: ExchangeView,
): { deny: Denial } | { json?: Json; texts?: readonly (NewText | null)[] } | undefined {
  const { json } = shown
  const { document, deny } = transformed(transforms, json, exchange)
  if (deny) return { deny }
  // With the texts of the event as it came; what a rule has taken out of it is not put back. Who does not look at them
  // pays nothing for them.
  const redacted = filter?.redact(shown.texts)
  const isChanged = document !== undefined && document !== json
  if (!isChanged && redacted === undefined) return undefined
  return { ...(isChanged && { json: document }), ...(redacted && { texts: redacted }) }
}

async function compileItem(
  item: Item,
  side: Side,
  form: Form,
  host: Host,
): Promise<Transform | undefined> {
  if (item.type === 'validateSchema') {
    const checks = await loadChecks(item.schema, side, host)
    const check = form === 'event' ? checks.event : checks.whole
    return side === 'input'
      ? refusing(check, form)
      : judging(check, 'onFail' in item ? item.onFail : 'error', host)
  }
  const change = compileChange(item, side, form, host)
  return (
    change &&
    ((draft, exchange) => {
      if (draft.document !== undefined) draft.document = change(draft.document, exchange)
    })
  )
}

function compileChange(item: Item, side: Side, form: Form, host: Host): Change | undefined {
  switch (item.type) {
    case 'modifyBody':
      return compileRules(item.rules, side === 'input' ? 'request.body' : 'response.body')
    case 'removeFields':
      return compileRemoval(item.fields)
    case 'normalizeResponse':
      return compileNormal(item, form === 'event' ? 'event' : 'answer')
    case 'addMetadata':
      return item.field === null ? undefined : metadataField(item.field, side, host)
    case 'filterContent': {
      const filter = new TextFilter([item])
      return (document, exchange) =>
        side === 'input' ? filter.request(document, exchange) : filter.answer(document, exchange)
    }
    default:
      return undefined
  }
}

/** What a client sends and does not fit is its fault. */
function refusing(check: BodyCheck, form: Form): Transform {
  return (draft, { req }) => {
    const { document } = draft
    if (document !== undefined) draft.deny = check(document)
    // A request that has no body by its nature, such as one for the list of models, is not refused for it.
    else if (form === 'message' || !BODYLESS.has(req.method)) draft.deny = NO_JSON
  }
}

const BODYLESS = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS'])
const NO_JSON: Denial = { code: 'SCHEMA_INVALID', message: 'expected a JSON body' }

/** What an upstream answers and does not fit is its fault: told to the client, or to the log alone. */
function judging(check: BodyCheck, onFail: 'error' | 'log', host: Host): Transform {
  return (draft, { id, res }) => {
    const { document } = draft
    // An error has another form.
    if (document === undefined || res.status >= 400) return
    const denial = check(document)
    if (denial === undefined) return
    const { message, param } = denial
    host.log.warn('answer does not fit its schema', { id, param, detail: message })
    if (onFail === 'log') return
    const told = `the answer does not fit its schema: ${message}`
    draft.deny = { code: 'UPSTREAM_PROTOCOL', message: told, ...(param !== undefined && { param }) }
  }
}
