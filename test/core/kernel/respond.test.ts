import { once } from 'node:events'
import { request, type ServerResponse, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import type { Context, Outcome, Plugin } from '#core/sdk.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { step } from '../../support/step.ts'
import { bodyOf, startUpstream } from '../../support/upstream.ts'

type Answer = (req: IncomingMessage, res: ServerResponse) => unknown

/** A gateway whose only step writes down how exchanges end. */
async function start(answer: Answer, plugins: readonly Plugin[] = [], route = '') {
  const upstream = await startUpstream(
    answer as (req: IncomingMessage, res: ServerResponse) => void,
  )
  const ends: Outcome[] = []
  const usages: unknown[] = []
  const watch = step('watch', {
    done(exchange, outcome) {
      ends.push(outcome)
      usages.push(exchange.usage)
    },
  })
  const gateway = await startTestGateway(
    `
upstreams:
  model: { dialect: openai-chat, url: "${upstream.url}/v1" }
  claude: { dialect: anthropic, url: "${upstream.url}" }
  plain: { dialect: http, url: "${upstream.url}", timeouts: { firstByte: 5s } }
  nowhere: { dialect: http, url: "http://127.0.0.1:1" }
routes:
  - { id: model, match: { api: openai-chat }, pipeline: [watch], upstream: model }
  - { id: claude, match: { api: anthropic }, pipeline: [watch], upstream: claude }
  - { id: nowhere, match: { path: /nowhere }, pipeline: [watch], upstream: nowhere }
  - { id: plain, match: { path: /* }, pipeline: [watch${plugins.map(({ name }) => `, ${name}`).join('')}], upstream: plain${route} }
`,
    { plugins: [watch, ...plugins] },
  )
  return { gateway, url: gateway.url, ends, usages }
}

const raw = async (url: string, text: string) => {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write(text)
  let got = ''
  socket.on('data', (data: Buffer) => (got += data.toString()))
  await once(socket, 'close')
  return got
}

test('HEAD, 204, 205, 304 have no body and the right length', async () => {
  const { url } = await start((req, res) => {
    const status = Number(req.url!.slice(1)) || 200
    res.statusCode = status
    if (status === 200) res.setHeader('content-length', 7)
    res.setHeader('etag', '"1"')
    res.end(req.method === 'HEAD' || status !== 200 ? undefined : 'content')
  })
  const get = (method: string, path: string) =>
    raw(url, `${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
  const head = await get('HEAD', '/')
  expect(head).toMatch(/content-length: 7\r\n/i)
  expect(head.endsWith('\r\n\r\n')).toBe(true)
  for (const status of [204, 304]) {
    const got = await get('GET', `/${status}`)
    expect(got).not.toMatch(/content-length|transfer-encoding/i)
    expect(got.endsWith('\r\n\r\n')).toBe(true)
  }
})

test('a status without a body takes the body of a stream away, and its length', async () => {
  const none = step('none', { response: ({ req }) => ({ status: Number(req.path.slice(1)) }) })
  const { url } = await start((_, res) => void res.end('x'.repeat(100_000)), [none])
  const get = (path: string) =>
    raw(url, `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
  const none204 = await get('/204')
  expect(none204).not.toMatch(/content-length|xxx/i)
  const none205 = await get('/205')
  expect(none205).toMatch(/content-length: 0\r\n/i)
  expect(none205).not.toContain('xxx')
})

test('interim answers of the upstream are not taken for the answer', async () => {
  const { url } = await start((_, res) => {
    res.writeProcessing()
    res.writeEarlyHints({ link: '</a.css>; rel=preload' })
    res.end('final')
  })
  expect(await (await fetch(url)).text()).toBe('final')
})

test('every answer carries the request id, errors in the shape of the client dialect', async () => {
  const { url, gateway } = await start((req) => req.socket.destroy())
  const openai = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body: '{}' })
  const claude = await fetch(`${url}/v1/messages`, { method: 'POST', body: '{}' })
  const plain = await fetch(`${url}/plain`, { method: 'POST', body: '{}' })
  expect([openai.status, claude.status, plain.status]).toEqual([502, 502, 502])
  expect(await openai.json()).toMatchObject({ error: { code: 'upstream_unreachable' } })
  expect(await claude.json()).toMatchObject({ type: 'error', error: { type: 'api_error' } })
  expect(await plain.json()).toMatchObject({
    code: 'UPSTREAM_UNREACHABLE',
    requestId: plain.headers.get('x-request-id'),
  })
  expect(claude.headers.get('request-id')).toBe(claude.headers.get('x-request-id'))
  expect(gateway.logs.filter(({ level }) => level === 'error')).toEqual([])
})

