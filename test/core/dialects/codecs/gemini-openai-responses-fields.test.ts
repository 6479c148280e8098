import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { CODECS } from '#core/dialects/codecs/index.ts'
import type { CodecName } from '#core/dialects/hub/conversation.ts'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { crossingTo } from './following.ts'

const RESPONSES = 'openai/resources/responses/responses.d.ts'
const SHARED = 'openai/resources/shared.d.ts'
const GENAI = '@google/genai/dist/genai.d.ts'

function source(path: string): string {
  return readFileSync(new URL(`../../../../node_modules/${path}`, import.meta.url), 'utf8')
}

/** The body of an interface or a class in a package's type declarations. */
function declared(path: string, name: string): string {
  const text = source(path)
  const found = new RegExp(
    `^([ \\t]*)export (?:declare )?(?:interface|class) ${name}\\b[^{]*\\{`,
    'm',
  ).exec(text)
  expect(found, `${name} is in ${path}`).not.toBeNull()
  return text.slice(found!.index, text.indexOf(`\n${found![1]}}`, found!.index))
}

function fieldsOf(path: string, name: string): string[] {
  return [...declared(path, name).matchAll(/^ {4}(\w+)\??:/gm)].map((match) => match[1]!)
}

/** What another dialect's upstream is not told, of a request with this body. */
function untold(client: CodecName, body: JsonObject, model = 'm'): string[] {
  const request = CODECS[client].decodeRequest(body, { model })!
  const target = client === 'gemini' ? 'openai-responses' : 'gemini'
  const crossing = crossingTo({ ...request, model: 'x' }, target)
  CODECS[target].encodeRequest(crossing.request, crossing)
  return crossing.report.findings.map(({ field }) => field)
}

/** Of each type: the fields that are carried over, and a request with any field of it. All others must be told of. */
interface Row {
  readonly path: string
  readonly name: string
  readonly client: CodecName
  readonly carried: string
  readonly at: string
  body(field: string): JsonObject
}

const input = (item: JsonObject) => ({ model: 'm', input: [{ role: 'user', content: 'Hi' }, item] })
const spoken = (part: JsonObject) => ({ model: 'm', input: [{ role: 'user', content: [part] }] })
const contents = (part: JsonObject) => ({ contents: [{ role: 'user', parts: [part] }] })

