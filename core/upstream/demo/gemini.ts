import type { JsonObject } from '../../kit/json.ts'
import { formatEvent } from '../../kit/sse.ts'
import type { Reply } from './reply.ts'
import { tokensOf } from './tokens.ts'
import type { Speech, Voice } from './voice.ts'

/** `generateContent` and `streamGenerateContent`. */
export const geminiVoice: Voice = {
  whole: (speech) => geminiAnswer(speech, partOf(speech), speech.reply.outputTokens, true),

  *events(speech) {
    for (const answer of geminiAnswers(speech)) yield formatEvent(undefined, JSON.stringify(answer))
  },
}

/**
 * The answers of one stream: text piece by piece, a call whole. Each counts what was said so far; the last one has
 * the finish reason.
 */
export function* geminiAnswers(speech: Speech): Generator<JsonObject> {
  const { reply } = speech
  if (reply.call !== undefined) {
    yield geminiAnswer(speech, partOf(speech), reply.outputTokens, false)
  } else {
    let bytes = 0
    for (const piece of speech.pieces()) {
      bytes += Buffer.byteLength(piece)
      yield geminiAnswer(speech, { text: piece }, tokensOf(bytes), false)
    }
  }
  yield geminiAnswer(speech, { text: '' }, reply.outputTokens, true)
}

function geminiAnswer(
  { id, model, reply }: Speech,
  part: JsonObject,
  outputTokens: number,
  isLast: boolean,
): JsonObject {
  const content = { parts: [part], role: 'model' }
  // Also after a call the reason is STOP.
  const finish = isLast ? { finishReason: reply.isCut ? 'MAX_TOKENS' : 'STOP' } : {}
  return {
    candidates: [{ content, ...finish, index: 0 }],
    usageMetadata: usageOf(reply, outputTokens),
    modelVersion: model,
    responseId: id,
  }
}

function partOf({ id, reply: { call, text } }: Speech): JsonObject {
  if (call === undefined) return { text }
  const args = JSON.parse(call.json) as JsonObject
  return { functionCall: { id: `call_${id}`, name: call.name, args } }
}

function usageOf({ inputTokens }: Reply, outputTokens: number): JsonObject {
  return {
    promptTokenCount: inputTokens,
    candidatesTokenCount: outputTokens,
    totalTokenCount: inputTokens + outputTokens,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: inputTokens }],
  }
}
