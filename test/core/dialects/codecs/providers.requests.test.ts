import { describe, expect, it, test } from 'vitest'
import { CODECS, upstreamCodec } from '#core/dialects/codecs/index.ts'
import { PROVIDER_DIALECTS, type ProviderDialect } from '#core/dialects/dialect.ts'
import type { CodecName } from '#core/dialects/hub/conversation.ts'
import { newCrossing } from '#core/dialects/hub/crossing.ts'
import { targetsOf } from '#core/dialects/operations.ts'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { PROVIDER_WIRES } from '../../../support/provider-wires.ts'
import { hasRecordings, recordings } from '../recordings.ts'

/** What a provider gets for a client's body, and what was reported of it. */
function sent(provider: ProviderDialect, client: CodecName, body: Json, model?: string) {
  const named = {
    ...CODECS[client].decodeRequest(body)!,
    model: model ?? PROVIDER_WIRES[provider].model,
  }
  const target = targetsOf([provider])[0]!
  const crossing = newCrossing(named, target, { requestId: 'req1', created: 1 })
  const codec = upstreamCodec(target)
  const encoded = codec.encodeRequest(named, crossing)
  const told = crossing.report.findings.map(({ field, verdict }) => `${verdict} ${field}`)
  return { body: encoded, told, to: codec.destination(named, crossing), crossing }
}

const WEATHER = {
  name: 'get_weather',
  description: 'Tells the weather',
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
}
const PIXEL = 'iVBORw0KGgo='

/** Two turns with parallel calls of one tool, an image, and an answer that the user goes on from. */
const CONVERSATION: JsonObject = {
  messages: [
    { role: 'system', content: 'Be brief.' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is there?' },
        { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
      ],
    },
    {
      role: 'assistant',
      content: 'I will look.',
      tool_calls: [
        {
          id: 'call_1',
          type: 'function',
          function: { name: 'get_weather', arguments: '{"city":"Bern"}' },
        },
        { id: 'call_2', type: 'function', function: { name: 'get_weather', arguments: '' } },
      ],
    },
    { role: 'tool', tool_call_id: 'call_1', content: 'rain' },
    { role: 'tool', tool_call_id: 'call_2', content: 'sun' },
    { role: 'user', content: 'So?' },
  ],
  tools: [{ type: 'function', function: WEATHER }],
  tool_choice: 'required',
  temperature: 0.5,
  top_p: 0.9,
  seed: 7,
  max_tokens: 300,
  stop: ['END'],
}

