import type { JsonObject } from '#core/kit/json.ts'
import { type AnswerForm, dataFrame } from './answer-form.ts'
import { type Finish, pieces, type Said, type Tokens } from './conversation.ts'

const FINISH: Readonly<Record<Finish, string>> = {
  stop: 'STOP',
  // Also for tool calls: only the parts tell.
  tool: 'STOP',
  length: 'MAX_TOKENS',
  contentFilter: 'SAFETY',
}

/** Answers of generateContent. `$model` is the model of the path, which the body doesn't have. */
export const geminiAnswers: AnswerForm = {
  plain: (said, request) =>
    answerOf(
      request,
      [...thoughtParts(said, said.thought?.text), ...textParts(said, said.text)].concat(
        callParts(said),
      ),
      said.usage,
      FINISH[said.finish],
    ),

  frames(said, request) {
    const { output: _, reasoning = 0, ...input } = said.usage
    const early = { ...input, output: reasoning, reasoning }
    const chunk = (parts: JsonObject[]) => dataFrame(answerOf(request, parts, early))
    return [
      ...pieces(said.thought?.text ?? '').map((piece) => chunk(thoughtParts(said, piece))),
      ...pieces(said.text ?? '').map((piece) => chunk([{ text: piece }])),
      ...callParts(said).map((part) => chunk([part])),
      // Since 3.5 the end has a chunk of its own, with the proof of a text's thoughts on an empty part.
      dataFrame(answerOf(request, textParts(said, ''), said.usage, FINISH[said.finish])),
    ]
  },

  refusedRequest: (message) => failure(400, 'INVALID_ARGUMENT', message),

  rateLimit: () => {
    const { status, body } = failure(429, 'RESOURCE_EXHAUSTED', 'You exceeded your current quota')
    const details = [
      { '@type': 'type.googleapis.com/google.rpc.QuotaFailure', violations: [] },
      { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '6.5s' },
    ]
    return { status, body: { error: { ...(body['error'] as JsonObject), details } } }
  },

  serverError: () => failure(500, 'INTERNAL', 'An internal error has occurred'),

  errorFrame: () => dataFrame(failure(503, 'UNAVAILABLE', 'The model is overloaded').body),
}

function failure(status: number, word: string, message: string) {
  return { status, body: { error: { code: status, message, status: word } } satisfies JsonObject }
}

function answerOf(
  request: JsonObject,
  parts: JsonObject[],
  { input, output, cached = 0, reasoning = 0 }: Tokens,
  finish?: string,
): JsonObject {
  return {
    candidates: [
      {
        content: { ...(parts.length === 0 ? {} : { parts }), role: 'model' },
        ...(finish === undefined ? {} : { finishReason: finish }),
        index: 0,
      },
    ],
    usageMetadata: {
      promptTokenCount: input,
      candidatesTokenCount: output - reasoning,
      totalTokenCount: input + output,
      promptTokensDetails: [{ modality: 'TEXT', tokenCount: input }],
      ...(cached === 0 ? {} : { cachedContentTokenCount: cached }),
      ...(reasoning === 0 ? {} : { thoughtsTokenCount: reasoning }),
    },
    modelVersion: request['$model'] ?? 'gemini',
    responseId: 'Kx7yZ',
  }
}

function thoughtParts(said: Said, text: string | undefined): JsonObject[] {
  return said.thought === undefined ? [] : [{ text: text ?? '', thought: true }]
}

/** Where a text follows thoughts, their proof is on it; where calls do, it is on the first of them. */
function textParts({ thought, calls, text: all }: Said, text: string | undefined): JsonObject[] {
  if (all === undefined || text === undefined) return []
  const isProof = thought !== undefined && calls === undefined
  return [{ text, ...(isProof ? { thoughtSignature: thought.proof } : {}) }]
}

function callParts({ thought, calls = [] }: Said): JsonObject[] {
  return calls.map(({ id, name, arguments: args }, index) => ({
    functionCall: { id, name, args },
    ...(index === 0 && thought !== undefined ? { thoughtSignature: thought.proof } : {}),
  }))
}
