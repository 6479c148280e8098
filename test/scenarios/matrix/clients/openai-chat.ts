import OpenAI from 'openai'
import type { JsonObject } from '#core/kit/json.ts'
import type { Ask, Turn } from '../../../support/replay/conversation.ts'
import { type Client, type Fault, finishOf, type Finishes, type Heard } from './client.ts'

type Message = OpenAI.Chat.ChatCompletionMessageParam

const FINISHES: Finishes = {
  stop: 'stop',
  tool_calls: 'tool',
  length: 'length',
  content_filter: 'contentFilter',
}

/** Chat Completions by `openai`. */
export const openaiChat: Client = {
  name: 'openai, chat',
  dialect: 'openai-chat',
  async ask(ask, { url, model, stream, history }) {
    const client = new OpenAI({ apiKey: 'k', baseURL: `${url}/v1`, maxRetries: 0 })
    const messages = [
      ...((history ?? systemOf(ask)) as Message[]),
      ...ask.turns.flatMap(messagesOf),
    ]
    const params = { ...paramsOf(ask, model), messages }
    const completion = stream
      ? await streamed(client, params)
      : await client.chat.completions.create(params)
    return { heard: heardOf(completion), history: [...messages, again(completion)] }
  },
  faultOf: openaiFault,
  headersOf: (error) => (error as { headers?: Headers }).headers,
}

/** The SDK puts together what it knows; the thoughts of other providers are left to its user. */
async function streamed(
  client: OpenAI,
  params: Omit<OpenAI.Chat.ChatCompletionCreateParamsStreaming, 'stream'>,
): Promise<OpenAI.Chat.ChatCompletion> {
  const stream = client.chat.completions.stream({
    ...params,
    stream_options: { include_usage: true },
  })
  let thought: string | undefined
  stream.on('chunk', ({ choices }) => {
    const { reasoning_content: piece } = (choices[0]?.delta ?? {}) as Thinking
    if (piece !== undefined) thought = (thought ?? '') + piece
  })
  const completion = await stream.finalChatCompletion()
  if (thought !== undefined)
    Object.assign(completion.choices[0]!.message, { reasoning_content: thought })
  return completion
}

interface Thinking {
  readonly reasoning_content?: string
}

/** The class of error by `openai`, for both of its APIs. */
export function openaiFault(error: unknown): Fault {
  if (error instanceof OpenAI.BadRequestError) return 'badRequest'
  if (error instanceof OpenAI.RateLimitError) return 'rateLimit'
  if (error instanceof OpenAI.InternalServerError) return 'server'
  if (error instanceof OpenAI.APIError && error.status === undefined) return 'stream'
  return { unexpected: error }
}

function systemOf({ system }: Ask): Message[] {
  return system === undefined ? [] : [{ role: 'system', content: system }]
}

function messagesOf(turn: Turn): Message[] {
  if (turn.role === 'tool') {
    return turn.results.map(({ id, output }) => ({
      role: 'tool',
      tool_call_id: id,
      content: output,
    }))
  }
  if (turn.role === 'assistant') return [{ role: 'assistant', content: turn.text ?? '' }]
  const { text, image } = turn
  if (image === undefined) return [{ role: 'user', content: text }]
  const url = `data:${image.type};base64,${image.data}`
  return [
    {
      role: 'user',
      content: [
        { type: 'text', text },
        { type: 'image_url', image_url: { url } },
      ],
    },
  ]
}

function paramsOf(ask: Ask, model: string) {
  return {
    model,
    ...(ask.tools === undefined
      ? {}
      : { tools: ask.tools.map((tool) => ({ type: 'function' as const, function: { ...tool } })) }),
    ...(ask.mustCall === true ? { tool_choice: 'required' as const } : {}),
    ...(ask.schema === undefined
      ? {}
      : {
          response_format: {
            type: 'json_schema' as const,
            json_schema: { name: 'answer', schema: ask.schema, strict: true },
          },
        }),
    ...(ask.stop === undefined ? {} : { stop: [...ask.stop] }),
    ...(ask.maxTokens === undefined ? {} : { max_completion_tokens: ask.maxTokens }),
    ...(ask.effort === undefined ? {} : { reasoning_effort: ask.effort }),
  }
}

/** The message as users put it back, with whatever the answer had beyond the SDK's types. */
function again({ choices }: OpenAI.Chat.ChatCompletion): Message {
  const { parsed: _, ...message } = choices[0]!.message as unknown as JsonObject
  const calls = message['tool_calls'] as { function: JsonObject }[] | undefined
  for (const call of calls ?? []) delete call.function['parsed_arguments']
  return message as unknown as Message
}

function heardOf({ choices, usage }: OpenAI.Chat.ChatCompletion): Heard {
  const { message, finish_reason: reason } = choices[0]!
  const calls = (message.tool_calls ?? []).flatMap((call) => {
    if (call.type !== 'function') return []
    const { name, arguments: input } = call.function
    return [{ id: call.id, name, arguments: JSON.parse(input) as JsonObject }]
  })
  const { reasoning_content: thought = '' } = message as Thinking
  return {
    text: message.content ?? '',
    thought,
    calls,
    finish:
      message.refusal === null || message.refusal === undefined
        ? finishOf(FINISHES, reason)
        : 'contentFilter',
    usage: {
      input: usage?.prompt_tokens ?? -1,
      output: usage?.completion_tokens ?? -1,
      cached: usage?.prompt_tokens_details?.cached_tokens ?? 0,
      reasoning: usage?.completion_tokens_details?.reasoning_tokens ?? 0,
    },
  }
}
