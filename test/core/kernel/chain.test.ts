import { expect, test } from 'vitest'
import type { GatewayError, Plugin } from '#core/sdk.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { step } from '../../support/step.ts'
import { bodyOf, startUpstream } from '../../support/upstream.ts'

const config = (url: string, pipeline: string, more = '') => `
upstreams:
  files: { dialect: http, url: "${url}" }
  other: { dialect: http, url: "${url}/other" }
routes:
  - { id: all, match: { path: /* }, pipeline: ${pipeline}, upstream: files${more} }
`

async function start(pipeline: string, plugins: readonly Plugin[], more = '') {
  const upstream = await startUpstream(async (req, res) => {
    const body = (await bodyOf(req)).toString()
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify({ url: req.url, headers: req.headers, body }))
  })
  return startTestGateway(config(upstream.url, pipeline, more), { plugins })
}

const pause = () => new Promise((resolve) => setImmediate(resolve))

/** Three steps with all hooks, of which some are asynchronous, that write down when they run. */
function tracers(seen: string[], isAsync: (name: string) => boolean): Plugin[] {
  return ['a', 'b', 'c'].map((name) => {
    const note = (hook: string) => {
      seen.push(`${name}.${hook}`)
      return isAsync(`${name}.${hook}`) ? pause().then(() => undefined) : undefined
    }
    return step(name, {
      request: () => note('request'),
      response: () => note('response'),
      async handle(_, next) {
        await note('before')
        await next()
        await note('after')
      },
      done: () => void seen.push(`${name}.done`),
    })
  })
}

const onion = `
  a.request a.before b.request b.before c.request c.before
  c.after c.response b.after b.response a.after a.response
`
  .trim()
  .split(/\s+/)

test.each([
  ['none is', () => false],
  ['all are', () => true],
  ['some are', (name: string) => name.startsWith('b') || name.endsWith('response')],
])('hooks run as an onion where %s asynchronous', async (_, isAsync) => {
  const seen: string[] = []
  const { url } = await start('[a, b, c]', tracers(seen, isAsync))
  expect((await fetch(url)).status).toBe(200)
  expect(seen.slice(0, 12)).toEqual(onion)
  await expect.poll(() => seen.slice(12)).toEqual(['c.done', 'b.done', 'a.done'])
})

test('when is asked once, on the way down, and remembered for every later hook', async () => {
  const seen: string[] = []
  const hooks = (name: string) => ({
    response: () => void seen.push(`${name}.response`),
    chunk: () => void seen.push(`${name}.chunk`),
    done: () => void seen.push(`${name}.done`),
  })
  const mark = step('mark', { request: () => ({ vars: { late: true } }) })
  const { url } = await start(
    '[no: { when: $vars.late }, yes: { when: { not: [$vars.late] } }, mark]',
    [step('no', hooks('no')), step('yes', hooks('yes')), mark],
  )
  await (await fetch(url)).text()
  await expect.poll(() => seen).toEqual(['yes.response', 'yes.chunk', 'yes.done'])
})

test('a request hook that answers ends the way down; steps above see the answer, those below nothing', async () => {
  const seen: string[] = []
  const top = step('top', {
    response: ({ res }) => ({ headers: { 'x-seen': String(res.status) } }),
    chunk: (chunk) => ({ data: chunk.data.toUpperCase() }),
  })
  const answer = step('answer', {
    request: () => ({
      answer: { status: 201, headers: { 'content-type': 'text/plain', etag: '"1"' }, body: 'hi' },
    }),
    response: () => void seen.push('answer.response'),
    chunk: () => void seen.push('answer.chunk'),
    done: () => void seen.push('answer.done'),
  })
  const below = step('below', {
    request: () => void seen.push('below.request'),
    response: () => void seen.push('below.response'),
    chunk: () => void seen.push('below.chunk'),
    done: () => void seen.push('below.done'),
  })
  const { url } = await start('[top, answer, below]', [top, answer, below])
  const got = await fetch(url)
  expect(got.status).toBe(201)
  expect(got.headers.get('x-seen')).toBe('201')
  expect(got.headers.get('content-type')).toBe('text/plain')
  expect(await got.text()).toBe('HI')
  await expect.poll(() => seen).toEqual(['answer.done'])
})

test('an answer without a body is empty', async () => {
  const gone = step('gone', {
    request: () => ({ answer: { status: 302, headers: { location: '/x' } } }),
  })
  const { url } = await start('[gone]', [gone])
  const got = await fetch(url, { redirect: 'manual' })
  expect(got.status).toBe(302)
  expect(got.headers.get('content-length')).toBe('0')
  expect(await got.text()).toBe('')
})

test('the validators of an answer are those that the hook gave', async () => {
  const answer = step('answer', {
    request: () => ({ answer: { headers: { etag: '"1"' }, body: {} } }),
  })
  const { url } = await start('[answer]', [answer])
  const got = await fetch(url)
  expect(got.headers.get('etag')).toBe('"1"')
  expect(got.headers.get('content-type')).toBe('application/json; charset=utf-8')
})

test('deny from either way is an error with its status, headers and code', async () => {
  const down = step('down', {
    request: ({ req }) =>
      req.path === '/down'
        ? { deny: { status: 402, message: 'pay first', headers: { 'x-price': '1' } } }
        : undefined,
  })
  const up = step('up', {
    response: async () => ({ deny: { code: 'RATE_LIMITED', message: 'enough' } }),
  })
  const { url } = await start('[down, up]', [down, up])
  const first = await fetch(`${url}/down`)
  expect([first.status, first.headers.get('x-price')]).toEqual([402, '1'])
  expect(await first.json()).toMatchObject({ code: 'DENIED', detail: 'pay first' })
  const second = await fetch(`${url}/up`)
  expect(second.status).toBe(429)
  expect(await second.json()).toMatchObject({ code: 'RATE_LIMITED' })
})

