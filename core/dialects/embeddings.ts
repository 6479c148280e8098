import { isObject, type Json, type JsonObject } from '../kit/json.ts'
import type { LlmDialect } from './dialect.ts'
import type { TargetName } from './hub/conversation.ts'
import type { Report } from './hub/report.ts'

/** Texts, or lists of tokens, to be turned into vectors, in no dialect. */
export interface EmbeddingsRequest {
  readonly source: LlmDialect
  readonly inputs: readonly (string | readonly number[])[]
  readonly dimensions: number | undefined
  /** True where vectors are wanted as little-endian 32-bit floats in base64, as OpenAI's SDK asks. */
  readonly isBase64: boolean
  /** True where one answer is wanted rather than a list of them (Gemini's `embedContent`). */
  readonly isSingle: boolean
}

/** Vectors in the order of the inputs, and what they took where that was told. */
export interface EmbeddingsAnswer {
  readonly vectors: readonly (readonly number[])[]
  readonly inputTokens: number | undefined
}

/** How an API is asked for vectors. */
export interface EmbeddingsUpstream {
  /** Inputs of one request; more are asked for in several. */
  readonly batch: number
  /** True where a list of tokens may stand for a text. */
  readonly takesTokens: boolean
  path(model: string): string
  encode(model: string, inputs: EmbeddingsRequest['inputs'], request: EmbeddingsRequest): JsonObject
  /** Undefined for what is no answer. */
  decode(body: Json | undefined): EmbeddingsAnswer | undefined
}

const OPENAI: EmbeddingsUpstream = {
  batch: 2048,
  takesTokens: true,
  path: () => '/v1/embeddings',
  encode: (model, inputs, { dimensions }) => ({
    model,
    input: inputs as Json,
    encoding_format: 'float',
    ...(dimensions === undefined ? {} : { dimensions }),
  }),
  decode(body) {
    if (!isObject(body) || !Array.isArray(body['data'])) return undefined
    const data = (body['data'] as unknown[]).filter(isObject)
    const ordered = data.toSorted((a, b) => Number(a['index'] ?? 0) - Number(b['index'] ?? 0))
    const usage = isObject(body['usage']) ? body['usage']['prompt_tokens'] : undefined
    return answerOf(
      ordered.map((item) => item['embedding']),
      usage,
    )
  },
}

const GEMINI: EmbeddingsUpstream = {
  batch: 100,
  takesTokens: false,
  path: (model) => `/v1beta/models/${encodeURIComponent(model)}:batchEmbedContents`,
  encode: (model, inputs, { dimensions }) => ({
    requests: inputs.map((text) => ({
      model: `models/${model}`,
      content: { parts: [{ text: text as string }] },
      ...(dimensions === undefined ? {} : { outputDimensionality: dimensions }),
    })),
  }),
  decode(body) {
    if (!isObject(body) || !Array.isArray(body['embeddings'])) return undefined
    const usage = isObject(body['usageMetadata'])
      ? body['usageMetadata']['promptTokenCount']
      : undefined
    return answerOf(
      body['embeddings'].map((item) => (isObject(item) ? item['values'] : undefined)),
      usage,
    )
  },
}

/** OpenAI's API, but for the name of one field. */
const MISTRAL: EmbeddingsUpstream = {
  ...OPENAI,
  batch: 128,
  takesTokens: false,
  encode: (model, inputs, { dimensions }) => ({
    model,
    input: inputs as Json,
    ...(dimensions === undefined ? {} : { output_dimension: dimensions }),
  }),
}

/** Texts are embedded to be found: clients of other APIs cannot say what for, and Cohere must be told. */
const COHERE: EmbeddingsUpstream = {
  batch: 96,
  takesTokens: false,
  path: () => '/v2/embed',
  encode: (model, inputs, { dimensions }) => ({
    model,
    texts: inputs as Json,
    input_type: 'search_document',
    embedding_types: ['float'],
    ...(dimensions === undefined ? {} : { output_dimension: dimensions }),
  }),
  decode(body) {
    const vectors = field(field(body, 'embeddings'), 'float')
    const tokens = field(field(field(body, 'meta'), 'billed_units'), 'input_tokens')
    return Array.isArray(vectors) ? answerOf(vectors, tokens) : undefined
  },
}

const OLLAMA: EmbeddingsUpstream = {
  batch: 512,
  takesTokens: false,
  path: () => '/api/embed',
  encode: (model, inputs, { dimensions }) => ({
    model,
    input: inputs as Json,
    ...(dimensions === undefined ? {} : { dimensions }),
  }),
  decode(body) {
    const vectors = field(body, 'embeddings')
    return Array.isArray(vectors) ? answerOf(vectors, field(body, 'prompt_eval_count')) : undefined
  },
}

/** Converse has none: each model is asked in its own way, Amazon's for one text at a time. */
const BEDROCK: EmbeddingsUpstream = {
  batch: 1,
  takesTokens: false,
  path: (model) => `/model/${encodeURIComponent(model)}/invoke`,
  encode: (model, inputs, { dimensions }) => {
    if (/cohere\./.test(model)) return { texts: inputs as Json, input_type: 'search_document' }
    const [inputText = ''] = inputs as string[]
    return { inputText, ...(dimensions === undefined ? {} : { dimensions }) }
  },
  decode(body) {
    const many = field(body, 'embeddings')
    const vectors = Array.isArray(many) ? many : [field(body, 'embedding')]
    return answerOf(vectors, field(body, 'inputTextTokenCount'))
  },
}

