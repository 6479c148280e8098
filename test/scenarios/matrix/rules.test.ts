import { describe, expect, test } from 'vitest'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { JsonObject } from '#core/kit/json.ts'
import { PROVIDERS } from '../../support/replay/provider.ts'

/** What a provider finds wrong with a body. */
function faultsOf(dialect: LlmDialect, body: JsonObject, model: string): string {
  const isGemini = dialect === 'gemini'
  const request = {
    path: isGemini ? `/v1beta/models/${model}:generateContent` : '/v1',
    query: '',
    headers: {
      authorization: 'Bearer k',
      'x-goog-api-key': 'k',
      'anthropic-version': '2023-06-01',
    },
    body: isGemini ? body : { model, ...body },
  }
  return [...PROVIDERS[dialect].rules(request)].join('\n')
}

const hi = { role: 'user', content: 'Hi' }
const chatCall = {
  role: 'assistant',
  content: null,
  tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }],
}
const toolUse = {
  role: 'assistant',
  content: [{ type: 'tool_use', id: 't1', name: 'f', input: {} }],
}
const loose = { type: 'object', properties: { a: { type: 'string' } } }
const itemCall = { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{}' }
const asked = { role: 'user', parts: [{ text: 'Hi' }] }
const called = { role: 'model', parts: [{ functionCall: { name: 'f', args: {} } }] }

// A rule that finds nothing would let every conversion pass.
const BAD: readonly [LlmDialect, string, JsonObject, string][] = [
  ['openai-chat', 'gpt-4.1', { messages: [] }, 'too short'],
  ['openai-chat', 'gpt-4.1', { messages: [hi], top_k: 4 }, 'unknown field top_k'],
  ['openai-chat', 'gpt-4.1', { messages: [hi, chatCall, hi] }, 'must be followed by tool messages'],
  [
    'openai-chat',
    'gpt-4.1',
    { messages: [{ role: 'tool', tool_call_id: 'c', content: '' }] },
    'must be a response',
  ],
  ['openai-chat', 'gpt-4.1', { messages: [hi], tool_choice: 'auto' }, 'only allowed when'],
  ['openai-chat', 'gpt-4.1', { messages: [hi], stream_options: {} }, 'only allowed when'],
  ['openai-chat', 'gpt-4.1', { messages: [hi], reasoning_effort: 'low' }, 'Unrecognized'],
  ['openai-chat', 'gpt-5-mini', { messages: [hi], max_tokens: 9 }, "'max_tokens' is not supported"],
  ['openai-chat', 'gpt-5-mini', { messages: [hi], temperature: 0 }, 'temperature'],
  [
    'openai-chat',
    'gpt-4.1',
    { messages: [hi], response_format: { type: 'json_object' } },
    "word 'json'",
  ],
  ['openai-responses', 'gpt-5-mini', { input: 'Hi', stop: ['a'] }, 'unknown parameter: stop'],
  ['openai-responses', 'gpt-5-mini', { input: 'Hi', max_output_tokens: 9 }, '>= 16'],
  ['openai-responses', 'gpt-5-mini', { input: [itemCall] }, 'No tool output found'],
  [
    'openai-responses',
    'gpt-5-mini',
    { input: [{ type: 'function_call_output', call_id: 'c', output: '' }] },
    'No tool call found',
  ],
  [
    'openai-responses',
    'gpt-5-mini',
    { input: [{ type: 'reasoning', summary: [], encrypted_content: 'sl1.x' }] },
    'could not be verified',
  ],
  [
    'openai-responses',
    'gpt-5-mini',
    { input: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }] },
    'Invalid value',
  ],
  [
    'openai-responses',
    'gpt-5-mini',
    { input: 'Hi', tools: [{ type: 'function', name: 'f', parameters: loose, strict: true }] },
    'additionalProperties',
  ],
  [
    'openai-responses',
    'gpt-4.1',
    { input: 'Hi', reasoning: { effort: 'low' } },
    'reasoning.effort',
  ],
  ['anthropic', 'claude-sonnet-4-6', { messages: [hi] }, 'max_tokens: Field required'],
  ['anthropic', 'claude-sonnet-4-6', { messages: [hi], max_tokens: 9, seed: 1 }, 'Extra inputs'],
  [
    'anthropic',
    'claude-sonnet-4-6',
    { messages: [toolUse], max_tokens: 9 },
    'first message must use',
  ],
  [
    'anthropic',
    'claude-sonnet-4-6',
    { messages: [hi, toolUse, hi], max_tokens: 9 },
    'without tool_result',
  ],
  [
    'anthropic',
    'claude-sonnet-4-6',
    {
      messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 't' }] }],
      max_tokens: 9,
    },
    'unexpected tool_use_id',
  ],
  [
    'anthropic',
    'claude-sonnet-4-6',
    { messages: [hi, { role: 'assistant', content: 'I' }], max_tokens: 9 },
    'prefill',
  ],
  [
    'anthropic',
    'claude-opus-5',
    { messages: [hi], max_tokens: 9, temperature: 1 },
    'temperature: Extra inputs',
  ],
  [
    'anthropic',
    'claude-opus-5',
    { messages: [hi], max_tokens: 9999, thinking: { type: 'enabled', budget_tokens: 2000 } },
    'not supported on this model',
  ],
  [
    'anthropic',
    'claude-sonnet-4-5',
    { messages: [hi], max_tokens: 900, thinking: { type: 'enabled', budget_tokens: 1024 } },
    'must be greater',
  ],
  [
    'anthropic',
    'claude-sonnet-4-6',
    {
      messages: [
        hi,
        { role: 'assistant', content: [{ type: 'thinking', thinking: '', signature: 'sl1.x' }] },
        hi,
      ],
      max_tokens: 9,
    },
    'Invalid `signature`',
  ],
  [
    'anthropic',
    'claude-sonnet-4-6',
    {
      messages: [hi],
      max_tokens: 9,
      output_config: { format: { type: 'json_schema', schema: loose } },
    },
    'additionalProperties',
  ],
  ['gemini', 'gemini-2.5-flash', { contents: [asked], max_tokens: 9 }, 'Unknown name "max_tokens"'],
  ['gemini', 'gemini-2.5-flash', { contents: [asked, called] }, 'followed by a function response'],
  [
    'gemini',
    'gemini-2.5-flash',
    { contents: [asked, called, asked] },
    'number of function response parts',
  ],
  ['gemini', 'gemini-3-pro', { contents: [asked, called] }, 'missing a thought_signature'],
  [
    'gemini',
    'gemini-2.5-flash',
    { contents: [{ role: 'assistant', parts: [{ text: 'Hi' }] }] },
    'valid role',
  ],
  [
    'gemini',
    'gemini-2.5-flash',
    { contents: [asked], generationConfig: { thinkingConfig: { thinkingLevel: 'LOW' } } },
    'Thinking level',
  ],
  [
    'gemini',
    'gemini-2.5-flash',
    {
      contents: [asked],
      tools: [
        {
          functionDeclarations: [
            { name: 'f', parameters: { type: 'object', additionalProperties: false } },
          ],
        },
      ],
    },
    'additionalProperties',
  ],
  [
    'gemini',
    'gemini-2.5-flash',
    { contents: [asked], generationConfig: { responseJsonSchema: loose } },
    'mime type',
  ],
]

describe('a provider refuses', () => {
  test.each(BAD)('%s, %s: %j', (dialect, model, body, fault) => {
    expect(faultsOf(dialect, body, model)).toContain(fault)
  })

  test.each<[LlmDialect, string, JsonObject]>([
    [
      'openai-chat',
      'gpt-4.1',
      { messages: [hi, chatCall, { role: 'tool', tool_call_id: 'c1', content: 'x' }] },
    ],
    ['openai-responses', 'gpt-5-mini', { input: 'Hi' }],
    ['anthropic', 'claude-sonnet-4-6', { messages: [hi], max_tokens: 9 }],
    ['gemini', 'gemini-2.5-flash', { contents: [asked] }],
  ])('nothing that is right: %s', (dialect, model, body) => {
    expect(faultsOf(dialect, body, model)).toBe('')
  })
})
