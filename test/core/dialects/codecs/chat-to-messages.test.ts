import { describe, expect, it } from 'vitest'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { chat, messages, sent } from './crossings.ts'

const HI = [{ role: 'user', content: 'Hi' }]
const SONNET_4 = 'claude-sonnet-4-20250514'
const SONNET_4_5 = 'claude-sonnet-4-5'
const OPUS_4_7 = 'claude-opus-4-7'
const OPUS_4_8 = 'claude-opus-4-8'

function toClaude(body: JsonObject, model = SONNET_4_5) {
  return sent(chat, messages, { messages: HI, ...body }, model)
}

function call(id: string, args = '{"a":1}', name = 'look'): JsonObject {
  return { id, type: 'function', function: { name, arguments: args } }
}

function result(id: string, content: Json = 'ok'): JsonObject {
  return { role: 'tool', tool_call_id: id, content }
}

const LOOK = {
  type: 'function',
  function: { name: 'look', description: 'Looks', parameters: { type: 'object', properties: {} } },
}

describe('system prompts', () => {
  it('gathers the leading prompts as one block each', () => {
    const { body } = toClaude({
      messages: [{ role: 'system', content: 'One' }, { role: 'developer', content: 'Two' }, ...HI],
    })
    expect(body['system']).toEqual([
      { type: 'text', text: 'One' },
      { type: 'text', text: 'Two' },
    ])
    expect(body['messages']).toEqual(HI)
  })

  it('writes a single prompt as a text', () => {
    const { body } = toClaude({ messages: [{ role: 'system', content: 'One' }, ...HI] })
    expect(body['system']).toBe('One')
  })

  it('keeps a later prompt where the model takes one behind a user', () => {
    const late = [...HI, { role: 'system', content: 'Be brief' }]
    expect(toClaude({ messages: late }, OPUS_4_8).body['messages']).toEqual(late)
  })

  it('folds a later prompt into the next user turn of an older model, and says so', () => {
    const { body, findings } = toClaude({
      messages: [
        ...HI,
        { role: 'assistant', content: 'Hello' },
        { role: 'system', content: 'Be brief' },
        { role: 'user', content: 'Go on' },
      ],
    })
    expect((body['messages'] as Json[])[2]).toEqual({
      role: 'user',
      content: [
        { type: 'text', text: '<system>Be brief</system>' },
        { type: 'text', text: 'Go on' },
      ],
    })
    expect(findings).toMatchObject([{ verdict: 'emulated', field: 'messages[2]' }])
  })
})

