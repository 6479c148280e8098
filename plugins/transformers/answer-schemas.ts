import type { Json } from '#core/sdk.ts'

type JsonSchema = Readonly<Record<string, Json>>

/**
 * What every answer of a dialect looks like, whole and as an event, and no more: clients cannot do without it, and
 * providers add to it every month. Tested on recorded answers.
 */
export const ANSWER_SCHEMAS: Readonly<Record<string, { whole: JsonSchema; event: JsonSchema }>> = {
  'openai-chat': {
    whole: {
      type: 'object',
      required: ['choices'],
      properties: {
        choices: {
          type: 'array',
          items: {
            type: 'object',
            required: ['message'],
            properties: {
              message: {
                type: 'object',
                properties: {
                  content: { type: ['string', 'array', 'null'] },
                  tool_calls: {
                    type: ['array', 'null'],
                    items: { type: 'object', required: ['function'] },
                  },
                },
              },
              finish_reason: { type: ['string', 'null'] },
            },
          },
        },
        usage: { type: ['object', 'null'] },
      },
    },
    event: {
      type: 'object',
      required: ['choices'],
      properties: {
        choices: {
          type: 'array',
          items: {
            type: 'object',
            required: ['delta'],
            properties: {
              delta: {
                type: 'object',
                properties: { content: { type: ['string', 'array', 'null'] } },
              },
            },
          },
        },
      },
    },
  },

  'openai-responses': {
    whole: {
      type: 'object',
      required: ['output', 'status'],
      properties: {
        status: { type: 'string' },
        output: { type: 'array', items: { type: 'object', required: ['type'] } },
      },
    },
    event: { type: 'object', required: ['type'], properties: { type: { type: 'string' } } },
  },

  anthropic: {
    whole: {
      type: 'object',
      required: ['type', 'role', 'content', 'usage'],
      properties: {
        type: { const: 'message' },
        content: {
          type: 'array',
          items: { type: 'object', required: ['type'], properties: { type: { type: 'string' } } },
        },
        usage: { type: 'object' },
      },
    },
    event: { type: 'object', required: ['type'], properties: { type: { type: 'string' } } },
  },

  gemini: { whole: geminiAnswer(), event: geminiAnswer() },
}

/** A prompt that is refused has no candidates. */
function geminiAnswer(): JsonSchema {
  return {
    type: ['object', 'array'],
    properties: {
      candidates: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            content: {
              type: 'object',
              properties: { parts: { type: 'array', items: { type: 'object' } } },
            },
          },
        },
      },
      usageMetadata: { type: 'object' },
    },
    anyOf: [
      { type: 'array' },
      { required: ['candidates'] },
      { required: ['promptFeedback'] },
      { required: ['usageMetadata'] },
    ],
  }
}
