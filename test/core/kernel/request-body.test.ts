import { once } from 'node:events'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import type { Outcome, Plugin } from '#core/sdk.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { step } from '../../support/step.ts'
import { bodyOf, startUpstream } from '../../support/upstream.ts'

async function start(pipeline: string, plugins: readonly Plugin[], more = '') {
  const seen: { headers: Record<string, unknown>; body: Buffer; url: string }[] = []
  const upstream = await startUpstream(async (req, res) => {
    seen.push({ headers: req.headers, url: req.url!, body: await bodyOf(req) })
    res.setHeader('content-type', 'application/json').end('{}')
  })
  const gateway = await startTestGateway(
    `
upstreams:
  model: { dialect: openai-chat, url: "${upstream.url}/v1", models: { m: m, short: the-long-name } }
  gem: { dialect: gemini, url: "${upstream.url}", models: { g: gemini-long } }
  files: { dialect: http, url: "${upstream.url}" }
routes:
  - { id: chat, match: { api: openai-chat }, pipeline: ${pipeline}, upstream: model }
  - { id: gem, match: { api: gemini }, upstream: gem }
  - { id: files, match: { path: /files/* }, pipeline: ${pipeline}, upstream: files${more} }
`,
    { plugins },
  )
  return { ...gateway, url: gateway.url, logs: gateway.logs, seen }
}

const models: unknown[] = []
const reader = step(
  'reader',
  { request: ({ req }) => void models.push((req.body as { model?: string })?.model ?? null) },
  { reads: ['request.body'] },
)
const writer = step(
  'writer',
  { request: ({ req }) => ({ body: { ...(req.body as object), added: true } }) },
  { reads: ['request.body'], writes: ['request.body'] },
)

const post = (url: string, body: Buffer | string, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: body as string,
  })

test('a compressed body is read by steps, and goes on as it came', async () => {
  const { url, seen } = await start('[reader]', [reader])
  const body = gzipSync('{"model":"m"}')
  models.length = 0
  await post(`${url}/v1/chat/completions`, body, { 'content-encoding': 'gzip' })
  expect(models).toEqual(['m'])
  expect(seen[0]!.body.equals(body)).toBe(true)
  expect(seen[0]!.headers).toMatchObject({ 'content-encoding': 'gzip' })
})

test('a body that a step replaces, or an alias changes, is sent plain', async () => {
  const { url, seen } = await start('[writer]', [writer])
  for (const model of ['m', 'short']) {
    await post(`${url}/v1/chat/completions`, gzipSync(JSON.stringify({ model })), {
      'content-encoding': 'gzip',
    })
  }
  expect(seen.map(({ body }) => JSON.parse(body.toString()) as unknown)).toEqual([
    { model: 'm', added: true },
    { model: 'the-long-name', added: true },
  ])
  for (const { headers } of seen) expect(headers).not.toHaveProperty('content-encoding')
})

test('an alias changes the body alone, and the path where the API names the model there', async () => {
  const { url, seen } = await start('[]', [])
  await post(`${url}/v1/chat/completions`, gzipSync('{"model":"short"}'), {
    'content-encoding': 'gzip',
  })
  await post(`${url}/v1beta/models/g:generateContent`, '{ "contents": [] }')
  expect(seen[0]!.body.toString()).toBe('{"model":"the-long-name"}')
  expect(seen[0]!.headers).not.toHaveProperty('content-encoding')
  expect(seen[1]).toMatchObject({ url: '/v1beta/models/gemini-long:generateContent' })
  expect(seen[1]!.body.toString()).toBe('{ "contents": [] }')
})

test('a step that reads the body refuses what cannot be read', async () => {
  const { url } = await start('[reader]', [reader])
  const at = `${url}/v1/chat/completions`
  const broken = await post(at, '{"model":')
  expect([broken.status, await broken.json()]).toMatchObject([
    400,
    { error: { code: 'invalid_json' } },
  ])
  expect((await post(at, 'x', { 'content-encoding': 'lzma' })).status).toBe(415)
  expect((await post(at, 'x', { 'content-encoding': 'gzip' })).status).toBe(400)
})

test('a guard over the body of an LLM API cannot be passed by with another content type', async () => {
  const { url } = await start('[filter: { deny: { eq: [$req.body.model, bad] } }]', [])
  const at = `${url}/v1/chat/completions`
  for (const type of ['text/plain', 'Application/JSON', 'application/x-www-form-urlencoded', '']) {
    expect((await post(at, '{"model":"bad"}', { 'content-type': type })).status).toBe(403)
  }
  const form = 'multipart/form-data; boundary=x'
  expect((await post(at, '--x--', { 'content-type': form })).status).toBe(200)
})

test('a body that is too large is refused, and one that nobody reads has the same limit', async () => {
  for (const pipeline of ['[reader]', '[]']) {
    const { url } = await start(pipeline, [reader], ', maxBody: 1kb')
    const answer = await post(`${url}/files/a`, `{"a":"${'x'.repeat(2_000)}"}`)
    expect([answer.status, await answer.json()]).toMatchObject([413, { code: 'BODY_TOO_LARGE' }])
  }
})

test('a step above the reader refuses before anything of the body was asked for', async () => {
  const denier = step('denier', { request: () => ({ deny: { message: 'no' } }) })
  const { url } = await start('[denier, reader]', [denier, reader])
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.write(
    'POST /files/a HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n' +
      'content-length: 100000\r\nexpect: 100-continue\r\n\r\n',
  )
  const [data] = (await once(socket, 'data')) as [Buffer]
  // A 100 would have come first, had somebody wanted the body.
  expect(data.toString()).toMatch(/^HTTP\/1\.1 403 /)
})

test('a body that is passed on is counted', async () => {
  const outcome = Promise.withResolvers<Outcome>()
  const top = step('top', { done: (_, end) => outcome.resolve(end) })
  const { url } = await start('[top]', [top])
  await post(`${url}/files/a`, 'x'.repeat(100_000), { 'content-type': 'text/plain' })
  expect(await outcome.promise).toMatchObject({ end: 'completed', requestBytes: 100_000 })
})

test('a middleware that takes the body for itself is an error, not a request that hangs', async () => {
  const taker = step('taker', {
    async handle(ctx, next) {
      await bodyOf(ctx.req)
      await next()
    },
  })
  const { url } = await start('[taker, reader]', [taker, reader])
  const answer = await post(`${url}/files/a`, '{}')
  expect(await answer.json()).toMatchObject({ code: 'INTERNAL' })
})