const broken: Record<string, Plugin> = {
  request: step('odd', { request: () => fail() }),
  'asynchronous request': step('odd', { request: () => Promise.reject(new Error('broke')) }),
  response: step('odd', { response: () => fail() }),
  'asynchronous response': step('odd', { response: () => Promise.reject(new Error('broke')) }),
  'handle before next': step('odd', { handle: () => fail() }),
  'handle after next': step('odd', {
    async handle(_, next) {
      await next()
      fail()
    },
  }),
  chunk: step('odd', { chunk: () => fail() }),
}

function fail(): never {
  throw new Error('inner words')
}

test.each(Object.keys(broken))('a broken %s closes, unless its step is open', async (hook) => {
  const plugins = [broken[hook]!]
  const open = await start('[odd: { onError: open }]', plugins)
  const passed = await fetch(open.url)
  expect(passed.status).toBe(200)
  expect(await passed.json()).toMatchObject({ url: '/' })
  const closed = await start('[odd: { onError: closed }]', plugins)
  const refused = await fetch(closed.url)
  expect(refused.status).toBe(500)
  const text = await refused.text()
  expect(JSON.parse(text)).toMatchObject({ code: 'PLUGIN_FAILED' })
  expect(text).not.toContain('inner words')
  expect(closed.logs.filter(({ message }) => message === 'step failed')).toHaveLength(1)
})

test('a broken done is logged, and nothing else', async () => {
  const late = step('late', { done: () => Promise.reject(new Error('broke')) })
  const { url, logs, generation } = await start('[late, odd]', [
    late,
    step('odd', { done: () => fail() }),
  ])
  expect((await fetch(url)).status).toBe(200)
  await expect.poll(() => logs.filter(({ message }) => message === 'step failed')).toHaveLength(2)
  await expect.poll(() => generation.exchanges).toBe(0)
})

test('an error skips the hooks above it, and a handle may answer it', async () => {
  const seen: string[] = []
  const catcher = step('catcher', {
    async handle(ctx, next) {
      try {
        await next()
      } catch (cause) {
        ctx.status = 200
        ctx.body = { instead: (cause as GatewayError).code }
      }
    },
    response: () => void seen.push('catcher.response'),
  })
  const skipped = step('skipped', {
    response: () => void seen.push('skipped.response'),
    chunk: () => void seen.push('skipped.chunk'),
  })
  const deny = step('deny', { request: () => ({ deny: { message: 'no' } }) })
  const { url } = await start('[catcher, skipped, deny]', [catcher, skipped, deny])
  const got = await fetch(url)
  expect(got.status).toBe(200)
  expect(await got.json()).toEqual({ instead: 'DENIED' })
  expect(seen).toEqual(['catcher.response'])
})

test('patches of the request reach the upstream: null removes, the body has its length', async () => {
  const patch = step(
    'patch',
    {
      request: () => ({
        headers: { 'X-Set': 'yes', 'X-Gone': null },
        query: { b: null, c: 'ü&' },
        path: '/new',
        body: { text: 'grün' },
        upstream: 'other',
      }),
    },
    { writes: ['request.body'] },
  )
  const { url } = await start('[patch]', [patch])
  const got = await fetch(`${url}/old?a=%41&b=2`, {
    method: 'POST',
    headers: { 'x-gone': '1', 'content-type': 'application/json' },
    body: '{}',
  })
  const seen = (await got.json()) as { url: string; headers: Record<string, string>; body: string }
  expect(seen.url).toBe('/other/new?a=A&c=%C3%BC%26')
  expect(seen.body).toBe('{"text":"grün"}')
  expect(seen.headers).toMatchObject({ 'x-set': 'yes', 'content-length': '16' })
  expect(seen.headers).not.toHaveProperty('x-gone')
})

test('patches of the answer change status, fields and body, and drop what described the old bytes', async () => {
  const upstream = await startUpstream((_, res) => {
    res.writeHead(200, {
      'content-type': 'application/json',
      etag: '"old"',
      'accept-ranges': 'bytes',
      'x-gone': '1',
    })
    res.end('{"a":1}')
  })
  const patch = step(
    'patch',
    {
      response: ({ res }) => ({
        status: 203,
        headers: { 'x-gone': null, 'x-new': 'n' },
        body: { was: res.body ?? null },
      }),
    },
    { reads: ['response.body'] },
  )
  const { url } = await startTestGateway(config(upstream.url, '[patch]'), { plugins: [patch] })
  const got = await fetch(url)
  expect(got.status).toBe(203)
  expect(await got.json()).toEqual({ was: { a: 1 } })
  const names = [...got.headers.keys()]
  expect(names).toContain('x-new')
  for (const name of ['etag', 'accept-ranges', 'x-gone']) expect(names).not.toContain(name)
})

test('facts travel down and up: vars, consumer, upstream', async () => {
  const seen: unknown[] = []
  const first = step('first', {
    request: () => ({ consumer: { id: 'ann' }, vars: { a: 1 } }),
    response: ({ upstream, vars, res }) => void seen.push(upstream, { ...vars }, res.body),
  })
  const second = step('second', {
    request: ({ consumer, vars }) => ({ vars: { b: [consumer?.id ?? null, vars['a'] ?? null] } }),
  })
  const { url } = await start('[first, second]', [first, second])
  await fetch(url)
  expect(seen).toEqual([
    { name: 'files', endpoint: expect.stringContaining('127.0.0.1') as string, attempt: 1 },
    { a: 1, b: ['ann', 1] },
    undefined,
  ])
})
