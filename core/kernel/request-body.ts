import { parseJson, readBody } from './body.ts'
import type { LiveExchange } from './exchange.ts'

/**
 * Reads the request's body whole and parses it where it says that it is JSON, before the first step that looks at it.
 * A JSON body that is none is refused with INVALID_JSON.
 */
export async function readJsonBody(
  exchange: LiveExchange,
  limitBytes: number,
  maxDepth: number,
): Promise<void> {
  const { req } = exchange
  req.bytes = await readBody(req.raw, limitBytes)
  exchange.requestBytes = req.bytes.length
  const type = req.headers['content-type'] ?? ''
  const isJson = type === '' || type.startsWith('application/json') || type.includes('+json')
  if (!isJson || req.bytes.length === 0) return
  req.parsed(parseJson(req.bytes, maxDepth))
}
