import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import { countTokens } from './tokens.ts'

const DIMENSIONS = 256
const MAX_DIMENSIONS = 4_096

/** Embeddings as OpenAI sends them: numbers, or little-endian floats in base64, which is what its SDK asks for. */
export function openaiEmbeddings(body: JsonObject, model: string): Json {
  const texts = inputTexts(body['input'])
  const dimensions = dimensionsOf(body['dimensions'])
  const encode = body['encoding_format'] === 'base64' ? base64 : numbers
  const tokens = texts.reduce((sum, text) => sum + countTokens(text), 0)
  return {
    object: 'list',
    data: texts.map((text, index) => ({
      object: 'embedding',
      index,
      embedding: encode(embed(text, dimensions)),
    })),
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  }
}

/** Embeddings as Gemini sends them: one, or a batch. */
export function geminiEmbeddings(body: JsonObject): Json {
  const values = (request: unknown) => {
    const { content, outputDimensionality } = asMap(request)
    const parts = asMap(content)['parts']
    const text = (Array.isArray(parts) ? parts : []).map((part) => asMap(part)['text']).join('\n')
    return { values: numbers(embed(text, dimensionsOf(outputDimensionality))) }
  }
  const { requests } = body
  return Array.isArray(requests)
    ? { embeddings: requests.map(values) }
    : { embedding: values(body) }
}

/** A text, a list of texts, a list of tokens, or a list of those. */
function inputTexts(input: unknown): string[] {
  const list: unknown[] = Array.isArray(input) && typeof input[0] !== 'number' ? input : [input]
  return list.map((item) => (typeof item === 'string' ? item : JSON.stringify(item ?? '')))
}

function dimensionsOf(wanted: unknown): number {
  const isCount = typeof wanted === 'number' && Number.isInteger(wanted) && wanted > 0
  return isCount ? Math.min(wanted, MAX_DIMENSIONS) : DIMENSIONS
}

/** Letters in threes, hashed into so many dimensions, to length 1: texts that share words come out near each other. */
function embed(text: string, dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions)
  const letters = ` ${text.toLowerCase()} `
  for (let at = 0; at + 2 < letters.length; at++) {
    const hash = hashOf(letters, at)
    vector[hash % dimensions]! += hash & 0x10000 ? 1 : -1
  }
  const length = Math.hypot(...vector)
  return length === 0
    ? vector.fill(1 / Math.sqrt(dimensions))
    : vector.map((value) => value / length)
}

/** FNV-1a over three letters. */
function hashOf(text: string, at: number): number {
  let hash = 0x811c9dc5
  for (let index = at; index < at + 3; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0
  }
  return hash
}

function base64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4)
  vector.forEach((value, index) => bytes.writeFloatLE(value, index * 4))
  return bytes.toString('base64')
}

function numbers(vector: Float32Array): number[] {
  return Array.from(vector)
}

function asMap(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {}
}
