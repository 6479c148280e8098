import { RE2JS } from 're2js'
import { isObject, type Json } from '#core/kit/json.ts'
import type { ExchangeView } from '#core/sdk.ts'
import type { Change } from './body-rules.ts'
import { type Field, parseField, rewriteField } from './fields.ts'

/** Where the text that a model wrote stands: in whole answers and in the events of a stream. */
const TEXTS: Readonly<
  Record<'openai-chat' | 'openai-responses' | 'anthropic' | 'gemini', Field[]>
> = {
  'openai-chat': [
    'choices[].message.content',
    'choices[].message.content[].text',
    'choices[].message.refusal',
    'choices[].message.reasoning_content',
    'choices[].delta.content',
    'choices[].delta.refusal',
    'choices[].delta.reasoning_content',
    'choices[].text',
  ].map(parseField),
  'openai-responses': [
    'output[].content[].text',
    'output[].summary[].text',
    'response.output[].content[].text',
    'response.output[].summary[].text',
    'item.content[].text',
    'item.summary[].text',
    'part.text',
    'delta',
    'text',
  ].map(parseField),
  anthropic: [
    'content[].text',
    'content[].thinking',
    'content_block.text',
    'delta.text',
    'delta.thinking',
  ].map(parseField),
  gemini: ['candidates[].content.parts[].text'].map(parseField),
}

/** Events of the Responses API whose `delta` is no text: the arguments of a call, code, audio. */
const NOT_TEXT =
  /^response\.(?!output_text|refusal|reasoning|content_part|output_item|completed|incomplete)/

/**
 * Compiles filterContent: what a pattern matches in the text of an answer is replaced. On routes of no LLM API, every
 * text of the answer's JSON counts. Linear time, also for hostile text. Throws for a pattern that RE2 refuses.
 */
export function compileTextFilter(patterns: readonly string[], replacement: string): Change {
  const compiled = patterns.map((pattern) => RE2JS.compile(pattern))
  const literal = RE2JS.quoteReplacement(replacement)

  function rewrite(text: string): string {
    let rewritten = text
    for (const pattern of compiled) rewritten = pattern.matcher(rewritten).replaceAll(literal)
    return rewritten
  }

  return (document, exchange) => rewriteTexts(document, exchange, rewrite)
}

/** Why RE2 refuses a pattern, or undefined where it does not. */
export function patternProblem(pattern: string): string | undefined {
  try {
    RE2JS.compile(pattern)
    return undefined
  } catch (cause) {
    return (cause as Error).message
  }
}

function rewriteTexts(
  document: Json,
  { req }: ExchangeView,
  rewrite: (text: string) => string,
): Json {
  if (req.dialect === 'http') return rewriteAll(document, rewrite)
  if (!isObject(document)) return document
  if (req.dialect === 'openai-responses' && isOtherEvent(document['type'])) return document
  let rewritten: Json = document
  for (const field of TEXTS[req.dialect]) rewritten = rewriteField(rewritten, field, rewrite)
  return rewritten
}

function isOtherEvent(type: unknown): boolean {
  return typeof type === 'string' && NOT_TEXT.test(type)
}

function rewriteAll(value: Json, rewrite: (text: string) => string): Json {
  if (typeof value === 'string') return rewrite(value)
  if (Array.isArray(value)) return value.map((item) => rewriteAll(item, rewrite))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, rewriteAll(item, rewrite)]),
  )
}
