import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import { nativeFields, nativeForm } from '../hub/conversation.ts'
import { compact, json, listOf, stringOf } from '../hub/fields.ts'
import type { NameRule } from '../hub/names.ts'
import type { FunctionTool, HubRequest, Tool, ToolChoice } from '../hub/request.ts'
import { camel } from './gemini-parts.ts'
import { fromGeminiSchema } from './gemini-schema.ts'
import { rest, type Wire } from './wire.ts'

const DIALECT = 'gemini'

/** What Gemini takes as a function's name. */
export const FUNCTION_NAME: NameRule = { pattern: /^[a-zA-Z_][a-zA-Z0-9_.:-]*$/, maxLength: 64 }

const FUNCTION_FIELDS: ReadonlySet<string> = new Set([
  'name',
  'description',
  'parameters',
  'parametersJsonSchema',
])

/** Reads `tools`: declared functions, and what Google runs itself. */
export function decodeTools(value: Json | undefined): Tool[] {
  return listOf(value).flatMap((item, index) => {
    const { functionDeclarations, ...builtin } = camel(item)
    const tools: Tool[] = listOf(functionDeclarations).map((declaration, position) =>
      decodeFunction(camel(declaration), index, position),
    )
    const [name] = Object.keys(builtin)
    if (name !== undefined) {
      const own = builtin as JsonObject
      tools.push({ type: 'builtin', dialect: DIALECT, name, value: own, path: `tools[${index}]` })
    }
    return tools
  })
}

/** Remembers which list it stood in, and its schema as it was written. */
function decodeFunction(declaration: Wire, index: number, position: number): FunctionTool {
  const { parameters, parametersJsonSchema } = declaration
  const form = JSON.stringify([index, parameters ?? null])
  return compact<FunctionTool>({
    type: 'function',
    name: stringOf(declaration['name']) ?? '',
    description: stringOf(declaration['description']),
    parameters: isObject(parametersJsonSchema)
      ? parametersJsonSchema
      : isObject(parameters)
        ? fromGeminiSchema(parameters)
        : undefined,
    path: `tools[${index}].functionDeclarations[${position}]`,
    ...rest(DIALECT, declaration, FUNCTION_FIELDS, form),
  })
}

/** Writes `tools`. Functions of other dialects stand in one list; tools that their providers run are reported. */
export function encodeTools({ tools, source }: HubRequest, crossing: Crossing): JsonObject[] {
  const result: JsonObject[] = []
  let group: Json | undefined
  for (const tool of tools) {
    if (tool.type === 'builtin') {
      if (tool.dialect === DIALECT) result.push(tool.value)
      else crossing.report.judge('builtinTool', tool.path)
      group = undefined
      continue
    }
    const form = nativeForm(tool.native, DIALECT)
    const [index, parameters] =
      form === undefined ? [0, null] : (JSON.parse(form) as [number, Json])
    const declaration =
      source === DIALECT && tool.type === 'function'
        ? encodeOwn(tool, parameters)
        : encodeFunction(tool, crossing)
    if (index === group) (result.at(-1)!['functionDeclarations'] as Json[]).push(declaration)
    else result.push({ functionDeclarations: [declaration] })
    group = index
  }
  return result
}

function encodeOwn({ name, description, ...tool }: FunctionTool, parameters: Json): JsonObject {
  const isOpenApi = parameters !== null
  return json({
    name,
    description,
    parameters: isOpenApi ? parameters : undefined,
    parametersJsonSchema: isOpenApi ? undefined : tool.parameters,
    ...nativeFields(tool.native, DIALECT),
  })
}

/** The one argument of a tool that takes free text. */
const WRAPPED: JsonObject = {
  type: 'object',
  properties: { input: { type: 'string' } },
  required: ['input'],
}

function encodeFunction(tool: Exclude<Tool, { type: 'builtin' }>, crossing: Crossing): JsonObject {
  const { names, report, wrappedTools } = crossing
  const name = names.encodeTool(tool.name, FUNCTION_NAME)
  const { description } = tool
  if (tool.type === 'custom') {
    report.judge('customTool', tool.path)
    wrappedTools.add(name)
    return json({ name, description: described(tool), parametersJsonSchema: WRAPPED })
  }
  if (tool.cache !== undefined) report.judge('cacheMarker', `${tool.path}.cache_control`)
  if (tool.strict === true) report.judge('toolOption', `${tool.path}.strict`)
  return json({ name, description, parametersJsonSchema: tool.parameters })
}

/** A grammar can only be asked for in words. */
function described({ description, format }: Extract<Tool, { type: 'custom' }>): string | undefined {
  const definition = stringOf(format?.['definition'])
  if (definition === undefined) return description
  const asked = `The input must follow this ${stringOf(format?.['syntax']) ?? ''} grammar:\n${definition}`
  return description === undefined ? asked : `${description}\n\n${asked}`
}

const MODES: Readonly<Record<string, 'auto' | 'none' | 'required'>> = {
  AUTO: 'auto',
  NONE: 'none',
  ANY: 'required',
  // Like AUTO, with arguments that fit their schema.
  VALIDATED: 'auto',
}

/** Reads `toolConfig.functionCallingConfig`. */
export function decodeToolChoice(value: Json | undefined): ToolChoice | undefined {
  const config = camel(camel(value)['functionCallingConfig'])
  const type = MODES[stringOf(config['mode']) ?? '']
  const names = listOf(config['allowedFunctionNames']).filter((name) => typeof name === 'string')
  if (names.length === 0 || type === 'none') return type === undefined ? undefined : { type }
  if (type === 'required' && names.length === 1) return { type: 'tool', name: names[0]! }
  return { type: 'subset', mode: type === 'required' ? 'required' : 'auto', names }
}

/** Writes `toolConfig` for the choice of another dialect. */
export function encodeToolChoice(request: HubRequest, crossing: Crossing): JsonObject | undefined {
  const { toolChoice: choice } = request
  const config = (mode: string, names: readonly string[] = []) => {
    const allowed = names.map((name) => crossing.names.encodeTool(name, FUNCTION_NAME))
    return {
      functionCallingConfig: {
        mode,
        ...(allowed.length === 0 ? {} : { allowedFunctionNames: allowed }),
      },
    }
  }
  switch (choice?.type) {
    case 'none':
      return config('NONE')
    case 'required':
      return config('ANY')
    case 'tool':
      return config('ANY', [choice.name])
    case 'subset':
      return config(choice.mode === 'required' ? 'ANY' : 'VALIDATED', choice.names)
    case 'native':
      crossing.report.judge('builtinTool', request.origins.toolChoice ?? 'tool_choice')
      return undefined
    case 'auto':
      return request.tools.length === 0 ? undefined : config('AUTO')
    default:
      return undefined
  }
}

/** The options of `toolConfig` that are none of the choice, by their paths. */
export function toolConfigOptions(value: Json | undefined): JsonObject {
  const options: JsonObject = {}
  const { functionCallingConfig, ...others } = camel(value)
  const { mode: _, allowedFunctionNames: __, ...inner } = camel(functionCallingConfig)
  for (const [key, option] of Object.entries(others)) {
    if (option !== undefined) options[`toolConfig.${key}`] = option
  }
  for (const [key, option] of Object.entries(inner)) {
    if (option !== undefined) options[`toolConfig.functionCallingConfig.${key}`] = option
  }
  return options
}
