import type { Codec } from '../hub/codec.ts'
import { decodeGeminiAnswer, encodeGeminiAnswer } from './gemini-answer.ts'
import { decodeGeminiRequest } from './gemini-decode.ts'
import { encodeGeminiRequest, geminiDestination } from './gemini-encode.ts'
import { decodeGeminiError, encodeGeminiError } from './gemini-errors.ts'
import { GeminiStreamDecoder } from './gemini-stream-decoder.ts'
import { GeminiStreamEncoder } from './gemini-stream-encoder.ts'

/** Gemini `generateContent` and `streamGenerateContent`, in both directions. */
export const geminiCodec: Codec = {
  name: 'gemini',
  decodeRequest: decodeGeminiRequest,
  encodeRequest: encodeGeminiRequest,
  destination: geminiDestination,
  decodeAnswer: decodeGeminiAnswer,
  encodeAnswer: encodeGeminiAnswer,
  streamDecoder: (crossing) => new GeminiStreamDecoder(crossing),
  streamEncoder: (crossing) => new GeminiStreamEncoder(crossing),
  decodeError: decodeGeminiError,
  encodeError: encodeGeminiError,
}
