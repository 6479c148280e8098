import type { Codec } from '../hub/codec.ts'
import { decodeMessageAnswer, encodeMessageAnswer } from './anthropic-answer.ts'
import { decodeMessagesRequest } from './anthropic-decode.ts'
import { encodeMessagesRequest } from './anthropic-encode.ts'
import { decodeMessageError, encodeMessageError } from './anthropic-errors.ts'
import { messageStreamDecoder } from './anthropic-stream-decode.ts'
import { messageStreamEncoder } from './anthropic-stream-encode.ts'

/** The version that all models and compatible servers know; the one after it takes no sampling parameters at all. */
const VERSION = '2023-06-01'

/** Anthropic Messages. */
export const anthropicCodec: Codec = {
  name: 'anthropic',
  decodeRequest: decodeMessagesRequest,
  encodeRequest: encodeMessagesRequest,
  destination: () => ({
    path: '/v1/messages',
    query: '',
    headers: { 'anthropic-version': VERSION },
  }),
  decodeAnswer: decodeMessageAnswer,
  encodeAnswer: encodeMessageAnswer,
  streamDecoder: messageStreamDecoder,
  streamEncoder: messageStreamEncoder,
  decodeError: decodeMessageError,
  encodeError: encodeMessageError,
}
