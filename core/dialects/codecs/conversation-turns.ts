import type { Json, JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import {
  type DocumentPart,
  type Part,
  type ReasoningPart,
  type TextPart,
  textOf,
  type ToolCallPart,
  type ToolResultPart,
} from '../hub/conversation.ts'
import type { HubRequest } from '../hub/request.ts'
import { alternatingTurns, type Turn } from '../hub/turns.ts'

/**
 * The conversation for providers that have a message for each tool result, and whose turns alternate otherwise
 * (Mistral, Cohere, Ollama): the leading system prompts, then the turns.
 */
export function turnsOf(request: HubRequest, { capabilities, report }: Crossing): readonly Turn[] {
  const system = request.system.map(({ parts, path }): Turn => ({ role: 'system', parts, path }))
  return [...system, ...alternatingTurns(request.messages, capabilities, report)]
}

/** The text of a tool's result. */
export function resultText({ parts, isError }: ToolResultPart, path: string, { report }: Crossing) {
  if (isError === true) report.judge('toolError', path)
  return textOf(parts, '\n')
}

/** A user's turn: the results in it, and what is said beside them, media of the results included. */
export function splitUserTurn(
  { parts, path }: Turn,
  { report }: Crossing,
): { readonly results: readonly ToolResultPart[]; readonly spoken: readonly Part[] } {
  const results = parts.filter((part) => part.type === 'toolResult')
  const moved = results.flatMap((result) => result.parts.filter((part) => part.type !== 'text'))
  if (moved.length > 0) report.judge('toolResultMedia', path)
  return { results, spoken: [...moved, ...parts.filter((part) => part.type !== 'toolResult')] }
}

/** An assistant's turn by kind. Refusals are told as text, and thoughts only to a model that thinks. */
export function splitAssistantTurn(
  { parts, path }: Turn,
  crossing: Crossing,
): {
  readonly thoughts: readonly ReasoningPart[]
  readonly texts: readonly TextPart[]
  readonly calls: readonly ToolCallPart[]
} {
  const { capabilities, report } = crossing
  const thoughts: ReasoningPart[] = []
  const texts: TextPart[] = []
  const calls: ToolCallPart[] = []
  for (const part of parts) {
    if (part.type === 'text') texts.push(plain(part, path, crossing))
    else if (part.type === 'toolCall') calls.push(part)
    else if (part.type === 'refusal') {
      report.judge('refusal', path)
      texts.push({ type: 'text', text: part.text })
    } else if (part.type === 'reasoning') {
      const isForeign = part.proof !== undefined && part.proof.provider !== 'other'
      if (part.text !== '' && !isForeign && capabilities.thinking !== 'none') thoughts.push(part)
      else report.note('dropped', path, 'the model takes no such reasoning back')
    } else {
      report.note('dropped', path, `the target knows no blocks of type ${part.type}`)
    }
  }
  return { thoughts, texts, calls }
}

/** The text without a cache marker, which these providers have none of. */
export function plain(part: TextPart, path: string, { report }: Crossing): TextPart {
  if (part.cache !== undefined) report.judge('cacheMarker', path)
  return part
}

/** A document's text, where it is one; else the report says that the target takes none. */
export function documentText(
  { source, title, context }: DocumentPart,
  path: string,
  { report }: Crossing,
): string | undefined {
  if (title !== undefined || context !== undefined) report.judge('documentNote', path)
  if (source.kind === 'text') return source.text
  if (source.kind === 'url') report.judge('documentUrl', path)
  else if (source.kind === 'file') report.judge('fileId', path)
  else if (source.mediaType.startsWith('text/')) {
    return Buffer.from(source.data, 'base64').toString('utf8')
  } else report.note('refused', path, `the target takes no documents of type ${source.mediaType}`)
  return undefined
}

/** What is said: a lone text as it is, else the blocks that `encode` makes of the parts. */
export function contentOf(
  parts: readonly Part[],
  path: string,
  crossing: Crossing,
  encode: (part: Part, path: string, crossing: Crossing) => JsonObject | undefined,
): Json {
  const only = parts[0]
  if (parts.length === 1 && only?.type === 'text') return plain(only, path, crossing).text
  return parts.flatMap((part) => encode(part, path, crossing) ?? [])
}
