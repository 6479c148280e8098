import type { UpstreamCodec } from '../hub/codec.ts'
import { decodeCohereAnswer, decodeCohereError } from './cohere-answer.ts'
import { encodeCohereRequest } from './cohere-encode.ts'
import { cohereStreamDecoder } from './cohere-stream.ts'

/** Cohere's second API. */
export const cohereCodec: UpstreamCodec = {
  name: 'cohere',
  encodeRequest: encodeCohereRequest,
  destination: () => ({ path: '/v2/chat', query: '', headers: {} }),
  decodeAnswer: decodeCohereAnswer,
  streamDecoder: cohereStreamDecoder,
  decodeError: decodeCohereError,
}
