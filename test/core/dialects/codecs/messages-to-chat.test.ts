import { describe, expect, it } from 'vitest'
import { SEAL } from '#core/dialects/hub/proof.ts'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { chat, cross, messages, plainCrossing, sent } from './crossings.ts'

const HI = [{ role: 'user', content: 'Hi' }]

function toGpt(body: JsonObject, model = 'gpt-4o') {
  return sent(messages, chat, { max_tokens: 100, messages: HI, ...body }, model)
}

describe('messages', () => {
  it('begins with the system prompt, whose blocks stay apart where a marker is on them', () => {
    expect((toGpt({ system: 'Be kind' }).body['messages'] as Json[])[0]).toEqual({
      role: 'system',
      content: 'Be kind',
    })
    const system = [
      { type: 'text', text: 'One', cache_control: { type: 'ephemeral', ttl: '1h' } },
      { type: 'text', text: 'Two' },
    ]
    expect((toGpt({ system }).body['messages'] as Json[])[0]).toEqual({
      role: 'system',
      content: [
        { type: 'text', text: 'One', prompt_cache_breakpoint: { mode: 'explicit', ttl: '30m' } },
        { type: 'text', text: 'Two' },
      ],
    })
  })

  it('splits results off into messages of their own, and moves their images behind them', () => {
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AA' } }
    const { body, findings } = toGpt({
      messages: [
        ...HI,
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'Looking' },
            { type: 'tool_use', id: 't1', name: 'look', input: { n: 1 } },
          ],
        },
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              tool_use_id: 't1',
              content: [{ type: 'text', text: 'seen' }, image],
              is_error: true,
            },
            { type: 'text', text: 'And?' },
          ],
        },
      ],
    })
    expect((body['messages'] as Json[]).slice(1)).toEqual([
      {
        role: 'assistant',
        content: 'Looking',
        tool_calls: [
          { id: 't1', type: 'function', function: { name: 'look', arguments: '{"n":1}' } },
        ],
      },
      { role: 'tool', tool_call_id: 't1', content: 'seen' },
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } },
          { type: 'text', text: 'And?' },
        ],
      },
    ])
    expect(findings.map(({ verdict }) => verdict).sort()).toEqual(['dropped', 'emulated'])
  })

  it('gives OpenAI no thoughts, and DeepSeek their text', () => {
    const body = {
      messages: [
        ...HI,
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'Hm', signature: 'c2ln' },
            { type: 'text', text: 'Yes' },
          ],
        },
        { role: 'user', content: 'Why?' },
      ],
    }
    const gpt = toGpt(body)
    expect(JSON.stringify(gpt.body)).not.toContain('Hm')
    expect(gpt.findings).toMatchObject([{ verdict: 'dropped', field: 'messages[1]' }])
    const deepseek = toGpt(body, 'deepseek-chat')
    expect((deepseek.body['messages'] as Json[])[1]).toEqual({
      role: 'assistant',
      content: 'Yes',
      reasoning_content: 'Hm',
    })
  })
})

