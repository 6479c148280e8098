import type { JsonObject } from '../../kit/json.ts'
import type { Crossing } from './codec.ts'
import type { CacheMarker } from './conversation.ts'
import { compact, json } from './fields.ts'
import type { NameRule } from './names.ts'
import type { CustomTool, FunctionTool, HubRequest, Tool } from './request.ts'

/** A tool as a target takes it that knows functions with a JSON schema, and nothing else. */
export interface TargetFunction {
  readonly name: string
  readonly description?: string
  readonly parameters: JsonObject
  readonly strict?: boolean
  readonly cache?: CacheMarker
}

/** What such a target knows of a function beside its schema. */
export interface FunctionOptions {
  readonly rule: NameRule
  readonly strict?: boolean
  readonly cache?: boolean
}

const NO_INPUT: JsonObject = { type: 'object', properties: {} }

/** The one argument of a tool that takes free text. */
const TEXT_INPUT: JsonObject = {
  type: 'object',
  properties: { input: { type: 'string' } },
  required: ['input'],
  additionalProperties: false,
}

/**
 * The tools that the model may call, for a target that cannot be told to choose among some of them. Tools for free text
 * are wrapped; those that another provider runs are refused.
 */
export function functionsOf(
  request: HubRequest,
  options: FunctionOptions,
  crossing: Crossing,
): readonly TargetFunction[] {
  return chosen(request, crossing).flatMap((tool) => {
    if (tool.type === 'function') return [ofFunction(tool, options, crossing)]
    if (tool.type === 'custom') return [ofCustom(tool, options, crossing)]
    const name = JSON.stringify(tool.name)
    crossing.report.note('refused', tool.path, `the target has no built-in tool ${name}`)
    return []
  })
}

function chosen({ origins, toolChoice, tools }: HubRequest, { report }: Crossing): readonly Tool[] {
  if (toolChoice?.type !== 'subset') return tools
  report.judge('toolSubset', origins.toolChoice ?? 'tool_choice')
  return tools.filter(({ name }) => toolChoice.names.includes(name))
}

function ofFunction(
  tool: FunctionTool,
  { cache: knowsCache, rule, strict: knowsStrict }: FunctionOptions,
  { names, report }: Crossing,
): TargetFunction {
  const { cache, description, parameters, path, strict } = tool
  const isStrict = strict === true && knowsStrict === true
  if (strict === true && !isStrict) report.judge('toolOption', `${path}.strict`)
  if (cache !== undefined && knowsCache !== true) report.judge('cacheMarker', path)
  return compact<TargetFunction>({
    name: names.encodeTool(tool.name, rule),
    description,
    parameters: parameters === undefined ? NO_INPUT : { type: 'object', ...parameters },
    strict: isStrict ? true : undefined,
    cache: knowsCache === true ? cache : undefined,
  })
}

/** A grammar can only be asked for in words. */
function ofCustom(
  { description = '', format, name, path }: CustomTool,
  { rule }: FunctionOptions,
  { names, report, wrappedTools }: Crossing,
): TargetFunction {
  report.judge('customTool', path)
  const encoded = names.encodeTool(name, rule)
  wrappedTools.add(encoded)
  const asked = format === undefined ? '' : `Format of the input: ${JSON.stringify(format)}`
  const words = [description, asked].filter((line) => line !== '').join('\n\n')
  return compact<TargetFunction>({
    name: encoded,
    description: words === '' ? undefined : words,
    parameters: TEXT_INPUT,
  })
}

/** A function as OpenAI writes it, and those that followed. */
export function writeFunction(tool: TargetFunction): JsonObject {
  const { description, name, parameters, strict } = tool
  return { type: 'function', function: json({ name, description, parameters, strict }) }
}
