import type { Json } from '../../kit/json.ts'
import type { HubMessage, Part, ReasoningPart } from '../hub/conversation.ts'
import { listOf } from '../hub/fields.ts'
import { decodePart, type OpenCalls } from './gemini-parts.ts'

/** Reads a list of parts; `prefix` begins the ids of calls that have none. */
export function decodeParts(parts: Json | undefined, prefix: string, calls: OpenCalls): Part[] {
  const decoded = listOf(parts).map((part, index) => decodePart(part, `${prefix}_${index}`, calls))
  return decoded.some(isSealed) ? withWholeThoughts(decoded) : decoded
}

/** True where the message is nothing but results. */
export function isToolTurn(parts: HubMessage['parts']): boolean {
  return parts.length > 0 && parts.every(({ type }) => type === 'toolResult')
}

/**
 * Thoughts of another provider's model were streamed in pieces and come back so: the proof stands on the last, and
 * belongs to all of them.
 */
function withWholeThoughts(parts: readonly Part[]): Part[] {
  const joined: Part[] = []
  for (const part of parts) joined.push(isSealed(part) ? withPieces(part, joined) : part)
  return joined
}

/** The thought with the pieces that end `before`, which are taken from there. */
function withPieces(thought: ReasoningPart, before: Part[]): ReasoningPart {
  let { text } = thought
  for (let piece = before.at(-1); isUnproven(piece); piece = before.at(-1)) {
    text = piece.text + text
    before.pop()
  }
  return { ...thought, text }
}

function isSealed(part: Part): part is ReasoningPart {
  return part.type === 'reasoning' && (part.proof?.provider ?? 'google') !== 'google'
}

function isUnproven(part: Part | undefined): part is ReasoningPart {
  return part?.type === 'reasoning' && part.proof === undefined
}