describe('turns', () => {
  it('merges neighbours of the same role and drops empty text', () => {
    const { body } = toClaude({
      messages: [...HI, { role: 'user', content: '' }, { role: 'user', content: 'There' }],
    })
    expect(body['messages']).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Hi' },
          { type: 'text', text: 'There' },
        ],
      },
    ])
  })

  it('puts all results of a turn into one message, before the text', () => {
    const { body } = toClaude({
      tools: [LOOK],
      messages: [
        ...HI,
        { role: 'assistant', content: null, tool_calls: [call('a'), call('b', '')] },
        result('b', 'two'),
        result('a', 'one'),
        { role: 'user', content: 'And?' },
      ],
    })
    expect((body['messages'] as Json[]).slice(1)).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'tool_use', id: 'a', name: 'look', input: { a: 1 } },
          { type: 'tool_use', id: 'b', name: 'look', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'b', content: 'two' },
          { type: 'tool_result', tool_use_id: 'a', content: 'one' },
          { type: 'text', text: 'And?' },
        ],
      },
    ])
  })

  it('puts a result before what the user said in between', () => {
    const { body } = toClaude({
      tools: [LOOK],
      messages: [
        ...HI,
        { role: 'assistant', content: null, tool_calls: [call('a')] },
        { role: 'user', content: 'Hurry' },
        result('a'),
      ],
    })
    const content = (body['messages'] as { content: JsonObject[] }[])[2]!.content
    expect(content.map(({ type }) => type)).toEqual(['tool_result', 'text'])
  })

  it('answers a call that has no result, and tells a result that nothing called for as text', () => {
    const { body, findings } = toClaude({
      tools: [LOOK],
      messages: [
        ...HI,
        { role: 'assistant', content: null, tool_calls: [call('a')] },
        result('other', 'lost'),
      ],
    })
    expect((body['messages'] as JsonObject[])[2]!['content']).toEqual([
      { type: 'tool_result', tool_use_id: 'a', content: 'No result provided', is_error: true },
      { type: 'text', text: 'Result of a tool call: lost' },
    ])
    expect(findings.map(({ verdict }) => verdict)).toContain('emulated')
  })

  it('answers calls behind which nothing comes', () => {
    const { body } = toClaude({
      tools: [LOOK],
      messages: [...HI, { role: 'assistant', content: null, tool_calls: [call('a')] }],
    })
    expect((body['messages'] as JsonObject[]).at(-1)).toMatchObject({
      role: 'user',
      content: [{ type: 'tool_result', tool_use_id: 'a' }],
    })
  })

  it('puts a user before a leading assistant', () => {
    const { body, findings } = toClaude({
      messages: [{ role: 'assistant', content: 'Welcome' }, ...HI],
    })
    expect((body['messages'] as JsonObject[]).map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'user',
    ])
    expect(findings).toMatchObject([{ verdict: 'emulated', field: 'messages[0]' }])
  })

  it('keeps a begun answer for a model that goes on with it, without white space at its end', () => {
    const begun = [...HI, { role: 'assistant', content: 'Dear ' }]
    expect((toClaude({ messages: begun }).body['messages'] as Json[])[1]).toEqual({
      role: 'assistant',
      content: 'Dear',
    })
  })

  it('drops a begun answer for a newer model, and says so', () => {
    const begun = [...HI, { role: 'assistant', content: 'Dear' }]
    const { body, findings } = toClaude({ messages: begun }, OPUS_4_8)
    expect(body['messages']).toEqual(HI)
    expect(findings).toMatchObject([{ verdict: 'dropped', field: 'messages[1]' }])
  })

  it('refuses arguments that are no JSON, and names the message', () => {
    const { crossing } = toClaude({
      tools: [LOOK],
      messages: [
        ...HI,
        { role: 'assistant', content: null, tool_calls: [call('a', '{"a":')] },
        result('a'),
      ],
    })
    expect(crossing.report.refusals()).toMatchObject([
      { verdict: 'refused', field: expect.stringMatching(/^messages\[1\]/) as string },
    ])
  })
})