const ROWS: readonly Row[] = [
  {
    path: SHARED,
    name: 'Reasoning',
    client: 'openai-responses',
    carried: 'effort summary generate_summary',
    at: 'reasoning.',
    body: (field) => ({ model: 'm', input: 'Hi', reasoning: { [field]: 'x' } }),
  },
  {
    path: RESPONSES,
    name: 'ResponseTextConfig',
    client: 'openai-responses',
    carried: 'format',
    at: 'text.',
    body: (field) => ({ model: 'm', input: 'Hi', text: { [field]: 'x' } }),
  },
  {
    path: RESPONSES,
    name: 'FunctionTool',
    client: 'openai-responses',
    carried: 'type name description parameters strict',
    at: 'tools[0].',
    body: (field) => ({
      model: 'm',
      input: 'Hi',
      tools: [{ [field]: 'x', type: 'function', name: 'f' }],
    }),
  },
  {
    path: RESPONSES,
    name: 'CustomTool',
    client: 'openai-responses',
    carried: 'type name description format',
    at: 'tools[0].',
    body: (field) => ({
      model: 'm',
      input: 'Hi',
      tools: [{ [field]: 'x', type: 'custom', name: 'f' }],
    }),
  },
  {
    path: RESPONSES,
    name: 'ResponseInputText',
    client: 'openai-responses',
    carried: 'type text',
    at: 'input[0]',
    body: (field) => spoken({ [field]: { mode: 'explicit' }, type: 'input_text', text: 'x' }),
  },
  {
    path: RESPONSES,
    name: 'ResponseInputImage',
    client: 'openai-responses',
    carried: 'type image_url detail',
    at: 'input[0]',
    body: (field) => {
      const value: Json = field === 'prompt_cache_breakpoint' ? {} : 'x'
      const url = field === 'file_id' ? {} : { image_url: 'data:image/png;base64,AA==' }
      return spoken({ [field]: value, ...url, type: 'input_image' })
    },
  },
  {
    path: RESPONSES,
    name: 'ResponseInputFile',
    client: 'openai-responses',
    carried: 'type file_data filename',
    at: 'input[0]',
    body: (field) => {
      const value: Json = field === 'prompt_cache_breakpoint' ? {} : 'x'
      const data = field.startsWith('file_')
        ? {}
        : { file_data: 'data:application/pdf;base64,AA==' }
      return spoken({ ...data, [field]: value, type: 'input_file' })
    },
  },
  {
    path: RESPONSES,
    name: 'ResponseFunctionToolCall',
    client: 'openai-responses',
    carried: 'type call_id name arguments id status namespace',
    at: 'input[1]',
    body: (field) =>
      input({ [field]: 'x', type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' }),
  },
  {
    path: RESPONSES,
    name: 'ResponseCustomToolCall',
    client: 'openai-responses',
    carried: 'type call_id name input id namespace',
    at: 'input[1]',
    body: (field) =>
      input({ [field]: 'x', type: 'custom_tool_call', call_id: 'a', name: 'f', input: '' }),
  },
  {
    path: GENAI,
    name: 'Part',
    client: 'gemini',
    carried: 'text thought thoughtSignature inlineData fileData functionCall functionResponse',
    at: 'contents[0]',
    body: (field) =>
      contents({ [field]: { x: 1 }, ...(MODIFIERS.has(field) ? { text: 'x' } : {}) }),
  },
  ...(
    [
      ['FunctionCall', 'functionCall', 'id name args'],
      ['FunctionResponse', 'functionResponse', 'id name response'],
    ] as const
  ).map(([name, key, carried]): Row => ({
    path: GENAI,
    name,
    client: 'gemini',
    carried,
    at: `contents[0].${key}`,
    body: (field) => contents({ [key]: { name: 'f', [field]: 'x' } }),
  })),
  {
    path: GENAI,
    name: 'FunctionDeclaration',
    client: 'gemini',
    carried: 'name description parameters parametersJsonSchema',
    at: 'tools[0].functionDeclarations[0].',
    body: (field) => ({ contents: [], tools: [{ functionDeclarations: [{ [field]: 'x' }] }] }),
  },
  {
    path: GENAI,
    name: 'Tool',
    client: 'gemini',
    carried: 'functionDeclarations',
    at: 'tools[0]',
    body: (field) => ({ contents: [], tools: [{ [field]: {} }] }),
  },
  {
    path: GENAI,
    name: 'ThinkingConfig',
    client: 'gemini',
    carried: 'includeThoughts thinkingBudget thinkingLevel',
    at: 'generationConfig.thinkingConfig.',
    body: (field) => ({ contents: [], generationConfig: { thinkingConfig: { [field]: 'x' } } }),
  },
  {
    path: GENAI,
    name: 'ToolConfig',
    client: 'gemini',
    carried: 'functionCallingConfig',
    at: 'toolConfig.',
    body: (field) => ({ contents: [], toolConfig: { [field]: 'x' } }),
  },
  {
    path: GENAI,
    name: 'FunctionCallingConfig',
    client: 'gemini',
    carried: 'mode allowedFunctionNames',
    at: 'toolConfig.functionCallingConfig.',
    body: (field) => ({ contents: [], toolConfig: { functionCallingConfig: { [field]: 'x' } } }),
  },
  {
    path: GENAI,
    name: 'GenerationConfig',
    client: 'gemini',
    carried:
      'maxOutputTokens temperature topP thinkingConfig responseJsonSchema responseMimeType responseSchema',
    at: 'generationConfig.',
    body: (field) => ({ contents: [], generationConfig: { [field]: ['x'] } }),
  },
]

/** Fields of a part that say something of another field. */
const MODIFIERS: ReadonlySet<string> = new Set([
  'mediaProcessing',
  'mediaResolution',
  'partMetadata',
  'speechMetadata',
  'videoMetadata',
])

describe("every field of the official SDKs' types", () => {
  test.each(ROWS)(
    '$name is carried over or told of',
    ({ path, name, client, carried, at, body }) => {
      const fields = fieldsOf(path, name)
      const known = carried.split(' ')
      // A field that is gone from the SDK shall be gone from here.
      expect(known.filter((field) => !fields.includes(field))).toEqual([])
      const silent = fields.filter(
        (field) =>
          !known.includes(field) &&
          !untold(client, body(field)).some((told) => told.startsWith(at)),
      )
      expect(silent).toEqual([])
    },
  )
})

/** The `type` of each member of a union. */
function typesOf(union: string): string[] {
  const text = source(RESPONSES)
  const [, members] = new RegExp(`export type ${union} = ([^;]+);`).exec(text)!
  return members!.split('|').flatMap((member) => {
    const [outer, inner] = member.trim().split('.')
    const start = text.indexOf(inner === undefined ? `interface ${outer} ` : `namespace ${outer} {`)
    const from = inner === undefined ? start : text.indexOf(`interface ${inner} `, start)
    expect(from, `${member} is declared`).toBeGreaterThan(-1)
    const indent = inner === undefined ? ' {4}' : ' {8}'
    const body = text.slice(from, text.indexOf(inner === undefined ? '\n}' : '\n    }', from))
    const literal = new RegExp(`^${indent}type\\??: ([^;]+);`, 'm').exec(body)
    return [...(literal?.[1] ?? '').matchAll(/'([^']+)'/g)].map((match) => match[1]!)
  })
}

describe('every member of the unions of Responses', () => {
  const KNOWN_ITEMS = new Set([
    'message',
    'reasoning',
    'function_call',
    'function_call_output',
    'custom_tool_call',
    'custom_tool_call_output',
    'additional_tools',
  ])

  test('ResponseInputItem is carried over or refused', () => {
    const types = typesOf('ResponseInputItem')
    expect(types.length).toBeGreaterThan(30)
    const silent = types.filter((type) => {
      const spoken = { role: 'assistant', content: 'A' }
      const body = { model: 'm', input: [{ role: 'user', content: 'Hi' }, spoken, { type }] }
      // What belongs to a turn is told of at its beginning.
      const places = new Set(['input[1]', 'input[2]'])
      return (
        !KNOWN_ITEMS.has(type) && !untold('openai-responses', body).some((told) => places.has(told))
      )
    })
    expect(silent).toEqual([])
  })

  test('Tool is carried over or refused', () => {
    const types = typesOf('Tool').filter((type) => type !== 'function' && type !== 'custom')
    expect(types.length).toBeGreaterThan(12)
    const silent = types.filter((type) => {
      const body = { model: 'm', input: 'Hi', tools: [{ type, name: 'n', tools: [] }] }
      return !untold('openai-responses', body).includes('tools[0]')
    })
    expect(silent).toEqual([])
  })
})
