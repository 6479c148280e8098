import type { UpstreamCodec } from '../hub/codec.ts'
import { decodeBedrockAnswer, decodeBedrockError } from './bedrock-answer.ts'
import { bedrockDestination, encodeBedrockRequest } from './bedrock-encode.ts'
import { bedrockStreamDecoder } from './bedrock-stream.ts'

/** Amazon Bedrock's Converse and ConverseStream, whatever the model behind them. */
export const bedrockCodec: UpstreamCodec = {
  name: 'bedrock',
  encodeRequest: encodeBedrockRequest,
  destination: bedrockDestination,
  decodeAnswer: decodeBedrockAnswer,
  streamDecoder: bedrockStreamDecoder,
  decodeError: decodeBedrockError,
}