describe('tools', () => {
  it('gives a tool without parameters an empty object', () => {
    const { body } = toClaude({ tools: [{ type: 'function', function: { name: 'now' } }] })
    expect(body['tools']).toEqual([
      { name: 'now', input_schema: { type: 'object', properties: {} } },
    ])
  })

  it.each([
    ['auto', { type: 'auto' }],
    ['none', { type: 'none' }],
    ['required', { type: 'any' }],
    [
      { type: 'function', function: { name: 'look' } },
      { type: 'tool', name: 'look' },
    ],
  ] as const)('maps the choice %j', (choice, expected) => {
    const { body } = toClaude({ tools: [LOOK], tool_choice: choice })
    expect(body['tool_choice']).toEqual(expected)
  })

  it('says beside a choice that calls come one at a time', () => {
    const { body } = toClaude({ tools: [LOOK], parallel_tool_calls: false })
    expect(body['tool_choice']).toEqual({ type: 'auto', disable_parallel_tool_use: true })
  })

  it('sends only the allowed tools, and says so', () => {
    const other = { type: 'function', function: { name: 'other' } }
    const allowed = { mode: 'required', tools: [{ type: 'function', function: { name: 'look' } }] }
    const { body, findings } = toClaude({
      tools: [LOOK, other],
      tool_choice: { type: 'allowed_tools', allowed_tools: allowed },
    })
    expect((body['tools'] as JsonObject[]).map(({ name }) => name)).toEqual(['look'])
    expect(body['tool_choice']).toEqual({ type: 'any' })
    expect(findings).toMatchObject([{ verdict: 'emulated', field: 'tool_choice' }])
  })

  it('wraps a tool that takes free text, and unwraps what the model gives it', () => {
    const custom = { type: 'custom', custom: { name: 'patch', description: 'Patches' } }
    const { body, crossing } = toClaude({ tools: [custom] })
    expect(body['tools']).toMatchObject([
      { name: 'patch', input_schema: { type: 'object', required: ['input'] } },
    ])
    const content = [{ type: 'tool_use', id: 't1', name: 'patch', input: { input: 'a\nb' } }]
    const answer = messages.decodeAnswer({ content, stop_reason: 'tool_use' }, crossing)!
    expect(chat.encodeAnswer(answer, crossing)['choices']).toMatchObject([
      {
        message: {
          tool_calls: [{ id: 't1', type: 'custom', custom: { name: 'patch', input: 'a\nb' } }],
        },
      },
    ])
  })

  it('renames what the target would refuse, and undoes it in the answer', () => {
    const odd = { type: 'function', function: { name: 'files.read' } }
    const { body, crossing } = toClaude({ tools: [odd] })
    const [{ name }] = body['tools'] as [{ name: string }]
    expect(name).toMatch(/^[a-zA-Z0-9_-]+$/)
    const content = [{ type: 'tool_use', id: 't1', name, input: {} }]
    const answer = messages.decodeAnswer({ content, stop_reason: 'tool_use' }, crossing)!
    expect(answer.parts).toMatchObject([{ type: 'toolCall', name: 'files.read' }])
  })

  it('rewrites ids that the target refuses alike in call and result', () => {
    const { body } = toClaude({
      tools: [LOOK],
      messages: [
        ...HI,
        { role: 'assistant', content: null, tool_calls: [call('functions.look:0')] },
        result('functions.look:0'),
      ],
    })
    const [, assistant, user] = body['messages'] as { content: JsonObject[] }[]
    expect(assistant!.content[0]!['id']).toMatch(/^[a-zA-Z0-9_-]+$/)
    expect(user!.content[0]!['tool_use_id']).toBe(assistant!.content[0]!['id'])
  })

  it('declares the tools of earlier calls where the client has put them away', () => {
    const { body } = toClaude({
      messages: [...HI, { role: 'assistant', content: null, tool_calls: [call('a')] }, result('a')],
    })
    expect(body['tools']).toMatchObject([{ name: 'look' }])
    expect(body['tool_choice']).toEqual({ type: 'none' })
  })

  it('refuses built-in tools by name', () => {
    const { crossing } = toClaude({ web_search_options: {} })
    expect(crossing.report.refusals()).toMatchObject([{ field: 'web_search_options' }])
  })
})

describe('structured output', () => {
  const schema = {
    type: 'object',
    properties: { score: { type: 'integer', minimum: 0, maximum: 10 } },
    required: ['score'],
  }
  const format = { type: 'json_schema', json_schema: { name: 'x', schema, strict: true } }

  it('tells in words what the target refuses of a schema, and closes its objects', () => {
    const { body, findings } = toClaude({ response_format: format })
    expect(body['output_config']).toEqual({
      format: {
        type: 'json_schema',
        schema: {
          type: 'object',
          properties: { score: { type: 'integer', description: '{"minimum":0,"maximum":10}' } },
          required: ['score'],
          additionalProperties: false,
        },
      },
    })
    expect(findings).toMatchObject([{ verdict: 'emulated', field: 'response_format' }])
  })

  it('emulates a schema by a forced tool on older models, whose input is the answer', () => {
    const { body, crossing } = toClaude({ response_format: format }, SONNET_4)
    expect(body['output_config']).toBeUndefined()
    expect(body['tools']).toMatchObject([{ name: 'json', input_schema: schema }])
    expect(body['tool_choice']).toEqual({
      type: 'tool',
      name: 'json',
      disable_parallel_tool_use: true,
    })
    const content = [{ type: 'tool_use', id: 't', name: 'json', input: { score: 3 } }]
    const answer = messages.decodeAnswer({ content, stop_reason: 'tool_use' }, crossing)!
    expect(chat.encodeAnswer(answer, crossing)['choices']).toMatchObject([
      { message: { content: '{"score":3}' }, finish_reason: 'stop' },
    ])
  })

  it('asks in words for any JSON object', () => {
    const { body, findings } = toClaude({ response_format: { type: 'json_object' } })
    expect(body['system']).toMatch(/JSON object/)
    expect(findings).toMatchObject([{ verdict: 'emulated' }])
  })
})

