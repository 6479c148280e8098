import type { Codec } from '../hub/codec.ts'
import { decodeChatAnswer, encodeChatAnswer } from './openai-chat-answer.ts'
import { decodeChatRequest } from './openai-chat-decode.ts'
import { encodeChatRequest } from './openai-chat-encode.ts'
import { decodeChatError, encodeChatError } from './openai-chat-errors.ts'
import { chatStreamDecoder } from './openai-chat-stream-decode.ts'
import { chatStreamEncoder } from './openai-chat-stream-encode.ts'

/** OpenAI Chat Completions, and the many servers that speak it. */
export const openaiChatCodec: Codec = {
  name: 'openai-chat',
  decodeRequest: decodeChatRequest,
  encodeRequest: encodeChatRequest,
  destination: () => ({ path: '/v1/chat/completions', query: '', headers: {} }),
  decodeAnswer: decodeChatAnswer,
  encodeAnswer: encodeChatAnswer,
  streamDecoder: chatStreamDecoder,
  streamEncoder: chatStreamEncoder,
  decodeError: decodeChatError,
  encodeError: encodeChatError,
}
