import type { Codec } from '../hub/codec.ts'
import type { CodecName } from '../hub/conversation.ts'
import { anthropicCodec } from './anthropic.ts'
import { geminiCodec } from './gemini.ts'
import { openaiChatCodec } from './openai-chat.ts'
import { openaiResponsesCodec } from './openai-responses.ts'

/** The codecs between which the hub stands: a request goes from any to any through `HubRequest`. */
export const CODECS: Readonly<Record<CodecName, Codec>> = {
  'openai-chat': openaiChatCodec,
  'openai-responses': openaiResponsesCodec,
  anthropic: anthropicCodec,
  gemini: geminiCodec,
}
