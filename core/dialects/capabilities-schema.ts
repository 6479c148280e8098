import type { OptionsSchema } from '../config/schema.ts'
import type { Capabilities, CapabilityRow } from './capabilities.ts'
import { EFFORTS } from './hub/request.ts'

function flag(description: string) {
  return { type: 'boolean', description } as const
}

/** What a config may say of a model, over the gateway's own table. Stands here because the config checks it. */
export const capabilitiesSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    provider: {
      enum: ['anthropic', 'openai', 'google', 'other'],
      description: 'Whose model it is: what proofs of reasoning must come from.',
    },
    family: { type: 'string', description: 'Its line, such as claude: what proofs must match.' },
    temperature: flag('Takes temperature.'),
    topP: flag('Takes top_p.'),
    topK: flag('Takes top_k.'),
    bothTemperatureAndTopP: flag('Takes temperature and top_p together.'),
    classicTuning: flag('Takes penalties, seed, logit_bias and stop.'),
    maxOutputTokens: {
      type: 'integer',
      minimum: 1,
      description: 'Its longest answer in tokens, for APIs that must be told one.',
    },
    maxTokensField: {
      enum: ['max_tokens', 'max_completion_tokens'],
      description: 'What Chat Completions calls that limit.',
    },
    streamUsage: flag('A stream of Chat Completions can be asked for its tokens.'),
    thinking: {
      enum: ['none', 'budget', 'adaptive', 'both', 'effort', 'level'],
      description:
        'How it is asked to think: by budget or adaptive (Anthropic, or both), by budget or level (Gemini), by effort (OpenAI).',
    },
    canStopThinking: flag('Thinking can be turned off.'),
    efforts: {
      type: 'array',
      items: { enum: EFFORTS },
      description: 'The efforts that it knows; others become the nearest.',
    },
    reasoningReplay: {
      enum: ['none', 'text', 'details'],
      description: 'What messages of Chat Completions may carry of earlier thoughts.',
    },
    chatToolsWithEffort: flag('Chat Completions takes an effort beside tools.'),
    prefill: flag('Goes on with an answer that the client has begun.'),
    midSystem: flag('Takes system prompts within the conversation.'),
    jsonSchema: flag('Keeps to a JSON schema.'),
    images: flag('Takes images.'),
    documents: flag('Takes documents.'),
    audio: flag('Takes sound.'),
    toolResultMedia: flag("Takes images in a tool's result."),
  },
} as const satisfies OptionsSchema & {
  readonly properties: Readonly<Record<keyof Capabilities, unknown>>
}

/** Rows of the table from a config: names with `*` for any text. */
export function capabilityRows(
  written: Readonly<Record<string, Partial<Capabilities>>>,
): readonly CapabilityRow[] {
  return Object.entries(written).map(([name, capabilities]) => ({
    pattern: `${name.toLowerCase().split('*').map(escaped).join('.*')}$`,
    capabilities,
  }))
}

function escaped(text: string): string {
  return text.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`)
}