describe('a conversation in the words of', () => {
  it('mistral: ids of nine characters, and an assistant between a result and the user', () => {
    const { body, told, to } = sent('mistral', 'openai-chat', CONVERSATION)
    expect(to).toEqual({ path: '/v1/chat/completions', query: '', headers: {} })
    const messages = body['messages'] as JsonObject[]
    const calls = messages[2]!['tool_calls'] as JsonObject[]
    const ids = calls.map(({ id }) => id)
    expect(ids.every((id) => /^[a-zA-Z0-9]{9}$/.test(id as string))).toBe(true)
    expect(new Set(ids).size).toBe(2)
    const ofCall = (index: number, text: string) => ({
      id: ids[index],
      type: 'function',
      function: { name: 'get_weather', arguments: text },
    })
    expect(body).toEqual({
      model: 'magistral-medium-latest',
      messages: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is there?' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
          ],
        },
        {
          role: 'assistant',
          content: 'I will look.',
          tool_calls: [ofCall(0, '{"city":"Bern"}'), ofCall(1, '{}')],
        },
        { role: 'tool', tool_call_id: ids[0], content: 'rain' },
        { role: 'tool', tool_call_id: ids[1], content: 'sun' },
        { role: 'assistant', content: 'Understood.' },
        { role: 'user', content: 'So?' },
      ],
      tools: [{ type: 'function', function: WEATHER }],
      tool_choice: 'any',
      max_tokens: 300,
      temperature: 0.5,
      top_p: 0.9,
      random_seed: 7,
      stop: ['END'],
    })
    expect(told).toEqual(['emulated messages[3]'])
  })

  it('mistral: a late system prompt goes with the next user turn', () => {
    const late = {
      messages: [
        ...(CONVERSATION['messages'] as Json[]).slice(0, 5),
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'So?' },
      ],
    }
    const { body, told } = sent('mistral', 'openai-chat', late)
    expect((body['messages'] as JsonObject[]).slice(-2)).toEqual([
      { role: 'assistant', content: 'Understood.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: '<system>Be kind.</system>' },
          { type: 'text', text: 'So?' },
        ],
      },
    ])
    expect(told).toContain('emulated messages[5]')
  })

  it('cohere: what is said beside calls is their plan', () => {
    const { body, to } = sent('cohere', 'openai-chat', CONVERSATION, 'command-a-vision-07-2025')
    expect(to.path).toBe('/v2/chat')
    const call = (id: string, text: string) => ({
      id,
      type: 'function',
      function: { name: 'get_weather', arguments: text },
    })
    expect(body).toEqual({
      model: 'command-a-vision-07-2025',
      messages: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is there?' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
          ],
        },
        {
          role: 'assistant',
          tool_plan: 'I will look.',
          tool_calls: [call('call_1', '{"city":"Bern"}'), call('call_2', '{}')],
        },
        { role: 'tool', tool_call_id: 'call_1', content: 'rain' },
        { role: 'tool', tool_call_id: 'call_2', content: 'sun' },
        { role: 'user', content: 'So?' },
      ],
      tools: [{ type: 'function', function: WEATHER }],
      tool_choice: 'REQUIRED',
      max_tokens: 300,
      stop_sequences: ['END'],
      temperature: 0.5,
      p: 0.9,
      seed: 7,
      stream: false,
    })
  })

  it('ollama: arguments are objects, results name their tool, tuning has a place of its own', () => {
    const { body, told, to } = sent('ollama', 'openai-chat', CONVERSATION)
    expect(to.path).toBe('/api/chat')
    const call = (id: string, input: JsonObject) => ({
      id,
      type: 'function',
      function: { name: 'get_weather', arguments: input },
    })
    expect(body).toEqual({
      model: 'qwen3:8b',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'What is there?', images: [PIXEL] },
        {
          role: 'assistant',
          content: 'I will look.',
          tool_calls: [call('call_1', { city: 'Bern' }), call('call_2', {})],
        },
        { role: 'tool', content: 'rain', tool_name: 'get_weather', tool_call_id: 'call_1' },
        { role: 'tool', content: 'sun', tool_name: 'get_weather', tool_call_id: 'call_2' },
        { role: 'user', content: 'So?' },
      ],
      tools: [{ type: 'function', function: WEATHER }],
      options: { num_predict: 300, temperature: 0.5, top_p: 0.9, seed: 7, stop: ['END'] },
      stream: false,
    })
    expect(told).toEqual(['dropped tool_choice'])
  })

  it('bedrock: blocks that alternate, the model in the path', () => {
    const { body, told, to } = sent('bedrock', 'openai-chat', CONVERSATION)
    const model = 'us.anthropic.claude-haiku-4-5-20251001-v1%3A0'
    expect(to).toEqual({
      path: `/model/${model}/converse`,
      query: '',
      headers: { accept: 'application/json' },
    })
    expect(body).toEqual({
      messages: [
        {
          role: 'user',
          content: [
            { text: 'What is there?' },
            { image: { format: 'png', source: { bytes: PIXEL } } },
          ],
        },
        {
          role: 'assistant',
          content: [
            { text: 'I will look.' },
            { toolUse: { toolUseId: 'call_1', name: 'get_weather', input: { city: 'Bern' } } },
            { toolUse: { toolUseId: 'call_2', name: 'get_weather', input: {} } },
          ],
        },
        {
          role: 'user',
          content: [
            { toolResult: { toolUseId: 'call_1', content: [{ text: 'rain' }] } },
            { toolResult: { toolUseId: 'call_2', content: [{ text: 'sun' }] } },
            { text: 'So?' },
          ],
        },
      ],
      system: [{ text: 'Be brief.' }],
      inferenceConfig: { maxTokens: 300, temperature: 0.5, stopSequences: ['END'] },
      toolConfig: {
        tools: [
          {
            toolSpec: {
              name: 'get_weather',
              description: 'Tells the weather',
              inputSchema: { json: WEATHER.parameters },
            },
          },
        ],
        toolChoice: { any: {} },
      },
      additionalModelResponseFieldPaths: ['/stop_sequence'],
    })
    expect(told).toEqual(['dropped seed', 'dropped top_p'])
  })

  it('azure-openai: those of OpenAI', () => {
    const claude = {
      max_tokens: 9,
      messages: [{ role: 'user', content: 'Hi' }],
      system: 'Be brief.',
    }
    expect(sent('azure-openai', 'anthropic', claude).body).toEqual({
      model: 'gpt-4o',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
      ],
      max_tokens: 9,
    })
  })
})

