import type { ServerResponse } from 'node:http'
import Anthropic from '@anthropic-ai/sdk'
import OldAnthropic from 'anthropic-sdk-0'
import { describe, expect, test } from 'vitest'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { Exchange } from '#core/sdk.ts'
import { ANSWERS } from '../support/answers.ts'
import { startTestGateway } from '../support/gateway.ts'
import { answerWith, type Asked, askFor, sendJson, startProvider } from '../support/providers.ts'
import { step } from '../support/step.ts'

interface Options {
  readonly upstream?: string
  readonly route?: string
  readonly answer?: (res: ServerResponse, asked: Asked) => void
}

/** A gateway for all SDKs in front of one provider, and what its steps saw on the way up. */
async function start(dialect: LlmDialect, { upstream = '', route = '', answer }: Options = {}) {
  const seen: { upstream: Exchange['upstream']; body: unknown }[] = []
  const look = step(
    'look',
    {
      response: (exchange) =>
        void seen.push({ upstream: exchange.upstream, body: exchange.res.body }),
    },
    { reads: ['response.body'] },
  )
  const provider = await startProvider(dialect, answer)
  const gateway = await startTestGateway(
    `
upstreams: { provider: { dialect: ${dialect}, url: "${provider.url}", keys: [secret]${upstream} } }
routes: [{ id: llm, match: { api: llm }, pipeline: [look], upstream: provider${route} }]
`,
    { plugins: [look] },
  )
  return { ...gateway, provider, seen }
}

describe('what a foreign provider is sent', () => {
  test('carries its own credential and version, and none of the client', async () => {
    const { url, provider } = await start('anthropic')
    await askFor('openai-chat', url, {
      headers: {
        authorization: 'Bearer client',
        'openai-organization': 'org',
        'x-stainless-lang': 'js',
        'accept-encoding': 'br',
        'x-team': 'red',
        'x-sluice-strict': 'false',
      },
      query: '?trace=1',
    })
    const [asked] = provider.asked
    expect(asked!.url).toBe('/v1/messages')
    expect(asked!.headers).toMatchObject({
      'x-api-key': 'secret',
      'anthropic-version': '2023-06-01',
      'content-type': 'application/json',
      accept: 'application/json',
      'x-team': 'red',
    })
    for (const name of [
      'authorization',
      'openai-organization',
      'x-stainless-lang',
      'x-sluice-strict',
    ]) {
      expect(asked!.headers).not.toHaveProperty(name)
    }
  })

  test.each([
    ['openai-chat', { authorization: 'Bearer secret' }],
    ['openai-responses', { authorization: 'Bearer secret' }],
    ['gemini', { 'x-goog-api-key': 'secret' }],
  ] as const)('has no version or beta of Anthropic in it for %s', async (dialect, credential) => {
    const { url, provider } = await start(dialect)
    const headers = { 'x-api-key': 'c', 'anthropic-version': '2023-06-01', 'anthropic-beta': 'b' }
    expect((await askFor('anthropic', url, { headers, query: '?beta=true' })).status).toBe(200)
    const [asked] = provider.asked
    expect(asked!.headers).toMatchObject(credential)
    for (const name of ['x-api-key', 'anthropic-version', 'anthropic-beta']) {
      expect(asked!.headers).not.toHaveProperty(name)
    }
    expect(asked!.url).not.toContain('beta=')
  })

  test.each([
    ['the newer SDK', Anthropic],
    ['the older SDK', OldAnthropic],
  ])('is the same whichever version the client is of: %s', async (_, Client) => {
    const { url, provider } = await start('openai-chat')
    const client = new (Client as typeof Anthropic)({ apiKey: 'k', baseURL: url, maxRetries: 0 })
    const params = {
      model: 'm',
      max_tokens: 9,
      messages: [{ role: 'user' as const, content: 'Hi' }],
    }
    expect((await client.messages.create(params)).stop_reason).toBe('tool_use')
    expect(provider.asked[0]!.headers.authorization).toBe('Bearer secret')
    expect(provider.asked[0]!.body).toMatchObject({ max_tokens: 9 })
  })

  test("has the client's own key in its own form, where the operator lets it through", async () => {
    const provider = await startProvider('anthropic')
    const { url } = await startTestGateway(`
upstreams: { provider: { dialect: anthropic, url: "${provider.url}", forwardCredentials: true } }
routes: [{ id: llm, match: { api: llm }, upstream: provider }]
`)
    await askFor('openai-chat', url, { headers: { authorization: 'Bearer mine' } })
    await askFor('gemini', url, { query: '?key=mine' })
    for (const { headers } of provider.asked) {
      expect(headers).toMatchObject({ 'x-api-key': 'mine' })
      expect(headers).not.toHaveProperty('authorization')
    }
    expect(provider.asked).toHaveLength(2)
  })

  test('is what the steps have left of it', async () => {
    const provider = await startProvider('gemini')
    const change = step(
      'change',
      { request: ({ req }) => ({ body: { ...(req.body as object), max_tokens: 5 } }) },
      { reads: ['request.body'], writes: ['request.body'] },
    )
    const { url } = await startTestGateway(
      `
upstreams: { provider: { dialect: gemini, url: "${provider.url}" } }
routes: [{ id: llm, match: { api: llm }, pipeline: [change], upstream: provider }]
`,
      { plugins: [change] },
    )
    await askFor('openai-chat', url, { body: { max_tokens: 9_999 } })
    expect(provider.asked[0]!.body).toMatchObject({ generationConfig: { maxOutputTokens: 5 } })
  })
})

