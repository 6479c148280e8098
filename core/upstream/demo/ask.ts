import type { LlmDialect } from '../../dialects/dialect.ts'
import { isObject, type JsonObject } from '../../kit/json.ts'
import { promptTokens } from './tokens.ts'

/** What a conversation asks for, whatever the dialect it is written in: as much of it as the demo understands. */
export interface Ask {
  /** The last words of the user. */
  readonly said: string
  /** The text of a tool's result, where the conversation ends with one. */
  readonly toolResult: string | undefined
  readonly tools: readonly Tool[]
  /** `any` and a name force a call. */
  readonly toolChoice: 'auto' | 'none' | 'any' | { readonly name: string }
  /** Set where the answer must be JSON; the schema, where there is one. */
  readonly json: { readonly schema: unknown } | undefined
  readonly maxTokens: number | undefined
  readonly inputTokens: number
}

/** A function that the client offers. */
export interface Tool {
  readonly name: string
  readonly schema: unknown
}

/** Reads a body. What is not as its API has it, is passed over. */
export function readAsk(dialect: LlmDialect, body: JsonObject): Ask {
  return READERS[dialect](body)
}

interface Turn {
  readonly by: 'user' | 'tool' | 'other'
  readonly text: string
}

const READERS: Readonly<Record<LlmDialect, (body: JsonObject) => Ask>> = {
  'openai-chat': (body) =>
    makeAsk({
      turns: maps(body['messages']).map(({ role, content }) => ({
        by: role === 'user' || role === 'tool' ? role : 'other',
        text: textOf(content),
      })),
      prompt: [body['messages']],
      rawTools: body['tools'],
      tools: functionTools(maps(body['tools']).map((tool) => asMap(tool['function']))),
      choice: openaiChoice(body['tool_choice']),
      format: asMap(body['response_format']),
      schema: asMap(asMap(body['response_format'])['json_schema'])['schema'],
      maxTokens: body['max_completion_tokens'] ?? body['max_tokens'],
    }),

  'openai-responses': (body) =>
    makeAsk({
      turns:
        typeof body['input'] === 'string' ? [user(body['input'])] : maps(body['input']).map(item),
      prompt: [body['instructions'], body['input']],
      rawTools: body['tools'],
      tools: functionTools(maps(body['tools']).filter(({ type }) => type === 'function')),
      choice: openaiChoice(body['tool_choice']),
      format: asMap(asMap(body['text'])['format']),
      schema: asMap(asMap(body['text'])['format'])['schema'],
      maxTokens: body['max_output_tokens'],
    }),

  anthropic: (body) =>
    makeAsk({
      turns: maps(body['messages']).map(anthropicTurn),
      prompt: [body['system'], body['messages']],
      rawTools: body['tools'],
      tools: functionTools(
        maps(body['tools']).filter(({ input_schema }) => input_schema !== undefined),
        'input_schema',
      ),
      choice: anthropicChoice(asMap(body['tool_choice'])),
      format: asMap(asMap(body['output_config'])['format']),
      schema: asMap(asMap(body['output_config'])['format'])['schema'],
      maxTokens: body['max_tokens'],
    }),

  gemini(body) {
    // `countTokens` may wrap the whole request.
    const request = isObject(body['generateContentRequest']) ? body['generateContentRequest'] : body
    const config = asMap(request['generationConfig'])
    const isJson = config['responseMimeType'] === 'application/json'
    return makeAsk({
      turns: maps(request['contents']).map(geminiTurn),
      prompt: [request['systemInstruction'], request['contents']],
      rawTools: request['tools'],
      tools: maps(request['tools']).flatMap((tool) =>
        maps(tool['functionDeclarations']).map((declared) => ({
          name: String(declared['name']),
          schema: declared['parametersJsonSchema'] ?? declared['parameters'],
        })),
      ),
      choice: geminiChoice(asMap(asMap(request['toolConfig'])['functionCallingConfig'])),
      format: isJson ? { type: 'json_object' } : {},
      schema: config['responseJsonSchema'] ?? config['responseSchema'],
      maxTokens: config['maxOutputTokens'],
    })
  },
}