const SCHEMA = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
}
const ask = (more: JsonObject) => ({ messages: [{ role: 'user', content: 'Hi' }], ...more })
const asJson = ask({
  response_format: { type: 'json_schema', json_schema: { name: 'place', schema: SCHEMA } },
})

describe('an answer after a schema', () => {
  it('is asked of each provider in its own way', () => {
    expect(sent('mistral', 'openai-chat', asJson).body['response_format']).toEqual({
      type: 'json_schema',
      json_schema: { name: 'place', schema: SCHEMA, strict: true },
    })
    expect(sent('cohere', 'openai-chat', asJson).body['response_format']).toEqual({
      type: 'json_object',
      json_schema: SCHEMA,
    })
    expect(sent('ollama', 'openai-chat', asJson).body['format']).toEqual(SCHEMA)
    expect(sent('bedrock', 'openai-chat', asJson).body['outputConfig']).toEqual({
      textFormat: {
        type: 'json_schema',
        structure: { jsonSchema: { name: 'place', schema: JSON.stringify(SCHEMA) } },
      },
    })
  })

  it('is a tool that must be called, where the model knows no schema', () => {
    const { body, crossing, told } = sent('bedrock', 'openai-chat', asJson, 'amazon.nova-pro-v1:0')
    expect(body['toolConfig']).toEqual({
      tools: [
        {
          toolSpec: {
            name: 'json',
            description: 'Respond with a JSON object.',
            inputSchema: { json: SCHEMA },
          },
        },
      ],
      toolChoice: { tool: { name: 'json' } },
    })
    expect(told).toEqual(['emulated response_format'])
    const toolUse = { toolUseId: 't1', name: 'json', input: { city: 'Bern' } }
    const answer = upstreamCodec('bedrock').decodeAnswer(
      { output: { message: { content: [{ toolUse }] } }, stopReason: 'tool_use' },
      crossing,
    )
    expect(answer).toMatchObject({
      parts: [{ type: 'text', text: '{"city":"Bern"}' }],
      finish: { reason: 'stop' },
    })
  })

  it('is refused beside tools, of which Cohere takes one at a time', () => {
    const both = { ...asJson, tools: [{ type: 'function', function: WEATHER }] }
    expect(sent('cohere', 'openai-chat', both).told).toEqual(['refused response_format'])
  })
})

