import type { Capabilities } from '../capabilities.ts'
import type { HubMessage, Part, TextPart, ToolResultPart } from './conversation.ts'
import type { Report } from './report.ts'

/** A run of one speaker, as the APIs that alternate want it. Tool results come first in a user's turn. */
export interface Turn {
  readonly role: 'user' | 'assistant' | 'system'
  readonly parts: readonly Part[]
  readonly path: string
}

interface OpenTurn {
  readonly role: Turn['role']
  readonly parts: Part[]
  readonly path: string
}

/** Said where a turn must be and the client has none. */
const FILLER = 'Continue.'
const NO_RESULT = 'No result provided'

/**
 * The conversation for a dialect whose turns alternate and whose calls and results pair up (Anthropic, Gemini):
 * merges neighbours, folds late system prompts where the model takes none, drops empty text, puts a user before a
 * leading assistant, pairs each call with a result. Whatever it adds or moves is in the report.
 */
export function alternatingTurns(
  messages: readonly HubMessage[],
  capabilities: Capabilities,
  report: Report,
): readonly Turn[] {
  const merged = merge(messages, capabilities, report)
  if (merged[0]?.role === 'assistant') {
    report.judge('leadingAssistant', merged[0].path)
    merged.unshift({ role: 'user', parts: [filler()], path: merged[0].path })
  }
  const paired = pair(merged, report)
  const last = paired.at(-1)
  if (last?.role === 'assistant' && !capabilities.prefill && paired.length > 1) {
    report.note('dropped', last.path, 'the model does not continue a begun answer')
    paired.pop()
  }
  if (paired.length === 0) return [{ role: 'user', parts: [filler()], path: 'messages' }]
  return paired.map((turn) => ({ ...turn, parts: resultsFirst(turn.parts) }))
}

/**
 * The conversation for a dialect that has one message for all that an assistant says at once (Chat Completions), from
 * one that has an item for each thought and call (Responses): joins assistants that are neighbours, and leaves out
 * messages that say nothing to another dialect.
 */
export function joinedAssistants(messages: readonly HubMessage[]): readonly HubMessage[] {
  const joined: HubMessage[] = []
  for (const message of messages) {
    const { role, parts } = message
    const last = joined.at(-1)
    if (parts.length === 0 && role !== 'user') continue
    if (role === 'assistant' && last?.role === 'assistant') {
      joined[joined.length - 1] = { role, parts: [...last.parts, ...parts], path: last.path }
    } else joined.push(message)
  }
  return joined
}

function merge(
  messages: readonly HubMessage[],
  { midSystem }: Capabilities,
  report: Report,
): OpenTurn[] {
  const turns: OpenTurn[] = []
  let folded: TextPart[] = []
  for (const message of messages) {
    const { path } = message
    const parts = message.parts.filter((part) => part.type !== 'text' || part.text.trim() !== '')
    if (parts.length === 0) continue
    const isSystem = message.role === 'system' || message.role === 'developer'
    if (isSystem && midSystem && turns.at(-1)?.role === 'user') {
      turns.push({ role: 'system', parts, path })
    } else if (isSystem) {
      report.note('emulated', path, 'the prompt is told as part of the next user turn')
      folded.push(...parts.filter((part) => part.type === 'text').map(asSystemText))
    } else {
      const role = message.role === 'assistant' ? 'assistant' : 'user'
      const previous = turns.at(-1)
      const turn: OpenTurn = previous?.role === role ? previous : { role, parts: [], path }
      if (turn !== previous) turns.push(turn)
      if (role === 'user' && message.role !== 'tool') {
        turn.parts.push(...parts.filter(isResult), ...folded, ...parts.filter(isNoResult))
        folded = []
      } else turn.parts.push(...parts)
    }
  }
  if (folded.length > 0) append(turns, folded)
  return turns
}

/** System prompts behind the last user turn go to that one, or stand alone. */
function append(turns: OpenTurn[], folded: readonly TextPart[]): void {
  const last = turns.at(-1)
  if (last?.role === 'user') last.parts.push(...folded)
  else turns.push({ role: 'user', parts: [...folded], path: last?.path ?? 'messages' })
}

/** Each call is answered in the turn behind it, and each result answers a call of the turn before it. */
function pair(turns: readonly OpenTurn[], report: Report): OpenTurn[] {
  const paired: OpenTurn[] = []
  let calls = new Map<string, string>()
  for (const turn of turns) {
    if (turn.role === 'user') {
      const parts = turn.parts.map((part) => keepResult(part, calls, turn.path, report))
      paired.push({ ...turn, parts: [...missing(calls, turn.path, report), ...parts] })
    } else {
      if (calls.size > 0 && turn.role === 'assistant') {
        paired.push({ role: 'user', path: turn.path, parts: missing(calls, turn.path, report) })
      }
      paired.push(turn)
    }
    if (turn.role !== 'system') calls = turn.role === 'assistant' ? callsOf(turn.parts) : new Map()
  }
  const path = turns.at(-1)?.path ?? 'messages'
  if (calls.size > 0) paired.push({ role: 'user', path, parts: missing(calls, path, report) })
  return paired
}

function callsOf(parts: readonly Part[]): Map<string, string> {
  const calls = new Map<string, string>()
  for (const part of parts) if (part.type === 'toolCall') calls.set(part.id, part.name)
  return calls
}

/** The result, which takes its call from `calls`; or its text, where nothing called for it. */
function keepResult(part: Part, calls: Map<string, string>, path: string, report: Report): Part {
  if (part.type !== 'toolResult' || calls.delete(part.callId)) return part
  report.note('emulated', path, 'a tool result without a call is told as text')
  const text = part.parts.map((inner) => (inner.type === 'text' ? inner.text : '')).join('\n')
  return { type: 'text', text: `Result of a tool call: ${text}` }
}

function missing(calls: Map<string, string>, path: string, report: Report): ToolResultPart[] {
  const results: ToolResultPart[] = []
  for (const [callId, name] of calls) {
    report.note('emulated', path, 'a tool call without a result is given an empty one')
    const parts = [{ type: 'text', text: NO_RESULT } as const]
    results.push({ type: 'toolResult', callId, name, parts, isError: true, kind: 'function' })
  }
  calls.clear()
  return results
}

function resultsFirst(parts: readonly Part[]): readonly Part[] {
  if (!parts.some(isResult)) return parts
  return [...parts.filter(isResult), ...parts.filter(isNoResult)]
}

function isResult(part: Part): part is ToolResultPart {
  return part.type === 'toolResult'
}

function isNoResult(part: Part): boolean {
  return !isResult(part)
}

function asSystemText(part: TextPart): TextPart {
  return { type: 'text', text: `<system>${part.text}</system>` }
}

function filler(): TextPart {
  return { type: 'text', text: FILLER }
}