describe('fields', () => {
  it('always asks a stream for its usage', () => {
    expect(toGpt({ stream: true }).body).toMatchObject({
      stream: true,
      stream_options: { include_usage: true },
    })
  })

  it.each([
    ['gpt-4o', 'max_tokens'],
    ['gpt-5', 'max_completion_tokens'],
    ['o3', 'max_completion_tokens'],
    ['some-local-model', 'max_tokens'],
  ])('tells %s the limit as %s', (model, field) => {
    expect(toGpt({ max_tokens: 500 }, model).body[field]).toBe(500)
  })

  it('lowers a limit that is above the largest answer of the model', () => {
    const { body, findings } = toGpt({ max_tokens: 128_000 })
    expect(body['max_tokens']).toBe(16_384)
    expect(findings).toMatchObject([{ verdict: 'emulated', field: 'max_tokens' }])
  })

  it('drops sampling that a reasoning model refuses, unless it does not reason', () => {
    const sampling = { temperature: 0.2 }
    expect(toGpt(sampling, 'gpt-5').crossing.report.fields('dropped')).toEqual(['temperature'])
    const off = { ...sampling, thinking: { type: 'disabled' } }
    expect(toGpt(off, 'gpt-5.2').body).toMatchObject({ reasoning_effort: 'none', temperature: 0.2 })
  })

  it.each([
    [{ thinking: { type: 'enabled', budget_tokens: 2000 }, max_tokens: 10_000 }, 'low'],
    [{ thinking: { type: 'enabled', budget_tokens: 5000 }, max_tokens: 10_000 }, 'medium'],
    [{ thinking: { type: 'adaptive' }, output_config: { effort: 'high' } }, 'high'],
    [{ output_config: { effort: 'max' } }, 'high'],
    [{ thinking: { type: 'disabled' } }, 'minimal'],
  ] as const)('maps %j to an effort', (thinking, effort) => {
    const { body } = toGpt(thinking, 'gpt-5')
    expect(body['reasoning_effort']).toBe(effort)
  })

  it('asks for a schema strictly where OpenAI can hold to it', () => {
    const closed = {
      type: 'object',
      properties: { a: { type: 'string' } },
      required: ['a'],
      additionalProperties: false,
    }
    const ask = (schema: Json) =>
      toGpt({ output_config: { format: { type: 'json_schema', schema } } }).body['response_format']
    expect(ask(closed)).toMatchObject({ json_schema: { name: 'response', strict: true } })
    expect(ask({ ...closed, required: [] })).not.toHaveProperty('json_schema.strict')
  })

  it('hashes a user name that is too long', () => {
    const { body } = toGpt({ metadata: { user_id: 'x'.repeat(100) } })
    expect(body['safety_identifier']).toMatch(/^[0-9a-f]{64}$/)
  })

  it.each([
    ['container', 'c1', 'refused'],
    ['mcp_servers', [{}], 'refused'],
    ['inference_geo', 'eu', 'refused'],
    ['context_management', {}, 'dropped'],
    ['top_k', 4, 'dropped'],
    ['my_own_field', 1, 'dropped'],
  ])('tells what becomes of %s', (field, value, verdict) => {
    expect(toGpt({ [field]: value }).findings).toMatchObject([{ field, verdict }])
  })
})

describe('answers', () => {
  function toClient(message: JsonObject, extra: JsonObject = {}) {
    const crossing = plainCrossing(messages, chat)
    const choice = { index: 0, message, finish_reason: 'stop', ...extra }
    const answer = chat.decodeAnswer({ id: 'x', model: 'gpt', choices: [choice] }, crossing)!
    return messages.encodeAnswer(answer, crossing)
  }

  it('says that tools are called although OpenAI says stop', () => {
    const tool = { id: 'a', type: 'function', function: { name: 'look', arguments: '' } }
    expect(toClient({ content: null, tool_calls: [tool] })).toMatchObject({
      id: 'msg_req1',
      content: [{ type: 'tool_use', id: 'a', name: 'look', input: {} }],
      stop_reason: 'tool_use',
    })
  })

  it('keeps the length where calls were cut', () => {
    const tool = { id: 'a', type: 'function', function: { name: 'look', arguments: '{}' } }
    const answer = toClient({ tool_calls: [tool] }, { finish_reason: 'length' })
    expect(answer['stop_reason']).toBe('max_tokens')
  })

  it('tells a refusal as one', () => {
    expect(toClient({ content: null, refusal: 'No.' })).toMatchObject({
      content: [{ type: 'text', text: 'No.' }],
      stop_reason: 'refusal',
      stop_details: { type: 'refusal', explanation: 'No.' },
    })
  })

  it('has all counts of usage, also where the upstream told none', () => {
    expect(toClient({ content: 'Yes' })['usage']).toMatchObject({
      input_tokens: 0,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      output_tokens: 0,
    })
  })

  it('counts cached tokens once in each dialect', () => {
    const usage = {
      prompt_tokens: 100,
      completion_tokens: 7,
      total_tokens: 107,
      prompt_tokens_details: { cached_tokens: 80, cache_write_tokens: 5 },
      completion_tokens_details: { reasoning_tokens: 3 },
    }
    const crossing = plainCrossing(messages, chat)
    const body = { id: 'x', choices: [{ message: { content: 'a' }, finish_reason: 'stop' }], usage }
    const told = messages.encodeAnswer(chat.decodeAnswer(body, crossing)!, crossing)
    expect(told['usage']).toMatchObject({
      input_tokens: 15,
      cache_read_input_tokens: 80,
      cache_creation_input_tokens: 5,
      output_tokens: 7,
      output_tokens_details: { thinking_tokens: 3 },
    })
    const back = plainCrossing(chat, messages)
    expect(chat.encodeAnswer(messages.decodeAnswer(told, back)!, back)['usage']).toEqual(usage)
  })

  it('answers with the name that the client asked for', () => {
    const crossing = { ...plainCrossing(chat, messages), modelName: 'best' }
    const answer = messages.decodeAnswer({ model: 'claude-x', content: [] }, crossing)!
    expect(chat.encodeAnswer(answer, crossing)['model']).toBe('best')
  })
})

