import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import { nativeFields, nativeForm } from '../hub/conversation.ts'
import { booleanOf, compact, json, listOf, objectOf, stringOf } from '../hub/fields.ts'
import type { NameRule } from '../hub/names.ts'
import type { CustomTool, FunctionTool, HubRequest, Tool, ToolChoice } from '../hub/request.ts'
import { qualified } from './openai-responses-items.ts'
import { rest, type Wire } from './wire.ts'

const DIALECT = 'openai-responses'

/** What OpenAI takes as a tool's name. */
export const TOOL_NAME: NameRule = { pattern: /^[a-zA-Z0-9_-]+$/, maxLength: 64 }
/** What OpenAI takes as a call's id. */
export const CALL_ID: NameRule = { pattern: /^[a-zA-Z0-9_.:-]+$/, maxLength: 64 }

const FUNCTION_FIELDS: ReadonlySet<string> = new Set([
  'type',
  'name',
  'description',
  'parameters',
  'strict',
])
const CUSTOM_FIELDS: ReadonlySet<string> = new Set(['type', 'name', 'description', 'format'])

/** Reads a list of tools. Those of a namespace become tools of their own, which remember where they stood. */
export function decodeTools(value: Json | undefined, path: string): Tool[] {
  return listOf(value).flatMap((item, index) => decodeTool(item, `${path}[${index}]`))
}

function decodeTool(value: Json, path: string): Tool[] {
  const tool = objectOf(value)
  const inner = listOf(tool['tools'])
  const isNamespace = tool['type'] === 'namespace' && typeof tool['name'] === 'string'
  if (isNamespace && inner.length > 0 && inner.every(isOwnTool)) {
    return inner.flatMap((item, index) =>
      inNamespace(decodeTool(item, `${path}.tools[${index}]`), tool),
    )
  }
  return [decodeOwnTool(tool, path) ?? { type: 'builtin', dialect: DIALECT, ...named(tool), path }]
}

function named(tool: Wire): { name: string; value: JsonObject } {
  return { name: stringOf(tool['type']) ?? 'unknown', value: tool as JsonObject }
}

function isOwnTool(value: Json): boolean {
  const tool = objectOf(value)
  return (
    (tool['type'] === 'function' || tool['type'] === 'custom') && typeof tool['name'] === 'string'
  )
}

function decodeOwnTool(tool: Wire, path: string): FunctionTool | CustomTool | undefined {
  const name = stringOf(tool['name'])
  if (name === undefined) return undefined
  if (tool['type'] === 'function') {
    return compact<FunctionTool>({
      type: 'function',
      name,
      description: stringOf(tool['description']),
      parameters: isObject(tool['parameters']) ? tool['parameters'] : undefined,
      strict: booleanOf(tool['strict']),
      path,
      ...rest(DIALECT, tool, FUNCTION_FIELDS),
    })
  }
  if (tool['type'] !== 'custom') return undefined
  return compact<CustomTool>({
    type: 'custom',
    name,
    description: stringOf(tool['description']),
    format: isObject(tool['format']) ? tool['format'] : undefined,
    path,
    ...rest(DIALECT, tool, CUSTOM_FIELDS),
  })
}

/** Forms of tools that do not stand in `tools` by themselves: in a namespace, whose head is behind it, or in an item. */
const NAMESPACE = 'namespace:'
const HOISTED = 'additional'

function inNamespace(tools: readonly Tool[], namespace: Wire): Tool[] {
  const { tools: _, ...head } = namespace
  const form = NAMESPACE + JSON.stringify(head)
  return tools.map((tool) =>
    tool.type === 'builtin'
      ? tool
      : {
          ...tool,
          name: qualified(namespace['name'] as string, tool.name),
          native: { dialect: DIALECT, ...tool.native, form },
        },
  )
}

/** Tools that an item brings in later. For other dialects, they are there from the start. */
export function hoistTools(input: readonly Json[]): Tool[] {
  return input.flatMap((value, index) => {
    const item = objectOf(value)
    if (item['type'] !== 'additional_tools') return []
    return decodeTools(item['tools'], `input[${index}].tools`).map((tool) =>
      tool.type === 'builtin'
        ? tool
        : { ...tool, native: { dialect: DIALECT, ...tool.native, form: HOISTED } },
    )
  })
}