function makeAsk(given: {
  readonly turns: readonly Turn[]
  readonly prompt: readonly unknown[]
  readonly rawTools: unknown
  readonly tools: readonly Tool[]
  readonly choice: Ask['toolChoice']
  readonly format: Record<string, unknown>
  readonly schema: unknown
  readonly maxTokens: unknown
}): Ask {
  const { turns, prompt, rawTools, tools, choice, format, schema, maxTokens } = given
  const last = turns.at(-1)
  const isJson = format['type'] === 'json_object' || format['type'] === 'json_schema'
  return {
    said: turns.findLast(({ by, text }) => by === 'user' && text !== '')?.text ?? '',
    toolResult: last?.by === 'tool' ? last.text : undefined,
    tools,
    toolChoice: choice,
    json: isJson ? { schema } : undefined,
    maxTokens: typeof maxTokens === 'number' && maxTokens >= 0 ? Math.floor(maxTokens) : undefined,
    inputTokens: promptTokens(prompt, rawTools),
  }
}

function item({ type, role, content, output }: Record<string, unknown>): Turn {
  if (type === 'function_call_output') return { by: 'tool', text: textOf(output) }
  return { by: role === 'user' ? 'user' : 'other', text: textOf(content) }
}

function anthropicTurn({ role, content }: Record<string, unknown>): Turn {
  const results = maps(content).filter(({ type }) => type === 'tool_result')
  if (results.length > 0) {
    return { by: 'tool', text: results.map((result) => textOf(result['content'])).join('\n') }
  }
  return { by: role === 'user' ? 'user' : 'other', text: textOf(content) }
}

function geminiTurn({ role, parts }: Record<string, unknown>): Turn {
  const results = maps(parts).filter((part) => isObject(part['functionResponse']))
  if (results.length > 0) {
    const answers = results.map((part) => asMap(part['functionResponse'])['response'])
    return { by: 'tool', text: answers.map((answer) => JSON.stringify(answer)).join('\n') }
  }
  return { by: role === 'model' ? 'other' : 'user', text: textOf(parts) }
}

function openaiChoice(choice: unknown): Ask['toolChoice'] {
  if (choice === 'none') return 'none'
  if (choice === 'required') return 'any'
  if (!isObject(choice)) return 'auto'
  const { type, name } = choice
  if (type === 'allowed_tools') {
    const mode = asMap(choice['allowed_tools'])['mode'] ?? choice['mode']
    return mode === 'required' ? 'any' : 'auto'
  }
  const called = name ?? asMap(choice['function'])['name']
  return typeof called === 'string' ? { name: called } : 'auto'
}

function anthropicChoice({ type, name }: Record<string, unknown>): Ask['toolChoice'] {
  if (type === 'tool' && typeof name === 'string') return { name }
  return type === 'any' || type === 'none' ? type : 'auto'
}

function geminiChoice({ mode, allowedFunctionNames }: Record<string, unknown>): Ask['toolChoice'] {
  if (mode === 'NONE') return 'none'
  if (mode !== 'ANY') return 'auto'
  const name: unknown = Array.isArray(allowedFunctionNames) ? allowedFunctionNames[0] : undefined
  return typeof name === 'string' ? { name } : 'any'
}

function functionTools(
  declared: readonly Record<string, unknown>[],
  schema = 'parameters',
): Tool[] {
  return declared
    .filter(({ name }) => typeof name === 'string')
    .map((tool) => ({ name: tool['name'] as string, schema: tool[schema] }))
}

/** A text, or the texts of its parts in a row. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  return maps(content)
    .map(({ text }) => (typeof text === 'string' ? text : ''))
    .filter((text) => text !== '')
    .join('\n')
}

function user(text: string): Turn {
  return { by: 'user', text }
}

function maps(list: unknown): Record<string, unknown>[] {
  return Array.isArray(list) ? list.filter(isObject) : []
}

function asMap(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {}
}
