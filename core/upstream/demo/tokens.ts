import { isObject } from '../../kit/json.ts'

/** The demo's one rule: a token is four bytes of UTF-8, and what is left over is one more. */
const BYTES_PER_TOKEN = 4

/** Tokens of a text. */
export function countTokens(text: string): number {
  return tokensOf(Buffer.byteLength(text))
}

/** The longest beginning of a text that has at most so many tokens; characters stay whole. */
export function cutToTokens(text: string, limit: number): string {
  const bytes = Buffer.from(text)
  let end = limit * BYTES_PER_TOKEN
  if (bytes.length <= end) return text
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}

/** Tokens of a prompt: of every text in it, with tools counted as the JSON they are. */
export function promptTokens(prompt: readonly unknown[], tools: unknown): number {
  const bytes = prompt.reduce<number>((sum, part) => sum + textBytes(part), 0)
  return tokensOf(bytes + (tools === undefined ? 0 : Buffer.byteLength(JSON.stringify(tools))))
}

/** The fields that hold no words: names of kinds, ids, links, and files. */
const SILENT: ReadonlySet<string> = new Set([
  'type',
  'role',
  'id',
  'call_id',
  'tool_call_id',
  'tool_use_id',
  'status',
  'url',
  'image_url',
  'data',
  'file_data',
  'media_type',
  'mimeType',
  'signature',
  'thoughtSignature',
  'encrypted_content',
])

/** Recursion is bounded by the depth that a body may have. */
function textBytes(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + textBytes(item), 0)
  if (!isObject(value)) return 0
  let bytes = 0
  for (const name of Object.keys(value)) if (!SILENT.has(name)) bytes += textBytes(value[name])
  return bytes
}

/** Tokens of so many bytes. */
export function tokensOf(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN)
}
