import { request as httpRequest } from 'node:http'
import { expect, test } from 'vitest'
import type { Context, Outcome } from '#core/sdk.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { step } from '../../support/step.ts'
import { bodyOf, startUpstream } from '../../support/upstream.ts'

const config = (url: string, pipeline: string) => `
upstreams: { up: { dialect: http, url: "${url}", timeouts: { firstByte: 2s } } }
routes:
  - { id: all, match: { path: /* }, pipeline: ${pipeline}, upstream: up }
`

/** Tries until the status is not 5xx. */
const retry = step(
  'retry',
  {
    async handle(ctx, next) {
      ctx.set('x-own', 'kept')
      for (let attempt = 1; ; attempt++) {
        await next()
        if (ctx.status < 500 || attempt === 3) return
      }
    },
  },
  { stage: 'deliver', attempts: () => 3 },
)

test('each attempt begins with the head as it was, and the streams of failed ones are given up', async () => {
  const cut: number[] = []
  const bodies: string[] = []
  let count = 0
  const upstream = await startUpstream(async (req, res) => {
    const attempt = ++count
    bodies.push((await bodyOf(req)).toString())
    if (attempt < 3) {
      res.writeHead(503, { [`x-attempt-${attempt}`]: '1', 'content-type': 'text/plain' })
      res.write('wait')
      res.on('close', () => cut.push(attempt))
      return
    }
    res.writeHead(200, { 'x-attempt-3': '1' }).end('fine')
  })
  const { url, generation } = await startTestGateway(config(upstream.url, '[retry]'), {
    plugins: [retry],
  })
  const got = await fetch(url, { method: 'POST', body: 'the same' })
  expect([got.status, await got.text()]).toEqual([200, 'fine'])
  expect([...got.headers.keys()].filter((name) => name.startsWith('x-attempt'))).toEqual([
    'x-attempt-3',
  ])
  expect(got.headers.get('x-own')).toBe('kept')
  expect(bodies).toEqual(['the same', 'the same', 'the same'])
  await expect.poll(() => cut.toSorted((a, b) => a - b)).toEqual([1, 2])
  await expect.poll(() => generation.exchanges).toBe(0)
})

test('a plain answer of a failed attempt does not take the place of the stream of the next', async () => {
  let count = 0
  const upstream = await startUpstream((req, res) => {
    req.resume()
    if (++count === 1)
      return void res.writeHead(500, { 'content-length': 15 }).end('whole and wrong')
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.write('data: 1\n\n')
    setTimeout(() => res.end('data: 2\n\n'), 20)
  })
  const { url } = await startTestGateway(config(upstream.url, '[retry]'), { plugins: [retry] })
  const got = await fetch(url)
  expect(await got.text()).toBe('data: 1\n\ndata: 2\n\n')
  expect(got.headers.get('content-type')).toBe('text/event-stream')
})

test('hooks below run again for each attempt, done once; usage and upstream are those of the last', async () => {
  const seen: unknown[] = []
  const below = step('below', {
    request: () => void seen.push('request'),
    response: ({ usage, upstream }) => void seen.push([usage?.outputTokens, upstream?.attempt]),
    done: ({ usage, upstream }) => void seen.push(['done', usage?.outputTokens, upstream?.attempt]),
  })
  let count = 0
  const upstream = await startUpstream((req, res) => {
    req.resume()
    const isLast = ++count === 2
    res.statusCode = isLast ? 200 : 500
    res.setHeader('content-type', 'application/json')
    const usage = { prompt_tokens: 1, completion_tokens: count, total_tokens: count + 1 }
    const body = JSON.stringify({ choices: [], usage })
    res.setHeader('content-length', body.length).end(body)
  })
  const { url } = await startTestGateway(
    `
upstreams: { up: { dialect: openai-chat, url: "${upstream.url}" } }
routes:
  - { id: all, match: { api: openai-chat }, pipeline: [retry, below], upstream: up }
`,
    { plugins: [retry, below] },
  )
  await fetch(`${url}/v1/chat/completions`, { method: 'POST', body: '{}' })
  await expect.poll(() => seen).toEqual(['request', [1, 1], 'request', [2, 2], ['done', 2, 2]])
})

test('a step that has not declared attempts may call next once', async () => {
  const greedy = step('greedy', {
    async handle(_, next) {
      await next()
      await next()
    },
  })
  const upstream = await startUpstream((_, res) => void res.end('once'))
  const { url, logs } = await startTestGateway(config(upstream.url, '[greedy]'), {
    plugins: [greedy],
  })
  const got = await fetch(url)
  expect(await got.json()).toMatchObject({ code: 'PLUGIN_FAILED' })
  expect(
    JSON.stringify(logs.map(({ fields }) => String((fields as { err?: unknown }).err))),
  ).toContain('called next() more than once')
})

test('next() within next(), and after the answer, is refused and harms nothing', async () => {
  const refused: string[] = []
  let late: (() => Promise<void>) | undefined
  const twice = step(
    'twice',
    {
      async handle(_, next) {
        late = next
        const first = next()
        await next().catch((error: Error) => refused.push(error.message))
        await first
      },
    },
    { stage: 'deliver', attempts: () => 2 },
  )
  const upstream = await startUpstream((_, res) => void res.end('once'))
  const { url } = await startTestGateway(config(upstream.url, '[twice]'), { plugins: [twice] })
  expect(await (await fetch(url)).text()).toBe('once')
  await late!().catch((error: Error) => refused.push(error.message))
  expect(refused).toEqual([
    'twice called next() before the last one was over',
    'twice called next() after the answer began',
  ])
})

