import Anthropic from '@anthropic-ai/sdk'
import Anthropic0 from 'anthropic-sdk-0'
import type { JsonObject } from '#core/kit/json.ts'
import type { Ask, Turn } from '../../../support/replay/conversation.ts'
import { type Client, type Fault, finishOf, type Finishes, type Heard } from './client.ts'

type Message = Anthropic.MessageParam

const FINISHES: Finishes = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  tool_use: 'tool',
  max_tokens: 'length',
  refusal: 'contentFilter',
}

/** Messages by `@anthropic-ai/sdk` 1.x: Bearer, and the API version of 2026-10-21. */
export const anthropic = clientOf('@anthropic-ai/sdk', Anthropic)

/** Messages by the last 0.x: `x-api-key`, and the API version of 2023-06-01. */
export const anthropic0 = clientOf('@anthropic-ai/sdk 0', Anthropic0 as unknown as typeof Anthropic)

function clientOf(name: string, Sdk: typeof Anthropic): Client {
  return {
    name,
    dialect: 'anthropic',
    async ask(ask, { url, model, stream, history }) {
      const client = new Sdk({ apiKey: 'k', baseURL: url, maxRetries: 0 })
      const messages = [...((history ?? []) as Message[]), ...ask.turns.map(messageOf)]
      const params = { ...paramsOf(ask, model), messages }
      const message = stream
        ? await client.messages.stream(params).finalMessage()
        : await client.messages.create(params)
      const { role, content } = message
      return { heard: heardOf(message), history: [...messages, { role, content }] }
    },
    faultOf(error): Fault {
      if (error instanceof Sdk.BadRequestError) return 'badRequest'
      if (error instanceof Sdk.RateLimitError) return 'rateLimit'
      if (error instanceof Sdk.InternalServerError) return 'server'
      if (error instanceof Sdk.APIError && error.status === undefined) return 'stream'
      return { unexpected: error }
    },
    headersOf: (error) => (error as { headers?: Headers }).headers,
  }
}

function messageOf(turn: Turn): Message {
  if (turn.role === 'assistant') return { role: 'assistant', content: turn.text ?? '' }
  if (turn.role === 'tool') {
    return {
      role: 'user',
      content: turn.results.map(({ id, output }) => ({
        type: 'tool_result',
        tool_use_id: id,
        content: output,
      })),
    }
  }
  const { text, image } = turn
  if (image === undefined) return { role: 'user', content: text }
  const { type, data } = image
  return {
    role: 'user',
    content: [
      { type: 'text', text },
      { type: 'image', source: { type: 'base64', media_type: type as 'image/png', data } },
    ],
  }
}

function paramsOf(ask: Ask, model: string) {
  return {
    model,
    max_tokens: ask.maxTokens!,
    ...(ask.system === undefined ? {} : { system: ask.system }),
    ...(ask.tools === undefined
      ? {}
      : {
          tools: ask.tools.map(({ name, description, parameters }) => ({
            name,
            description,
            input_schema: parameters as { type: 'object' },
          })),
        }),
    ...(ask.mustCall === true ? { tool_choice: { type: 'any' as const } } : {}),
    ...(ask.schema === undefined
      ? {}
      : { output_config: { format: { type: 'json_schema' as const, schema: ask.schema } } }),
    ...(ask.stop === undefined ? {} : { stop_sequences: [...ask.stop] }),
    ...(ask.effort === undefined
      ? {}
      : { thinking: { type: 'adaptive' as const }, output_config: { effort: ask.effort } }),
  }
}

function heardOf({ content, stop_reason: reason, usage }: Anthropic.Message): Heard {
  const cached = usage.cache_read_input_tokens ?? 0
  const details = (usage as { output_tokens_details?: { thinking_tokens?: number } | null })
    .output_tokens_details
  return {
    text: content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    thought: content.map((block) => (block.type === 'thinking' ? block.thinking : '')).join(''),
    calls: content.flatMap((block) =>
      block.type === 'tool_use'
        ? [{ id: block.id, name: block.name, arguments: block.input as JsonObject }]
        : [],
    ),
    finish: finishOf(FINISHES, reason),
    usage: {
      input: usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0),
      output: usage.output_tokens,
      cached,
      reasoning: details?.thinking_tokens ?? 0,
    },
  }
}
