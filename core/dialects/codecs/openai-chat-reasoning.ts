import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import type { Proof, ProofProvider, ReasoningPart } from '../hub/conversation.ts'
import { json, listOf, objectOf, stringOf } from '../hub/fields.ts'
import { openProof, sealProof } from '../hub/proof.ts'

/**
 * Chat Completions has no official place for thoughts. Four are in use: `reasoning_content` (DeepSeek, vLLM),
 * `reasoning` (OpenRouter, Groq, Ollama), `reasoning_details` (OpenRouter, with proofs) and `thinking_blocks` (LiteLLM).
 * All are read; the first and the third are written.
 */
export const REASONING_FIELDS: readonly string[] = [
  'reasoning_content',
  'reasoning',
  'reasoning_details',
  'thinking_blocks',
]

type Fields = Readonly<Record<string, Json | undefined>>

/** The thoughts of a message, or of one delta of a stream. */
export function readReasoning(message: Fields): ReasoningPart[] {
  const details = listOf(message['reasoning_details']).map(objectOf)
  const blocks = listOf(message['thinking_blocks']).map(objectOf)
  const found = details.length > 0 ? details.flatMap(readDetail) : blocks.flatMap(readBlock)
  const text = stringOf(message['reasoning_content']) ?? stringOf(message['reasoning']) ?? ''
  if (text === '' || found.some((part) => part.text !== '')) return found
  return withText(text, found)
}

/**
 * Words that stand apart from their proof. OpenAI's SDK keeps the last of the deltas of a field that it does not know,
 * so a message that was streamed comes back like this.
 */
function withText(text: string, found: readonly ReasoningPart[]): ReasoningPart[] {
  const [first, ...others] = found
  const isOwn = first?.proof?.kind === 'signature' || first?.proof?.provider === 'openai'
  if (!isOwn) return [{ type: 'reasoning', text }, ...found]
  return [{ ...first!, text }, ...others]
}

const PROVIDERS: Readonly<Record<string, ProofProvider>> = {
  anthropic: 'anthropic',
  openai: 'openai',
  google: 'google',
}

const FORMATS: Readonly<Record<ProofProvider, string>> = {
  anthropic: 'anthropic-claude-v1',
  openai: 'openai-responses-v1',
  google: 'google-gemini-v1',
  other: 'unknown',
}

function readDetail(detail: Fields): ReasoningPart[] {
  const provider = PROVIDERS[(stringOf(detail['format']) ?? '').split('-')[0]!] ?? 'other'
  const id = stringOf(detail['id'])
  const identified = id === undefined ? {} : { id }
  switch (detail['type']) {
    case 'reasoning.encrypted': {
      const data = stringOf(detail['data']) ?? ''
      const proof = openProof(data) ?? {
        provider,
        family: '',
        kind: 'encrypted',
        data,
        ...identified,
      }
      return [{ type: 'reasoning', text: '', proof }]
    }
    case 'reasoning.summary':
      return [{ type: 'reasoning', text: stringOf(detail['summary']) ?? '', isSummary: true }]
    case 'reasoning.text': {
      const text = stringOf(detail['text']) ?? ''
      const data = stringOf(detail['signature'])
      if (data === undefined || data === '') return [{ type: 'reasoning', text }]
      const proof = openProof(data) ?? {
        provider,
        family: '',
        kind: 'signature',
        data,
        ...identified,
      }
      return [{ type: 'reasoning', text, proof }]
    }
    default:
      return []
  }
}

/** Anthropic's own blocks. */
function readBlock(block: Fields): ReasoningPart[] {
  const provider = 'anthropic'
  if (block['type'] === 'redacted_thinking') {
    const data = stringOf(block['data']) ?? ''
    const proof = openProof(data) ?? { provider, family: '', kind: 'encrypted', data }
    return [{ type: 'reasoning', text: '', proof }]
  }
  const text = stringOf(block['thinking']) ?? ''
  const data = stringOf(block['signature'])
  if (data === undefined || data === '') return [{ type: 'reasoning', text }]
  const proof = openProof(data) ?? { provider, family: '', kind: 'signature', data }
  return [{ type: 'reasoning', text, proof }]
}

/** The thoughts as fields of a message: readable text, and each block with its proof. */
export function writeReasoning(parts: readonly ReasoningPart[]): JsonObject {
  if (parts.length === 0) return {}
  const text = parts.map((part) => part.text).join('')
  return json({
    reasoning_content: text === '' ? undefined : text,
    reasoning_details: parts.map((part, index) => writeDetail(part, index)),
  })
}

/** One entry of `reasoning_details`; sealed where its provider is none that the format names. */
export function writeDetail({ text, isSummary, proof }: ReasoningPart, index: number): JsonObject {
  const format = FORMATS[proof?.provider ?? 'other']
  const data = proof === undefined || !isPlain(proof) ? proof && sealProof(proof) : proof.data
  if (proof?.kind === 'encrypted' && text === '') {
    return json({ type: 'reasoning.encrypted', data, id: proof.id, format, index })
  }
  if (isSummary === true && proof === undefined) {
    return { type: 'reasoning.summary', summary: text, format, index }
  }
  return json({ type: 'reasoning.text', text, signature: data, format, index })
}

/** True where format and type say all there is to know of the proof. */
function isPlain({ provider, kind }: Proof): boolean {
  return provider !== 'other' && !(provider === 'openai' && kind === 'signature')
}

/** Gemini's signature of a call, where Google's own compatible API puts it. */
export function readToolProof(call: Fields): Proof | undefined {
  const extra = objectOf(call['extra_content'])
  const google = extra['google'] ?? extra['vertex']
  if (!isObject(google)) return undefined
  const data = stringOf(google['thought_signature'])
  return data === undefined
    ? undefined
    : { provider: 'google', family: 'gemini', kind: 'signature', data }
}

/** The fields of a call that carry its proof. */
export function writeToolProof(proof: Proof | undefined): JsonObject {
  if (proof?.provider !== 'google') return {}
  return { extra_content: { google: { thought_signature: proof.data } } }
}