/** The namespace and the inner name of a tool that the client keeps in one. */
export function namespaceOf(
  tools: readonly Tool[],
  name: string,
): { readonly namespace: string; readonly name: string } | undefined {
  const tool = tools.find((candidate) => candidate.type !== 'builtin' && candidate.name === name)
  const namespace = tool === undefined ? undefined : headOf(tool)?.['name']
  if (typeof namespace !== 'string') return undefined
  return { namespace, name: name.slice(namespace.length + 1) }
}

function headOf(tool: Tool): Wire | undefined {
  const form = tool.type === 'builtin' ? undefined : nativeForm(tool.native, DIALECT)
  if (form?.startsWith(NAMESPACE) !== true) return undefined
  return JSON.parse(form.slice(NAMESPACE.length)) as JsonObject
}

/** Writes the tools; neighbours of one namespace stand in it again. Foreign built-in tools are reported. */
export function encodeTools({ tools, source }: HubRequest, crossing: Crossing): JsonObject[] {
  const result: JsonObject[] = []
  let form: string | undefined
  for (const tool of tools) {
    if (tool.type === 'builtin') {
      if (tool.dialect === DIALECT && !tool.path.startsWith('input[')) result.push(tool.value)
      else if (tool.dialect !== DIALECT) crossing.report.judge('builtinTool', tool.path)
      form = undefined
      continue
    }
    const own = nativeForm(tool.native, DIALECT)
    if (own === HOISTED) continue
    const head = headOf(tool)
    const namespace = stringOf(head?.['name'])
    const inner = namespace === undefined ? tool.name : tool.name.slice(namespace.length + 1)
    const encoded = encodeTool(tool, inner, source, crossing)
    if (head === undefined) result.push(encoded)
    else if (own === form) (result.at(-1)!['tools'] as Json[]).push(encoded)
    else result.push({ ...(head as JsonObject), tools: [encoded] })
    form = own
  }
  return result
}

function encodeTool(
  tool: FunctionTool | CustomTool,
  name: string,
  source: HubRequest['source'],
  { names }: Crossing,
): JsonObject {
  const isOwn = source === DIALECT
  const own = nativeFields(tool.native, DIALECT)
  const spoken = isOwn ? name : names.encodeTool(name, TOOL_NAME)
  if (tool.type === 'custom') {
    const { description, format } = tool
    return json({ type: 'custom', name: spoken, description, format, ...own })
  }
  return json({
    type: 'function',
    name: spoken,
    description: tool.description,
    parameters: tool.parameters ?? (isOwn ? undefined : { type: 'object', properties: {} }),
    // Absent means true here and false elsewhere: without it, schemas with optional properties would be refused.
    strict: tool.strict ?? (isOwn ? undefined : false),
    ...own,
  })
}

/** Reads `tool_choice`. */
export function decodeToolChoice(value: Json | undefined): ToolChoice | undefined {
  if (value === 'auto' || value === 'none' || value === 'required') return { type: value }
  if (!isObject(value)) return undefined
  const choice = value as Wire
  const { type } = choice
  const name = stringOf(choice['name'])
  if ((type === 'function' || type === 'custom') && name !== undefined) {
    return { type: 'tool', name, kind: type }
  }
  const names = listOf(choice['tools']).map((tool) => stringOf(objectOf(tool)['name']))
  if (type === 'allowed_tools' && names.every((item) => item !== undefined)) {
    return { type: 'subset', mode: choice['mode'] === 'required' ? 'required' : 'auto', names }
  }
  return { type: 'native', name: stringOf(type) ?? 'unknown' }
}

/** Writes the choice of another dialect; undefined where it can only be told in its own. */
export function encodeToolChoice(request: HubRequest, crossing: Crossing): Json | undefined {
  const { toolChoice: choice, tools } = request
  const spoken = (name: string) => crossing.names.encodeTool(name, TOOL_NAME)
  const kindOf = (name: string) =>
    tools.some((tool) => tool.type === 'custom' && tool.name === name) ? 'custom' : 'function'
  if (choice === undefined) return undefined
  switch (choice.type) {
    case 'tool':
      return { type: choice.kind ?? kindOf(choice.name), name: spoken(choice.name) }
    case 'subset':
      return {
        type: 'allowed_tools',
        mode: choice.mode,
        tools: choice.names.map((name) => ({ type: kindOf(name), name: spoken(name) })),
      }
    case 'native':
      crossing.report.judge('builtinTool', request.origins.toolChoice ?? 'tool_choice')
      return undefined
    default:
      return choice.type
  }
}
