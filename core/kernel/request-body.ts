import { checkJson, decodeBody, parseJson, readBody } from './body.ts'
import type { LiveExchange } from './exchange.ts'

/**
 * Reads the request's body whole and parses it where it is JSON, before the first step that looks at it. The bytes stay
 * as they came; a content coding is taken off for reading only. A JSON body that is none is refused with INVALID_JSON,
 * a coding that is not known with UNSUPPORTED_ENCODING. Without `parses`, it is parsed once somebody asks for it.
 */
export async function readJsonBody(
  exchange: LiveExchange,
  limitBytes: number,
  maxDepth: number,
  parses = true,
): Promise<void> {
  const { req } = exchange
  // An attempt before may have gathered it without looking at it.
  req.bytes ??= req.hasBody ? await readBody(req.raw, limitBytes) : NOTHING
  exchange.requestBytes = req.bytes.length
  if (req.bytes.length === 0 || req.isReplaced || req.body !== undefined) return
  const isNamedJson = isJson(req.headers['content-type'])
  if (!isNamedJson && req.dialect === 'http') return
  const encoding = req.headers['content-encoding']
  const text =
    encoding === undefined ? req.bytes : await decodeBody(req.bytes, encoding, limitBytes)
  // LLM APIs read JSON under any name, so a guard that went by the name could be passed by.
  if (!isNamedJson && !looksLikeJson(text)) return
  const unparsed = parses ? undefined : checkJson(text, maxDepth)
  if (unparsed === undefined) req.parsed(parseJson(text, maxDepth))
  else req.unparsed(unparsed)
}

const NOTHING = Buffer.alloc(0)

/** True for a type of JSON, and where none is stated. */
export function isJson(contentType = ''): boolean {
  if (contentType === 'application/json' || contentType === '') return true
  return /^application\/([^;]+\+)?json\s*(;|$)/i.test(contentType)
}

function looksLikeJson(text: Buffer): boolean {
  return /^\s*[{[]/.test(text.toString('latin1', 0, 64))
}