describe('limits and sampling', () => {
  it('takes the largest answer of the model where the client sets no limit', () => {
    expect(toClaude({}).body['max_tokens']).toBe(64_000)
    expect(toClaude({}, OPUS_4_8).body['max_tokens']).toBe(128_000)
  })

  it('lowers a temperature that the target does not know', () => {
    const { body, findings } = toClaude({ temperature: 1.7 })
    expect(body['temperature']).toBe(1)
    expect(findings).toMatchObject([{ verdict: 'emulated', field: 'temperature' }])
  })

  it('drops sampling where the model refuses it, and refuses it in strict mode', () => {
    const { body, crossing } = toClaude({ temperature: 0.5, top_p: 0.9 }, OPUS_4_7)
    expect(body).not.toHaveProperty('temperature')
    expect(crossing.report.fields('dropped')).toEqual(['temperature', 'top_p'])
    expect(crossing.report.refusals()).toEqual([])
    expect(crossing.report.refusals(true)).toHaveLength(2)
  })

  it('does not send temperature and top_p together where the model takes one', () => {
    const { body } = toClaude({ temperature: 0.5, top_p: 0.9 })
    expect(body['temperature']).toBe(0.5)
    expect(body).not.toHaveProperty('top_p')
  })

  it('writes one stop sequence or several as a list', () => {
    expect(toClaude({ stop: 'END' }).body['stop_sequences']).toEqual(['END'])
    expect(toClaude({ stop: ['a', 'b'] }).body['stop_sequences']).toEqual(['a', 'b'])
  })

  it.each([
    ['n', 2, 'refused'],
    ['logprobs', true, 'refused'],
    ['seed', 7, 'dropped'],
    ['logit_bias', { '1': 2 }, 'dropped'],
    ['service_tier', 'flex', 'dropped'],
    ['my_own_field', 1, 'dropped'],
  ])('tells what becomes of %s', (field, value, verdict) => {
    expect(toClaude({ [field]: value }).findings).toMatchObject([{ field, verdict }])
  })

  it.each([
    ['n', 1],
    ['temperature', null],
    ['service_tier', 'auto'],
    ['store', false],
  ])('has nothing to tell of %s where it says the default', (field, value) => {
    expect(toClaude({ [field]: value }).findings).toEqual([])
  })
})

