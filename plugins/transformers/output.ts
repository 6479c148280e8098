import type { Chunk, ChunkPatch, ExchangeView, Host, Json, ResponsePatch } from '#core/sdk.ts'
import { compileTextFilter } from './answer-text.ts'
import { type Change, compileRemoval, compileRules } from './body-rules.ts'
import { compileHeaders, type HeaderChange, type HeaderPatch } from './header-rules.ts'
import { metadataField, metadataHeaders } from './metadata.ts'
import { changesBody, type Output } from './options.ts'

/** Compiles what happens to an answer's head, and to its body where it is plain JSON. */
export function compileOutput(
  output: readonly Output[],
  host: Host,
): ((exchange: ExchangeView) => ResponsePatch) | undefined {
  const headers = output.flatMap((item) => headerChanges(item, host))
  const changes = bodyChanges(output, 'answer', host)
  if (headers.length + changes.length === 0) return undefined
  return (exchange) => {
    const before = changes.length === 0 || exchange.res.isStream ? undefined : exchange.res.body
    const body = before === undefined ? undefined : applyAll(changes, before, exchange)
    const patch: HeaderPatch = {}
    for (const change of headers) change(patch, exchange, exchange.res.body)
    return { headers: patch, ...(body !== undefined && body !== before && { body }) }
  }
}

/** Compiles what happens to the JSON events of a stream; undefined where they pass as they are. */
export function compileEvents(
  output: readonly Output[],
  host: Host,
): ((chunk: Chunk, exchange: ExchangeView) => ChunkPatch) | undefined {
  const changes = bodyChanges(output, 'events', host)
  if (changes.length === 0) return undefined
  return (chunk, exchange) => {
    // A plain answer was changed on its way up, before the steps above saw it.
    if (chunk.isWhole) return undefined
    const { json } = chunk
    if (json === undefined) return undefined
    const changed = applyAll(changes, json, exchange)
    return changed === json ? undefined : { event: chunk.event, json: changed }
  }
}

function applyAll(changes: readonly Change[], document: Json, exchange: ExchangeView): Json {
  let changed = document
  for (const change of changes) changed = change(changed, exchange)
  return changed
}

function headerChanges(item: Output, host: Host): HeaderChange[] {
  if (item.type === 'addHeaders') return [compileHeaders(item.headers, 'response.body')]
  if (item.type === 'addMetadata' && item.headers) return [metadataHeaders(host)]
  return []
}

function bodyChanges(output: readonly Output[], form: 'answer' | 'events', host: Host): Change[] {
  return output
    .filter((item) => changesBody(item, form))
    .flatMap((item) => bodyChange(item, host) ?? [])
}

function bodyChange(item: Output, host: Host): Change | undefined {
  switch (item.type) {
    case 'modifyBody':
      return compileRules(item.rules, 'response.body')
    case 'removeFields':
      return compileRemoval(item.fields)
    case 'filterContent':
      return compileTextFilter(item.patterns, item.replacement)
    case 'addMetadata':
      return item.field === null ? undefined : metadataField(item.field, host)
    default:
      return undefined
  }
}
