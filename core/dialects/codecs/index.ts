import type { Codec, UpstreamCodec } from '../hub/codec.ts'
import type { CodecName, TargetName } from '../hub/conversation.ts'
import { anthropicCodec } from './anthropic.ts'
import { bedrockCodec } from './bedrock.ts'
import { cohereCodec } from './cohere.ts'
import { geminiCodec } from './gemini.ts'
import { mistralCodec } from './mistral.ts'
import { ollamaCodec } from './ollama.ts'
import { openaiChatCodec } from './openai-chat.ts'
import { openaiResponsesCodec } from './openai-responses.ts'

/** The codecs between which the hub stands: a request goes from any to any through `HubRequest`. */
export const CODECS: Readonly<Record<CodecName, Codec>> = {
  'openai-chat': openaiChatCodec,
  'openai-responses': openaiResponsesCodec,
  anthropic: anthropicCodec,
  gemini: geminiCodec,
}

const UPSTREAM_CODECS: Readonly<Record<TargetName, UpstreamCodec>> = {
  ...CODECS,
  bedrock: bedrockCodec,
  cohere: cohereCodec,
  mistral: mistralCodec,
  ollama: ollamaCodec,
}

/** The codec of an upstream's dialect. */
export function upstreamCodec(name: TargetName): UpstreamCodec {
  return UPSTREAM_CODECS[name]
}
