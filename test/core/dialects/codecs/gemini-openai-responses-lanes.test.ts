import { describe, expect, test } from 'vitest'
import { CODECS } from '#core/dialects/codecs/index.ts'
import type { CodecName } from '#core/dialects/hub/conversation.ts'
import type { JsonObject } from '#core/kit/json.ts'
import { hasRecordings, recordings } from '../recordings.ts'
import { crossingTo } from './following.ts'

const MODELS: Readonly<Record<CodecName, string>> = {
  'openai-chat': 'gpt-5.4',
  'openai-responses': 'gpt-5.4',
  anthropic: 'claude-opus-4-8',
  gemini: 'gemini-3-flash',
}

/** What an upstream would answer with 400. */
type Fault = string

function geminiFaults(body: JsonObject): Fault[] {
  const faults: Fault[] = []
  const contents = body['contents'] as { role: string; parts: JsonObject[] }[]
  let calls = 0
  contents.forEach(({ role, parts }, index) => {
    if (role !== (index % 2 === 0 ? 'user' : 'model')) faults.push(`role of ${index}`)
    if (parts.length === 0) faults.push(`no parts in ${index}`)
    const results = parts.filter((part) => 'functionResponse' in part).length
    if (results !== calls) faults.push(`${calls} calls and ${results} results before ${index}`)
    calls = parts.filter((part) => 'functionCall' in part).length
    const first = parts.find((part) => 'functionCall' in part)
    if (first !== undefined && !('thoughtSignature' in first)) faults.push(`unsigned ${index}`)
  })
  if (contents.at(-1)?.role !== 'user') faults.push('ends with the model')
  return faults
}

function responsesFaults(body: JsonObject): Fault[] {
  const faults: Fault[] = []
  const open = new Set<unknown>()
  for (const item of body['input'] as JsonObject[]) {
    if (item['type'] === 'function_call' || item['type'] === 'custom_tool_call') {
      open.add(item['call_id'])
    } else if ((item['type'] as string).endsWith('_output')) {
      if (!open.delete(item['call_id'])) faults.push(`no call for ${String(item['call_id'])}`)
    } else if (item['type'] === 'message') {
      const content = item['content'] as JsonObject[]
      const own = item['role'] === 'assistant' ? 'output_text' : 'input_'
      if (content.some(({ type }) => !(type as string).startsWith(own)))
        faults.push('type of a part')
      if (content.length === 0) faults.push('no content')
    }
  }
  return [...faults, ...[...open].map((id) => `no result for ${String(id)}`)]
}

function chatFaults(body: JsonObject): Fault[] {
  const faults: Fault[] = []
  let open: string[] = []
  for (const message of body['messages'] as JsonObject[]) {
    if (message['role'] === 'tool') open = open.filter((id) => id !== message['tool_call_id'])
    else if (open.length > 0) faults.push(`no result for ${open.join()}`)
    const calls = message['tool_calls'] as { id: string }[] | undefined
    if (calls !== undefined) open = calls.map(({ id }) => id)
  }
  return faults
}

function anthropicFaults(body: JsonObject): Fault[] {
  const faults: Fault[] = []
  let open: unknown[] = []
  for (const { role, content } of body['messages'] as JsonObject[]) {
    const blocks = Array.isArray(content) ? (content as JsonObject[]) : []
    const results = blocks.filter(({ type }) => type === 'tool_result')
    const missing = open.filter((id) => !results.some((result) => result['tool_use_id'] === id))
    if (role === 'user' && missing.length > 0) faults.push(`no result for ${missing.join()}`)
    open = blocks.filter(({ type }) => type === 'tool_use').map(({ id }) => id)
  }
  return faults
}

const FAULTS: Readonly<Record<CodecName, (body: JsonObject) => Fault[]>> = {
  'openai-chat': chatFaults,
  'openai-responses': responsesFaults,
  anthropic: anthropicFaults,
  gemini: geminiFaults,
}

const names = Object.keys(CODECS) as CodecName[]
const ours: ReadonlySet<CodecName> = new Set<CodecName>(['openai-responses', 'gemini'])
const lanes = names.flatMap((from) =>
  names.filter((to) => to !== from && (ours.has(from) || ours.has(to))).map((to) => ({ from, to })),
)

/** Requests that cannot be told: tools that a provider runs, and their traces, stops, and what is only on the web. */
const REFUSABLE =
  /^(?:tools\[\d+\]|tool_choice|web_search_options|stop\w*|n|generationConfig\.\w+|toolConfig\.\w+|(?:messages|input|contents)\[\d+\].*)$/

describe.runIf(hasRecordings).each(lanes)('requests of $from clients to $to', ({ from, to }) => {
  const recorded = recordings().filter(({ dialect }) => dialect === from)

  test.each(recorded)(
    'as in $name are what the upstream takes, or refused by name',
    ({ request }) => {
      const decoded = { ...CODECS[from].decodeRequest(request)!, model: MODELS[to] }
      const crossing = crossingTo(decoded, to)
      const body = CODECS[to].encodeRequest(decoded, crossing)
      const refused = crossing.report.refusals()
      expect(refused.filter(({ field }) => !REFUSABLE.test(field))).toEqual([])
      expect(refused.length > 0 ? [] : FAULTS[to](body)).toEqual([])
    },
  )
})
