import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI, type GenerateContentResponse } from '@google/genai'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import OpenAI from 'openai'
import type { CodecName } from '#core/dialects/hub/conversation.ts'
import type { FinishReason } from '#core/dialects/hub/answer.ts'
import type { OutEvent } from '#core/dialects/hub/stream.ts'
import type { Json } from '#core/kit/json.ts'
import { formatEvent } from '#core/kit/sse.ts'

/** What an official client made of an answer. */
export interface Seen {
  readonly text: string
  readonly calls: readonly { readonly name: string; readonly arguments: unknown }[]
  readonly finish: FinishClass
  readonly input: number
  readonly output: number
  /** Of the input, what was read from a cache. */
  readonly cached: number
}

/** What all dialects can tell apart. */
export type FinishClass = 'stop' | 'tool' | 'length' | 'contentFilter' | 'other'

/** The class of the hub's reason. */
export function classOf(reason: FinishReason | undefined): FinishClass {
  if (reason === 'stop' || reason === 'stopSequence') return 'stop'
  if (reason === 'tool' || reason === 'contentFilter') return reason
  return reason === 'length' || reason === 'context' ? 'length' : 'other'
}

/** Serves one answer to whatever is asked, as a gateway would send it. */
export class OneAnswer {
  readonly #server: Server
  #answer: { readonly type: string; readonly body: string } = { type: '', body: '' }

  constructor() {
    this.#server = createServer((req, res) => {
      req.resume()
      res.writeHead(200, { 'content-type': this.#answer.type })
      res.end(this.#answer.body)
    })
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  json(body: Json): void {
    this.#answer = { type: 'application/json', body: JSON.stringify(body) }
  }

  events(events: readonly OutEvent[]): void {
    const body = events.map(({ event, data }) => formatEvent(event, data)).join('')
    this.#answer = { type: 'text/event-stream', body }
  }

  text(type: string, body: string): void {
    this.#answer = { type, body }
  }
}

/** Reads what the server has, as the dialect's own SDK does. */
export async function seenBy(dialect: CodecName, url: string, stream: boolean): Promise<Seen> {
  switch (dialect) {
    case 'openai-chat':
      return seenByChat(url, stream)
    case 'openai-responses':
      return seenByResponses(url, stream)
    case 'anthropic':
      return seenByAnthropic(url, stream)
    default:
      return seenByGemini(url, stream)
  }
}

async function seenByResponses(url: string, stream: boolean): Promise<Seen> {
  const client = new OpenAI({ apiKey: 'k', baseURL: `${url}/v1`, maxRetries: 0 })
  const params = { model: 'm', input: 'Hi' }
  const response = stream
    ? await client.responses.stream(params).finalResponse()
    : await client.responses.create(params)
  const calls = response.output.flatMap((item) =>
    item.type === 'function_call'
      ? [{ name: item.name, arguments: JSON.parse(item.arguments) as unknown }]
      : item.type === 'custom_tool_call'
        ? [{ name: item.name, arguments: item.input }]
        : [],
  )
  const cut = response.incomplete_details?.reason
  const isRefusal = response.output.some(
    (item) => item.type === 'message' && item.content.some(({ type }) => type === 'refusal'),
  )
  const finish =
    response.status === 'incomplete'
      ? cut === 'max_output_tokens'
        ? 'length'
        : cut === 'content_filter'
          ? 'contentFilter'
          : 'other'
      : response.status !== 'completed'
        ? 'other'
        : calls.length > 0
          ? 'tool'
          : isRefusal
            ? 'contentFilter'
            : 'stop'
  return {
    text: response.output_text,
    calls,
    finish,
    input: response.usage?.input_tokens ?? 0,
    output: response.usage?.output_tokens ?? 0,
    cached: response.usage?.input_tokens_details.cached_tokens ?? 0,
  }
}

const GEMINI_CLASSES: Readonly<Record<string, FinishClass>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  SAFETY: 'contentFilter',
}

async function seenByGemini(url: string, stream: boolean): Promise<Seen> {
  const client = new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl: url } })
  const params = { model: 'm', contents: 'Hi' }
  const events: GenerateContentResponse[] = []
  if (stream) {
    for await (const event of await client.models.generateContentStream(params)) events.push(event)
  } else events.push(await client.models.generateContent(params))
  const parts = events.flatMap((event) => event.candidates?.[0]?.content?.parts ?? [])
  const calls = parts.flatMap(({ functionCall }) =>
    functionCall === undefined
      ? []
      : [{ name: functionCall.name ?? '', arguments: functionCall.args }],
  )
  const reason = events.findLast((event) => event.candidates?.[0]?.finishReason !== undefined)
  const finish = GEMINI_CLASSES[reason?.candidates?.[0]?.finishReason ?? ''] ?? 'other'
  const usage = events.at(-1)?.usageMetadata
  return {
    text: parts.map((part) => (part.thought === true ? '' : (part.text ?? ''))).join(''),
    calls,
    finish: finish === 'stop' && calls.length > 0 ? 'tool' : finish,
    input: usage?.promptTokenCount ?? 0,
    output: (usage?.candidatesTokenCount ?? 0) + (usage?.thoughtsTokenCount ?? 0),
    cached: usage?.cachedContentTokenCount ?? 0,
  }
}

const CHAT_CLASSES: Readonly<Record<string, FinishClass>> = {
  stop: 'stop',
  tool_calls: 'tool',
  length: 'length',
  content_filter: 'contentFilter',
}

async function seenByChat(url: string, stream: boolean): Promise<Seen> {
  const client = new OpenAI({ apiKey: 'k', baseURL: `${url}/v1`, maxRetries: 0 })
  const params = { model: 'm', messages: [{ role: 'user' as const, content: 'Hi' }] }
  const completion = stream
    ? await client.chat.completions.stream(params).finalChatCompletion()
    : await client.chat.completions.create(params)
  const [choice] = completion.choices
  return {
    text: choice?.message.content ?? '',
    calls: (choice?.message.tool_calls ?? []).map((call) =>
      call.type === 'function'
        ? { name: call.function.name, arguments: JSON.parse(call.function.arguments) as unknown }
        : { name: call.custom.name, arguments: call.custom.input },
    ),
    finish: CHAT_CLASSES[choice?.finish_reason ?? ''] ?? 'other',
    input: completion.usage?.prompt_tokens ?? 0,
    output: completion.usage?.completion_tokens ?? 0,
    cached: completion.usage?.prompt_tokens_details?.cached_tokens ?? 0,
  }
}

const ANTHROPIC_CLASSES: Readonly<Record<string, FinishClass>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  tool_use: 'tool',
  max_tokens: 'length',
  refusal: 'contentFilter',
}

async function seenByAnthropic(url: string, stream: boolean): Promise<Seen> {
  const client = new Anthropic({ apiKey: 'k', baseURL: url, maxRetries: 0 })
  const params = {
    model: 'm',
    max_tokens: 100,
    messages: [{ role: 'user' as const, content: 'Hi' }],
  }
  const message = stream
    ? await client.messages.stream(params).finalMessage()
    : await client.messages.create(params)
  const { usage } = message
  return {
    text: message.content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    calls: message.content.flatMap((block) =>
      block.type === 'tool_use' ? [{ name: block.name, arguments: block.input }] : [],
    ),
    finish: ANTHROPIC_CLASSES[message.stop_reason ?? ''] ?? 'other',
    input:
      usage.input_tokens +
      (usage.cache_read_input_tokens ?? 0) +
      (usage.cache_creation_input_tokens ?? 0),
    output: usage.output_tokens,
    cached: usage.cache_read_input_tokens ?? 0,
  }
}
