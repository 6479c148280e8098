import { describe, expect, it } from 'vitest'
import { bytes, definePlugin, duration, expression, GatewayError, secret } from '#core/sdk.ts'
import type { Context, Hooks, Host, Plugin } from '#core/sdk.ts'
import { testPlugin } from '#core/testing.ts'

const NO_OPTIONS = { type: 'object', additionalProperties: false, properties: {} } as const

/** A plugin without options that is made of the given hooks. */
function made(setup: (host: Host) => Hooks, more: Partial<Plugin<typeof NO_OPTIONS>> = {}) {
  return definePlugin({
    name: 'made',
    stage: 'shape',
    summary: 'Made for a test.',
    schema: NO_OPTIONS,
    ...more,
    setup: (_options, host) => setup(host),
  })
}

describe('testPlugin', () => {
  describe('checks options as the loader does', () => {
    const plugin = definePlugin({
      name: 'picky',
      stage: 'admit',
      summary: 'Has one option of each kind.',
      schema: {
        type: 'object',
        additionalProperties: false,
        required: ['window'],
        properties: {
          window: duration({ description: 'A duration.' }),
          size: bytes({ default: '1kb', description: 'A size.' }),
          token: secret({ description: 'A secret.' }),
          when2: expression({ 'x-scope': 'request', description: 'An expression.' }),
        },
      },
      check({ window }, report) {
        if (window > 60_000) report.error(['window'], 'is longer than a minute')
        if (window === 0) report.warning(['window'], 'is zero')
      },
      setup: (options) => ({
        request: () => ({
          answer: {
            body: [
              options.window,
              options.size,
              options.token?.reveal() ?? '',
              String(options.token),
            ],
          },
        }),
      }),
    })

    it('converts kinds and fills in defaults', async () => {
      const tested = await testPlugin(plugin, { window: '5s', token: 'hush' })
      expect((await tested.request({})).body).toEqual([5_000, 1_024, 'hush', '•••'])
    })

    it('tells all that is wrong at once, with hints', async () => {
      const options = { windw: 1, size: 'big', when2: { nope: 1 } }
      await expect(testPlugin(plugin, options)).rejects.toMatchObject({
        name: 'OptionsError',
        problems: [
          expect.stringContaining('windw: unknown option\n  hint: did you mean window?'),
          expect.stringContaining('size: expected a size'),
          expect.stringContaining('unknown operator'),
          expect.stringContaining('missing option "window"'),
        ],
      })
    })

    it("asks the plugin's own check, and keeps its warnings", async () => {
      await expect(testPlugin(plugin, { window: '2m' })).rejects.toThrow(
        'window: is longer than a minute',
      )
      expect((await testPlugin(plugin, { window: 0 })).warnings).toEqual(['window: is zero'])
    })

    it('refuses a plugin that the loader would not load', async () => {
      const broken = definePlugin({
        name: 'broken',
        stage: 'admit',
        summary: 'Takes a key that is not for plugins.',
        schema: {
          type: 'object',
          additionalProperties: false,
          properties: { enabled: { type: 'boolean', description: 'Reserved.' } },
        },
        setup: () => ({}),
      })
      await expect(testPlugin(broken, {})).rejects.toThrow(
        'has an option enabled, which is reserved',
      )
    })
  })

  it("runs the hooks in the kernel's order", async () => {
    const calls: string[] = []
    const plugin = made(() => ({
      request: () => void calls.push('request'),
      response: () => void calls.push('response'),
      chunk: ({ data }) => void calls.push(`chunk ${data}`),
      flush: () => void calls.push('flush'),
      done: (_exchange, { end }) => void calls.push(`done ${end}`),
    }))
    const tested = await testPlugin(plugin)
    await tested.request({}, () => {
      calls.push('upstream')
      return { chunks: ['a', 'b'] }
    })
    expect(calls).toEqual([
      'request',
      'upstream',
      'response',
      'chunk a',
      'chunk b',
      'flush',
      'done completed',
    ])
  })

  it('shows what the client and the upstream saw', async () => {
    const plugin = made(() => ({
      request: () => ({ headers: { 'x-a': '1' }, query: { q: null }, path: '/b', body: { b: 2 } }),
      response: () => ({ status: 201, headers: { 'x-b': '2' } }),
    }))
    const tested = await testPlugin(plugin)
    const answer = await tested.request({ path: '/a?q=1&r=2', body: { a: 1 } }, { body: { c: 3 } })
    expect(answer.upstream).toMatchObject({
      method: 'POST',
      path: '/b',
      query: { r: '2' },
      headers: { 'x-a': '1' },
      body: { b: 2 },
      isReplaced: true,
    })
    expect(answer).toMatchObject({ status: 201, body: { c: 3 }, headers: { 'x-b': '2' } })
  })

  it('lets a handle wrap, answer, and try again', async () => {
    const plugin = made(
      () => ({
        async handle(ctx: Context, next) {
          await next()
          if (ctx.exchange.res.status === 503) await next()
        },
      }),
      { attempts: () => 2 },
    )
    const tested = await testPlugin(plugin)
    const answer = await tested.request({}, (_seen, attempt) => ({
      status: attempt === 1 ? 503 : 200,
      body: { attempt },
    }))
    expect(answer.attempts).toHaveLength(2)
    expect(answer).toMatchObject({ status: 200, body: { attempt: 2 } })
  })

  it("answers a refusal in the client's dialect, and tells the reason", async () => {
    const plugin = made(() => ({
      request() {
        throw new GatewayError('RATE_LIMITED', 'slow down', { headers: { 'retry-after': '3' } })
      },
    }))
    const answer = await (
      await testPlugin(plugin)
    ).request({ path: '/v1/messages', body: { model: 'm' } })
    expect(answer.error?.code).toBe('RATE_LIMITED')
    expect(answer).toMatchObject({
      status: 429,
      headers: { 'retry-after': '3' },
      body: { type: 'error', error: { type: 'rate_limit_error' } },
      attempts: [],
    })
  })

  it.each<[string, Hooks]>([
    ['a request body', { request: ({ req }) => void ((req.body as { a: number }).a = 2) }],
    ['a header', { request: ({ req }) => void (req.headers['x-a'] = 'b') }],
    ['an answer body', { response: ({ res }) => void ((res.body as { a: number }).a = 2) }],
    ['an answer', { response: ({ res }) => res.set('x-a', 'b') }],
    ['variables', { request: ({ vars }) => void ((vars as { a?: number }).a = 1) }],
  ])('fails a hook that changes %s rather than returning a patch', async (_, hooks) => {
    const tested = await testPlugin(made(() => hooks, { reads: ['request.body', 'response.body'] }))
    await expect(tested.request({ body: { a: 1 } }, { body: { a: 1 } })).rejects.toThrow(TypeError)
  })

  it('shows no body to a plugin that did not say that it reads it', async () => {
    const seen: unknown[] = []
    const look: Hooks = {
      request: ({ req }) => void seen.push(req.body),
      response: ({ res }) => void seen.push(res.body),
    }
    const answer = { body: { b: 2 } }
    await (await testPlugin(made(() => look))).request({ body: { a: 1 } }, answer)
    const reads = ['request.body', 'response.body'] as const
    await (await testPlugin(made(() => look, { reads }))).request({ body: { a: 1 } }, answer)
    expect(seen).toEqual([undefined, undefined, { a: 1 }, { b: 2 }])
  })

  it('rejects with what a broken plugin threw', async () => {
    const plugin = made(() => ({
      request() {
        throw new RangeError('out of luck')
      },
    }))
    await expect((await testPlugin(plugin)).request({})).rejects.toThrow('out of luck')
  })

  it('tells of a stream that was cut', async () => {
    const tested = await testPlugin(made(() => ({})))
    const answer = await tested.request(
      { path: '/v1/chat/completions', body: { model: 'm' } },
      { chunks: ['{}'], isCut: true },
    )
    expect(answer.error?.code).toBe('UPSTREAM_CUT')
    expect(answer.outcome.end).toBe('upstream-cut')
    expect(answer.chunks.at(-1)?.json).toHaveProperty('error')
  })

  it('has a clock that moves when told to, and timers on it', async () => {
    const ticks: number[] = []
    const plugin = made((host) => {
      host.every(1_000, () => void ticks.push(host.now()))
      host.after(1_500, () => void ticks.push(-host.now()))
      return {}
    })
    const tested = await testPlugin(plugin, {}, { now: 0 })
    await tested.clock.advance(2_000)
    expect(ticks).toEqual([1_000, -1_500, 2_000])
    await tested.close()
    expect(tested.clock.pending).toBe(0)
  })

  it('keeps logs, events, metrics and the store to look at', async () => {
    const plugin = made((host) => {
      host.log.info('started', { a: 1 })
      const count = host.metrics.counter('asked_total', 'Questions.', ['kind'])
      host.events.on('asked', ({ kind }) => count.add(2, { kind: JSON.stringify(kind) }))
      return {
        async request() {
          host.events.emit('seen', { n: 1 })
          await host.store.keyValue().set('k', 'v', 1_000)
        },
      }
    })
    const tested = await testPlugin(plugin)
    tested.emit('asked', { kind: 'open' })
    await tested.request({})
    expect(tested.log).toEqual([{ level: 'info', message: 'started', fields: { a: 1 } }])
    expect(tested.emitted).toEqual([{ name: 'seen', data: { n: 1 } }])
    expect(tested.metric('asked_total', { kind: '"open"' })).toBe(2)
    expect(await tested.store.keyValue('made/').get('k')).toBe('v')
  })

  it('shows messages of both sides, and calls admin routes', async () => {
    const plugin = made(() => ({
      message: ({ from, json, isBinary }) =>
        isBinary ? null : { json: { from, echo: json ?? null } },
      admin: [
        {
          method: 'GET',
          path: '/keys/{id}',
          summary: 'One key.',
          handle: ({ params, query }) => ({ body: { ...params, ...query } }),
        },
      ],
    }))
    const tested = await testPlugin(plugin)
    expect(await tested.message('client', '{"a":1}')).toEqual({
      json: { from: 'client', echo: { a: 1 } },
    })
    expect(await tested.message('upstream', Buffer.from([1]))).toBeNull()
    expect(await tested.admin('GET', '/keys/a%20b?full=1')).toEqual({
      body: { id: 'a b', full: '1' },
    })
    await expect(tested.admin('POST', '/keys/a')).rejects.toThrow('no admin route POST /keys/a')
  })

  it('closes once, also what a failed setup had begun', async () => {
    let closed = 0
    const tested = await testPlugin(made(() => ({ close: () => void closed++ })))
    await tested.close()
    await tested.close()
    expect(closed).toBe(1)
    let signal: AbortSignal | undefined
    const failing = made((host) => {
      signal = host.signal
      throw new Error('no database')
    })
    await expect(testPlugin(failing)).rejects.toThrow('no database')
    expect(signal?.aborted).toBe(true)
  })

  it('reaches nothing outside unless the test says what answers', async () => {
    const plugin = made((host) => ({
      async request() {
        return { answer: { body: (await host.fetch('http://a.test')).status } }
      },
    }))
    await expect((await testPlugin(plugin)).request({})).rejects.toThrow('host.fetch')
    const fetch = () => ({ status: 204, headers: {}, body: Buffer.alloc(0) })
    expect((await (await testPlugin(plugin, {}, { fetch })).request({})).body).toBe(204)
  })
})