describe('reasoning', () => {
  it.each([
    [SONNET_4_5, 'low', { thinking: { type: 'enabled', budget_tokens: 2500 } }],
    [SONNET_4_5, 'high', { thinking: { type: 'enabled', budget_tokens: 7500 } }],
    [
      'claude-opus-4-6',
      'xhigh',
      { thinking: { type: 'adaptive' }, output_config: { effort: 'max' } },
    ],
    [OPUS_4_7, 'high', { thinking: { type: 'adaptive' }, output_config: { effort: 'high' } }],
    [OPUS_4_7, 'none', { thinking: { type: 'disabled' } }],
    [OPUS_4_7, 'minimal', { thinking: { type: 'adaptive' }, output_config: { effort: 'low' } }],
  ])('asks %s for effort %s in its own form', (model, effort, expected) => {
    const { body } = toClaude({ reasoning_effort: effort, max_tokens: 10_000 }, model)
    expect(body).toMatchObject(expected)
  })

  it('does not ask a model to stop that cannot', () => {
    const { body, findings } = toClaude({ reasoning_effort: 'none' }, 'claude-mythos-5')
    expect(body).not.toHaveProperty('thinking')
    expect(findings).toMatchObject([{ verdict: 'dropped', field: 'reasoning_effort' }])
  })

  it('keeps a forced tool, and drops thinking for the call', () => {
    const { body, findings } = toClaude({
      reasoning_effort: 'high',
      tools: [LOOK],
      tool_choice: 'required',
    })
    expect(body).not.toHaveProperty('thinking')
    expect(body['tool_choice']).toEqual({ type: 'any' })
    expect(findings).toMatchObject([{ verdict: 'dropped', field: 'reasoning_effort' }])
  })

  it('drops a budget for which the limit has no room', () => {
    const { body } = toClaude({ reasoning_effort: 'high', max_tokens: 800 })
    expect(body).not.toHaveProperty('thinking')
  })

  it('drops thinking within a tool loop whose thoughts the client has lost', () => {
    const { body } = toClaude({
      reasoning_effort: 'high',
      tools: [LOOK],
      messages: [...HI, { role: 'assistant', content: null, tool_calls: [call('a')] }, result('a')],
    })
    expect(body).not.toHaveProperty('thinking')
  })

  it('replays proven thoughts before all else of the turn', () => {
    const detail = {
      type: 'reasoning.text',
      text: 'Hm',
      signature: 'c2ln',
      format: 'anthropic-claude-v1',
    }
    const { body } = toClaude({
      reasoning_effort: 'high',
      tools: [LOOK],
      messages: [
        ...HI,
        {
          role: 'assistant',
          content: 'Looking',
          reasoning_content: 'Hm',
          reasoning_details: [detail],
          tool_calls: [call('a')],
        },
        result('a'),
      ],
    })
    expect(body['thinking']).toMatchObject({ type: 'enabled' })
    expect((body['messages'] as { content: Json[] }[])[1]!.content[0]).toEqual({
      type: 'thinking',
      thinking: 'Hm',
      signature: 'c2ln',
    })
  })

  it('never turns thoughts without a proof into text', () => {
    const { body, findings } = toClaude({
      messages: [
        ...HI,
        { role: 'assistant', content: 'Yes', reasoning_content: 'secret' },
        { role: 'user', content: 'Why?' },
      ],
    })
    expect(JSON.stringify(body)).not.toContain('secret')
    expect(findings).toMatchObject([{ verdict: 'dropped', field: 'messages[1]' }])
  })
})

describe('media and caches', () => {
  it('maps images and PDFs by their data', () => {
    const { body } = toClaude({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
            { type: 'image_url', image_url: { url: 'https://a.example/b.png' } },
            {
              type: 'file',
              file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' },
            },
          ],
        },
      ],
    })
    expect((body['messages'] as JsonObject[])[0]!['content']).toEqual([
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
      { type: 'image', source: { type: 'url', url: 'https://a.example/b.png' } },
      {
        type: 'document',
        source: { type: 'base64', media_type: 'application/pdf', data: 'AAAA' },
        title: 'a.pdf',
      },
    ])
  })

  it.each([
    [{ type: 'input_audio', input_audio: { data: 'AA', format: 'wav' } }],
    [{ type: 'file', file: { file_id: 'file-1' } }],
    [{ type: 'file', file: { filename: 'a.mp4', file_data: 'gs://bucket/a.mp4' } }],
  ])('refuses what the target cannot take: %j', (part) => {
    const { crossing } = toClaude({ messages: [{ role: 'user', content: [part] }] })
    expect(crossing.report.refusals()).toMatchObject([{ field: 'messages[0].content[0]' }])
  })

  it('maps a breakpoint, and keeps the last four', () => {
    const mark = { mode: 'explicit', ttl: '30m' }
    const content = Array.from({ length: 5 }, (_, index) => ({
      type: 'text',
      text: String(index),
      prompt_cache_breakpoint: mark,
    }))
    const { body, findings } = toClaude({ messages: [{ role: 'user', content }] })
    const blocks = (body['messages'] as { content: JsonObject[] }[])[0]!.content
    expect(blocks[0]).not.toHaveProperty('cache_control')
    expect(blocks.slice(1).map((block) => block['cache_control'])).toEqual(
      Array.from({ length: 4 }, () => ({ type: 'ephemeral', ttl: '1h' })),
    )
    expect(findings).toMatchObject([{ verdict: 'dropped', field: 'cache_control' }])
  })

  it('tells the user as metadata', () => {
    expect(toClaude({ safety_identifier: 'u1' }).body['metadata']).toEqual({ user_id: 'u1' })
  })
})
