import { describe, expect, it } from 'vitest'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import { type Moment, momentOf } from '#core/dialects/stream-start.ts'
import type { Json } from '#core/kit/json.ts'

const CASES: readonly [LlmDialect, Moment, Json][] = [
  ['openai-chat', 'opening', { choices: [], prompt_filter_results: [] }],
  ['openai-chat', 'opening', { choices: [{ delta: { role: 'assistant', content: '' } }] }],
  ['openai-chat', 'opening', { choices: [{ delta: { role: 'assistant', tool_calls: [] } }] }],
  ['openai-chat', 'content', { choices: [{ delta: { content: 'a' } }] }],
  ['openai-chat', 'content', { choices: [{ delta: { reasoning_content: 'a' } }] }],
  ['openai-chat', 'content', { choices: [{ delta: { tool_calls: [{ index: 0 }] } }] }],
  ['openai-chat', 'content', { choices: [{ delta: {}, finish_reason: 'stop' }] }],
  ['openai-chat', 'content', { choices: [{ text: 'a' }] }],
  ['openai-chat', 'error', { error: { message: 'no' } }],
  ['openai-responses', 'opening', { type: 'response.created' }],
  ['openai-responses', 'opening', { type: 'response.output_item.added' }],
  ['openai-responses', 'content', { type: 'response.output_text.delta', delta: 'a' }],
  ['openai-responses', 'content', { type: 'response.completed' }],
  ['openai-responses', 'error', { type: 'error', message: 'no' }],
  ['openai-responses', 'error', { type: 'response.failed', response: {} }],
  ['anthropic', 'opening', { type: 'message_start', message: {} }],
  ['anthropic', 'opening', { type: 'ping' }],
  ['anthropic', 'opening', { type: 'content_block_start', index: 0 }],
  ['anthropic', 'content', { type: 'content_block_delta', index: 0 }],
  ['anthropic', 'content', { type: 'message_delta' }],
  ['anthropic', 'error', { type: 'error', error: { type: 'overloaded_error' } }],
  ['gemini', 'opening', { usageMetadata: {} }],
  ['gemini', 'opening', { candidates: [{ content: { parts: [{ text: '' }] } }] }],
  ['gemini', 'content', { candidates: [{ content: { parts: [{ text: 'a' }] } }] }],
  ['gemini', 'content', { candidates: [{ content: { parts: [{ functionCall: {} }] } }] }],
  ['gemini', 'content', { candidates: [{ finishReason: 'STOP' }] }],
  ['gemini', 'content', { promptFeedback: { blockReason: 'SAFETY' } }],
  ['gemini', 'error', { error: { code: 503 } }],
  ['gemini', 'error', [{ error: { code: 503 } }]],
]

describe('the start of a stream', () => {
  it.each(CASES)('%s: %s in %j', (dialect, moment, event) => {
    expect(momentOf[dialect](event)).toBe(moment)
  })

  it.each(['openai-chat', 'openai-responses', 'anthropic', 'gemini'] as const)(
    'of %s is content where it cannot be read, so that nothing waits for it',
    (dialect) => {
      expect([null, 1, 'x', {}].map((event) => momentOf[dialect](event))).toContain('content')
    },
  )
})
