import type { UpstreamCodec } from '../hub/codec.ts'
import { decodeOllamaAnswer, decodeOllamaError, ollamaStreamDecoder } from './ollama-answer.ts'
import { encodeOllamaRequest } from './ollama-encode.ts'

/** Ollama's own API. */
export const ollamaCodec: UpstreamCodec = {
  name: 'ollama',
  encodeRequest: encodeOllamaRequest,
  destination: () => ({ path: '/api/chat', query: '', headers: {} }),
  decodeAnswer: decodeOllamaAnswer,
  streamDecoder: ollamaStreamDecoder,
  decodeError: decodeOllamaError,
}