describe('thinking', () => {
  const hard = ask({ reasoning_effort: 'high', max_completion_tokens: 10_000 })
  const not = ask({ reasoning_effort: 'none' })

  it('is asked of each provider in its own way', () => {
    expect(sent('mistral', 'openai-chat', hard).body['prompt_mode']).toBe('reasoning')
    expect(sent('mistral', 'openai-chat', hard, 'mistral-small-latest').body).toMatchObject({
      reasoning_effort: 'high',
    })
    expect(sent('cohere', 'openai-chat', hard).body['thinking']).toEqual({
      type: 'enabled',
      token_budget: 7500,
    })
    expect(sent('ollama', 'openai-chat', hard).body['think']).toBe(true)
    expect(sent('ollama', 'openai-chat', hard, 'gpt-oss:20b').body['think']).toBe('high')
    expect(sent('bedrock', 'openai-chat', hard).body).toMatchObject({
      inferenceConfig: { maxTokens: 10_000 },
      additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 7500 } },
    })
    expect(
      sent('bedrock', 'openai-chat', hard, 'global.anthropic.claude-opus-4-8').body,
    ).toMatchObject({
      additionalModelRequestFields: {
        thinking: { type: 'adaptive' },
        output_config: { effort: 'high' },
      },
    })
  })

  it('is turned off in its own way', () => {
    expect(sent('cohere', 'openai-chat', not).body['thinking']).toEqual({ type: 'disabled' })
    expect(sent('ollama', 'openai-chat', not).body['think']).toBe(false)
    expect(sent('mistral', 'openai-chat', not, 'mistral-small-latest').body).toMatchObject({
      reasoning_effort: 'none',
    })
    expect(sent('bedrock', 'openai-chat', not).body).not.toHaveProperty(
      'additionalModelRequestFields',
    )
  })

  it.each([
    ['mistral', 'codestral-latest'],
    ['cohere', 'command-r7b'],
    ['ollama', 'llama3.2'],
    ['bedrock', 'amazon.nova-pro-v1:0'],
  ] as const)(
    'is dropped, and told so, for a model of %s that does not think',
    (provider, model) => {
      expect(sent(provider, 'openai-chat', hard, model).told).toEqual(['dropped reasoning_effort'])
      expect(sent(provider, 'openai-chat', not, model).told).toEqual([])
    },
  )

  it('goes back to Claude on Bedrock with its proof, and first', () => {
    const thinking = { type: 'thinking', thinking: 'Hm.', signature: 'c2lnbmVk' }
    const use = { type: 'tool_use', id: 't1', name: 'get_weather', input: {} }
    const result = { type: 'tool_result', tool_use_id: 't1', content: 'rain', is_error: true }
    const { body } = sent('bedrock', 'anthropic', {
      max_tokens: 4096,
      messages: [
        { role: 'user', content: 'Hi' },
        {
          role: 'assistant',
          content: [thinking, { type: 'redacted_thinking', data: 'eHg=' }, use],
        },
        { role: 'user', content: [result] },
      ],
    })
    expect((body['messages'] as JsonObject[]).slice(1)).toEqual([
      {
        role: 'assistant',
        content: [
          { reasoningContent: { reasoningText: { text: 'Hm.', signature: 'c2lnbmVk' } } },
          { reasoningContent: { redactedContent: 'eHg=' } },
          { toolUse: { toolUseId: 't1', name: 'get_weather', input: {} } },
        ],
      },
      {
        role: 'user',
        content: [
          { toolResult: { toolUseId: 't1', content: [{ text: 'rain' }], status: 'error' } },
        ],
      },
    ])
    // Calls in the conversation need their tools declared.
    expect(body['toolConfig']).toMatchObject({ tools: [{ toolSpec: { name: 'get_weather' } }] })
  })
})

describe('a field that two providers share', () => {
  it('is carried on as it stands', () => {
    const prediction = { type: 'content', content: 'Hi' }
    const asked = ask({ prediction, safe_prompt: true })
    expect(sent('mistral', 'openai-chat', asked)).toMatchObject({
      body: { prediction },
      told: ['dropped safe_prompt'],
    })
    expect(sent('cohere', 'openai-chat', asked).told).toEqual([
      'dropped prediction',
      'dropped safe_prompt',
    ])
  })
})

describe('what a provider does not know', () => {
  const url = ask({
    messages: [
      {
        role: 'user',
        content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }],
      },
    ],
  })

  it('is refused by name where the answer would be another', () => {
    expect(sent('ollama', 'openai-chat', url).told).toEqual(['refused messages[0]'])
    expect(sent('bedrock', 'openai-chat', url).told).toEqual(['refused messages[0]'])
    expect(sent('mistral', 'openai-chat', url).told).toEqual([])
    expect(sent('cohere', 'openai-chat', ask({ n: 2 })).told).toEqual(['refused n'])
    expect(
      sent('cohere', 'openai-chat', ask({ stop: ['a', 'b', 'c', 'd', 'e', 'f'] })).told,
    ).toEqual(['refused stop'])
    const search = { type: 'web_search_20250305', name: 'web_search' }
    const withSearch = {
      max_tokens: 9,
      messages: [{ role: 'user', content: 'Hi' }],
      tools: [search],
    }
    for (const provider of ['mistral', 'cohere', 'ollama', 'bedrock'] as const) {
      expect(sent(provider, 'anthropic', withSearch).told).toEqual(['refused tools[0]'])
    }
  })

  it('is emulated where it can be', () => {
    const subset = {
      ...CONVERSATION,
      tools: [
        { type: 'function', function: WEATHER },
        { type: 'function', function: { name: 'other' } },
        { type: 'custom', custom: { name: 'shell' } },
      ],
      tool_choice: {
        type: 'allowed_tools',
        allowed_tools: {
          mode: 'required',
          tools: [{ type: 'function', function: { name: 'get_weather' } }],
        },
      },
    }
    const { body, told } = sent('mistral', 'openai-chat', subset)
    expect(body).toMatchObject({ tools: [{ function: WEATHER }], tool_choice: 'any' })
    expect(body['tools']).toHaveLength(1)
    expect(told).toContain('emulated tool_choice')

    const custom = ask({
      tools: [{ type: 'custom', custom: { name: 'shell', description: 'Runs.' } }],
    })
    const wrapped = sent('ollama', 'openai-chat', custom)
    expect(wrapped.body['tools']).toMatchObject([
      { function: { name: 'shell', description: 'Runs.', parameters: { required: ['input'] } } },
    ])
    const called = { function: { name: 'shell', arguments: { input: 'ls -l' } } }
    const answer = upstreamCodec('ollama').decodeAnswer(
      { message: { content: '', tool_calls: [called] }, done: true },
      wrapped.crossing,
    )
    expect(answer?.parts).toMatchObject([{ kind: 'custom', name: 'shell', arguments: 'ls -l' }])
  })
})

