import { isObject, type Json } from '../kit/json.ts'
import { capabilitiesOf } from './capabilities.ts'
import type { ClientDialect } from './dialect.ts'

/** A request whose cost is to be known before it runs. */
export interface EstimateRequest {
  readonly dialect: ClientDialect
  readonly path: string
  readonly body: Json | undefined
}

/** Options of steps that reserve what a request may cost. */
export const ESTIMATE_OPTIONS = {
  maxOutput: {
    type: 'integer',
    minimum: 1,
    maximum: 10_000_000,
    default: 4_096,
    description:
      'Output tokens to reserve for one answer where the request sets no bound of its own.',
  },
  boundOutput: {
    type: 'boolean',
    default: false,
    description:
      'Sets `maxOutput` in requests without a bound, so that no answer takes more than was reserved.',
  },
  bytesPerToken: {
    type: 'number',
    minimum: 1,
    maximum: 8,
    default: 2,
    description:
      'Bytes of a prompt to reserve one token for. 1 is safe for any text, 2 for ordinary text.',
  },
} as const

/** What an estimate goes by. */
export interface EstimateOptions {
  /**
   * Bytes of text that are taken for one token. Byte-level tokenizers never make more than one token of a byte, so 1
   * is safe whatever is sent; 2 is safe for prose, code and JSON in the languages that today's tokenizers know.
   */
  readonly bytesPerToken: number
  /** Output tokens of one answer where the request does not bound them. */
  readonly maxOutputTokens: number
}

/** What a request may cost. */
export interface TokenEstimate {
  readonly inputTokens: number
  /** All answers that are asked for together. */
  readonly outputTokens: number
}

const NOTHING: TokenEstimate = { inputTokens: 0, outputTokens: 0 }

/** Tokens of one image: more than any provider takes at full resolution (Anthropic 4,784; OpenAI 2,489; Gemini 2,240). */
const IMAGE_TOKENS = 5_000

/** Tokens of a document, recording or film that is only named, by URL or id. */
const REFERENCE_TOKENS = 20_000

/** What providers put around every request: roles, turns, the demand for a format. */
const REQUEST_TOKENS = 50

/** The words with which a provider introduces tools, and those of its own that are only named in the body. */
const TOOLS_TOKENS = 1_200

/** Quotes, colon and comma around an entry. Bytes. */
const AROUND_ENTRY = 6
const AROUND_ITEM = 3
/** A number, true, false or null. Bytes. */
const SCALAR = 8

/**
 * Estimates what a request to an LLM API may cost, from above. Input: the bytes of all texts, names and numbers in the
 * body, divided by `bytesPerToken`; an image is flat, a document or recording goes by its size. Output: what the
 * request sets as its bound, times the number of answers. Not in it, as the body does not show it: what a provider
 * adds by reference (`previous_response_id`, `cachedContent`), and what its own tools bring in. Where nothing is
 * generated the output is 0; counting tokens is free.
 */
export function estimateTokens(
  { dialect, path, body }: EstimateRequest,
  { bytesPerToken, maxOutputTokens }: EstimateOptions,
): TokenEstimate {
  if (dialect === 'http' || !isObject(body) || COUNTING.test(path)) return NOTHING
  const sum: Sum = { bytes: 0, tokens: REQUEST_TOKENS, blobs: dialect === 'gemini' ? BLOBS : [] }
  addMap(body, sum)
  if (Array.isArray(body['tools']) && body['tools'].length > 0) sum.tokens += TOOLS_TOKENS
  const inputTokens = Math.ceil(sum.bytes / bytesPerToken) + sum.tokens
  const output = outputOf(dialect, path, body)
  const outputTokens =
    output === undefined
      ? 0
      : (countOf(output.bound) ?? maxOutputTokens) * (countOf(output.answers) ?? 1)
  return { inputTokens, outputTokens }
}

/**
 * The body with `tokens` as the bound of its output, in the field that its API has for it; undefined where it has a
 * bound of its own or generates nothing.
 */
export function withOutputBound(
  { dialect, path, body }: EstimateRequest,
  tokens: number,
): Json | undefined {
  if (dialect === 'http' || !isObject(body) || COUNTING.test(path)) return undefined
  const output = outputOf(dialect, path, body)
  if (output === undefined || countOf(output.bound) !== undefined) return undefined
  const given = body as Record<string, Json>
  switch (dialect) {
    case 'openai-chat':
      return { ...given, [chatField(path, given)]: tokens }
    case 'openai-responses':
      return { ...given, max_output_tokens: tokens }
    case 'anthropic':
      return { ...given, max_tokens: tokens }
    case 'gemini': {
      const name = 'generation_config' in given ? 'generation_config' : 'generationConfig'
      const config = given[name]
      return {
        ...given,
        [name]: { ...(isObject(config) ? config : {}), maxOutputTokens: tokens } as Json,
      }
    }
  }
}

/** Endpoints that count tokens rather than spend them. */
const COUNTING = /(?:\/count_tokens|\/input_tokens|:countTokens)$/

/** What a request says of its output, as it says it. */
interface Output {
  readonly bound: unknown
  /** How many answers are asked for; 1 where that is not said. */
  readonly answers?: unknown
}

