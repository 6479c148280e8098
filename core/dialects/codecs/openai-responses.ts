import type { Codec } from '../hub/codec.ts'
import { decodeResponsesAnswer, encodeResponsesAnswer } from './openai-responses-answer.ts'
import { decodeResponsesRequest } from './openai-responses-decode.ts'
import { encodeResponsesRequest } from './openai-responses-encode.ts'
import { decodeResponsesError, encodeResponsesError } from './openai-responses-errors.ts'
import { ResponsesStreamDecoder } from './openai-responses-stream-decoder.ts'
import { ResponsesStreamEncoder } from './openai-responses-stream-encoder.ts'

/** OpenAI Responses, in both directions. */
export const openaiResponsesCodec: Codec = {
  name: 'openai-responses',
  decodeRequest: decodeResponsesRequest,
  encodeRequest: encodeResponsesRequest,
  destination: () => ({ path: '/v1/responses', query: '', headers: {} }),
  decodeAnswer: decodeResponsesAnswer,
  encodeAnswer: encodeResponsesAnswer,
  streamDecoder: (crossing) => new ResponsesStreamDecoder(crossing),
  streamEncoder: (crossing) => new ResponsesStreamEncoder(crossing),
  decodeError: decodeResponsesError,
  encodeError: encodeResponsesError,
}