test('a step that stops waiting for next answers by itself, and the attempt is given up', async () => {
  const left = Promise.withResolvers<void>()
  const began = Promise.withResolvers<void>()
  const upstream = await startUpstream((_, res) => {
    res.on('close', () => left.resolve())
    began.resolve()
  })
  const hasty = step('hasty', {
    async handle(ctx, next) {
      await Promise.race([next(), began.promise])
      ctx.body = 'enough'
    },
  })
  const { url } = await startTestGateway(config(upstream.url, '[hasty]'), { plugins: [hasty] })
  const got = await fetch(url)
  expect([got.status, await got.text()]).toEqual([200, 'enough'])
  await left.promise
})

test('a step that neither waits for next nor answers is an error of the gateway, not a hanging request', async () => {
  const forgetful = step('forgetful', {
    handle: (_, next) => void next(),
  })
  const upstream = await startUpstream(() => {})
  const { url } = await startTestGateway(config(upstream.url, '[forgetful]'), {
    plugins: [forgetful],
  })
  expect(await (await fetch(url)).json()).toMatchObject({ code: 'INTERNAL' })
})

test('a next that fails while nobody waits for it harms nothing', async () => {
  const careless = step('careless', {
    async handle(ctx, next) {
      void next()
      void next()
      await new Promise((resolve) => setTimeout(resolve, 50))
      ctx.body = 'own'
    },
  })
  const upstream = await startUpstream((req) => req.socket.destroy())
  const { url } = await startTestGateway(config(upstream.url, '[careless]'), {
    plugins: [careless],
  })
  expect(await (await fetch(url, { method: 'POST', body: 'x' })).text()).toBe('own')
})

test('an attempt that fails does not leave the answer of the one before it', async () => {
  let count = 0
  const upstream = await startUpstream((req, res) => {
    if (++count === 1) res.writeHead(500, { 'content-length': 15 }).end('whole and wrong')
    else req.socket.destroy()
  })
  const stubborn = step(
    'stubborn',
    {
      async handle(_, next) {
        await next()
        await next().catch(() => undefined)
      },
    },
    { stage: 'deliver', attempts: () => 2 },
  )
  const { url } = await startTestGateway(config(upstream.url, '[stubborn]'), {
    plugins: [stubborn],
  })
  const got = await fetch(url, { method: 'POST', body: 'x' })
  expect(await got.json()).toMatchObject({ code: 'UPSTREAM_UNREACHABLE' })
})

test('a step that swallows an error without answering does not hide it, nor what was refused', async () => {
  const swallow = step('swallow', {
    handle: (_, next) => next().catch(() => undefined),
  })
  const refuse = step('refuse', { response: () => ({ deny: { message: 'not for you' } }) })
  const upstream = await startUpstream(
    (_, res) => void res.writeHead(200, { 'x-secret': '1' }).end('secret'),
  )
  const { url } = await startTestGateway(config(upstream.url, '[swallow, refuse]'), {
    plugins: [swallow, refuse],
  })
  const got = await fetch(url)
  expect(got.headers.has('x-secret')).toBe(false)
  expect(await got.json()).toMatchObject({ code: 'DENIED' })
})

test('an error carries nothing of the answer that it replaces', async () => {
  const upstream = await startUpstream((_, res) => {
    res.writeHead(200, {
      'content-encoding': 'gzip',
      'content-type': 'text/html',
      'cache-control': 'public, max-age=3600',
      'content-length': 3,
    })
    res.end('abc')
  })
  const odd = step('odd', {
    response: () => {
      throw new Error('broke')
    },
  })
  const { url } = await startTestGateway(config(upstream.url, '[odd]'), { plugins: [odd] })
  const got = await fetch(url)
  expect(got.headers.has('content-encoding')).toBe(false)
  expect(got.headers.has('cache-control')).toBe(false)
  expect(await got.json()).toMatchObject({ code: 'PLUGIN_FAILED' })
})

test('a failed attempt is seen by its upstream: name and number', async () => {
  const outcome = Promise.withResolvers<[Outcome, Context['exchange']['upstream']]>()
  const top = step('top', { done: ({ upstream }, end) => outcome.resolve([end, upstream]) })
  const upstream = await startUpstream((req) => req.socket.destroy())
  const { url } = await startTestGateway(config(upstream.url, '[top]'), { plugins: [top] })
  expect((await fetch(url, { method: 'POST', body: 'x' })).status).toBe(502)
  const [end, view] = await outcome.promise
  expect(end).toMatchObject({ end: 'error', status: 502 })
  expect(view).toMatchObject({ name: 'up', attempt: 1, endpoint: upstream.url })
})

test('a client that leaves between two attempts ends the retrying', async () => {
  let count = 0
  const upstream = await startUpstream((_, res) => {
    count++
    res.writeHead(500).end()
  })
  const waiting = Promise.withResolvers<void>()
  const over = Promise.withResolvers<Outcome>()
  const slow = step(
    'slow',
    {
      async handle({ exchange }, next) {
        await next()
        waiting.resolve()
        await new Promise((resolve) => exchange.signal.addEventListener('abort', resolve))
        await next()
      },
      done: (_, outcome) => over.resolve(outcome),
    },
    { stage: 'deliver', attempts: () => 2 },
  )
  const { url } = await startTestGateway(config(upstream.url, '[slow]'), { plugins: [slow] })
  const req = httpRequest(url)
  req.on('error', () => {})
  req.end()
  await waiting.promise
  req.destroy()
  expect((await over.promise).end).toBe('client-closed')
  expect(count).toBe(1)
})
