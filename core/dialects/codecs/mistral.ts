import type { Json } from '../../kit/json.ts'
import { kindOfError, type HubError } from '../hub/answer.ts'
import type { UpstreamCodec } from '../hub/codec.ts'
import { compact, listOf, objectOf, stringOf } from '../hub/fields.ts'
import { encodeMistralRequest } from './mistral-encode.ts'
import { openaiChatCodec } from './openai-chat.ts'

/** Mistral's own API: answers are those of Chat Completions, with thoughts among the content. */
export const mistralCodec: UpstreamCodec = {
  name: 'mistral',
  encodeRequest: encodeMistralRequest,
  destination: () => ({ path: '/v1/chat/completions', query: '', headers: {} }),
  decodeAnswer: openaiChatCodec.decodeAnswer,
  streamDecoder: openaiChatCodec.streamDecoder,
  decodeError: decodeMistralError,
}

/**
 * Reads `{ object: "error", message, type, code }`, where the message may be an object, and `{ detail: [{ loc, msg }] }` of
 * the check before it.
 */
function decodeMistralError(status: number, body: Json | undefined): HubError {
  const error = objectOf(body)
  const details = listOf(error['detail'] ?? objectOf(error['message'])['detail']).map(objectOf)
  if (details.length === 0) return openaiChatCodec.decodeError(status, body)
  const message = details.map(({ loc, msg }) => `${pathOf(loc)}: ${stringOf(msg) ?? 'invalid'}`)
  return compact<HubError>({
    kind: kindOfError(status, message.join('; ')),
    status,
    message: message.join('; '),
    code: stringOf(error['type']),
    param: pathOf(details[0]?.['loc']),
  })
}

function pathOf(loc: Json | undefined): string {
  return listOf(loc)
    .map(String)
    .filter((segment) => segment !== 'body')
    .join('.')
}