/** What a provider would answer with 400. */
type Fault = string

interface Spoken {
  readonly role: string
  readonly calls: readonly unknown[]
  readonly results: readonly unknown[]
  readonly isEmpty: boolean
}

/** Messages in no dialect. */
function spoken(provider: ProviderDialect, body: JsonObject): Spoken[] {
  return (body['messages'] as JsonObject[]).map((message) => {
    const content = Array.isArray(message['content']) ? (message['content'] as JsonObject[]) : []
    const inner = (key: string) =>
      content.flatMap((block) => (key in block ? [(block[key] as JsonObject)['toolUseId']] : []))
    const listed = (message['tool_calls'] ?? []) as JsonObject[]
    const isBedrock = provider === 'bedrock'
    return {
      role: message['role'] as string,
      calls: isBedrock ? inner('toolUse') : listed.map(({ id }) => id),
      results: isBedrock
        ? inner('toolResult')
        : message['role'] === 'tool'
          ? [message['tool_call_id']]
          : [],
      isEmpty: Array.isArray(message['content']) && content.length === 0,
    }
  })
}

function faultsOf(provider: ProviderDialect, body: JsonObject): Fault[] {
  const faults: Fault[] = []
  const open = new Set<unknown>()
  const messages = spoken(provider, body)
  messages.forEach(({ calls, isEmpty, results, role }, index) => {
    const before = messages[index - 1]
    if (isEmpty) faults.push(`message ${index} is empty`)
    for (const id of results) if (!open.delete(id)) faults.push(`a result of ${String(id)}`)
    if (results.length === 0 && open.size > 0) faults.push(`no result before ${index}`)
    for (const id of calls) open.add(id)
    if (provider === 'bedrock' && role === before?.role) faults.push(`${role} twice at ${index}`)
    if (provider !== 'mistral') return
    if (role === 'user' && before?.role === 'tool') faults.push(`user after tool at ${index}`)
    if (calls.some((id) => !/^[a-zA-Z0-9]{9}$/.test(id as string))) faults.push('id of a call')
  })
  if (open.size > 0) faults.push('a call without a result')
  return faults
}

/** Requests that cannot be told: tools that a provider runs, and their traces, several answers, and what is only on the web. */
const REFUSABLE =
  /^(?:tools\[\d+\]|tool_choice|web_search_options|stop\w*|n|top_logprobs|logprobs|generationConfig\.\w+|toolConfig\.\w+|include|(?:messages|input|contents)\[\d+\].*)$/

describe.runIf(hasRecordings).each(PROVIDER_DIALECTS.map((provider) => ({ provider })))(
  'recorded requests to $provider',
  ({ provider }) => {
    test.each(recordings())('as in $name are what it takes, or refused by name', (recorded) => {
      const { body, crossing } = sent(provider, recorded.dialect, recorded.request)
      const refused = crossing.report.refusals()
      expect(refused.filter(({ field }) => !REFUSABLE.test(field))).toEqual([])
      expect(refused.length > 0 ? [] : faultsOf(provider, body)).toEqual([])
    })
  },
)
