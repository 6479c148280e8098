import { describe, expect, test } from 'vitest'
import { CODECS } from '#core/dialects/codecs/index.ts'
import type { CodecName } from '#core/dialects/hub/conversation.ts'
import type { JsonObject } from '#core/kit/json.ts'
import { crossingTo } from './following.ts'

/** A client's body as Gemini gets it. */
function sentToGemini(from: CodecName, body: JsonObject, model = 'gemini-3-flash') {
  const request = { ...CODECS[from].decodeRequest(body)!, model }
  const crossing = crossingTo(request, 'gemini')
  const sent = CODECS.gemini.encodeRequest(request, crossing)
  return { sent, crossing, findings: crossing.report.findings }
}

const chat = (messages: JsonObject[], more: JsonObject = {}, model?: string) =>
  sentToGemini('openai-chat', { model: 'x', messages, ...more }, model)

const user = { role: 'user', content: 'Hi' }
const call = (id: string, args = '{}', more: JsonObject = {}) => ({
  id,
  type: 'function',
  function: { name: 'f', arguments: args },
  ...more,
})

describe('a request for Gemini', () => {
  test('has all leading prompts in one instruction, and a later one in the next turn of the user', () => {
    const { sent, findings } = chat([
      { role: 'system', content: 'A' },
      { role: 'developer', content: 'B' },
      user,
      { role: 'system', content: 'C' },
      user,
    ])
    expect(sent['systemInstruction']).toEqual({ parts: [{ text: 'A' }, { text: 'B' }] })
    expect(sent['contents']).toEqual([
      { role: 'user', parts: [{ text: 'Hi' }, { text: '<system>C</system>' }, { text: 'Hi' }] },
    ])
    expect(findings).toEqual([
      expect.objectContaining({ verdict: 'emulated', field: 'messages[3]' }),
    ])
  })

  test('names each result after its call, found by id, also for two calls of one name', () => {
    const { sent } = chat([
      user,
      {
        role: 'assistant',
        content: null,
        tool_calls: [call('a', '{"n":1}'), call('b', '{"n":2}')],
      },
      { role: 'tool', tool_call_id: 'b', content: '{"two":2}' },
      { role: 'tool', tool_call_id: 'a', content: 'one' },
    ])
    expect((sent['contents'] as JsonObject[])[2]).toEqual({
      role: 'user',
      parts: [
        { functionResponse: { id: 'b', name: 'f', response: { two: 2 } } },
        { functionResponse: { id: 'a', name: 'f', response: { output: 'one' } } },
      ],
    })
  })

  test('keeps results as text whose numbers JavaScript would round', () => {
    const { sent } = chat([
      user,
      { role: 'assistant', content: null, tool_calls: [call('a')] },
      { role: 'tool', tool_call_id: 'a', content: '{"id":12345678901234567890}' },
    ])
    expect(JSON.stringify(sent)).toContain('12345678901234567890')
  })

  test('says that nobody signed a call, for models that would refuse it; only of the first of a turn', () => {
    const messages = [
      user,
      { role: 'assistant', content: null, tool_calls: [call('a'), call('b')] },
      { role: 'tool', tool_call_id: 'a', content: '' },
      { role: 'tool', tool_call_id: 'b', content: '' },
    ]
    const signatures = (model: string) => {
      const { sent } = chat(messages, {}, model)
      const [, turn] = sent['contents'] as JsonObject[]
      return (turn!['parts'] as JsonObject[]).map((part) => part['thoughtSignature'])
    }
    expect(signatures('gemini-3-flash')).toEqual(['skip_thought_signature_validator', undefined])
    expect(signatures('gemini-2.5-flash')).toEqual([undefined, undefined])
  })

  test.each(['openai-chat', 'openai-responses', 'anthropic'] as const)(
    'has the signature of a call back from a client of %s',
    (client) => {
      const plain: Record<string, JsonObject> = {
        'openai-chat': { model: 'm', messages: [] },
        'openai-responses': { model: 'm', input: [] },
        anthropic: { model: 'm', max_tokens: 9, messages: [] },
      }
      const crossing = crossingTo(CODECS[client].decodeRequest(plain[client]!)!, 'gemini')
      const upstream = {
        responseId: 'r',
        candidates: [
          {
            content: {
              parts: [{ functionCall: { name: 'f', args: {} }, thoughtSignature: 'U0lH' }],
            },
            finishReason: 'STOP',
          },
        ],
      }
      const answer = CODECS.gemini.decodeAnswer(upstream, crossing)!
      const body = CODECS[client].encodeAnswer(answer, crossing)
      const { sent } = sentToGemini(client, replayed[client]!(body))
      expect((sent['contents'] as JsonObject[])[1]).toMatchObject({
        role: 'model',
        parts: [{ functionCall: { name: 'f' }, thoughtSignature: 'U0lH' }],
      })
    },
  )

  test('has a schema in JSON Schema, of tools and of the answer', () => {
    const schema = { type: 'object', properties: { n: { type: 'integer', exclusiveMinimum: 0 } } }
    const { sent } = chat([user], {
      tools: [{ type: 'function', function: { name: 'f', description: 'd', parameters: schema } }],
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema } },
    })
    expect(sent['tools']).toEqual([
      { functionDeclarations: [{ name: 'f', description: 'd', parametersJsonSchema: schema }] },
    ])
    expect(sent['generationConfig']).toEqual({
      responseMimeType: 'application/json',
      responseJsonSchema: schema,
    })
  })

  test.each([
    ['gemini-3-flash', 'high', { thinkingLevel: 'HIGH' }],
    ['gemini-3-flash', 'none', { thinkingLevel: 'MINIMAL' }],
    ['gemini-2.5-flash', 'none', { thinkingBudget: 0 }],
    ['gemini-2.5-pro', 'none', { thinkingBudget: 128 }],
    ['gemini-2.5-flash', 'medium', { thinkingBudget: 12_288 }],
  ])('tells %s to think with effort %s as %j', (model, effort, config) => {
    const { sent } = chat([user], { reasoning_effort: effort }, model)
    expect(sent['generationConfig']).toEqual({ thinkingConfig: config })
  })

  test.each([
    ['auto', { mode: 'AUTO' }],
    ['none', { mode: 'NONE' }],
    ['required', { mode: 'ANY' }],
    [
      { type: 'function', function: { name: 'f' } },
      { mode: 'ANY', allowedFunctionNames: ['f'] },
    ],
  ])('has the choice of tools %j as %j', (choice, config) => {
    const tools = [{ type: 'function', function: { name: 'f' } }]
    const { sent } = chat([user], { tools, tool_choice: choice })
    expect(sent['toolConfig']).toEqual({ functionCallingConfig: config })
  })

  test('refuses a picture of the web, and takes its bytes or a film of YouTube', () => {
    const image = (url: string) => ({
      role: 'user',
      content: [{ type: 'image_url', image_url: { url } }],
    })
    expect(chat([image('https://example.com/a.png')]).findings).toEqual([
      expect.objectContaining({ verdict: 'refused', field: 'messages[0]' }),
    ])
    const { sent, findings } = chat([image('data:image/png;base64,AA==')])
    expect(findings).toEqual([])
    expect(sent['contents']).toEqual([
      { role: 'user', parts: [{ inlineData: { mimeType: 'image/png', data: 'AA==' } }] },
    ])
  })

  test('refuses a call whose arguments are no object', () => {
    const { findings } = chat([
      user,
      { role: 'assistant', content: null, tool_calls: [call('a', '{"cut')] },
      { role: 'tool', tool_call_id: 'a', content: '' },
    ])
    expect(findings).toContainEqual(
      expect.objectContaining({ verdict: 'refused', field: 'messages[1]' }),
    )
  })

  test('refuses more stop sequences than Gemini takes', () => {
    const generous = chat([user], { stop: ['a', 'b', 'c', 'd', 'e', 'f'] })
    expect(generous.findings).toEqual([
      expect.objectContaining({ verdict: 'refused', field: 'stop' }),
    ])
  })

  test('goes to the method of the model that streams or does not', () => {
    const way = (stream: boolean) => {
      const { crossing } = chat([user], { stream })
      return CODECS.gemini.destination(crossing.request, crossing)
    }
    expect(way(false)).toMatchObject({
      path: '/v1beta/models/gemini-3-flash:generateContent',
      query: '',
    })
    expect(way(true)).toMatchObject({
      path: '/v1beta/models/gemini-3-flash:streamGenerateContent',
      query: 'alt=sse',
    })
  })
})

