import type { CodecName, HubMessage, Part } from './conversation.ts'
import type { Report } from './report.ts'
import type { HubRequest } from './request.ts'

/**
 * Native fields that other dialects lose nothing by: ids and states of items, and the exact form of what the hub
 * models beside it. All others are told in the report.
 */
const BOOKKEEPING: Readonly<Record<CodecName, ReadonlySet<string>>> = {
  'openai-chat': new Set([
    '*',
    'annotations',
    'audio',
    'cache_control',
    'content',
    'extra_content',
    'file',
    'function_call',
    'image_url',
    'input_audio',
    'prompt_cache_breakpoint',
    'reasoning',
    'reasoning_content',
    'reasoning_details',
    'reasoning',
    'reasoning_content',
    'reasoning_details',
    'reasoning_signature',
    'refusal',
    'role',
    'thinking_blocks',
    'tool_calls',
    'type',
  ]),
  'openai-responses': new Set([
    'annotations',
    'content',
    'id',
    'logprobs',
    'name',
    'namespace',
    'phase',
    'role',
    'status',
    'summary',
    'tools',
    'type',
  ]),
  anthropic: new Set(['cache_control', 'caller', 'citations', 'content', 'source', 'type']),
  gemini: new Set(['role', 'thought', 'thoughtSignature']),
}

const NOT_STORED = 'the target has not stored the item; with store: false it is sent whole'

/** Notes what messages, their parts and tools say in their own dialect only. */
export function judgeLeftovers(request: HubRequest, report: Report): void {
  for (const message of request.system) judgeMessage(message, request.source, report)
  for (const message of request.messages) judgeMessage(message, request.source, report)
  for (const tool of request.tools) {
    if (tool.type === 'builtin') continue
    for (const field of spoken(tool, request.source)) {
      report.judge('toolOption', `${tool.path}.${field}`)
    }
  }
}

function judgeMessage(message: HubMessage, source: CodecName, report: Report): void {
  for (const field of spoken(message, source)) report.judge('unknown', `${message.path}.${field}`)
  for (const part of message.parts) judgePart(part, message.path, source, report)
}

function judgePart(part: Part, path: string, source: CodecName, report: Report): void {
  if (part.type === 'native') {
    // The AI SDK refers to what it believes to be stored, unless it is told not to.
    if (part.kind === 'item_reference') report.note('refused', path, NOT_STORED)
    return
  }
  for (const field of spoken(part, source)) report.judge('unknown', `${path}.${field}`)
  const isCited = part.type === 'text' && part.citations !== undefined && part.citations.length > 0
  if (isCited) report.judge('citation', path)
  if (part.type !== 'toolResult') return
  for (const inner of part.parts) judgePart(inner, path, source, report)
}

/** The native fields that mean something. */
function spoken({ native }: Pick<HubMessage, 'native'>, source: CodecName): string[] {
  if (native?.fields === undefined) return []
  return Object.keys(native.fields).filter(
    (field) => !BOOKKEEPING[source].has(field) && native.fields?.[field] !== null,
  )
}
