import type { Json, JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import { nativeFields, nativeForm } from '../hub/conversation.ts'
import { json } from '../hub/fields.ts'
import type { HubRequest, Tool, ToolChoice } from '../hub/request.ts'
import { CHAT_NAMES } from './openai-chat-names.ts'

const DIALECT = 'openai-chat'

/** `tools`, and how they are chosen. */
export function encodeTools({ tools, toolChoice, parallelTools }: HubRequest, crossing: Crossing) {
  const encoded = tools
    .map((tool) => encodeTool(tool, crossing))
    .filter((tool) => tool !== undefined)
  if (encoded.length === 0) return {}
  return {
    tools: encoded,
    tool_choice: encodeToolChoice(toolChoice, crossing),
    parallel_tool_calls: parallelTools,
  }
}

/** One of `tools`; undefined for what the report says is refused. */
export function encodeTool(tool: Tool, { report, names }: Crossing): JsonObject | undefined {
  if (tool.type === 'builtin') {
    if (tool.dialect === DIALECT) return tool.value
    report.note(
      'refused',
      tool.path,
      `the target has no built-in tool ${JSON.stringify(tool.name)}`,
    )
    return undefined
  }
  const { '*': inner, ...outer } = nativeFields(tool.native, DIALECT)
  const type = nativeForm(tool.native, DIALECT) === 'untyped' ? undefined : tool.type
  const name = names.encodeTool(tool.name, CHAT_NAMES)
  const definition =
    tool.type === 'custom'
      ? { name, description: tool.description, format: tool.format }
      : {
          name,
          description: tool.description,
          parameters: tool.parameters,
          strict: tool.strict,
        }
  return json({
    type,
    [tool.type]: json({ ...definition, ...(inner as JsonObject | undefined) }),
    ...outer,
  })
}

function encodeToolChoice(choice: ToolChoice | undefined, { names }: Crossing): Json | undefined {
  switch (choice?.type) {
    case undefined:
    case 'native':
      return undefined
    case 'auto':
    case 'none':
    case 'required':
      return choice.type
    case 'tool': {
      const kind = choice.kind ?? 'function'
      return { type: kind, [kind]: { name: names.encodeTool(choice.name, CHAT_NAMES) } }
    }
    case 'subset': {
      const tools = choice.names.map((name) => ({
        type: 'function',
        function: { name: names.encodeTool(name, CHAT_NAMES) },
      }))
      return { type: 'allowed_tools', allowed_tools: { mode: choice.mode, tools } }
    }
    default:
      return undefined
  }
}
