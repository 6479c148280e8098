import type { Chunk, ChunkPatch, ExchangeView, Hooks, Host, ResponsePatch } from '#core/sdk.ts'
import { compileHeaders, type HeaderChange, type HeaderPatch } from './header-rules.ts'
import { metadataHeaders } from './metadata.ts'
import { appliesTo, type Output } from './options.ts'
import { TextFilter } from './text-filter.ts'
import { compileTransforms, patchOf, transformed } from './transform.ts'

/** Compiles what happens to answers: to their heads, to plain ones, and to the events of streams. */
export async function compileOutput(
  output: readonly Output[],
  host: Host,
): Promise<Pick<Hooks, 'response' | 'chunk'>> {
  const headers = output.flatMap((item) => headerChange(item, host) ?? [])
  const answer = await compileTransforms(output, 'output', 'answer', host)
  const events = await compileTransforms(output, 'output', 'event', host)
  const filters = output.filter((item) => item.type === 'filterContent')
  const plain = filters.filter((item) => appliesTo(item, 'answer'))
  const filter = plain.length > 0 ? new TextFilter(plain) : undefined
  /** Answers that were changed on their way up, before the steps above saw them. */
  const done = new WeakSet<ExchangeView>()

  function response(exchange: ExchangeView): ResponsePatch {
    const { res } = exchange
    const before = answer.transforms.length === 0 || res.isStream ? undefined : res.body
    const patch: HeaderPatch = {}
    if (before !== undefined) done.add(exchange)
    const { document, deny } =
      before === undefined
        ? { document: undefined, deny: undefined }
        : transformed(answer.transforms, before, exchange)
    if (deny) return { deny }
    for (const change of headers) change(patch, exchange, res.body)
    return {
      headers: patch,
      ...(document !== undefined && document !== before && { body: document }),
    }
  }

  function chunk(one: Chunk, exchange: ExchangeView): ChunkPatch {
    if (!one.isWhole) {
      const patch = patchOf(events, one, exchange)
      return patch && ('deny' in patch ? patch : { event: one.event, ...patch })
    }
    if (done.has(exchange)) return undefined
    // What is no JSON by its type, and what a step has made below.
    return patchOf(
      { transforms: answer.transforms, filter: one.json === undefined ? filter : undefined },
      one,
      exchange,
    )
  }

  const changesAnswers = headers.length + answer.transforms.length > 0
  const changesEvents = events.transforms.length > 0 || events.filter !== undefined
  return {
    ...(changesAnswers && { response }),
    ...((changesEvents || answer.transforms.length > 0) && { chunk }),
  }
}

function headerChange(item: Output, host: Host): HeaderChange | undefined {
  if (item.type === 'addHeaders') return compileHeaders(item.headers, 'response.body')
  return item.type === 'addMetadata' && item.headers ? metadataHeaders(host) : undefined
}