test('an exchange that completes is done once, with what went over the wire', async () => {
  const { url, ends } = await start(async (req, res) => {
    await bodyOf(req)
    res.end('12345')
  })
  await (await fetch(url, { method: 'POST', body: 'abc' })).text()
  await expect.poll(() => ends.length).toBe(1)
  expect(ends[0]).toMatchObject({
    end: 'completed',
    status: 200,
    error: undefined,
    requestBytes: 3,
    responseBytes: 5,
  })
  expect(ends[0]!.firstByteMs).toBeLessThanOrEqual(ends[0]!.durationMs)
})

test('an upstream that is not there, is late, or breaks off ends an exchange once each', async () => {
  const { url, ends } = await start(
    (req, res) => {
      if (req.url === '/late') return
      res.writeHead(200, { 'content-type': 'application/octet-stream' }).write('x'.repeat(100_000))
      setTimeout(() => res.destroy(), 20)
    },
    [],
    ', timeout: 200ms',
  )
  expect((await fetch(`${url}/nowhere`)).status).toBe(502)
  const late = await fetch(`${url}/late`)
  expect([late.status, await late.json()]).toMatchObject([504, { code: 'UPSTREAM_TIMEOUT' }])
  await expect(fetch(`${url}/cut`).then((got) => got.text())).rejects.toThrow('terminated')
  await expect
    .poll(() => ends.map(({ end, error }) => [end, error?.code]))
    .toEqual([
      ['error', 'UPSTREAM_UNREACHABLE'],
      ['timeout', 'UPSTREAM_TIMEOUT'],
      ['upstream-cut', 'UPSTREAM_CUT'],
    ])
})

test('a request that matches no route is nobody’s exchange', async () => {
  const gateway = await startTestGateway(`
upstreams: { up: { dialect: http, url: "http://127.0.0.1:1" } }
routes: [{ id: a, match: { path: /a }, upstream: up }]
`)
  expect((await fetch(`${gateway.url}/b`)).status).toBe(404)
  expect(gateway.generation.exchanges).toBe(0)
})

test('the tokens of a JSON answer are counted, with and without a length', async () => {
  const body = JSON.stringify({
    choices: [],
    usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
  })
  const asked: unknown[] = []
  const { url, usages } = await start(async (req, res) => {
    const isSized = (await bodyOf(req)).toString().includes('sized')
    asked.push(req.headers['accept-encoding'])
    res.setHeader('content-type', 'application/json')
    if (isSized) return res.setHeader('content-length', body.length).end(body)
    res.write(body.slice(0, 20))
    return res.end(body.slice(20))
  })
  for (const kind of ['sized', 'chunked']) {
    const headers = { 'accept-encoding': 'gzip' }
    const at = `${url}/v1/chat/completions`
    const got = await fetch(at, { method: 'POST', headers, body: JSON.stringify({ model: kind }) })
    expect(await got.text()).toBe(body)
  }
  await expect.poll(() => usages.length).toBe(2)
  expect(asked).toEqual(['identity', 'identity'])
  expect(usages).toMatchObject([{ totalTokens: 3 }, { totalTokens: 3 }])
})

/** Where a client may leave, and what the upstream or the step then waits for. */
const held = Promise.withResolvers<void>()
const holders: Record<string, (began: () => void) => { answer: Answer; plugins: Plugin[] }> = {
  'while its body is awaited': (began) => ({
    answer: (_, res) => res.end(),
    plugins: [
      step('sign', { request: () => began() }),
      step('reader', { request: () => undefined }, { reads: ['request.body'] }),
    ],
  }),
  'while a request hook thinks': (began) => ({
    answer: (_, res) => res.end(),
    plugins: [step('think', { request: () => (began(), held.promise) })],
  }),
  'before the answer': (began) => ({
    answer: (req) => void req.resume().on('end', began),
    plugins: [],
  }),
  'while a response hook thinks': (began) => ({
    answer: (_, res) =>
      res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n'),
    plugins: [step('think', { response: () => (began(), held.promise) })],
  }),
  'while next is awaited': (began) => ({
    answer: (req) => void req.resume().on('end', began),
    plugins: [step('wrap', { handle: (_: Context, next) => next() })],
  }),
  'in the middle of the answer': (began) => ({
    answer: (_, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
      setTimeout(began, 30)
    },
    plugins: [step('look', { chunk: () => undefined })],
  }),
}

test.each(Object.keys(holders))('a client that leaves %s ends its exchange once', async (phase) => {
  const began = Promise.withResolvers<void>()
  const { answer, plugins } = holders[phase]!(began.resolve)
  const { url, ends, gateway } = await start(answer, plugins)
  const req = request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': 10 },
  })
  req.on('error', () => {})
  req.on('response', (res) => res.on('error', () => {}).resume())
  if (phase === 'while its body is awaited') req.write('{')
  else req.end('{"a":1234}')
  await began.promise
  req.destroy()
  await expect.poll(() => ends.map(({ end }) => end)).toEqual(['client-closed'])
  held.resolve()
  await expect.poll(() => gateway.generation.exchanges).toBe(0)
  expect(gateway.logs.filter(({ level }) => level === 'error')).toEqual([])
  expect(ends).toHaveLength(1)
})
