import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import type { Context, Outcome, Plugin } from '#core/sdk.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { step } from '../../support/step.ts'
import { startUpstream } from '../../support/upstream.ts'

async function start(pipeline: string, plugins: readonly Plugin[]) {
  const upstream = await startUpstream((req, res) => {
    if (req.url === '/gzip') {
      const body = gzipSync('{"from":"upstream"}')
      res.setHeader('content-encoding', 'gzip').setHeader('etag', '"up"')
      res.setHeader('content-type', 'application/json').setHeader('content-length', body.length)
      return void res.end(body)
    }
    if (req.url === '/stream') {
      res.setHeader('content-type', 'text/event-stream').write('data: 1\n\n')
      return void setTimeout(() => res.end('data: 2\n\n'), 10)
    }
    if (req.url === '/head') {
      return void res.setHeader('content-length', 1234).setHeader('content-type', 'x/y').end()
    }
    if (req.url === '/503') return void res.writeHead(503).end('sorry')
    if (req.url === '/304') return void res.writeHead(304, { etag: '"e"' }).end()
    res.setHeader('content-length', 5).setHeader('etag', '"up"').end('hello')
  })
  return startTestGateway(
    `
upstreams: { up: { dialect: http, url: "${upstream.url}" } }
routes: [{ id: all, match: { path: /* }, pipeline: ${pipeline}, upstream: up }]
`,
    { plugins },
  )
}

const wrap = (name: string, handle: (ctx: Context, next: () => Promise<void>) => unknown) =>
  step(name, { handle: async (ctx, next) => void (await handle(ctx, next)) })

const through = wrap('through', (_, next) => next())

const forms: [string, () => unknown, string, string][] = [
  ['text', () => 'grün', 'grün', 'text/plain; charset=utf-8'],
  ['HTML', () => '<p>', '<p>', 'text/html; charset=utf-8'],
  ['bytes', () => Buffer.from('abc'), 'abc', 'application/octet-stream'],
  ['an object', () => ({ a: 1 }), '{"a":1}', 'application/json; charset=utf-8'],
  ['a list', () => [1, 2], '[1,2]', 'application/json; charset=utf-8'],
  ['a stream', () => Readable.from(['a', 'b', 'c']), 'abc', 'application/octet-stream'],
  ['a web stream', () => new Blob(['abc']).stream(), 'abc', 'application/octet-stream'],
  ['a blob', () => new Blob(['abc'], { type: 'text/x' }), 'abc', 'text/x; charset=utf-8'],
  ['a Response', () => new Response('abc', { status: 202 }), 'abc', 'text/plain;charset=UTF-8'],
]

test.each(forms)(
  'a middleware answers with %s, through other steps too',
  async (_, body, text, type) => {
    const answer = wrap('answer', (ctx) => (ctx.body = body()))
    const response = step('response', {
      response: ({ res }) => ({ headers: { 'x-s': `${res.status}` } }),
    })
    const { url } = await start('[through, response, answer]', [through, response, answer])
    const got = await fetch(url)
    expect(await got.text()).toBe(text)
    expect(got.status).toBe(body() instanceof Response ? 202 : 200)
    expect(got.headers.get('x-s')).toBe(String(got.status))
    expect(got.headers.get('content-type')).toBe(type)
  },
)

test('null with a status is an answer without a body', async () => {
  const none = wrap('none', (ctx) => {
    ctx.body = null
  })
  const { url } = await start('[through, none]', [through, none])
  const got = await fetch(url)
  expect([got.status, await got.text()]).toEqual([204, ''])
  expect(got.headers.has('content-length')).toBe(false)
})

test('a status alone is an answer', async () => {
  const teapot = wrap('teapot', (ctx) => (ctx.status = 418))
  const { url } = await start('[teapot]', [teapot])
  const got = await fetch(url)
  expect([got.status, await got.text()]).toEqual([418, ''])
})

test('null takes the answer of the upstream away', async () => {
  const none = wrap('none', async (ctx, next) => {
    await next()
    ctx.status = 200
    ctx.body = null
  })
  const { url } = await start('[none]', [none])
  const got = await fetch(url)
  expect([got.status, await got.text()]).toEqual([204, ''])
})

test('a middleware that only looks changes nothing of the answer', async () => {
  const { url } = await start('[through]', [through])
  const plain = await fetch(url)
  expect(plain.headers.has('content-type')).toBe(false)
  expect(plain.headers.get('etag')).toBe('"up"')
  expect(await plain.text()).toBe('hello')
  const head = await fetch(`${url}/head`, { method: 'HEAD' })
  expect(head.headers.get('content-length')).toBe('1234')
  expect(head.headers.get('content-type')).toBe('x/y')
  const unchanged = await fetch(`${url}/304`)
  expect([unchanged.status, unchanged.headers.get('etag')]).toEqual([304, '"e"'])
  const stream = await fetch(`${url}/stream`)
  expect(await stream.text()).toBe('data: 1\n\ndata: 2\n\n')
  const packed = await fetch(`${url}/gzip`)
  expect(await packed.json()).toEqual({ from: 'upstream' })
})

test('a middleware reads the bytes of a plain answer and puts its own in their place', async () => {
  const shout = wrap('shout', async (ctx, next) => {
    await next()
    ctx.body = (ctx.body as Buffer).toString().toUpperCase()
  })
  const { url } = await start('[shout]', [shout])
  const got = await fetch(url)
  expect(await got.text()).toBe('HELLO')
  expect(got.headers.has('etag')).toBe(false)
})