function field(value: unknown, name: string): unknown {
  return isObject(value) ? value[name] : undefined
}

/** The APIs that vectors are asked of. */
export const EMBEDDINGS: Readonly<Partial<Record<TargetName, EmbeddingsUpstream>>> = {
  'openai-chat': OPENAI,
  gemini: GEMINI,
  mistral: MISTRAL,
  cohere: COHERE,
  ollama: OLLAMA,
  bedrock: BEDROCK,
}

function answerOf(vectors: readonly unknown[], tokens: unknown): EmbeddingsAnswer | undefined {
  const read = vectors.map(vectorOf)
  if (!read.every((vector) => vector !== undefined)) return undefined
  return { vectors: read, inputTokens: typeof tokens === 'number' ? tokens : undefined }
}

/** Numbers, or base64 from a server that sends nothing else. */
function vectorOf(value: unknown): number[] | undefined {
  if (Array.isArray(value)) return value as number[]
  if (typeof value !== 'string') return undefined
  const bytes = Buffer.from(value, 'base64')
  return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(at * 4))
}

const KNOWN: Readonly<Partial<Record<LlmDialect, ReadonlySet<string>>>> = {
  'openai-chat': new Set(['dimensions', 'encoding_format', 'input', 'model']),
  gemini: new Set(['content', 'model', 'outputDimensionality', 'requests']),
}

/** Reads a client's request; undefined where it is none. What has no place in it is reported as dropped. */
export function decodeEmbeddings(
  source: LlmDialect,
  body: Json | undefined,
  report: Report,
): EmbeddingsRequest | undefined {
  if (!isObject(body)) return undefined
  dropOthers(body, source, '', report)
  if (source === 'gemini') return decodeGemini(body as JsonObject, report)
  const { input, dimensions, encoding_format: format } = body
  const inputs = inputsOf(input)
  if (inputs === undefined) return undefined
  return {
    source,
    inputs,
    dimensions: typeof dimensions === 'number' ? dimensions : undefined,
    isBase64: format === 'base64',
    isSingle: false,
  }
}

function decodeGemini(body: JsonObject, report: Report): EmbeddingsRequest | undefined {
  const { requests } = body
  const list = Array.isArray(requests) ? requests : [body]
  if (Array.isArray(requests)) {
    for (const [at, one] of requests.entries()) {
      if (isObject(one)) dropOthers(one, 'gemini', `requests[${at}].`, report)
    }
  }
  const texts = list.map((one) => (isObject(one) ? textOf(one['content']) : undefined))
  if (!texts.every((text) => text !== undefined)) return undefined
  const [first] = list
  const dimensions = isObject(first) ? first['outputDimensionality'] : undefined
  return {
    source: 'gemini',
    inputs: texts,
    dimensions: typeof dimensions === 'number' ? dimensions : undefined,
    isBase64: false,
    isSingle: !Array.isArray(requests),
  }
}

function dropOthers(
  fields: Readonly<Record<string, unknown>>,
  source: LlmDialect,
  path: string,
  report: Report,
): void {
  for (const [name, value] of Object.entries(fields)) {
    if (value === null || KNOWN[source]?.has(name)) continue
    report.note('dropped', path + name, 'the target has no such parameter of embeddings')
  }
}

/** A text, texts, a list of tokens, or lists of tokens. */
function inputsOf(input: unknown): EmbeddingsRequest['inputs'] | undefined {
  if (typeof input === 'string') return [input]
  if (!Array.isArray(input) || input.length === 0) return undefined
  const isText = (item: unknown) => typeof item === 'string'
  const isTokens = (item: unknown) =>
    Array.isArray(item) && item.every((token) => typeof token === 'number')
  if (isTokens(input)) return [input as number[]]
  return input.every((item) => isText(item) || isTokens(item))
    ? (input as EmbeddingsRequest['inputs'])
    : undefined
}

/** The text of a content all of whose parts are text. */
function textOf(content: unknown): string | undefined {
  const parts = isObject(content) ? content['parts'] : undefined
  if (!Array.isArray(parts)) return undefined
  const texts = parts.map((part) => (isObject(part) ? part['text'] : undefined))
  return texts.every((text) => typeof text === 'string') ? texts.join('\n') : undefined
}

/** The client's answer. */
export function encodeEmbeddings(
  { source, isBase64, isSingle }: EmbeddingsRequest,
  { vectors, inputTokens = 0 }: EmbeddingsAnswer,
  model: string,
): JsonObject {
  if (source === 'gemini') {
    const [first = []] = vectors
    return isSingle
      ? { embedding: { values: first as number[] } }
      : { embeddings: vectors.map((values) => ({ values: values as number[] })) }
  }
  return {
    object: 'list',
    data: vectors.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: isBase64 ? base64(vector) : (vector as number[]),
    })),
    model,
    usage: { prompt_tokens: inputTokens, total_tokens: inputTokens },
  }
}

/** IEEE 754 single precision, little-endian, as OpenAI's SDK decodes it. */
function base64(vector: readonly number[]): string {
  const bytes = Buffer.allocUnsafe(vector.length * 4)
  for (const [at, value] of vector.entries()) bytes.writeFloatLE(value, at * 4)
  return bytes.toString('base64')
}
