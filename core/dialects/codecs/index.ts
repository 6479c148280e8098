import type { Codec, UpstreamCodec } from '../hub/codec.ts'
import type { CodecName, TargetName } from '../hub/conversation.ts'
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

/** The codec of an upstream's dialect. Throws a RangeError for one that nothing is converted to. */
export function upstreamCodec(name: TargetName): UpstreamCodec {
  const codec: UpstreamCodec | undefined = (CODECS as Partial<Record<TargetName, Codec>>)[name]
  if (codec === undefined) throw new RangeError(`nothing is converted to ${name}`)
  return codec
}
