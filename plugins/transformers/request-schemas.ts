import type { Json } from '#core/kit/json.ts'

/**
 * What every chat request of a dialect must look like, and no more: providers add fields and kinds of content every
 * month, and a gateway that refuses what it has not heard of is in the way. Tested on recorded requests.
 */
export const REQUEST_SCHEMAS: Readonly<Record<string, Readonly<Record<string, Json>>>> = {
  'openai-chat': {
    type: 'object',
    required: ['model', 'messages'],
    properties: {
      model: { type: 'string', minLength: 1 },
      messages: {
        type: 'array',
        minItems: 1,
        items: {
          type: 'object',
          required: ['role'],
          properties: {
            role: { enum: ['system', 'developer', 'user', 'assistant', 'tool', 'function'] },
            content: content({ required: ['type'], properties: { type: { type: 'string' } } }),
            tool_calls: { type: ['array', 'null'], items: { type: 'object' } },
          },
        },
      },
      stream: { type: ['boolean', 'null'] },
      stream_options: { type: ['object', 'null'] },
      max_tokens: count(),
      max_completion_tokens: count(),
      temperature: between(0, 2),
      top_p: between(0, 1),
      n: count(),
      stop: { type: ['string', 'array', 'null'], items: { type: 'string' } },
      tools: { type: ['array', 'null'], items: { type: 'object', required: ['type'] } },
      response_format: { type: ['object', 'null'] },
    },
  },

  'openai-responses': {
    type: 'object',
    // A stored prompt may name the model and hold the input.
    properties: {
      model: { type: ['string', 'null'], minLength: 1 },
      input: { type: ['string', 'array', 'null'], items: { type: 'object' } },
      instructions: { type: ['string', 'array', 'null'] },
      stream: { type: ['boolean', 'null'] },
      max_output_tokens: count(),
      temperature: between(0, 2),
      top_p: between(0, 1),
      tools: { type: ['array', 'null'], items: { type: 'object', required: ['type'] } },
      text: { type: ['object', 'null'] },
      reasoning: { type: ['object', 'null'] },
      previous_response_id: { type: ['string', 'null'] },
    },
    anyOf: [
      { required: ['input'] },
      { required: ['prompt'] },
      { required: ['previous_response_id'] },
    ],
  },

  anthropic: {
    type: 'object',
    required: ['max_tokens', 'messages'],
    properties: {
      // On Bedrock and Vertex the path names the model.
      model: { type: 'string', minLength: 1 },
      max_tokens: { type: 'integer', minimum: 0 },
      messages: {
        type: 'array',
        minItems: 1,
        items: {
          type: 'object',
          required: ['role', 'content'],
          properties: {
            role: { enum: ['user', 'assistant', 'system'] },
            content: {
              type: ['string', 'array'],
              items: {
                type: 'object',
                required: ['type'],
                properties: { type: { type: 'string' } },
              },
            },
          },
        },
      },
      system: { type: ['string', 'array'], items: { type: 'object' } },
      stream: { type: 'boolean' },
      temperature: between(0, 1),
      tools: { type: 'array', items: { type: 'object' } },
      tool_choice: { type: 'object', required: ['type'] },
    },
  },

  gemini: {
    type: 'object',
    required: ['contents'],
    properties: {
      contents: {
        type: ['array', 'object', 'string'],
        items: {
          type: 'object',
          properties: {
            role: { enum: ['user', 'model', 'function', 'system'] },
            parts: { type: 'array', items: { type: 'object' } },
          },
        },
      },
      systemInstruction: { type: ['object', 'string'] },
      generationConfig: { type: 'object' },
      safetySettings: { type: 'array' },
      tools: { type: 'array', items: { type: 'object' } },
      toolConfig: { type: 'object' },
    },
  },
}

function content(part: { [name: string]: Json }): Json {
  return { type: ['string', 'array', 'null'], items: { type: 'object', ...part } }
}

function count(): Json {
  return { type: ['integer', 'null'], minimum: 1 }
}

function between(minimum: number, maximum: number): Json {
  return { type: ['number', 'null'], minimum, maximum }
}
