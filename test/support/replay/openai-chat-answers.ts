import type { Json, JsonObject } from '#core/kit/json.ts'
import { type AnswerForm, dataFrame } from './answer-form.ts'
import { type Call, type Finish, pieces, type Tokens } from './conversation.ts'

const FINISH: Readonly<Record<Finish, string>> = {
  stop: 'stop',
  tool: 'tool_calls',
  length: 'length',
  contentFilter: 'stop',
}

/** Answers of Chat Completions. Thoughts are told as DeepSeek and vLLM do. */
export const openaiChatAnswers: AnswerForm = {
  plain(said, request) {
    const { text, thought, calls, refusal, usage } = said
    return {
      id: 'chatcmpl-9Xk2',
      object: 'chat.completion',
      created: 1_764_000_000,
      model: request['model']!,
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: text ?? null,
            refusal: refusal ?? null,
            annotations: [],
            ...(thought === undefined ? {} : { reasoning_content: thought.text }),
            ...(calls === undefined ? {} : { tool_calls: calls.map(wholeCall) }),
          },
          logprobs: null,
          finish_reason: FINISH[said.finish],
        },
      ],
      usage: usageOf(usage),
      service_tier: 'default',
      system_fingerprint: 'fp_1a2b3c',
    }
  },

  frames(said, request) {
    const options = request['stream_options'] as { include_usage?: boolean } | undefined
    const wantsUsage = options?.include_usage === true
    const chunk = (choices: Json[], usage: Json = null) =>
      dataFrame({
        id: 'chatcmpl-9Xk2',
        object: 'chat.completion.chunk',
        created: 1_764_000_000,
        model: request['model']!,
        service_tier: 'default',
        system_fingerprint: 'fp_1a2b3c',
        choices,
        ...(wantsUsage ? { usage } : {}),
        obfuscation: 'x7Qp',
      })
    const delta = (fields: JsonObject, finish: Json = null) =>
      chunk([{ index: 0, delta: fields, logprobs: null, finish_reason: finish }])
    return [
      delta({ role: 'assistant', content: said.calls === undefined ? '' : null, refusal: null }),
      ...pieces(said.thought?.text ?? '').map((piece) => delta({ reasoning_content: piece })),
      ...pieces(said.text ?? '').map((piece) => delta({ content: piece })),
      ...pieces(said.refusal ?? '').map((piece) => delta({ refusal: piece })),
      ...(said.calls ?? []).flatMap((call, index) =>
        piecesOfCall(call, index).map((piece) => delta({ tool_calls: [piece] })),
      ),
      delta({}, FINISH[said.finish]),
      ...(wantsUsage ? [chunk([], usageOf(said.usage))] : []),
      'data: [DONE]\n\n',
    ]
  },

  refusedRequest: (message) => ({
    status: 400,
    body: { error: { message, type: 'invalid_request_error', param: null, code: null } },
  }),

  rateLimit: () => ({
    status: 429,
    headers: { 'retry-after': '7', 'retry-after-ms': '6500', 'x-ratelimit-reset-tokens': '6.5s' },
    body: {
      error: {
        message: 'Rate limit reached for gpt-4.1 on tokens per min',
        type: 'tokens',
        param: null,
        code: 'rate_limit_exceeded',
      },
    },
  }),

  serverError: () => ({
    status: 500,
    body: {
      error: {
        message: 'The server had an error while processing your request',
        type: 'server_error',
        param: null,
        code: null,
      },
    },
  }),

  errorFrame: () =>
    dataFrame({
      error: { message: 'The server is overloaded', type: 'server_error', param: null, code: null },
    }),
}

function wholeCall({ id, name, arguments: input }: Call): JsonObject {
  return { id, type: 'function', function: { name, arguments: JSON.stringify(input) } }
}

function piecesOfCall({ id, name, arguments: input }: Call, index: number): JsonObject[] {
  return [
    { index, id, type: 'function', function: { name, arguments: '' } },
    ...pieces(JSON.stringify(input)).map((piece) => ({ index, function: { arguments: piece } })),
  ]
}

function usageOf({ input, output, cached = 0, reasoning = 0 }: Tokens): JsonObject {
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: cached, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}
