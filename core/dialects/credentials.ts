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
