/**
 * Every header in which some API's clients present a credential. All of them are taken off whatever the dialect:
 * a key for the gateway in another API's header must not reach a provider either.
 */
export const CREDENTIAL_HEADERS: readonly string[] = [
  'authorization',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'cookie',
]

/** How browsers present a key to OpenAI's realtime API, as they cannot set header fields on a WebSocket: as a protocol. */
export const KEY_PROTOCOL = 'openai-insecure-api-key.'

/** The protocols that a WebSocket client offers, without one that is a key; empty where none is left. */
export function withoutKeyProtocol(protocols: string): string {
  if (!protocols.includes(KEY_PROTOCOL)) return protocols
  const names = protocols.split(',').map((name) => name.trim())
  return names.filter((name) => !name.startsWith(KEY_PROTOCOL)).join(', ')
}