describe('proofs', () => {
  it('carries a signature of Gemini through a client of Anthropic and back to the call', () => {
    const google = { google: { thought_signature: 'R0VN' } }
    const tool = {
      id: 'a',
      type: 'function',
      function: { name: 'look', arguments: '{}' },
      extra_content: google,
    }
    const crossing = plainCrossing(messages, chat)
    const choice = { message: { content: null, tool_calls: [tool] }, finish_reason: 'tool_calls' }
    const answer = messages.encodeAnswer(
      chat.decodeAnswer({ choices: [choice] }, crossing)!,
      crossing,
    )
    expect((answer['content'] as JsonObject[]).map(({ type }) => type)).toEqual([
      'redacted_thinking',
      'tool_use',
    ])
    const next = {
      max_tokens: 1,
      messages: [...HI, { role: 'assistant', content: answer['content']! }],
    }
    const { body } = sent(messages, chat, next, 'gemini-3-pro')
    expect((body['messages'] as JsonObject[])[1]).toMatchObject({
      tool_calls: [{ id: 'a', extra_content: google }],
    })
  })

  it('carries thoughts of Anthropic through a client of OpenAI and back', () => {
    const content = [
      { type: 'thinking', thinking: 'Hm', signature: 'c2ln' },
      { type: 'redacted_thinking', data: 'cmVk' },
      { type: 'tool_use', id: 'a', name: 'look', input: { x: 1 } },
    ]
    const crossing = plainCrossing(chat, messages)
    const answer = messages.decodeAnswer({ content, stop_reason: 'tool_use' }, crossing)!
    const told = chat.encodeAnswer(answer, crossing)
    const [{ message }] = told['choices'] as [{ message: JsonObject }]
    const next = {
      messages: [...HI, message, { role: 'tool', tool_call_id: 'a', content: 'ok' }],
      tools: [{ type: 'function', function: { name: 'look' } }],
    }
    const { body } = sent(chat, messages, next, 'claude-sonnet-4-5')
    expect((body['messages'] as JsonObject[])[1]!['content']).toEqual(content)
  })

  it('does not send the proof of one provider to another', () => {
    const next = {
      max_tokens: 1,
      messages: [
        ...HI,
        { role: 'assistant', content: [{ type: 'redacted_thinking', data: 'cmVk' }] },
        ...HI,
      ],
    }
    const { body } = sent(messages, chat, next, 'gpt-4o')
    expect(JSON.stringify(body)).not.toContain('cmVk')
  })
})