/** The next request of a client that was given this answer. */
const replayed: Readonly<Record<string, (body: JsonObject) => JsonObject>> = {
  'openai-chat': (body) => {
    const { message } = (body['choices'] as { message: JsonObject }[])[0]!
    const [{ id }] = message['tool_calls'] as [{ id: string }]
    return {
      model: 'm',
      messages: [user, message, { role: 'tool', tool_call_id: id, content: 'x' }],
    }
  },
  'openai-responses': (body) => {
    const output = body['output'] as JsonObject[]
    const { call_id: id } = output.at(-1)!
    return {
      model: 'm',
      input: [user, ...output, { type: 'function_call_output', call_id: id!, output: 'x' }],
    }
  },
  anthropic: (body) => {
    const content = body['content'] as JsonObject[]
    const { id } = content.at(-1)!
    return {
      model: 'm',
      max_tokens: 9,
      messages: [
        user,
        { role: 'assistant', content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: id!, content: 'x' }] },
      ],
    }
  },
}

describe('a request of a Gemini client', () => {
  const decode = (body: JsonObject) =>
    CODECS.gemini.decodeRequest(body, { model: 'models/g', stream: true })!

  test('has the model and the stream from its path', () => {
    expect(decode({ contents: [] })).toMatchObject({ model: 'g', stream: true })
  })

  test('is read with the names of protocol buffers too', () => {
    const body = {
      contents: [{ parts: [{ inline_data: { mime_type: 'image/png', data: 'AA==' } }] }],
      system_instruction: { parts: [{ text: 'S' }] },
      generation_config: { max_output_tokens: 5, thinking_config: { thinking_budget: 0 } },
    }
    expect(decode(body)).toMatchObject({
      system: [{ parts: [{ text: 'S' }] }],
      messages: [{ parts: [{ type: 'image', source: { mediaType: 'image/png' } }] }],
      maxOutputTokens: 5,
      reasoning: { budgetTokens: 0 },
    })
  })

  test('gives calls without ids one each, the same in the next turn, and results theirs in order', () => {
    const functionCall = { name: 'f', args: {} }
    const functionResponse = { name: 'f', response: { output: 'x' } }
    const contents = [
      { role: 'user', parts: [{ text: 'Hi' }] },
      { role: 'model', parts: [{ functionCall }, { functionCall }] },
      { role: 'user', parts: [{ functionResponse }, { functionResponse }] },
    ]
    const ids = (body: JsonObject) =>
      decode(body).messages.flatMap(({ parts }) =>
        parts.map((part) =>
          part.type === 'toolCall' ? part.id : part.type === 'toolResult' ? part.callId : '',
        ),
      )
    expect(ids({ contents })).toEqual(['', 'call_1_0', 'call_1_1', 'call_1_0', 'call_1_1'])
    expect(ids({ contents: [...contents, contents[0]!] }).slice(0, 5)).toEqual(ids({ contents }))
  })

  test('has its own form of a schema as JSON Schema for others', () => {
    const parameters = {
      type: 'OBJECT',
      properties: {
        when: { type: 'STRING', format: 'date', nullable: true },
        tags: { type: 'ARRAY', items: { type: 'STRING' }, maxItems: '3' },
      },
      propertyOrdering: ['tags', 'when'],
    }
    const { tools } = decode({
      contents: [],
      tools: [{ functionDeclarations: [{ name: 'f', parameters }] }],
    })
    expect(tools).toMatchObject([
      {
        parameters: {
          type: 'object',
          properties: {
            when: { type: ['string', 'null'], format: 'date' },
            tags: { type: 'array', items: { type: 'string' }, maxItems: 3 },
          },
        },
      },
    ])
  })

  test('tells others of every option of generation that they lack', () => {
    const request = decode({
      contents: [{ role: 'user', parts: [{ text: 'Hi' }] }],
      safetySettings: [{ category: 'X', threshold: 'Y' }],
      cachedContent: 'cachedContents/1',
      tools: [{ googleSearch: {} }],
      toolConfig: { functionCallingConfig: { mode: 'AUTO', streamFunctionCallArguments: true } },
      generationConfig: { topK: 3, responseModalities: ['IMAGE'], novelty: 1, candidateCount: 1 },
    })
    const crossing = crossingTo({ ...request, model: 'gpt-5.4' }, 'openai-responses')
    CODECS['openai-responses'].encodeRequest(crossing.request, crossing)
    expect(
      crossing.report.findings.map(({ verdict, field }) => `${verdict} ${field}`).sort(),
    ).toEqual([
      'dropped generationConfig.novelty',
      'dropped generationConfig.topK',
      'dropped safetySettings',
      'dropped toolConfig.functionCallingConfig.streamFunctionCallArguments',
      'refused cachedContent',
      'refused generationConfig.responseModalities',
      'refused tools[0]',
    ])
  })

  test('is written back with ids, signatures, schemas and pieces that nobody knows', () => {
    const body: JsonObject = {
      contents: [
        { parts: [{ text: 'Hi', partMetadata: { a: 1 } }] },
        {
          role: 'model',
          parts: [
            { text: 'Hm', thought: true, thoughtSignature: 'QQ==' },
            { functionCall: { name: 'f' } },
            { functionCall: { id: 'x', name: 'g', args: { n: 1 } }, thoughtSignature: 'Qg==' },
            { executableCode: { language: 'PYTHON', code: '1' } },
          ],
        },
        {
          role: 'user',
          parts: [
            { functionResponse: { name: 'f', response: { result: 1 } } },
            {
              functionResponse: {
                id: 'x',
                name: 'g',
                response: { error: 'no' },
                scheduling: 'SILENT',
              },
            },
            { fileData: { fileUri: 'gs://b/o', mimeType: 'application/pdf', displayName: 'o' } },
            { inlineData: { mimeType: 'audio/wav', data: 'AA==' }, videoMetadata: { fps: 1 } },
          ],
        },
      ],
      systemInstruction: { role: 'system', parts: [{ text: 'S' }] },
      tools: [
        {
          functionDeclarations: [
            { name: 'f', parametersJsonSchema: {} },
            { name: 'g', behavior: 'BLOCKING' },
          ],
        },
        { googleSearch: {} },
      ],
      toolConfig: {
        functionCallingConfig: { mode: 'VALIDATED' },
        retrievalConfig: { languageCode: 'de' },
      },
      generationConfig: {},
      labels: { a: 'b' },
      future: [1],
    }
    const request = decode(body)
    expect(CODECS.gemini.encodeRequest(request, crossingTo(request, 'gemini'))).toEqual(body)
  })
})
