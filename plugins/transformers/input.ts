import { isObject } from '#core/kit/json.ts'
import type { Denial, ExchangeView, Host, Json, RequestPatch } from '#core/sdk.ts'
import { type Change, compileRemoval, compileRules } from './body-rules.ts'
import { type BodyCheck, compileSchema, FILE_PREFIX, type SchemaSource } from './body-schema.ts'
import { compileHeaders, type HeaderPatch } from './header-rules.ts'
import type { Input } from './options.ts'

/** What has become of a request so far. */
interface Draft {
  body: Json | undefined
  headers: HeaderPatch | undefined
  deny: Denial | undefined
}

/** One transformer, compiled: changes the draft. */
type Deed = (draft: Draft, exchange: ExchangeView) => void

/** Compiles the transformers of requests. Rejects where a schema cannot be loaded. */
export async function compileInput(
  input: readonly Input[],
  host: Host,
): Promise<(exchange: ExchangeView) => RequestPatch> {
  const deeds = await Promise.all(input.map((item) => compileDeed(item, host)))
  return (exchange) => {
    const before = exchange.req.body
    const draft: Draft = { body: before, headers: undefined, deny: undefined }
    for (const deed of deeds) {
      deed(draft, exchange)
      if (draft.deny) return { deny: draft.deny }
    }
    const { body, headers } = draft
    return { ...(headers && { headers }), ...(body !== undefined && body !== before && { body }) }
  }
}

async function compileDeed(item: Input, host: Host): Promise<Deed> {
  if (item.type === 'validateSchema') {
    const check = await loadSchema(item.schema, host)
    return (draft, { req }) => {
      draft.deny = refusal(check, draft.body, req.method)
    }
  }
  if (item.type === 'addHeaders') {
    const add = compileHeaders(item.headers, 'request.body')
    return (draft, exchange) => add((draft.headers ??= {}), exchange, draft.body)
  }
  const change: Change =
    item.type === 'modifyBody'
      ? compileRules(item.rules, 'request.body')
      : compileRemoval(item.fields)
  return (draft, exchange) => {
    if (draft.body !== undefined) draft.body = change(draft.body, exchange)
  }
}

/** Requests that have no body by their nature, such as one for the list of models, are not refused for it. */
function refusal(check: BodyCheck, body: Json | undefined, method: string): Denial | undefined {
  if (body !== undefined) return check(body)
  if (['GET', 'HEAD', 'DELETE', 'OPTIONS'].includes(method)) return undefined
  return { code: 'SCHEMA_INVALID', message: 'expected a JSON body' }
}

async function loadSchema(source: SchemaSource, host: Host): Promise<BodyCheck> {
  if (typeof source !== 'string' || !source.startsWith(FILE_PREFIX)) return compileSchema(source)
  const file = source.slice(FILE_PREFIX.length)
  const loaded = await host.load(file)
  const content = isObject(loaded) && Object.hasOwn(loaded, 'default') ? loaded['default'] : loaded
  if (!isObject(content)) throw new Error(`${file} holds no JSON Schema`)
  return compileSchema(content as Record<string, Json>)
}