describe('errors', () => {
  it.each([
    [429, { error: { message: 'slow down', type: 'rate_limit_error' } }, 429, 'rate_limit_error'],
    [503, { error: { message: 'busy' } }, 529, 'overloaded_error'],
    [429, { error: { message: 'pay', code: 'insufficient_quota' } }, 402, 'billing_error'],
    [500, undefined, 500, 'api_error'],
    [422, { detail: 'wrong' }, 422, 'invalid_request_error'],
  ])('tells %i %j as Anthropic does', (status, body, told, type) => {
    const encoded = messages.encodeError(chat.decodeError(status, body), 'req1')
    expect(encoded).toMatchObject({
      status: told,
      body: { type: 'error', error: { type }, request_id: 'req1' },
    })
  })

  it('tells an overload and a long prompt as OpenAI does', () => {
    const overload = messages.decodeError(529, {
      type: 'error',
      error: { type: 'overloaded_error', message: 'Overloaded' },
    })
    expect(chat.encodeError(overload, 'r')).toMatchObject({ status: 503 })
    const long = messages.decodeError(400, {
      type: 'error',
      error: { type: 'invalid_request_error', message: 'prompt is too long: 250000 tokens' },
    })
    expect(chat.encodeError(long, 'r').body).toMatchObject({
      error: { code: 'context_length_exceeded', type: 'invalid_request_error' },
    })
  })
})

it('does not follow results within results, however deep', () => {
  let content: Json = []
  for (let depth = 0; depth < 100_000; depth++) {
    content = [{ type: 'tool_result', tool_use_id: 'a', content }]
  }
  const request = messages.decodeRequest({ messages: [{ role: 'user', content }] })!
  expect(request.messages[0]!.parts).toMatchObject([
    { type: 'toolResult', parts: [{ type: 'native', kind: 'tool_result' }] },
  ])
})

it('is no request without messages', () => {
  for (const body of [null, [], 'x', {}, { messages: 'x' }]) {
    expect(chat.decodeRequest(body)).toBeUndefined()
    expect(messages.decodeRequest(body)).toBeUndefined()
  }
})

it('writes back outdated functions, odd roles and unknown parts as they came', () => {
  const body = {
    model: 'm',
    functions: [{ name: 'look', parameters: {} }],
    function_call: 'auto',
    tools: [],
    messages: [
      { role: 'critic', content: 'Hm', mood: 1 },
      { role: 'assistant', content: null, function_call: { name: 'look', arguments: '{}' } },
      { role: 'function', name: 'look', content: 'ok' },
      { role: 'assistant', refusal: null, tool_calls: [] },
      { role: 'user', content: [{ type: 'hologram', x: 1 }] },
    ],
    stream_options: { include_usage: false, x: 1 },
  }
  const crossing = cross(chat, chat, body)
  expect(chat.encodeRequest(crossing.request, crossing)).toEqual(body)
})

describe('thoughts of others before Anthropic itself', () => {
  it('leaves out what only another provider can check, although the dialect is the same', () => {
    const thoughts = { choices: [{ message: { content: 'Yes', reasoning_content: 'Hm' } }] }
    const crossing = plainCrossing(messages, chat)
    const answer = messages.encodeAnswer(chat.decodeAnswer(thoughts, crossing)!, crossing)
    expect(JSON.stringify(answer)).toContain(`"signature":"${SEAL}`)
    const next = {
      max_tokens: 1,
      messages: [...HI, { role: 'assistant', content: answer['content']! }],
    }
    const { body, findings } = sent(messages, messages, next, 'claude-sonnet-4-5')
    expect((body['messages'] as JsonObject[])[1]!['content']).toMatchObject([{ text: 'Yes' }])
    expect(findings).toMatchObject([{ verdict: 'dropped', field: 'messages[1]' }])
  })
})

it('drops an effort beside tools where Chat Completions refuses the two', () => {
  const tools = [{ name: 'look', input_schema: { type: 'object' } }]
  const body = { tools, output_config: { effort: 'high' } }
  expect(toGpt(body, 'gpt-5.4-mini').body).not.toHaveProperty('reasoning_effort')
  expect(toGpt(body, 'gpt-5').body).toHaveProperty('reasoning_effort')
})