/** Undefined where nothing is generated: embeddings, moderations, files. */
function outputOf(
  dialect: Exclude<ClientDialect, 'http'>,
  path: string,
  body: Record<string, unknown>,
): Output | undefined {
  switch (dialect) {
    case 'openai-chat': {
      if (!('messages' in body) && !path.endsWith('/completions')) return undefined
      const bound = body['max_completion_tokens'] ?? body['max_tokens']
      // `best_of` answers are generated, of which `n` are sent.
      return { bound, answers: body['best_of'] ?? body['n'] }
    }
    case 'openai-responses':
      return { bound: body['max_output_tokens'] }
    case 'anthropic':
      return 'messages' in body ? { bound: body['max_tokens'] } : undefined
    case 'gemini': {
      if (!path.endsWith('enerateContent')) return undefined
      const config = body['generationConfig'] ?? body['generation_config']
      if (!isObject(config)) return { bound: undefined }
      return {
        bound: config['maxOutputTokens'] ?? config['max_output_tokens'],
        answers: config['candidateCount'] ?? config['candidate_count'],
      }
    }
  }
}

/** A number of tokens or answers that makes sense; what doesn't is the provider's to refuse. */
function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 ? value : undefined
}

function chatField(path: string, { model }: Record<string, Json>): string {
  if (!path.endsWith('/chat/completions')) return 'max_tokens'
  return typeof model === 'string' ? capabilitiesOf(model).maxTokensField : 'max_completion_tokens'
}

/** Bytes of text, and tokens of what is no text. */
interface Sum {
  bytes: number
  tokens: number
  /** Names of entries that hold no text. */
  readonly blobs: readonly string[]
}

function add(value: unknown, sum: Sum): void {
  if (typeof value === 'string') sum.bytes += Buffer.byteLength(value)
  else if (typeof value !== 'object' || value === null) sum.bytes += SCALAR
  else if (Array.isArray(value)) {
    sum.bytes += AROUND_ITEM * value.length
    for (const item of value) add(item, sum)
  } else addMap(value as Record<string, unknown>, sum)
}

function addMap(map: Record<string, unknown>, sum: Sum): void {
  const media = mediaIn(map, sum)
  for (const key of Object.keys(map)) {
    sum.bytes += key.length + AROUND_ENTRY
    if (media !== undefined && key === media.key) sum.tokens += tokensOf(media, map[key])
    else add(map[key], sum)
  }
}

type Kind = 'image' | 'document' | 'recording'

/** The entry of a part that holds no text, and what it is instead. */
interface Media {
  readonly key: string
  readonly kind: Kind
}

/** Parts by their `type`: OpenAI's two APIs and Anthropic's. */
const PARTS: ReadonlyMap<unknown, readonly Media[]> = new Map<string, readonly Media[]>([
  ['image_url', [{ key: 'image_url', kind: 'image' }]],
  [
    'input_image',
    [
      { key: 'image_url', kind: 'image' },
      { key: 'file_id', kind: 'image' },
    ],
  ],
  [
    'computer_screenshot',
    [
      { key: 'image_url', kind: 'image' },
      { key: 'file_id', kind: 'image' },
    ],
  ],
  ['image', [{ key: 'source', kind: 'image' }]],
  ['document', [{ key: 'source', kind: 'document' }]],
  ['file', [{ key: 'file', kind: 'document' }]],
  [
    'input_file',
    [
      { key: 'file_data', kind: 'document' },
      { key: 'file_url', kind: 'document' },
      { key: 'file_id', kind: 'document' },
    ],
  ],
  ['input_audio', [{ key: 'input_audio', kind: 'recording' }]],
  ['video_url', [{ key: 'video_url', kind: 'recording' }]],
])

/** Parts of Gemini, by the one entry that they have. */
const BLOBS = ['inlineData', 'inline_data', 'fileData', 'file_data']

function mediaIn(map: Record<string, unknown>, { blobs }: Sum): Media | undefined {
  const { type } = map
  if (typeof type === 'string') {
    const media = PARTS.get(type)?.find(({ key }) => key in map)
    return media !== undefined && isText(map[media.key]) ? undefined : media
  }
  for (const key of blobs) {
    const blob = map[key]
    if (isObject(blob)) return { key, kind: kindOf(blob['mimeType'] ?? blob['mime_type']) }
  }
  return undefined
}

/** Anthropic's documents may be plain text, or a list of parts. */
function isText(payload: unknown): boolean {
  return isObject(payload) && (payload['type'] === 'text' || payload['type'] === 'content')
}

function kindOf(mimeType: unknown): Kind {
  const type = String(mimeType)
  if (type.startsWith('image/')) return 'image'
  return type.startsWith('audio/') || type.startsWith('video/') ? 'recording' : 'document'
}

/**
 * By its length in base64. A PDF takes at least 4 bytes a token (pages dense with text, compressed, and each page as an
 * image beside it), so 5 characters; a recording at the lowest rates in use 64 bytes (32 tokens a second at 16 kbit/s),
 * so 50 characters to be on the safe side.
 */
function tokensOf({ key, kind }: Media, payload: unknown): number {
  if (kind === 'image') return IMAGE_TOKENS
  const data = dataIn(key, payload)
  if (data === undefined) return REFERENCE_TOKENS
  return Math.max(IMAGE_TOKENS, Math.ceil(data.length / (kind === 'document' ? 5 : 50)))
}

/** The base64 that holds the bytes; undefined for a reference. */
function dataIn(key: string, payload: unknown): string | undefined {
  const isMap = isObject(payload)
  const data = isMap ? (payload['data'] ?? payload['file_data']) : key === 'file_data' && payload
  if (typeof data === 'string') return data
  const url = isMap ? payload['url'] : payload
  return typeof url === 'string' && url.startsWith('data:') ? url : undefined
}
