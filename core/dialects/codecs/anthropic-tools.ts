import type { JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import { nativeFields } from '../hub/conversation.ts'
import { json } from '../hub/fields.ts'
import type { CustomTool, FunctionTool, HubRequest, Tool, ToolChoice } from '../hub/request.ts'
import { schemaAsTool } from '../hub/schema-tool.ts'
import type { Turn } from '../hub/turns.ts'
import { ANTHROPIC_NAMES, encodeCacheControl } from './anthropic-blocks.ts'

const DIALECT = 'anthropic'

const ANY_INPUT = { type: 'object', properties: {} } as const
const TEXT_INPUT = {
  type: 'object',
  properties: { input: { type: 'string' } },
  required: ['input'],
  additionalProperties: false,
}

/** The tools of a request of the same dialect, as they came. */
export function encodeOwnTools({ native, tools }: HubRequest): JsonObject {
  const isStated = tools.length > 0 && native?.dialect === DIALECT
  return isStated ? { tools: tools.map((tool) => encodeOwnTool(tool)) } : {}
}

function encodeOwnTool(tool: Tool): JsonObject {
  if (tool.type === 'builtin') return tool.value
  const parameters = tool.type === 'function' ? tool.parameters : undefined
  return json({
    name: tool.name,
    description: tool.description,
    input_schema: parameters,
    strict: tool.type === 'function' ? tool.strict : undefined,
    ...nativeFields(tool.native, DIALECT),
  })
}

/** True where a JSON schema has to be emulated by a forced tool. */
export function usesSchemaTool({ output }: HubRequest, { capabilities }: Crossing): boolean {
  return output?.type === 'jsonSchema' && !capabilities.jsonSchema
}

/** `tools` and `tool_choice`. */
export function encodeTools(
  request: HubRequest,
  turns: readonly Turn[],
  crossing: Crossing,
): JsonObject {
  const tools = chosenTools(request, crossing)
    .map((tool) => encodeTool(tool, crossing))
    .filter((tool) => tool !== undefined)
  if (usesSchemaTool(request, crossing)) return withSchemaTool(tools, request, crossing)
  if (tools.length === 0) return historicTools(turns, crossing)
  return json({ tools, tool_choice: encodeToolChoice(request, crossing) })
}

/** A choice among some of the tools is made by sending only those. */
function chosenTools({ origins, toolChoice, tools }: HubRequest, { report }: Crossing) {
  if (toolChoice?.type !== 'subset') return tools
  report.judge('toolSubset', origins.toolChoice ?? 'tool_choice')
  return tools.filter((tool) => toolChoice.names.includes(tool.name))
}

function encodeTool(tool: Tool, crossing: Crossing): JsonObject | undefined {
  if (tool.type === 'function') return encodeFunction(tool, crossing)
  if (tool.type === 'custom') return encodeCustom(tool, crossing)
  const name = JSON.stringify(tool.name)
  crossing.report.note('refused', tool.path, `the target has no built-in tool ${name}`)
  return undefined
}

function encodeFunction(tool: FunctionTool, { capabilities, names, report }: Crossing): JsonObject {
  const { cache, description, parameters, path } = tool
  const isStrict = tool.strict === true && capabilities.jsonSchema
  if (tool.strict === true && !isStrict) {
    report.note('dropped', `${path}.strict`, 'the model does not hold its arguments to a schema')
  }
  return json({
    name: names.encodeTool(tool.name, ANTHROPIC_NAMES),
    description,
    input_schema: parameters === undefined ? ANY_INPUT : { type: 'object', ...parameters },
    strict: isStrict ? true : undefined,
    cache_control: cache && encodeCacheControl(cache),
  })
}

function encodeCustom(tool: CustomTool, { names, report, wrappedTools }: Crossing): JsonObject {
  report.judge('customTool', tool.path)
  const name = names.encodeTool(tool.name, ANTHROPIC_NAMES)
  wrappedTools.add(name)
  const grammar =
    tool.format === undefined ? '' : `Format of the input: ${JSON.stringify(tool.format)}`
  const description = [tool.description ?? '', grammar].filter((line) => line !== '').join('\n\n')
  return json({
    name,
    description: description === '' ? undefined : description,
    input_schema: TEXT_INPUT,
  })
}

/** One call at a time is said beside the choice, so it needs one. */
function encodeToolChoice(request: HubRequest, crossing: Crossing): JsonObject | undefined {
  const { parallelTools, toolChoice } = request
  const choice = choiceOf(toolChoice, crossing)
  if (parallelTools !== false || choice?.['type'] === 'none') return choice
  return { ...(choice ?? { type: 'auto' }), disable_parallel_tool_use: true }
}

function choiceOf(choice: ToolChoice | undefined, { names, report, request }: Crossing) {
  switch (choice?.type) {
    case 'auto':
    case 'none':
      return { type: choice.type }
    case 'required':
      return { type: 'any' }
    case 'subset':
      return { type: choice.mode === 'required' ? 'any' : 'auto' }
    case 'tool':
      return { type: 'tool', name: names.encodeTool(choice.name, ANTHROPIC_NAMES) }
    case 'native': {
      const field = request.origins.toolChoice ?? 'tool_choice'
      report.note('refused', field, `the target has no choice ${JSON.stringify(choice.name)}`)
      return undefined
    }
    default:
      return undefined
  }
}

/** Beside other tools the model must call one: theirs, or the one that is its answer. */
function withSchemaTool(
  tools: readonly JsonObject[],
  request: HubRequest,
  crossing: Crossing,
): JsonObject {
  const taken = tools.map(({ name }) => name)
  const { name, description, parameters } = schemaAsTool(taken, request, crossing)
  const tool = { name, description, input_schema: parameters }
  const choice = tools.length === 0 ? { type: 'tool', name } : { type: 'any' }
  return {
    tools: [...tools, tool],
    tool_choice: { ...choice, disable_parallel_tool_use: true },
  }
}

/** Calls in the conversation need their tools declared, even where the client has put them away. */
function historicTools(turns: readonly Turn[], { names }: Crossing): JsonObject {
  const used = new Set<string>()
  for (const { parts } of turns) {
    for (const part of parts) if (part.type === 'toolCall') used.add(part.name)
  }
  if (used.size === 0) return {}
  const tools = [...used].map((name) => ({
    name: names.encodeTool(name, ANTHROPIC_NAMES),
    input_schema: ANY_INPUT,
  }))
  return { tools, tool_choice: { type: 'none' } }
}
