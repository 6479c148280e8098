import { DIALECTS } from '../../dialects/index.ts'
import type { Json, JsonObject } from '../../kit/json.ts'
import type { UpstreamRequest } from '../upstream.ts'

/** What an `http` route hears from the demo: its own request. A path that ends in `/status/NNN` chooses the status. */
export function echo(request: UpstreamRequest, body: Buffer): { status: number; body: Json } {
  const { method, path, query, headers } = request
  const status = Number(/\/status\/([2-5]\d\d)$/.exec(path)?.[1] ?? 200)
  return {
    status,
    body: {
      method,
      path,
      query: Object.fromEntries(new URLSearchParams(query)),
      headers: withoutCredentials(headers),
      body: bodyOf(body),
    },
  }
}

function withoutCredentials(headers: UpstreamRequest['headers']): JsonObject {
  const { credentialHeaders } = DIALECTS.http
  const kept = Object.entries(headers).filter(([name]) => !credentialHeaders.includes(name))
  return Object.fromEntries(kept) as JsonObject
}

/** Parsed where it is JSON, else as text; null where there is none. */
function bodyOf(body: Buffer): Json {
  if (body.length === 0) return null
  const text = body.toString()
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}
