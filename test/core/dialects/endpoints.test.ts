import { describe, expect, it } from 'vitest'
import { DIALECTS, endpointOf, upstreamPath } from '#core/dialects/index.ts'

describe('endpointOf', () => {
  it.each([
    ['POST', '/v1/chat/completions', 'openai-chat', 'chat'],
    ['GET', '/v1/chat/completions/chatcmpl-1/messages', 'openai-chat', 'stored-chat'],
    ['POST', '/v1/completions', 'openai-chat', 'completions'],
    ['POST', '/v1/embeddings', 'openai-chat', 'embeddings'],
    ['GET', '/v1/models', 'openai-chat', 'models'],
    ['GET', '/v1/models/gpt-5-nano', 'openai-chat', 'models'],
    ['POST', '/v1/moderations', 'openai-chat', 'moderations'],
    ['POST', '/v1/images/edits', 'openai-chat', 'images'],
    ['POST', '/v1/audio/speech', 'openai-chat', 'speech'],
    ['POST', '/v1/audio/transcriptions', 'openai-chat', 'transcriptions'],
    ['GET', '/v1/files/file-1/content', 'openai-chat', 'files'],
    ['POST', '/v1/batches/batch_1/cancel', 'openai-chat', 'batches'],
    ['POST', '/v1/responses', 'openai-responses', 'responses'],
    ['POST', '/v1/responses/input_tokens', 'openai-responses', 'count-tokens'],
    ['GET', '/v1/responses/resp_1', 'openai-responses', 'stored-responses'],
    ['POST', '/v1/responses/resp_1/cancel', 'openai-responses', 'stored-responses'],
    ['GET', '/v1/responses/resp_1/input_items', 'openai-responses', 'stored-responses'],
    ['POST', '/v1/messages', 'anthropic', 'messages'],
    ['POST', '/v1/messages/count_tokens', 'anthropic', 'count-tokens'],
    ['GET', '/v1/messages/batches/msgbatch_1/results', 'anthropic', 'batches'],
    ['POST', '/v1/models/gemini-3:generateContent', 'gemini', 'generate'],
    ['POST', '/v1beta/models/gemini-3:streamGenerateContent', 'gemini', 'generate'],
    ['POST', '/v1beta/models/gemini-3:countTokens', 'gemini', 'count-tokens'],
    ['POST', '/v1/models/e:batchEmbedContents', 'gemini', 'embeddings'],
    ['GET', '/v1beta/models', 'gemini', 'models'],
  ])('knows %s %s as %s %s', (method, path, dialect, operation) => {
    expect(endpointOf(method, path)).toMatchObject({ dialect, endpoint: { operation } })
  })

  it.each([
    ['GET', '/v1/chat/completion'],
    ['PATCH', '/v1/messages'],
    ['POST', '/v1/models'],
    ['POST', '/v1/models/x:destroy'],
    ['POST', '/'],
    ['CONSTRUCTOR', '__proto__'],
  ])('does not know %s %s', (method, path) => {
    expect(endpointOf(method, path)).toBeUndefined()
  })

  it('gives the names in the path', () => {
    const known = endpointOf('POST', '/v1/models/gemini-2.5:latest:countTokens')
    expect({ ...known?.params }).toEqual({ model: 'gemini-2.5:latest' })
  })

  it.each(['/v1/models', '/v1/models/x'])('tells the clients of GET %s by a header', (path) => {
    const dialectOf = (headers: Record<string, string>) => endpointOf('GET', path, headers)?.dialect
    expect(dialectOf({})).toBe('openai-chat')
    expect(dialectOf({ 'anthropic-version': '2023-06-01' })).toBe('anthropic')
    expect(dialectOf({ 'x-goog-api-key': 'k' })).toBe('gemini')
  })

  it('finds every endpoint of every dialect under its own name', () => {
    for (const { name, endpoints } of Object.values(DIALECTS)) {
      for (const { method, path, operation, header } of endpoints) {
        const concrete = path.replaceAll(/\{\w+\}/g, 'x').replace('*', 'x/y')
        const known = endpointOf(method, concrete, header === undefined ? {} : { [header]: '1' })
        expect(known).toMatchObject({ dialect: name, endpoint: { operation } })
      }
    }
  })
})