test('the status of the upstream stays with another body', async () => {
  const own = wrap('own', async (ctx, next) => {
    await next()
    ctx.body = 'own words'
  })
  const { url } = await start('[own]', [own])
  const got = await fetch(`${url}/503`)
  expect([got.status, await got.text()]).toEqual([503, 'own words'])
})

test('a source that nobody will read is given up', async () => {
  const began = Promise.withResolvers<void>()
  const given = Promise.withResolvers<void>()
  const late = wrap('late', async (ctx) => {
    began.resolve()
    await new Promise((resolve) => ctx.exchange.signal.addEventListener('abort', resolve))
    ctx.status = 200
    ctx.exchange.stream = { pipe: () => {}, resume: () => {}, abort: () => given.resolve() }
  })
  const { url } = await start('[late]', [late])
  const controller = new AbortController()
  const pending = fetch(url, { signal: controller.signal }).catch(() => undefined)
  await began.promise
  controller.abort()
  await pending
  await expect(given.promise).resolves.toBeUndefined()
})

test('a replaced body does not keep the coding of the old one, but what the middleware says of its own', async () => {
  const own = wrap('own', async (ctx, next) => {
    await next()
    ctx.body = { own: true }
    ctx.set('etag', '"own"')
  })
  const { url } = await start('[through, own]', [through, own])
  const got = await fetch(`${url}/gzip`)
  expect(got.headers.has('content-encoding')).toBe(false)
  expect(got.headers.get('etag')).toBe('"own"')
  expect(await got.json()).toEqual({ own: true })
})

test('what a step sets on the exchange after next is the answer', async () => {
  const set = wrap('set', async ({ exchange }, next) => {
    await next()
    exchange.res.body = { set: true }
  })
  const { url } = await start('[through, set]', [through, set])
  expect(await (await fetch(url)).json()).toEqual({ set: true })
})

test('fields that a middleware sets before and after next are on the answer', async () => {
  const around = wrap('around', async (ctx, next) => {
    ctx.set('x-before', '1')
    await next()
    ctx.set('x-after', '2')
    ctx.append('set-cookie', 'a=1')
    ctx.append('set-cookie', 'b=2')
    ctx.remove('etag')
  })
  const { url } = await start('[around, through]', [around, through])
  for (const path of ['/', '/stream']) {
    const got = await fetch(`${url}${path}`)
    expect([got.headers.get('x-before'), got.headers.get('x-after')]).toEqual(['1', '2'])
    expect(got.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect(got.headers.has('etag')).toBe(false)
    await got.text()
  }
})

test('a stream that breaks is cut, never ended', async () => {
  const broken = wrap('broken', (ctx) => {
    ctx.body = Readable.from(
      (async function* () {
        yield 'some'
        await new Promise((resolve) => setTimeout(resolve, 10))
        throw new Error('disk on fire')
      })(),
    )
  })
  const outcome = Promise.withResolvers<Outcome>()
  const top = step('top', { done: (_, end) => outcome.resolve(end) })
  const { url } = await start('[top, broken]', [top, broken])
  const got = await fetch(url)
  await expect(got.text()).rejects.toThrow('terminated')
  expect((await outcome.promise).end).toBe('error')
})

test('a stream that broke before it was sent is cut as well', async () => {
  const broken = wrap('broken', (ctx) => {
    ctx.body = createReadStream('/nonexistent')
  })
  const slow = step('slow', {
    response: () => new Promise((resolve) => setTimeout(resolve, 20)),
  })
  const { url } = await start('[slow, broken]', [slow, broken])
  await expect(fetch(url).then((got) => got.text())).rejects.toThrow(/terminated|fetch failed/)
})

test('the stream of a middleware is closed when the client leaves, also before it was sent', async () => {
  const closed: string[] = []
  const began = Promise.withResolvers<void>()
  const slow = wrap('slow', async (ctx) => {
    if (ctx.path === '/late') {
      began.resolve()
      await new Promise((resolve) => ctx.exchange.signal.addEventListener('abort', resolve))
    }
    const { path } = ctx
    const stream = new Readable({ read() {} })
    stream.push('first')
    stream.on('close', () => closed.push(path))
    ctx.body = stream
  })
  const { url, generation } = await start('[slow]', [slow])
  const controller = new AbortController()
  const got = await fetch(`${url}/now`, { signal: controller.signal })
  await got.body!.getReader().read()
  controller.abort()
  await expect.poll(() => closed).toEqual(['/now'])
  const late = new AbortController()
  const pending = fetch(`${url}/late`, { signal: late.signal }).catch(() => undefined)
  await began.promise
  late.abort()
  await pending
  await expect.poll(() => closed).toEqual(['/now', '/late'])
  await expect.poll(() => generation.exchanges).toBe(0)
})

test('the signal of an exchange that ended well is aborted too', async () => {
  const signals: AbortSignal[] = []
  const keep = wrap('keep', ({ exchange }, next) => {
    signals.push(exchange.signal)
    return next()
  })
  const { url } = await start('[keep]', [keep])
  await (await fetch(url)).text()
  await expect.poll(() => signals[0]?.aborted).toBe(true)
})
