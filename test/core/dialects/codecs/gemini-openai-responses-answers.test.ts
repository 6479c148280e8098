import { describe, expect, test } from 'vitest'
import OpenAI from 'openai'
import { CODECS } from '#core/dialects/codecs/index.ts'
import type { HubError } from '#core/dialects/hub/answer.ts'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { collected, crossingTo, followed, shapeOf } from './following.ts'

const responses = CODECS['openai-responses']
const { gemini } = CODECS

const fromChat = (target: 'openai-responses' | 'gemini') =>
  crossingTo(CODECS['openai-chat'].decodeRequest({ model: 'm', messages: [] })!, target)
const toGemini = () => crossingTo(gemini.decodeRequest({ contents: [] })!, 'openai-responses')

const message = (content: Json[]) => ({ id: 'msg_1', type: 'message', role: 'assistant', content })
const response = (output: Json[], more: JsonObject = {}) => ({
  id: 'resp_1',
  status: 'completed',
  model: 'gpt',
  output,
  ...more,
})

describe('an answer of Responses', () => {
  const read = (body: Json) => responses.decodeAnswer(body, fromChat('openai-responses'))

  test.each([
    ['completed', null, 'stop'],
    ['incomplete', { reason: 'max_output_tokens' }, 'length'],
    ['incomplete', { reason: 'content_filter' }, 'contentFilter'],
    ['incomplete', { reason: 'steered' }, 'pause'],
  ])('that is %s for %j has ended for the reason %s', (status, details, reason) => {
    const body = response([], { status, incomplete_details: details })
    expect(read(body)!.finish.reason).toBe(reason)
  })

  test('is cut where it was cut, also if it called a tool', () => {
    const call = { type: 'function_call', call_id: 'c', name: 'f', arguments: '{"a' }
    const details = { reason: 'max_output_tokens' }
    const body = response([call], { status: 'incomplete', incomplete_details: details })
    expect(read(body)!.finish.reason).toBe('length')
    expect(read(response([call]))!.finish.reason).toBe('tool')
  })

  test('that refuses in words is filtered', () => {
    const refusal = { type: 'refusal', refusal: 'No.' }
    expect(read(response([message([refusal])]))).toMatchObject({
      parts: [{ type: 'refusal', text: 'No.' }],
      finish: { reason: 'contentFilter' },
    })
  })

  test('has web sources, and leaves out thoughts that say and prove nothing', () => {
    const annotation = {
      type: 'url_citation',
      url: 'https://x.y',
      title: 'X',
      start_index: 0,
      end_index: 1,
    }
    const text = { type: 'output_text', text: 'a', annotations: [annotation] }
    const thought = { type: 'reasoning', id: 'rs', summary: [] }
    expect(read(response([thought, message([text])]))!.parts).toMatchObject([
      { type: 'text', citations: [{ url: 'https://x.y', title: 'X', start: 0, end: 1 }] },
    ])
  })

  test('that failed or goes on is none', () => {
    expect(read(response([], { status: 'failed' }))).toBeUndefined()
    expect(read(response([], { status: 'in_progress' }))).toBeUndefined()
    expect(read({ error: {} })).toBeUndefined()
  })

  test('is read from a stream that says nothing before its end', () => {
    const output = [
      message([{ type: 'output_text', text: 'a' }]),
      { type: 'function_call', call_id: 'c', name: 'f', arguments: '{"n":1}' },
    ]
    const event = { type: 'response.completed', response: response(output) }
    const told = followed(responses.streamDecoder(fromChat('openai-responses')), [event])
    expect(shapeOf(told)).toEqual(shapeOf(read(response(output))!))
    expect(told.parts).toHaveLength(2)
  })

  test('is read from a stream that has ends without deltas', () => {
    const part = { type: 'output_text', text: 'whole' }
    const call = { type: 'function_call', call_id: 'c', name: 'f', arguments: '{"n":1}' }
    const events = [
      { type: 'response.output_item.added', output_index: 0, item: message([]) },
      { type: 'response.content_part.done', output_index: 0, content_index: 0, part },
      { type: 'response.output_item.done', output_index: 0, item: message([part]) },
      { type: 'response.output_item.added', output_index: 1, item: { ...call, arguments: '' } },
      { type: 'response.output_item.done', output_index: 1, item: call },
      { type: 'response.completed', response: response([]) },
    ]
    const told = followed(responses.streamDecoder(fromChat('openai-responses')), events)
    expect(shapeOf(told)).toMatchObject({
      text: 'whole',
      calls: [{ name: 'f', arguments: { n: 1 } }],
      reason: 'tool',
    })
  })

  test.each([
    [{ type: 'error', code: 'rate_limit_exceeded', message: 'slow', param: null }],
    [{ type: 'error', error: { code: 'rate_limit_exceeded', message: 'slow' } }],
    [
      {
        type: 'response.failed',
        response: { error: { code: 'rate_limit_exceeded', message: 'slow' } },
      },
    ],
  ])('fails within its stream by %j', (event) => {
    const decoder = responses.streamDecoder(fromChat('openai-responses'))
    const { end } = collected([...decoder.push(event), ...decoder.push(event), ...decoder.end()])
    expect(end).toMatchObject({
      type: 'error',
      error: { kind: 'rateLimit', status: 429, message: 'slow' },
    })
  })
})