describe('upstreamPath', () => {
  it.each([
    ['openai-chat', '/v1', '/v1/chat/completions', '/v1/chat/completions'],
    ['openai-chat', '/v1/', '/v1/models', '/v1/models'],
    ['openai-chat', '', '/v1/models', '/v1/models'],
    ['openai-chat', '/', '/v1/models', '/v1/models'],
    ['openai-responses', '/openai/v1', '/v1/responses', '/openai/v1/responses'],
    ['openai-chat', '/api/paas/v4', '/v1/chat/completions', '/api/paas/v4/chat/completions'],
    ['openai-chat', '/v1beta/openai', '/v1/embeddings', '/v1beta/openai/embeddings'],
    ['openai-chat', '/tenant', '/v1/chat/completions', '/tenant/v1/chat/completions'],
    ['openai-chat', '/v1', '/v10/x', '/v1/x'],
    ['openai-chat', '/v1', '/v1x/y', '/v1/v1x/y'],
    ['anthropic', '', '/v1/messages', '/v1/messages'],
    ['anthropic', '/anthropic', '/v1/messages', '/anthropic/v1/messages'],
    ['anthropic', '/anthropic/v1', '/v1/messages', '/anthropic/v1/messages'],
    ['anthropic', '/v1/account/anthropic', '/v1/messages', '/v1/account/anthropic/v1/messages'],
    ['gemini', '/', '/v1/models/m:generateContent', '/v1/models/m:generateContent'],
    ['gemini', '/v1beta', '/v1/models/m:countTokens', '/v1beta/models/m:countTokens'],
    [
      'gemini',
      '/v1/projects/p/locations/l/publishers/google',
      '/v1beta/models/m:generateContent',
      '/v1/projects/p/locations/l/publishers/google/models/m:generateContent',
    ],
    ['http', '/v1', '/v1/users', '/v1/v1/users'],
    ['http', '/api/', '/users', '/api/users'],
    ['http', '', '/', '/'],
  ] as const)('%s: %j and %j make %j', (dialect, base, path, whole) => {
    expect(upstreamPath(dialect, base, path)).toBe(whole)
  })
})

describe('what a request asks for', () => {
  const { gemini, anthropic, http } = DIALECTS

  it('is read from the body, or from the path where the dialect puts it there', () => {
    expect(DIALECTS['openai-chat'].modelOf('/v1/chat/completions', { model: 'm' })).toBe('m')
    expect(DIALECTS['openai-chat'].modelOf('/v1/models/m', undefined)).toBe('m')
    expect(DIALECTS['openai-responses'].modelOf('/v1/responses', { model: 7 })).toBeUndefined()
    expect(anthropic.modelOf('/v1/models/claude', undefined)).toBe('claude')
    expect(gemini.modelOf('/v1beta/models/m:generateContent', { model: 'x' })).toBe('m')
    expect(http.modelOf('/v1/models/m', { model: 'm' })).toBeUndefined()
  })

  it('is a stream by body, path or query, as the dialect has it', () => {
    expect(anthropic.isStreaming('/v1/messages', '', { stream: true })).toBe(true)
    expect(anthropic.isStreaming('/v1/messages', 'stream=true', { stream: 'true' })).toBe(false)
    expect(gemini.isStreaming('/v1/models/m:streamGenerateContent', '', undefined)).toBe(true)
    expect(gemini.isStreaming('/v1/models/m:generateContent', '', { stream: true })).toBe(false)
    const responses = DIALECTS['openai-responses']
    expect(responses.isStreaming('/v1/responses/r', 'a=1&stream=true', undefined)).toBe(true)
    expect(responses.isStreaming('/v1/responses/r', 'upstream=true', undefined)).toBe(false)
    expect(http.isStreaming('/', 'stream=true', { stream: true })).toBe(false)
  })
})

describe('authorize', () => {
  it.each([
    ['openai-chat', {}, { authorization: 'Bearer k' }],
    ['openai-responses', {}, { authorization: 'Bearer k' }],
    ['http', {}, { authorization: 'Bearer k' }],
    ['gemini', {}, { 'x-goog-api-key': 'k' }],
    ['anthropic', {}, { 'x-api-key': 'k' }],
    ['anthropic', { 'anthropic-version': '2023-06-01' }, { 'x-api-key': 'k' }],
    ['anthropic', { 'anthropic-version': '2026-10-21' }, { authorization: 'Bearer k' }],
  ] as const)('presents a key to %s, asked with %j, as %j', (dialect, headers, expected) => {
    const { [dialect]: asked } = DIALECTS
    const presented = asked.authorize('k', headers)
    expect(presented).toEqual(expected)
    expect(asked.credentialHeaders).toEqual(expect.arrayContaining(Object.keys(presented)))
  })
})
