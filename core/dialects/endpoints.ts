import type { Endpoint } from './dialect.ts'

type Row = readonly [methods: string, path: string, operation: string, header?: string]

/** Endpoints of the OpenAI API that stand around chat; they belong to the `openai-chat` dialect. */
export const OPENAI_ENDPOINTS = table([
  ['POST', '/v1/chat/completions', 'chat'],
  ['GET', '/v1/chat/completions', 'stored-chat'],
  ['GET POST DELETE', '/v1/chat/completions/*', 'stored-chat'],
  ['POST', '/v1/completions', 'completions'],
  ['POST', '/v1/embeddings', 'embeddings'],
  ['GET', '/v1/models', 'models'],
  ['GET DELETE', '/v1/models/{model}', 'models'],
  ['POST', '/v1/moderations', 'moderations'],
  ['POST', '/v1/images/generations', 'images'],
  ['POST', '/v1/images/edits', 'images'],
  ['POST', '/v1/images/variations', 'images'],
  ['POST', '/v1/audio/speech', 'speech'],
  ['POST', '/v1/audio/transcriptions', 'transcriptions'],
  ['POST', '/v1/audio/translations', 'translations'],
  ['GET POST', '/v1/files', 'files'],
  ['GET DELETE', '/v1/files/*', 'files'],
  ['POST', '/v1/uploads', 'files'],
  ['POST', '/v1/uploads/*', 'files'],
  ['GET POST', '/v1/batches', 'batches'],
  ['GET POST', '/v1/batches/*', 'batches'],
])

/** Endpoints of the OpenAI Responses API. */
export const RESPONSES_ENDPOINTS = table([
  ['POST', '/v1/responses', 'responses'],
  ['POST', '/v1/responses/compact', 'compact'],
  ['POST', '/v1/responses/input_tokens', 'count-tokens'],
  ['GET DELETE', '/v1/responses/{id}', 'stored-responses'],
  ['POST', '/v1/responses/{id}/cancel', 'stored-responses'],
  ['GET', '/v1/responses/{id}/input_items', 'stored-responses'],
])

/** Endpoints of the Anthropic API. */
export const ANTHROPIC_ENDPOINTS = table([
  ['POST', '/v1/messages', 'messages'],
  ['POST', '/v1/messages/count_tokens', 'count-tokens'],
  ['GET POST', '/v1/messages/batches', 'batches'],
  ['GET POST DELETE', '/v1/messages/batches/*', 'batches'],
  ['GET', '/v1/models', 'models', 'anthropic-version'],
  ['GET', '/v1/models/{model}', 'models', 'anthropic-version'],
  ['GET POST', '/v1/files', 'files', 'anthropic-version'],
  ['GET DELETE', '/v1/files/*', 'files', 'anthropic-version'],
])

/** Endpoints of the Gemini API, under both of its versions: the SDK calls `/v1` since 3.0, others `/v1beta`. */
export const GEMINI_ENDPOINTS = table([
  ...['/v1', '/v1beta'].flatMap((version): Row[] => [
    ['POST', `${version}/models/{model}:generateContent`, 'generate'],
    ['POST', `${version}/models/{model}:streamGenerateContent`, 'generate'],
    ['POST', `${version}/models/{model}:countTokens`, 'count-tokens'],
    ['POST', `${version}/models/{model}:embedContent`, 'embeddings'],
    ['POST', `${version}/models/{model}:batchEmbedContents`, 'embeddings'],
  ]),
  ['GET', '/v1/models', 'models', 'x-goog-api-key'],
  ['GET', '/v1/models/{model}', 'models', 'x-goog-api-key'],
  ['GET', '/v1beta/models', 'models'],
  ['GET', '/v1beta/models/{model}', 'models'],
])

function table(rows: readonly Row[]): readonly Endpoint[] {
  return rows.flatMap(([methods, path, operation, header]) =>
    methods.split(' ').map((method) => ({
      method: method as Endpoint['method'],
      path,
      operation,
      ...(header === undefined ? {} : { header }),
    })),
  )
}
