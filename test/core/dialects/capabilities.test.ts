import { describe, expect, it } from 'vitest'
import { capabilitiesOf } from '#core/dialects/capabilities.ts'

describe('what a model can do', () => {
  it.each([
    ['claude-3-haiku-20240307', { thinking: 'none', prefill: true, maxOutputTokens: 4096 }],
    ['claude-3-7-sonnet-latest', { thinking: 'budget', jsonSchema: false }],
    ['claude-sonnet-4-20250514', { thinking: 'budget', jsonSchema: false, temperature: true }],
    ['claude-opus-4-1-20250805', { thinking: 'budget', maxOutputTokens: 32_000 }],
    ['claude-sonnet-4-5-20250929', { thinking: 'budget', jsonSchema: true }],
    ['claude-opus-4-6', { thinking: 'both', temperature: true, prefill: false }],
    ['claude-opus-4-7', { thinking: 'adaptive', temperature: false, midSystem: false }],
    ['claude-opus-4-8', { thinking: 'adaptive', midSystem: true }],
    ['claude-haiku-5-5', { thinking: 'adaptive', temperature: false, midSystem: true }],
    ['claude-fable-5', { thinking: 'adaptive', canStopThinking: false }],
    ['us.anthropic.claude-sonnet-4-5-20250929-v1:0', { thinking: 'budget', provider: 'anthropic' }],
    ['anthropic/claude-opus-4-7', { thinking: 'adaptive' }],
    ['claude-next', { thinking: 'adaptive', provider: 'anthropic' }],
    ['gpt-4o-mini', { maxTokensField: 'max_tokens', temperature: true, thinking: 'none' }],
    ['gpt-4.1', { maxTokensField: 'max_tokens', temperature: true }],
    ['gpt-5', { maxTokensField: 'max_completion_tokens', canStopThinking: false }],
    ['gpt-5-nano-2025-08-07', { temperature: false, thinking: 'effort', canStopThinking: false }],
    ['gpt-5-chat-latest', { temperature: true, thinking: 'none' }],
    ['gpt-5.2', { canStopThinking: true, temperature: false }],
    ['gpt-6-sol', { canStopThinking: true, thinking: 'effort' }],
    ['o3-mini', { thinking: 'effort', maxTokensField: 'max_completion_tokens' }],
    ['gemini-2.5-flash', { thinking: 'budget', provider: 'google', canStopThinking: true }],
    ['gemini-2.5-pro', { thinking: 'budget', canStopThinking: false }],
    ['gemini-3-pro-preview', { thinking: 'level' }],
    ['deepseek-reasoner', { reasoningReplay: 'text' }],
    ['my-own-model', { provider: 'other', thinking: 'none', topK: false, temperature: true }],
  ] as const)('%s', (model, expected) => {
    expect(capabilitiesOf(model)).toMatchObject(expected)
  })

  it('is what the operator says', () => {
    const rows = [{ pattern: 'my-', capabilities: { thinking: 'effort', topK: true } as const }]
    expect(capabilitiesOf('my-model', rows)).toMatchObject({ thinking: 'effort', topK: true })
    expect(capabilitiesOf('your-model', rows)).toMatchObject({ thinking: 'none', topK: false })
  })
})
