import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import { leftover } from '../hub/conversation.ts'
import { booleanOf, compact, listOf, objectOf, stringOf, without } from '../hub/fields.ts'
import type { Tool, ToolChoice } from '../hub/request.ts'
import { decodeMarker, INNER } from './openai-chat-decode-messages.ts'

const DIALECT = 'openai-chat'

const TOOL_FIELDS: ReadonlySet<string> = new Set(['type', 'function', 'custom'])
const DEFINITION_FIELDS: ReadonlySet<string> = new Set([
  'name',
  'description',
  'parameters',
  'strict',
  'format',
])

/** One of `tools`. */
export function decodeTool(value: Json, index: number): Tool {
  const tool = objectOf(value)
  const path = `tools[${index}]`
  const isCustom = tool['type'] === 'custom'
  if (!isCustom && !isObject(tool['function'])) {
    const name = stringOf(tool['type']) ?? 'unknown'
    return { type: 'builtin', dialect: DIALECT, name, value: tool as JsonObject, path }
  }
  const inner = objectOf(tool[isCustom ? 'custom' : 'function'])
  const innerFields = without(inner, DEFINITION_FIELDS)
  const native = leftover(
    DIALECT,
    innerFields === undefined ? tool : { ...tool, [INNER]: innerFields },
    TOOL_FIELDS,
    tool['type'] === undefined ? 'untyped' : undefined,
  )
  const name = stringOf(inner['name']) ?? ''
  const description = stringOf(inner['description'])
  if (isCustom) {
    const format = isObject(inner['format']) ? inner['format'] : undefined
    return compact<Tool & { type: 'custom' }>({
      type: 'custom',
      name,
      description,
      format,
      path,
      ...native,
    })
  }
  return compact<Tool & { type: 'function' }>({
    type: 'function',
    name,
    description,
    parameters: isObject(inner['parameters']) ? inner['parameters'] : undefined,
    strict: booleanOf(inner['strict']),
    cache: decodeMarker(tool) ?? decodeMarker(inner),
    path,
    ...native,
  })
}

/** One of the outdated `functions`, which an upstream of this dialect gets back as they came. */
export function decodeFunction(value: Json, index: number): Tool {
  const definition = objectOf(value)
  return compact<Tool & { type: 'function' }>({
    type: 'function',
    name: stringOf(definition['name']) ?? '',
    description: stringOf(definition['description']),
    parameters: isObject(definition['parameters']) ? definition['parameters'] : undefined,
    path: `functions[${index}]`,
    native: { dialect: DIALECT, form: 'functions' },
  })
}

/** `tool_choice`, or the outdated `function_call`. */
export function decodeToolChoice(choice: Json | undefined): ToolChoice | undefined {
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { type: choice }
  if (!isObject(choice)) return undefined
  const type = choice['type']
  if (type === 'allowed_tools') return decodeAllowed(objectOf(choice['allowed_tools']))
  const kind = type === 'custom' ? 'custom' : 'function'
  const name =
    type === undefined ? stringOf(choice['name']) : stringOf(objectOf(choice[kind])['name'])
  if (name === undefined) return { type: 'native', name: stringOf(type) ?? 'unknown' }
  return { type: 'tool', name, kind }
}

function decodeAllowed(allowed: Readonly<Record<string, Json | undefined>>): ToolChoice {
  const names = listOf(allowed['tools']).map((value) => {
    const tool = objectOf(value)
    return stringOf(objectOf(tool['function'] ?? tool['custom'])['name']) ?? ''
  })
  return { type: 'subset', mode: allowed['mode'] === 'required' ? 'required' : 'auto', names }
}
