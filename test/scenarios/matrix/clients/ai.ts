import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogle } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import {
  APICallError,
  generateText,
  jsonSchema,
  type LanguageModel,
  type LanguageModelUsage,
  type ModelMessage,
  Output,
  streamText,
  tool,
  type ToolSet,
} from 'ai'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { JsonObject } from '#core/kit/json.ts'
import type { Ask, Turn } from '../../../support/replay/conversation.ts'
import { type Client, type Fault, finishOf, type Finishes, type Heard } from './client.ts'

// It says on stderr what a model that it does not know might not do.
globalThis.AI_SDK_LOG_WARNINGS = false

const FINISHES: Finishes = {
  stop: 'stop',
  'tool-calls': 'tool',
  length: 'length',
  'content-filter': 'contentFilter',
}

/** The Vercel AI SDK with each of its providers. */
export const aiClients: readonly Client[] = [
  clientOf('openai', 'openai-responses', (url, model) =>
    createOpenAI({ apiKey: 'k', baseURL: `${url}/v1` })(model),
  ),
  clientOf('openai.chat', 'openai-chat', (url, model) =>
    createOpenAI({ apiKey: 'k', baseURL: `${url}/v1` }).chat(model),
  ),
  clientOf('openai-compatible', 'openai-chat', (url, model) =>
    createOpenAICompatible({
      name: 'gateway',
      apiKey: 'k',
      baseURL: `${url}/v1`,
      includeUsage: true,
      supportsStructuredOutputs: true,
    })(model),
  ),
  clientOf('anthropic', 'anthropic', (url, model) =>
    createAnthropic({ apiKey: 'k', baseURL: `${url}/v1` })(model),
  ),
  clientOf('google', 'gemini', (url, model) =>
    createGoogle({ apiKey: 'k', baseURL: `${url}/v1beta` })(model),
  ),
]

function clientOf(
  provider: string,
  dialect: LlmDialect,
  modelOf: (url: string, model: string) => LanguageModel,
): Client {
  return {
    name: `ai, ${provider}`,
    dialect,
    async ask(ask, { url, model, stream, history }) {
      const messages = [...((history ?? []) as ModelMessage[]), ...ask.turns.map(messageOf)]
      const params = { ...paramsOf(ask), model: modelOf(url, model), messages }
      const result = stream ? await streamed(params) : await generateText(params)
      const { text, reasoningText, toolCalls, finishReason, usage, responseMessages } = result
      const calls = toolCalls.map(({ toolCallId: id, toolName: name, input }) => ({
        id,
        name,
        arguments: input as JsonObject,
      }))
      const heard: Heard = {
        text,
        thought: reasoningText ?? '',
        calls,
        finish: finishOf(FINISHES, finishReason),
        usage: tokensOf(usage),
      }
      return { heard, history: [...messages, ...responseMessages] }
    },
    faultOf,
    headersOf: (error) =>
      APICallError.isInstance(error) ? new Headers(error.responseHeaders) : undefined,
  }
}

/** The whole of a stream, which tells an error as one of its parts. */
async function streamed(params: Parameters<typeof streamText>[0]) {
  const result = streamText({ ...params, onError: () => {} })
  for await (const part of result.stream) if (part.type === 'error') throw streamError(part.error)
  return {
    text: await result.text,
    reasoningText: await result.reasoningText,
    toolCalls: await result.toolCalls,
    finishReason: await result.finishReason,
    usage: await result.usage,
    responseMessages: await result.responseMessages,
  }
}

/** What came within a stream is no error of the call itself. */
class StreamError extends Error {}

function streamError(error: unknown): unknown {
  return APICallError.isInstance(error) && error.statusCode !== 200
    ? error
    : new StreamError('told within the stream', { cause: error })
}

function faultOf(error: unknown): Fault {
  if (error instanceof StreamError) return 'stream'
  if (!APICallError.isInstance(error)) return { unexpected: error }
  if (error.statusCode === 400) return 'badRequest'
  if (error.statusCode === 429) return 'rateLimit'
  return (error.statusCode ?? 0) >= 500 ? 'server' : { unexpected: error }
}

function paramsOf(ask: Ask) {
  return {
    maxRetries: 0,
    // By default it refers to what the provider has stored of the turns before.
    providerOptions: { openai: { store: false } },
    ...(ask.system === undefined ? {} : { instructions: ask.system }),
    ...(ask.tools === undefined ? {} : { tools: toolsOf(ask.tools) }),
    ...(ask.mustCall === true ? { toolChoice: 'required' as const } : {}),
    ...(ask.schema === undefined
      ? {}
      : { output: Output.object({ schema: jsonSchema(ask.schema), name: 'answer' }) }),
    ...(ask.stop === undefined ? {} : { stopSequences: [...ask.stop] }),
    ...(ask.maxTokens === undefined ? {} : { maxOutputTokens: ask.maxTokens }),
    ...(ask.effort === undefined ? {} : { reasoning: ask.effort }),
  }
}

function toolsOf(tools: NonNullable<Ask['tools']>): ToolSet {
  return Object.fromEntries(
    tools.map(({ name, description, parameters }) => [
      name,
      tool({ description, inputSchema: jsonSchema(parameters) }),
    ]),
  )
}

function messageOf(turn: Turn): ModelMessage {
  if (turn.role === 'assistant') return { role: 'assistant', content: turn.text ?? '' }
  if (turn.role === 'tool') {
    return {
      role: 'tool',
      content: turn.results.map(({ id, name, output }) => ({
        type: 'tool-result',
        toolCallId: id,
        toolName: name,
        output: { type: 'text', value: output },
      })),
    }
  }
  const { text, image } = turn
  if (image === undefined) return { role: 'user', content: text }
  return {
    role: 'user',
    content: [
      { type: 'text', text },
      { type: 'file', data: image.data, mediaType: image.type },
    ],
  }
}

function tokensOf({
  inputTokens,
  outputTokens,
  inputTokenDetails,
  outputTokenDetails,
}: LanguageModelUsage) {
  return {
    input: inputTokens ?? -1,
    output: outputTokens ?? -1,
    cached: inputTokenDetails.cacheReadTokens ?? 0,
    reasoning: outputTokenDetails.reasoningTokens ?? 0,
  }
}