describe('what became of each field', () => {
  test('is told in header fields, to steps and in the log', async () => {
    const { url, seen } = await start('anthropic')
    const body = { seed: 7, logit_bias: { 5: 1 }, response_format: { type: 'json_object' } }
    const { status, headers } = await askFor('openai-chat', url, { body })
    expect(status).toBe(200)
    expect(headers.get('x-sluice-dropped-params')).toBe('seed, logit_bias')
    expect(headers.get('x-sluice-emulated')).toBe('response_format')
    expect(seen[0]!.upstream).toMatchObject({
      name: 'provider',
      dialect: 'anthropic',
      dropped: ['seed', 'logit_bias'],
      emulated: ['response_format'],
    })
  })

  test('says nothing where nothing was lost', async () => {
    const { url } = await start('anthropic')
    const { headers } = await askFor('openai-chat', url)
    expect(headers.get('x-sluice-dropped-params')).toBeNull()
    expect(headers.get('x-sluice-emulated')).toBeNull()
  })

  test('is told in a form that header fields can carry, whatever clients make up', async () => {
    const { url } = await start('anthropic')
    const names = ['ünüsual', 'a, b', 'c\r\nx-evil: 1', '\ud800']
    const body = Object.fromEntries(names.map((name) => [name, 1]))
    const many = Object.fromEntries(
      Array.from({ length: 90 }, (_, at) => [`${at}`.padEnd(99, 'x'), 1]),
    )
    const few = (await askFor('openai-chat', url, { body })).headers
    expect(few.get('x-sluice-dropped-params')).toBe(
      '%C3%BCn%C3%BCsual, a%2C%20b, c%0D%0Ax-evil:%201, %EF%BF%BD',
    )
    expect(few.get('x-evil')).toBeNull()
    const list = (await askFor('openai-chat', url, { body: many })).headers.get(
      'x-sluice-dropped-params',
    )!
    expect(list).toMatch(/, and \d+ more$/)
    expect(list.length).toBeLessThan(2_100)
  })

  test.each([
    ['a header field', { headers: { 'x-sluice-strict': 'true' } }, ''],
    ['the route', {}, ', strict: true'],
  ])('strict, by %s: a dropped field is refused by its name', async (_, asked, route) => {
    const { url, provider } = await start('anthropic', { route })
    const { status, text, headers } = await askFor('openai-chat', url, {
      ...asked,
      body: { seed: 7 },
    })
    expect(status).toBe(400)
    expect(JSON.parse(text)).toMatchObject({
      error: { param: 'seed', code: 'unsupported_parameter', type: 'invalid_request_error' },
    })
    expect(headers.get('x-should-retry')).toBe('false')
    expect((await askFor('openai-chat', url, asked)).status).toBe(200)
    expect(provider.asked).toHaveLength(1)
  })

  test('a client cannot undo what the route asks, nor ask for something else', async () => {
    const { url } = await start('anthropic', { route: ', strict: true' })
    const ask = (value: string) =>
      askFor('openai-chat', url, { headers: { 'x-sluice-strict': value }, body: { seed: 7 } })
    expect((await ask('false')).status).toBe(400)
    const { status, text } = await ask('yes')
    expect(status).toBe(400)
    expect(text).toContain('expected true or false')
  })

  test.each([
    ['openai-chat', 'anthropic', { n: 2 }, 'n', { error: { param: 'n' } }],
    ['openai-chat', 'openai-responses', { stop: ['x'] }, 'stop', { error: { param: 'stop' } }],
    [
      'anthropic',
      'gemini',
      { tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
      'tools[0]',
      { type: 'error', error: { type: 'invalid_request_error' } },
    ],
    [
      'openai-responses',
      'anthropic',
      { previous_response_id: 'resp_1' },
      'previous_response_id',
      { error: { param: 'previous_response_id' } },
    ],
    ['gemini', 'anthropic', { cachedContent: 'c/1' }, 'cachedContent', { error: { code: 400 } }],
  ] as const)(
    'what %s asks and %s cannot do is a 400 that names the field: %j',
    async (client, dialect, body, field, told) => {
      const { url, provider } = await start(dialect)
      const { status, text } = await askFor(client, url, { body: body as never })
      expect(status).toBe(400)
      expect(text).toContain(field)
      expect(JSON.parse(text)).toMatchObject(told)
      expect(provider.asked).toHaveLength(0)
    },
  )

  test.each([
    ['openai-chat', { messages: 'Hi' }, 'messages'],
    ['openai-chat', { model: '' }, 'model'],
    ['anthropic', { messages: null }, 'messages'],
    ['gemini', { contents: 7 }, 'contents'],
  ] as const)('a body of %s that is no request is refused: %j', async (client, body, field) => {
    const dialect = client === 'openai-chat' ? 'anthropic' : 'openai-chat'
    const { url } = await start(dialect)
    const { status, text } = await askFor(client, url, { body: body as never })
    expect(status).toBe(400)
    expect(text).toContain(field)
  })
})

describe("the upstream's own words", () => {
  test('extra_body and provider_options are merged into its body last', async () => {
    const { url, provider } = await start('anthropic')
    const body = {
      temperature: 0.5,
      extra_body: {
        context_management: { edits: [] },
        thinking: { type: 'enabled', budget_tokens: 2048 },
      },
      provider_options: {
        anthropic: { thinking: { budget_tokens: 4096 }, inference_geo: 'eu' },
        openai: { store: true },
        provider: { speed: 'fast' },
      },
    }
    const { status, headers } = await askFor('openai-chat', url, { body })
    expect(status).toBe(200)
    expect(provider.asked[0]!.body).toMatchObject({
      temperature: 0.5,
      thinking: { type: 'enabled', budget_tokens: 4096 },
      inference_geo: 'eu',
      speed: 'fast',
      context_management: { edits: [] },
    })
    expect(provider.asked[0]!.body).not.toHaveProperty('store')
    expect(headers.get('x-sluice-dropped-params')).toBeNull()
  })

  test.each([
    ['anthropic', { extra_body: { model: 'claude-dear' } }, 'extra_body.model'],
    ['anthropic', { provider_options: { anthropic: { system: 'x' } } }, 'anthropic.system'],
    ['gemini', { extra_body: { generationConfig: { maxOutputTokens: 9 } } }, 'maxOutputTokens'],
    [
      'gemini',
      { extra_body: { generation_config: { max_output_tokens: 9 } } },
      'max_output_tokens',
    ],
    ['anthropic', { extra_body: 'x' }, 'extra_body'],
  ] as const)('cannot say to %s what steps watch over: %j', async (dialect, body, field) => {
    const { url, provider } = await start(dialect)
    const { status, text } = await askFor('openai-chat', url, { body: body as never })
    expect(status).toBe(400)
    expect(text).toContain(field)
    expect(provider.asked).toHaveLength(0)
  })
})

describe('errors of a foreign provider', () => {
  const claude429 = {
    type: 'error',
    error: { type: 'rate_limit_error', message: 'Slow down' },
    request_id: 'req_claude',
  }
  const gemini429 = {
    error: {
      code: 429,
      message: 'Quota',
      status: 'RESOURCE_EXHAUSTED',
      details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.4s' }],
    },
  }

  test.each([
    [
      'anthropic',
      'openai-chat',
      429,
      claude429,
      { 'retry-after': '7' },
      { error: { message: 'Slow down', type: 'rate_limit_error', code: 'rate_limit_exceeded' } },
      { 'retry-after': '7', 'retry-after-ms': '7000' },
    ],
    [
      'gemini',
      'anthropic',
      429,
      gemini429,
      {},
      { type: 'error', error: { type: 'rate_limit_error', message: 'Quota' } },
      { 'retry-after': '35', 'retry-after-ms': '34400' },
    ],
    [
      'openai-chat',
      'gemini',
      429,
      { error: { message: 'Slow', type: 'requests', code: 'rate_limit_exceeded' } },
      { 'retry-after-ms': '1200' },
      { error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'Slow' } },
      { 'retry-after': '2', 'retry-after-ms': '1200' },
    ],
    [
      'anthropic',
      'openai-responses',
      529,
      { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
      {},
      { error: { message: 'Overloaded' } },
      {},
    ],
    [
      'openai-chat',
      'anthropic',
      500,
      'oops',
      {},
      { type: 'error', error: { type: 'api_error' } },
      {},
    ],
  ] as const)(
    'of %s are told to a client of %s as its own: %s',
    async (dialect, client, status, body, sent, told, headers) => {
      const answer = (res: ServerResponse) => {
        if (typeof body === 'string') res.writeHead(status).end(body)
        else sendJson(res, status, body, sent)
      }
      const { url, seen } = await start(dialect, { answer })
      for (const stream of [false, true]) {
        const got = await askFor(client, url, { stream })
        const expected = status === 529 ? [503, 529] : [status]
        expect(expected).toContain(got.status)
        expect(JSON.parse(got.text)).toMatchObject(told)
        expect(got.headers.get('content-type')).toMatch(/^application\/json/)
        for (const [name, value] of Object.entries(headers))
          expect(got.headers.get(name)).toBe(value)
      }
      // Steps see it in the client's dialect.
      expect(seen[0]!.body).toMatchObject(told)
    },
  )

  test('an error with the status of a success is an error all the same', async () => {
    const answer = (res: ServerResponse) =>
      sendJson(res, 200, { error: { code: 503, message: 'No provider' } })
    const { url } = await start('openai-chat', { answer })
    const got = await askFor('anthropic', url)
    expect(got.status).toBe(529)
    expect(JSON.parse(got.text)).toMatchObject({ error: { type: 'overloaded_error' } })
  })

  test.each([
    ['no answer of its dialect', (res: ServerResponse) => sendJson(res, 200, { hello: 'world' })],
    ['no JSON', (res: ServerResponse) => void res.end('<html>')],
    ['a redirect', (res: ServerResponse) => void res.writeHead(302, { location: '/' }).end()],
    [
      'a stream where none was asked for',
      (res: ServerResponse) =>
        void res.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: {}\n\n'),
    ],
  ])('%s is a 502', async (_, answer) => {
    const { url } = await start('openai-chat', { answer })
    const got = await askFor('anthropic', url)
    expect(got.status).toBe(502)
    expect(JSON.parse(got.text)).toMatchObject({
      error: { details: { error_code: 'upstream_protocol' } },
    })
  })
})

describe('answers of a foreign provider', () => {
  test('have the name of the model that the client asked for, and the id of the provider beside ours', async () => {
    const answer = (res: ServerResponse) =>
      sendJson(res, 200, ANSWERS.anthropic.whole, {
        'request-id': 'req_claude',
        'anthropic-organization-id': 'org',
      })
    const { url, provider } = await start('anthropic', {
      answer,
      upstream: ', models: { m: claude-1 }',
    })
    const got = await askFor('openai-chat', url)
    expect(provider.asked[0]!.body).toMatchObject({ model: 'claude-1' })
    expect(JSON.parse(got.text)).toMatchObject({
      model: 'm',
      id: expect.stringMatching(/^chatcmpl-/),
    })
    expect(got.headers.get('x-sluice-model')).toBe('claude-1')
    expect(got.headers.get('x-sluice-upstream-id')).toBe('req_claude')
    expect(got.headers.get('x-request-id')).not.toBe('req_claude')
    expect(got.headers.get('anthropic-organization-id')).toBeNull()
  })

  test.each(['openai-chat', 'openai-responses', 'anthropic', 'gemini'] as const)(
    'that come whole are a stream to the client of %s who asked for one',
    async (client) => {
      const dialect = client === 'anthropic' ? 'openai-chat' : 'anthropic'
      const answer = (res: ServerResponse) => sendJson(res, 200, ANSWERS[dialect].whole)
      const { url } = await start(dialect, { answer })
      const got = await askFor(client, url, { stream: true })
      expect(got.headers.get('content-type')).toMatch(/^text\/event-stream/)
      expect(got.headers.get('x-sluice-emulated')).toBe('stream')
      expect(got.text).toContain('Grüße 🌍')
      expect(got.text).toContain('look')
    },
  )

  test('are seen whole by steps that read them, also as a list of Gemini', async () => {
    const answer = (res: ServerResponse, asked: Asked) => answerWith(res, 'openai-chat', asked)
    const { url, seen, provider } = await start('openai-chat', { answer })
    const got = await fetch(`${url}/v1beta/models/m:streamGenerateContent`, {
      method: 'POST',
      body: JSON.stringify({ contents: [{ parts: [{ text: 'Hi' }] }] }),
    })
    expect(await got.json()).toMatchObject([{ candidates: [{ finishReason: 'STOP' }] }])
    expect(seen[0]!.body).toHaveLength(1)
    expect(provider.asked[0]!.body).not.toHaveProperty('stream')
  })
})

describe('what cannot be converted', () => {
  test.each([
    ['POST', '/v1/audio/speech', { error: { code: 'dialect_unsupported' } }],
    ['POST', '/v1/files', { error: { code: 'dialect_unsupported' } }],
    ['GET', '/v1/responses/resp_1', { error: { code: 'dialect_unsupported' } }],
    ['POST', '/v1beta/models/m:batchEmbedContents', { error: { status: 'UNIMPLEMENTED' } }],
  ])('%s %s is a 501 that says so', async (method, path, told) => {
    const { url, provider } = await start('anthropic')
    const got = await fetch(url + path, { method, ...(method === 'POST' ? { body: '{}' } : {}) })
    expect(got.status).toBe(501)
    const text = await got.text()
    expect(JSON.parse(text)).toMatchObject(told)
    expect(text).toContain(`${method} ${path} cannot be converted`)
    expect(provider.asked).toHaveLength(0)
  })
})
