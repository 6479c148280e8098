import { describe, expect, test } from 'vitest'
import { CODECS } from '#core/dialects/codecs/index.ts'
import type { CodecName } from '#core/dialects/hub/conversation.ts'
import { sealProof } from '#core/dialects/hub/proof.ts'
import type { JsonObject } from '#core/kit/json.ts'
import { crossingTo } from './following.ts'

const MODELS: Readonly<Record<CodecName, string>> = {
  'openai-chat': 'gpt-4o',
  'openai-responses': 'gpt-5.4',
  anthropic: 'claude-sonnet-4-5',
  gemini: 'gemini-3-flash',
}

/** A client's body as the upstream gets it. */
function crossed(from: CodecName, to: CodecName, body: JsonObject, model = MODELS[to]) {
  const request = { ...CODECS[from].decodeRequest(body)!, model }
  const crossing = crossingTo(request, to)
  const sent = CODECS[to].encodeRequest(request, crossing)
  return { sent, crossing, findings: crossing.report.findings }
}

const user = { role: 'user', content: 'Hi' }

describe('a request for Responses', () => {
  const from = (body: JsonObject, client: CodecName = 'openai-chat', model?: string) =>
    crossed(
      client,
      'openai-responses',
      { model: 'x', messages: [user], max_tokens: 100, ...body },
      model,
    )

  test('has a single plain system prompt as instructions', () => {
    const { sent } = from({ system: 'Be brief.' }, 'anthropic')
    expect(sent['instructions']).toBe('Be brief.')
    expect(sent['input']).toEqual([
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hi' }] },
    ])
  })

  test('keeps several system prompts apart, as developer messages', () => {
    const system = [
      { type: 'text', text: 'One.' },
      { type: 'text', text: 'Two.', cache_control: { type: 'ephemeral' } },
    ]
    const { sent } = from({ system }, 'anthropic')
    expect(sent['instructions']).toBeUndefined()
    expect(JSON.stringify(sent['input'])).toMatch(/"developer".*One\..*Two\./)
  })

  test('says that functions are not strict unless the client does', () => {
    const tools = [
      { type: 'function', function: { name: 'a', parameters: { type: 'object' } } },
      { type: 'function', function: { name: 'b', strict: true } },
    ]
    expect(from({ tools }).sent['tools']).toEqual([
      { type: 'function', name: 'a', parameters: { type: 'object' }, strict: false },
      { type: 'function', name: 'b', parameters: { type: 'object', properties: {} }, strict: true },
    ])
  })

  test('stores nothing that the client did not ask for, and wants the proof of reasoning', () => {
    const { sent } = from({ reasoning_effort: 'low' })
    expect(sent).toMatchObject({ store: false, include: ['reasoning.encrypted_content'] })
    expect(from({ store: true }).sent).toMatchObject({ store: true })
    expect(from({}, 'openai-chat', 'gpt-4o').sent['include']).toBeUndefined()
  })

  test.each([
    ['auto', 'auto'],
    ['none', 'none'],
    ['required', 'required'],
    [
      { type: 'function', function: { name: 'f' } },
      { type: 'function', name: 'f' },
    ],
    [
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'f' } }] },
      },
      { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'f' }] },
    ],
  ])('has the choice of tools %j as %j', (choice, meant) => {
    const tools = [{ type: 'function', function: { name: 'f' } }]
    expect(from({ tools, tool_choice: choice }).sent['tool_choice']).toEqual(meant)
  })

  test('tells of a result that has pictures as parts, and of a failed tool', () => {
    const image = {
      type: 'image',
      source: { type: 'base64', media_type: 'image/png', data: 'AA==' },
    }
    const { sent, findings } = from(
      {
        messages: [
          user,
          { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'shot', input: {} }] },
          {
            role: 'user',
            content: [{ type: 'tool_result', tool_use_id: 't1', is_error: true, content: [image] }],
          },
        ],
      },
      'anthropic',
    )
    expect((sent['input'] as JsonObject[]).slice(1)).toEqual([
      { type: 'function_call', call_id: 't1', name: 'shot', arguments: '{}' },
      {
        type: 'function_call_output',
        call_id: 't1',
        output: [{ type: 'input_image', image_url: 'data:image/png;base64,AA==', detail: 'auto' }],
      },
    ])
    expect(findings).toContainEqual(expect.objectContaining({ verdict: 'dropped' }))
  })

  test.each([
    ['stop', { stop: ['x'] }],
    ['n', { n: 2 }],
    ['logprobs', { logprobs: true }],
  ])('refuses %s', (field, body) => {
    expect(from(body).findings).toContainEqual(
      expect.objectContaining({ verdict: 'refused', field }),
    )
  })

  test('drops sampling that the model does not take, and says so', () => {
    const { sent, findings } = from({ temperature: 0.5, seed: 1 })
    expect(sent['temperature']).toBeUndefined()
    expect(findings.map(({ verdict, field }) => `${verdict} ${field}`)).toEqual([
      'dropped seed',
      'dropped temperature',
    ])
    expect(from({ temperature: 0.5 }, 'openai-chat', 'gpt-4o').sent['temperature']).toBe(0.5)
  })

  test('asks for no less than sixteen tokens', () => {
    const { sent, findings } = from({ max_tokens: 1 })
    expect(sent['max_output_tokens']).toBe(16)
    expect(findings).toEqual([
      expect.objectContaining({ verdict: 'emulated', field: 'max_tokens' }),
    ])
  })

  test('hashes a name of the user that is too long', () => {
    const long = 'u'.repeat(65)
    expect(from({ user: 'u1' }).sent['safety_identifier']).toBe('u1')
    expect(from({ user: long }).sent['safety_identifier']).toMatch(/^[0-9a-f]{64}$/)
  })

  test('brings back reasoning that the model proved, and leaves out that of others', () => {
    const own = {
      provider: 'openai',
      family: 'gpt',
      kind: 'encrypted',
      data: 'E',
      id: 'rs_1',
    } as const
    const thinking = (signature: string) => ({ type: 'thinking', thinking: 'Hm', signature })
    const body = (signature: string) => ({
      messages: [
        user,
        { role: 'assistant', content: [thinking(signature), { type: 'text', text: 'Yes' }] },
        user,
      ],
    })
    expect(from(body(sealProof(own)), 'anthropic').sent['input']).toContainEqual({
      type: 'reasoning',
      id: 'rs_1',
      summary: [{ type: 'summary_text', text: 'Hm' }],
      encrypted_content: 'E',
    })
    const { sent, findings } = from(body('anthropics own'), 'anthropic')
    expect(JSON.stringify(sent['input'])).not.toContain('Hm')
    expect(findings).toContainEqual(
      expect.objectContaining({ verdict: 'dropped', field: 'messages[1]' }),
    )
  })

  test('has the schema of an answer under a name', () => {
    const schema = { type: 'object', properties: {} }
    const generationConfig = { responseMimeType: 'application/json', responseJsonSchema: schema }
    expect(from({ contents: [], generationConfig }, 'gemini').sent['text']).toEqual({
      format: { type: 'json_schema', name: 'response', schema },
    })
  })
})

