import type { Context } from 'koa'
import * as helmet from 'koa-helmet'
import { describe, expect, it } from 'vitest'
import { testPlugin } from '#core/testing.ts'
import koa from '#plugins/koa/koa.ts'

type Next = () => Promise<void>

/** Sets the plugin up with a module of our own behind `from`. */
function withModule(module: object, options: object = {}) {
  return testPlugin(koa, { from: './middleware.ts', ...options }, { load: () => module })
}

describe('koa', () => {
  it('runs a middleware package from npm as it is', async () => {
    const asked: string[] = []
    const tested = await testPlugin(
      koa,
      { from: 'koa-helmet', options: { xFrameOptions: { action: 'deny' } } },
      { load: (specifier) => (asked.push(specifier), helmet) },
    )
    const answer = await tested.request({ path: '/' }, { body: { ok: true } })
    expect(asked).toEqual(['npm:koa-helmet'])
    expect(answer.headers['x-frame-options']).toBe('DENY')
    expect(answer.headers['content-security-policy']).toContain("default-src 'self'")
    expect(answer.body).toEqual({ ok: true })
  })

  it('calls the export with the options, which it may change', async () => {
    const tested = await withModule(
      {
        default: (options: { greeting?: string }) => {
          options.greeting ??= 'hello'
          return async (ctx: Context, next: Next) => {
            await next()
            ctx.set('x-greeting', options.greeting!)
          }
        },
      },
      { options: {} },
    )
    expect((await tested.request({})).headers['x-greeting']).toBe('hello')
  })

  it('takes the export for the middleware where call is false', async () => {
    const middleware = async (ctx: Context, next: Next) => {
      ctx.set('x-seen', ctx.path)
      await next()
    }
    const tested = await withModule({ default: middleware }, { call: false })
    expect((await tested.request({ path: '/a' })).headers['x-seen']).toBe('/a')
  })

  it('finds a named export, and one of a CommonJS package', async () => {
    const make = () => (ctx: Context, next: Next) => (ctx.set('x-made', 'yes'), next())
    const named = await withModule({ cors: make }, { export: 'cors' })
    expect((await named.request({})).headers['x-made']).toBe('yes')
    const common = await withModule({ default: { cors: make } }, { export: 'cors' })
    expect((await common.request({})).headers['x-made']).toBe('yes')
  })

  it('shows the middleware the answer of the upstream, which it may replace', async () => {
    const tested = await withModule({
      default: () => async (ctx: Context, next: Next) => {
        await next()
        ctx.body = { wrapped: JSON.parse(String(ctx.body)) as unknown }
        ctx.status = 203
      },
    })
    const answer = await tested.request({}, { body: { ok: true } })
    expect(answer.status).toBe(203)
    expect(answer.body).toEqual({ wrapped: { ok: true } })
  })

  it('lets the middleware answer by itself', async () => {
    const tested = await withModule({
      default: () => (ctx: Context) => {
        ctx.body = { from: 'middleware' }
      },
    })
    const answer = await tested.request({})
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({ from: 'middleware' })
    expect(answer.attempts).toEqual([])
  })

  it('passes a stream on, without showing it', async () => {
    let seen: unknown = 'not asked'
    const tested = await withModule({
      default: () => async (ctx: Context, next: Next) => {
        await next()
        seen = ctx.body
        ctx.set('x-late', 'yes')
      },
    })
    const answer = await tested.request({}, { chunks: ['one', 'two'] })
    expect(seen).toBeUndefined()
    expect(answer.headers['x-late']).toBe('yes')
    expect(answer.chunks.map(({ data }) => data)).toEqual(['one', 'two'])
  })

  it("turns ctx.throw into a refusal in the client's dialect", async () => {
    const tested = await withModule({
      default: () => (ctx: Context) => {
        ctx.throw(401, 'no token', { headers: { 'WWW-Authenticate': 'Bearer' } })
      },
    })
    const answer = await tested.request({ path: '/v1/chat/completions', body: { messages: [] } })
    expect(answer.status).toBe(401)
    expect(answer.error?.code).toBe('UNAUTHENTICATED')
    expect(answer.headers['www-authenticate']).toBe('Bearer')
    expect(answer.body).toMatchObject({ error: { message: 'no token' } })
  })

  it('keeps the status of refusals that have no code of their own', async () => {
    const tested = await withModule({
      default: () => (ctx: Context) => ctx.throw(402, 'pay first'),
    })
    const { status, error } = await tested.request({})
    expect([status, error?.code]).toEqual([402, 'DENIED'])
  })

  it('keeps to itself what the middleware does not want shown', async () => {
    const tested = await withModule({
      default: () => (ctx: Context) => ctx.throw(403, 'key 7 is revoked', { expose: false }),
    })
    await expect(tested.request({})).rejects.toThrow('key 7 is revoked')
  })

  it('does not take a bug for a refusal', async () => {
    const tested = await withModule({
      default: () => () => {
        throw new TypeError('x is not a function')
      },
    })
    await expect(tested.request({})).rejects.toThrow('x is not a function')
  })

  describe('at start', () => {
    it('names the package that is missing, and how to install it', async () => {
      const load = () => {
        throw new Error("Cannot find module 'koa-nothing'")
      }
      const tested = testPlugin(koa, { from: 'koa-nothing' }, { load })
      await expect(tested).rejects.toThrow('cannot load "koa-nothing": npm i koa-nothing')
    })

    it('asks after the path of a missing file', async () => {
      const load = () => {
        throw new Error('ENOENT')
      }
      const tested = testPlugin(koa, { from: './nothing.ts' }, { load })
      await expect(tested).rejects.toThrow('is the path right, as seen from the config file?')
    })

    it('names the exports there are', async () => {
      await expect(withModule({ cors: () => undefined }, { export: 'helmet' })).rejects.toThrow(
        '"./middleware.ts" has no function "helmet"; it exports cors',
      )
    })

    it('says what to do about an export that makes no middleware', async () => {
      const middleware = async (_ctx: Context, next: Next) => next()
      await expect(withModule({ default: middleware })).rejects.toThrow('call: false')
      await expect(withModule({ default: () => ({}) })).rejects.toThrow(
        'made object rather than a middleware',
      )
    })

    it('refuses options that nobody would see', async () => {
      await expect(
        withModule({ default: () => undefined }, { call: false, options: { a: 1 } }),
      ).rejects.toThrow('options: is never used, because call is false')
    })
  })
})
