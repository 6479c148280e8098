import type { ExchangeView, Host, Json, RequestPatch } from '#core/sdk.ts'
import { compileHeaders, type HeaderChange, type HeaderPatch } from './header-rules.ts'
import { metadataRequestHeaders } from './metadata.ts'
import type { Input } from './options.ts'
import { compileTransforms, type Draft } from './transform.ts'

/** One step on a request's way: changes its body, refuses it, or changes its header fields. */
type Deed = (draft: Draft, headers: HeaderPatch, exchange: ExchangeView) => void

/** Compiles the transformers of requests, done in their order. Rejects where a schema cannot be loaded. */
export async function compileInput(
  input: readonly Input[],
  host: Host,
): Promise<(exchange: ExchangeView) => RequestPatch> {
  const deeds = (await Promise.all(input.map((item) => compileDeeds(item, host)))).flat()
  return (exchange) => {
    const before = exchange.req.body
    const draft: Draft = { document: before, deny: undefined }
    const headers: HeaderPatch = {}
    for (const deed of deeds) {
      deed(draft, headers, exchange)
      if (draft.deny) return { deny: draft.deny }
    }
    const body: Json | undefined = draft.document
    return {
      ...(Object.keys(headers).length > 0 && { headers }),
      ...(body !== undefined && body !== before && { body }),
    }
  }
}

async function compileDeeds(item: Input, host: Host): Promise<Deed[]> {
  const { transforms } = await compileTransforms([item], 'input', 'request', host)
  const deeds = transforms.map(
    (transform): Deed =>
      (draft, _headers, exchange) =>
        transform(draft, exchange),
  )
  const change = headerChange(item)
  if (change) deeds.push((draft, headers, exchange) => change(headers, exchange, draft.document))
  return deeds
}

function headerChange(item: Input): HeaderChange | undefined {
  if (item.type === 'addHeaders') return compileHeaders(item.headers, 'request.body')
  return item.type === 'addMetadata' && item.headers ? metadataRequestHeaders : undefined
}
