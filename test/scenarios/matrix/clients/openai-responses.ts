import OpenAI from 'openai'
import type { JsonObject } from '#core/kit/json.ts'
import type { Ask, Turn } from '../../../support/replay/conversation.ts'
import type { Client, Heard } from './client.ts'
import { openaiFault } from './openai-chat.ts'

type Item = OpenAI.Responses.ResponseInputItem

/** The Responses API by `openai`, keeping the conversation itself (`store: false`). */
export const openaiResponses: Client = {
  name: 'openai, responses',
  dialect: 'openai-responses',
  async ask(ask, { url, model, stream, history }) {
    const client = new OpenAI({ apiKey: 'k', baseURL: `${url}/v1`, maxRetries: 0 })
    const input = [...((history ?? []) as Item[]), ...ask.turns.flatMap(itemsOf)]
    const params = { ...paramsOf(ask, model), input }
    const response = stream
      ? await client.responses.stream(params).finalResponse()
      : await client.responses.create(params)
    return { heard: heardOf(response), history: [...input, ...response.output.map(again)] }
  },
  faultOf: openaiFault,
  headersOf: (error) => (error as { headers?: Headers }).headers,
}

function itemsOf(turn: Turn): Item[] {
  if (turn.role === 'tool') {
    return turn.results.map(({ id, output }) => ({
      type: 'function_call_output',
      call_id: id,
      output,
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
        { type: 'input_text', text },
        { type: 'input_image', image_url: url, detail: 'auto' },
      ],
    },
  ]
}

function paramsOf(ask: Ask, model: string) {
  return {
    model,
    store: false,
    ...(ask.system === undefined ? {} : { instructions: ask.system }),
    ...(ask.tools === undefined
      ? {}
      : {
          tools: ask.tools.map((tool) => ({ type: 'function' as const, ...tool, strict: false })),
        }),
    ...(ask.mustCall === true ? { tool_choice: 'required' as const } : {}),
    ...(ask.schema === undefined
      ? {}
      : {
          text: {
            format: {
              type: 'json_schema' as const,
              name: 'answer',
              schema: ask.schema,
              strict: true,
            },
          },
        }),
    ...(ask.maxTokens === undefined ? {} : { max_output_tokens: ask.maxTokens }),
    ...(ask.effort === undefined
      ? {}
      : {
          reasoning: { effort: ask.effort, summary: 'auto' as const },
          include: ['reasoning.encrypted_content' as const],
        }),
  }
}

/** The item as users put it back. */
function again(item: OpenAI.Responses.ResponseOutputItem): Item {
  const { parsed_arguments: _, ...plain } = item as unknown as JsonObject
  const content = plain['content'] as JsonObject[] | undefined
  for (const part of content ?? []) delete part['parsed']
  return plain as unknown as Item
}

function heardOf(response: OpenAI.Responses.Response): Heard {
  const { output, usage, status, incomplete_details: cut } = response
  const calls = output.flatMap((item) =>
    item.type === 'function_call'
      ? [{ id: item.call_id, name: item.name, arguments: JSON.parse(item.arguments) as JsonObject }]
      : [],
  )
  const isRefused = output.some(
    (item) => item.type === 'message' && item.content.some(({ type }) => type === 'refusal'),
  )
  const thoughts = output.flatMap((item) =>
    item.type === 'reasoning' ? item.summary.map(({ text }) => text) : [],
  )
  return {
    text: response.output_text,
    thought: thoughts.join(''),
    calls,
    finish: finish(status, cut?.reason, calls.length > 0, isRefused),
    usage: {
      input: usage?.input_tokens ?? -1,
      output: usage?.output_tokens ?? -1,
      cached: usage?.input_tokens_details?.cached_tokens ?? 0,
      reasoning: usage?.output_tokens_details?.reasoning_tokens ?? 0,
    },
  }
}

function finish(
  status: string | undefined,
  cut: string | undefined,
  calls: boolean,
  isRefused: boolean,
): Heard['finish'] {
  if (isRefused || cut === 'content_filter') return 'contentFilter'
  if (status === 'incomplete') return cut === 'max_output_tokens' ? 'length' : 'other'
  if (status !== 'completed') return 'other'
  return calls ? 'tool' : 'stop'
}