describe('a request of a Responses client', () => {
  const to = (target: CodecName, body: JsonObject, model?: string) =>
    crossed('openai-responses', target, { model: 'x', input: 'Hi', ...body }, model)

  const namespace = {
    type: 'namespace',
    name: 'files',
    description: 'Files.',
    tools: [{ type: 'function', name: 'read', parameters: { type: 'object' }, strict: false }],
  }

  test.each(['openai-chat', 'anthropic', 'gemini'] as const)(
    'has the tools of a namespace flat for %s, and calls them by their own names on the way back',
    (target) => {
      const { sent, crossing } = to(target, { tools: [namespace] })
      const [, name] = /"name":"([^"]*read[^"]*)"/.exec(JSON.stringify(sent['tools']))!
      expect(name).not.toBe('read')
      const answer = {
        id: '',
        model: 'm',
        parts: [
          {
            type: 'toolCall',
            id: 'c1',
            name: crossing.names.decodeTool(name!),
            arguments: '{}',
            kind: 'function',
          },
        ],
        finish: { reason: 'tool', raw: '' },
      } as const
      const { output } = CODECS['openai-responses'].encodeAnswer(answer, crossing)
      expect(output).toEqual([expect.objectContaining({ name: 'read', namespace: 'files' })])
    },
  )

  test('has custom tools as functions with one text where there are none', () => {
    const tools = [
      {
        type: 'custom',
        name: 'patch',
        format: { type: 'grammar', syntax: 'lark', definition: 'start: /x/' },
      },
    ]
    const { sent, crossing, findings } = to('gemini', { tools })
    expect(JSON.stringify(sent['tools'])).toMatch(/lark grammar.*"input":\{"type":"string"\}/)
    expect(findings).toEqual([expect.objectContaining({ verdict: 'emulated', field: 'tools[0]' })])
    const answer = CODECS.gemini.decodeAnswer(
      {
        candidates: [
          {
            content: { parts: [{ functionCall: { name: 'patch', args: { input: 'a\nb' } } }] },
            finishReason: 'STOP',
          },
        ],
      },
      crossing,
    )!
    expect(CODECS['openai-responses'].encodeAnswer(answer, crossing)['output']).toEqual([
      expect.objectContaining({ type: 'custom_tool_call', name: 'patch', input: 'a\nb' }),
    ])
  })

  test.each([
    ['previous_response_id', 'resp_1'],
    ['conversation', 'conv_1'],
    ['background', true],
    ['prompt', { id: 'pmpt_1' }],
  ])('is refused for other dialects with the state %s', (field, value) => {
    expect(to('gemini', { [field]: value }).findings).toEqual([
      expect.objectContaining({ verdict: 'refused', field }),
    ])
  })

  test('is refused with a tool that OpenAI runs', () => {
    expect(to('gemini', { tools: [{ type: 'web_search' }] }).findings).toEqual([
      expect.objectContaining({ verdict: 'refused', field: 'tools[0]' }),
    ])
  })

  test('says nothing of what only repeats the defaults', () => {
    const { findings } = to('gemini', {
      background: false,
      truncation: 'disabled',
      store: false,
      parallel_tool_calls: true,
      top_logprobs: 0,
      tool_choice: 'auto',
      service_tier: 'auto',
      metadata: null,
      include: ['reasoning.encrypted_content'],
    })
    expect(findings).toEqual([])
  })

  test('has parallel calls as one message of the assistant for chat', () => {
    const call = (id: string) => ({
      type: 'function_call',
      call_id: id,
      name: 'f',
      arguments: '{}',
    })
    const result = (id: string) => ({ type: 'function_call_output', call_id: id, output: id })
    const { sent } = to('openai-chat', {
      input: [
        user,
        { type: 'reasoning', summary: [] },
        call('a'),
        call('b'),
        result('a'),
        result('b'),
      ],
    })
    expect((sent['messages'] as JsonObject[]).map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'tool',
      'tool',
    ])
  })

  test('says what other dialects cannot know of its tools and calls', () => {
    const { findings } = to('anthropic', {
      input: [
        user,
        {
          type: 'function_call',
          call_id: 'a',
          name: 'f',
          arguments: '{}',
          caller: { type: 'direct' },
        },
        { type: 'function_call_output', call_id: 'a', output: '' },
      ],
      tools: [{ type: 'function', name: 'f', parameters: {}, strict: null, defer_loading: true }],
      reasoning: { effort: 'low', mode: 'pro' },
    })
    expect(findings.map(({ verdict, field }) => `${verdict} ${field}`)).toEqual([
      'dropped reasoning.mode',
      'dropped input[1].caller',
      'dropped tools[0].defer_loading',
      // Claude does not go on to think after a call that it did not think before.
      'dropped reasoning',
    ])
  })

  test('is none where the input is neither text nor a list', () => {
    expect(CODECS['openai-responses'].decodeRequest({ model: 'm', input: 1 })).toBeUndefined()
    expect(CODECS['openai-responses'].decodeRequest({ model: 'm' })).toBeUndefined()
    expect(CODECS['openai-responses'].decodeRequest([])).toBeUndefined()
  })

  test('is written back with namespaces, stored prompts, options and pieces that nobody knows', () => {
    const body: JsonObject = {
      model: 'm',
      input: [
        { role: 'system', content: 'S' },
        {
          type: 'message',
          role: 'user',
          content: [
            { type: 'input_hologram', x: 1 },
            { type: 'input_text', text: 'a', new: 1 },
          ],
        },
        { type: 'function_call', call_id: 'c', name: 'read', namespace: 'files', arguments: '' },
        { type: 'item_reference', id: 'i' },
        { type: 'reasoning', id: 'r', summary: [], encrypted_content: 'E' },
      ],
      instructions: '',
      tools: [namespace, { type: 'mcp', server_label: 'x' }],
      tool_choice: { type: 'mcp', server_label: 'x' },
      reasoning: { effort: 'low', summary: 'detailed', context: 'auto' },
      text: { format: { type: 'json_schema', name: 'n', schema: {}, description: null } },
      stream: false,
      future: { deep: [1, null] },
    }
    const request = CODECS['openai-responses'].decodeRequest(body)!
    const crossing = crossingTo(request, 'openai-responses')
    expect(CODECS['openai-responses'].encodeRequest(request, crossing)).toEqual(body)
  })
})
