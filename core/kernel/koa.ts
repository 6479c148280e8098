import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import type { Context } from '../exchange.ts'
import { readableSource } from '../kit/readable-source.ts'
import { BODY_FIELDS, type LiveExchange } from './exchange.ts'

/** Makes Koa's own context for an exchange. */
export type MakeContext = (exchange: LiveExchange) => Context

/** Loads Koa, which only steps that wrap need. The kernel writes the answer, so Koa is told not to. */
export async function createContexts(onError: (error: Error) => void): Promise<MakeContext> {
  const { default: Koa } = await import('koa')
  const app = new Koa()
  app.silent = true
  app.on('error', onError)
  return (exchange) => {
    const { raw } = exchange.res
    const isAnswered = exchange.res.isAnswered
    const ctx = app.createContext(exchange.req.raw, raw) as unknown as Context & {
      exchange: unknown
    }
    ctx.respond = false
    ctx.exchange = exchange
    ctx.request.ip = exchange.req.ip
    // As Koa does it: nothing answered yet.
    if (!isAnswered) raw.statusCode = 404
    return ctx
  }
}

/** What Koa's context shows of the answer, to find out what a middleware has changed. */
export interface Shown {
  readonly body: unknown
  /** What described that body: the values of BODY_FIELDS, in their order. */
  readonly fields: readonly unknown[]
}

/** Koa's own fields. Its setters would change status, type and length along with the body. */
type KoaResponse = { _body: unknown; _explicitStatus: boolean; _explicitNullBody: boolean }

/** Before a wrapping step: whatever the steps above have put into `ctx.body`. */
export function bodyOfKoa(ctx: Context): Shown {
  return { body: ctx.body, fields: [] }
}

/** Before a wrapping step goes on after `next()`: the bytes that came up are `ctx.body`; a stream is not shown. */
export function showAnswerToKoa({ res }: LiveExchange, ctx: Context): Shown {
  if (res.isAnswered) {
    const response = ctx.response as unknown as KoaResponse
    response._body = res.bytes
    response._explicitStatus = true
  }
  return { body: ctx.body, fields: BODY_FIELDS.map((name) => res.raw.getHeader(name)) }
}

/** Takes back what was shown: another attempt begins, or the last one failed. */
export function resetKoa(ctx: Context): Shown {
  const response = ctx.response as unknown as KoaResponse
  response._body = undefined
  response._explicitStatus = false
  response._explicitNullBody = false
  return { body: undefined, fields: [] }
}

/** After a wrapping step: what it put into `ctx.body`, in any of Koa's forms, is the answer. */
export function adoptKoaAnswer(exchange: LiveExchange, ctx: Context, shown: Shown): void {
  const { res } = exchange
  const body: unknown = ctx.body
  if (body === shown.body) {
    // A step that only set a status, such as 204, has answered too.
    if (!res.isAnswered && body === undefined && res.status !== 404) res.bytes = Buffer.alloc(0)
    return
  }
  // What described the body before this one; what the middleware says of its own stays.
  for (const [at, name] of BODY_FIELDS.entries()) {
    const old = shown.fields[at]
    if (old !== undefined && old === res.raw.getHeader(name)) res.remove(name)
  }
  if (body === undefined || body === null) res.bytes = Buffer.alloc(0)
  else if (Buffer.isBuffer(body)) res.bytes = body
  else if (typeof body === 'string') res.bytes = Buffer.from(body)
  else if (body instanceof Readable) res.stream = readableSource(body)
  else if (body instanceof Blob) res.stream = readableSource(webStream(body.stream()))
  else if (body instanceof Response) adoptResponse(exchange, body)
  else if (body instanceof globalThis.ReadableStream) {
    res.stream = readableSource(webStream(body))
  } else res.bytes = Buffer.from(JSON.stringify(body))
}

function adoptResponse(exchange: LiveExchange, response: Response): void {
  exchange.res.status = response.status
  response.headers.forEach((value, name) => exchange.res.set(name, value))
  if (response.body === null) exchange.res.bytes = Buffer.alloc(0)
  else exchange.res.stream = readableSource(webStream(response.body))
}

function webStream(stream: unknown): Readable {
  return Readable.fromWeb(stream as ReadableStream)
}
