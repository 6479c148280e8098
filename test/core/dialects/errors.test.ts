import { APIError as AnthropicError } from '@anthropic-ai/sdk'
import { Stream as AnthropicStream } from '@anthropic-ai/sdk/core/streaming'
import { APIError as OpenaiError } from 'openai'
import { Stream as OpenaiStream } from 'openai/core/streaming'
import { describe, expect, it } from 'vitest'
import type { PublicError } from '#core/dialects/dialect.ts'
import { DIALECTS } from '#core/dialects/index.ts'
import { ERRORS, type ErrorCode } from '#core/errors.ts'
import type { JsonObject } from '#core/kit/json.ts'

function publicError(code: ErrorCode, changes: Partial<PublicError> = {}): PublicError {
  const { status, title } = ERRORS[code]
  return { status, code, title, detail: 'what went wrong', requestId: 'req-1', ...changes }
}

const body = (text: string) => JSON.parse(text) as JsonObject

describe('renderError', () => {
  it('speaks as OpenAI to its clients', () => {
    for (const name of ['openai-chat', 'openai-responses'] as const) {
      const answer = DIALECTS[name].renderError(publicError('RATE_LIMITED', { param: 'model' }))
      expect(answer.status).toBe(429)
      expect(answer.headers).toMatchObject({
        'content-type': 'application/json',
        'x-request-id': 'req-1',
        'x-sluice-code': 'RATE_LIMITED',
      })
      expect(body(answer.body)).toEqual({
        error: {
          message: 'what went wrong',
          type: 'rate_limit_error',
          param: 'model',
          code: 'rate_limit_exceeded',
        },
      })
    }
  })

  it('speaks as Anthropic, which has a status of its own for an overload', () => {
    const answer = DIALECTS.anthropic.renderError(publicError('OVERLOADED'))
    expect(answer.status).toBe(529)
    expect(answer.headers).toMatchObject({ 'request-id': 'req-1' })
    expect(body(answer.body)).toEqual({
      type: 'error',
      error: {
        type: 'overloaded_error',
        message: 'what went wrong',
        details: { error_code: 'overloaded' },
      },
      request_id: 'req-1',
    })
  })

  it('speaks as Gemini', () => {
    const answer = DIALECTS.gemini.renderError(publicError('UNAUTHENTICATED'))
    expect(body(answer.body)).toMatchObject({
      error: {
        code: 401,
        message: 'what went wrong',
        status: 'UNAUTHENTICATED',
        details: [{ reason: 'UNAUTHENTICATED', metadata: { requestId: 'req-1' } }],
      },
    })
  })

  it('tells clients of Gemini in the body when to come back', () => {
    const error = publicError('RATE_LIMITED', { retryAfterMs: 12_000 })
    expect(body(DIALECTS.gemini.renderError(error).body)).toMatchObject({
      error: { details: [{}, { retryDelay: '12s' }] },
    })
  })

  it('sends problem details on plain routes', () => {
    const answer = DIALECTS.http.renderError(publicError('DENIED', { status: 418 }))
    expect(answer.status).toBe(418)
    expect(answer.headers['content-type']).toBe('application/problem+json')
    expect(body(answer.body)).toEqual({
      type: 'about:blank',
      title: 'The request was denied',
      status: 418,
      detail: 'what went wrong',
      code: 'DENIED',
      requestId: 'req-1',
    })
  })

  it('names a class in every dialect for every code, and for statuses of an operator', () => {
    const codes = Object.keys(ERRORS) as ErrorCode[]
    const errors = [
      ...codes.map((code) => publicError(code)),
      publicError('DENIED', { status: 451 }),
      publicError('INTERNAL', { status: 599 }),
    ]
    for (const error of errors) {
      for (const dialect of Object.values(DIALECTS)) {
        const answer = dialect.renderError(error)
        expect(answer.body).toMatch(/"(?:type|status)":"[a-zA-Z_:]+"/)
        expect(answer.headers['x-sluice-code']).toBe(error.code)
        expect(answer.headers[dialect.requestIdHeader]).toBe('req-1')
      }
    }
  })

  it.each([
    ['RATE_LIMITED', undefined],
    ['UPSTREAM_UNREACHABLE', undefined],
    ['OVERLOADED', undefined],
    ['INTERNAL', 'false'],
    ['DENIED', 'false'],
    ['DIALECT_UNSUPPORTED', 'false'],
    ['UPSTREAM_REFUSED', 'false'],
  ] as const)('after %s, tells SDKs whether to retry: %s', (code, expected) => {
    const { headers } = DIALECTS['openai-chat'].renderError(publicError(code))
    expect(headers['x-should-retry']).toBe(expected)
  })
})

describe('renderStreamError', () => {
  const error = publicError('UPSTREAM_CUT')

  it.each(['openai-chat', 'openai-responses'] as const)(
    "makes OpenAI's SDK throw in a %s stream, and does not end it",
    async (name) => {
      const text = DIALECTS[name].renderStreamError(error, 7)
      expect(text).not.toContain('[DONE]')
      const stream = OpenaiStream.fromSSEResponse(new Response(text), new AbortController())
      const thrown = await drain(stream)
      expect(thrown).toBeInstanceOf(OpenaiError)
      expect(thrown).toMatchObject({ message: 'what went wrong', code: 'upstream_cut' })
    },
  )

  it('numbers the events of a Responses stream, and ends it as failed', () => {
    const text = DIALECTS['openai-responses'].renderStreamError(error, 7)
    const events = [...text.matchAll(/^data: (.*)$/gm)].map(([, json]) => body(json!))
    expect(events).toMatchObject([
      { type: 'error', sequence_number: 7, message: 'what went wrong', code: 'upstream_cut' },
      { type: 'response.failed', sequence_number: 8, response: { status: 'failed' } },
    ])
  })

  it("makes Anthropic's SDK throw", async () => {
    const text = DIALECTS.anthropic.renderStreamError(error)
    const stream = AnthropicStream.fromSSEResponse(new Response(text), new AbortController())
    const thrown = await drain(stream)
    expect(thrown).toBeInstanceOf(AnthropicError)
    expect(thrown).toMatchObject({ type: 'api_error' })
  })

  it('sends Gemini clients a frame with an error, and others an event of that name', () => {
    const text = DIALECTS.gemini.renderStreamError(error)
    expect(body(text.slice('data: '.length))).toMatchObject({ error: { code: 502 } })
    expect(DIALECTS.http.renderStreamError(error)).toMatch(/^event: error\ndata: \{.*\}\n\n$/)
  })
})

async function drain(stream: AsyncIterable<unknown>): Promise<unknown> {
  try {
    for await (const event of stream) void event
  } catch (error) {
    return error
  }
  return undefined
}