describe('an answer of Gemini', () => {
  const read = (body: Json) => gemini.decodeAnswer(body, fromChat('gemini'))
  const candidate = (parts: Json[], finishReason = 'STOP') => ({
    candidates: [{ content: { parts }, finishReason }],
  })

  test.each([
    ['STOP', 'stop'],
    ['MAX_TOKENS', 'length'],
    ['SAFETY', 'contentFilter'],
    ['RECITATION', 'contentFilter'],
    ['CONTINUATION', 'pause'],
    ['MALFORMED_FUNCTION_CALL', 'malformed'],
    ['SOMETHING_NEW', 'stop'],
  ])('that ended for %s has ended for the reason %s', (raw, reason) => {
    expect(read(candidate([{ text: 'a' }], raw))!.finish).toMatchObject({ reason, raw })
  })

  test('whose prompt was blocked says so', () => {
    const promptFeedback = { blockReason: 'PROHIBITED_CONTENT', blockReasonMessage: 'no' }
    expect(read({ promptFeedback })).toMatchObject({
      parts: [],
      finish: { reason: 'contentFilter', raw: 'PROHIBITED_CONTENT', explanation: 'no' },
    })
    expect(read({})).toBeUndefined()
  })

  test('counts thoughts to the output, and what tools brought in to the input', () => {
    const usageMetadata = {
      promptTokenCount: 10,
      toolUsePromptTokenCount: 5,
      cachedContentTokenCount: 4,
      candidatesTokenCount: 3,
      thoughtsTokenCount: 2,
      totalTokenCount: 20,
    }
    const { usage } = read({ ...candidate([]), usageMetadata })!
    expect(usage).toEqual({
      inputTokens: 15,
      outputTokens: 5,
      totalTokens: 20,
      cacheReadTokens: 4,
      reasoningTokens: 2,
    })
  })

  test('has the sources of its words', () => {
    const grounded = {
      content: { parts: [{ text: 'Grüße. Paris is big.' }] },
      finishReason: 'STOP',
      groundingMetadata: {
        groundingChunks: [{ web: { uri: 'https://x.y', title: 'X' } }],
        groundingSupports: [
          {
            segment: { startIndex: 9, endIndex: 22, text: 'Paris is big.' },
            groundingChunkIndices: [0],
          },
        ],
      },
    }
    expect(read({ candidates: [grounded] })!.parts).toMatchObject([
      { citations: [{ url: 'https://x.y', title: 'X', start: 7, end: 20 }] },
    ])
  })

  test('has all of its candidates', () => {
    const body = {
      candidates: [
        { content: { parts: [{ text: 'a' }] }, index: 0, finishReason: 'STOP' },
        { content: { parts: [{ text: 'b' }] }, index: 1, finishReason: 'MAX_TOKENS' },
      ],
    }
    expect(read(body)!.alternatives).toMatchObject([
      { parts: [{ text: 'b' }], finish: { reason: 'length' } },
    ])
  })

  test('ends as Gemini does for a call of another model whose arguments are no object', () => {
    const call = { type: 'function_call', call_id: 'c', name: 'f', arguments: '{"a' }
    const crossing = toGemini()
    const answer = responses.decodeAnswer(response([call]), crossing)!
    expect(gemini.encodeAnswer(answer, crossing)['candidates']).toMatchObject([
      { finishReason: 'MALFORMED_FUNCTION_CALL' },
    ])
  })
})

describe('errors', () => {
  test.each([
    [
      429,
      { error: { message: 'Please try again in 1.5s.', code: 'rate_limit_exceeded' } },
      'rateLimit',
      1500,
    ],
    [429, { error: { message: 'used up', code: 'insufficient_quota' } }, 'billing', undefined],
    [400, { error: { message: 'x', code: 'context_length_exceeded' } }, 'contextLength', undefined],
    [500, undefined, 'server', undefined],
    [503, 'busy', 'overloaded', undefined],
  ])(
    'of Responses with status %d and %j are of the kind %s',
    (status, body, kind, retryAfterMs) => {
      expect(responses.decodeError(status, body)).toMatchObject({ kind, status })
      expect(responses.decodeError(status, body).retryAfterMs).toBe(retryAfterMs)
    },
  )

  const invalid = { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' }
  const violation = { '@type': 'x', fieldViolations: [{ field: 'tools[0]', description: 'y' }] }
  test.each([
    [429, [{ error: { code: 429, message: 'm', status: 'RESOURCE_EXHAUSTED' } }], 'rateLimit'],
    [400, { error: { code: 400, message: 'm', details: [invalid] } }, 'authentication'],
    [400, { error: { code: 400, message: 'm', details: [violation] } }, 'badRequest'],
    [404, '<html>', 'notFound'],
  ])('of Gemini with status %d and %j are of the kind %s', (status, body, kind) => {
    expect(gemini.decodeError(status, body)).toMatchObject({ kind, status })
  })

  const server: HubError = {
    kind: 'rateLimit',
    status: 429,
    message: 'slow down',
    code: 'too_fast',
    retryAfterMs: 2500,
  }
  test('are what the openai SDK knows', async () => {
    const { status, body } = responses.encodeError(server, 'req1')
    const fetch = () => Promise.resolve(Response.json(body, { status }))
    const client = new OpenAI({ apiKey: 'k', maxRetries: 0, fetch })
    await expect(client.responses.create({ model: 'm', input: 'Hi' })).rejects.toMatchObject({
      status: 429,
      code: 'rate_limit_exceeded',
      type: 'rate_limit_error',
    })
  })

  test('are what Google gives, with the time to wait', () => {
    const { status, body } = gemini.encodeError(server, 'req1')
    expect(status).toBe(429)
    expect(gemini.decodeError(status, body)).toMatchObject({
      kind: 'rateLimit',
      message: 'slow down',
      retryAfterMs: 2500,
    })
    expect(body['error']).toMatchObject({ code: 429, status: 'RESOURCE_EXHAUSTED' })
  })
})
