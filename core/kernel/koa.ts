import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import type { Context } from '../exchange.ts'
import type { Json } from '../kit/json.ts'
import { readableSource } from '../kit/readable-source.ts'
import type { LiveExchange } from './exchange.ts'

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

/** Before a wrapping step goes on after `next()`: the bytes that came up are `ctx.body`. */
export function showAnswerToKoa(exchange: LiveExchange, ctx: Context): void {
  const { bytes } = exchange.res
  if (bytes === undefined || ctx.body === bytes) return
  const { status } = exchange.res
  const encoding = exchange.res.header('content-length')
  ctx.body = bytes
  ctx.status = status
  if (encoding === undefined) exchange.res.remove('content-length')
}

/** After a wrapping step: what it put into `ctx.body`, in any of Koa's forms, is the answer. */
export function adoptKoaAnswer(exchange: LiveExchange, ctx: Context): void {
  const { res } = exchange
  const body: unknown = ctx.body
  if (body === undefined || body === null) {
    // A step that only set a status, such as 204, has answered too.
    if (!res.isAnswered && res.status !== 404) res.bytes = Buffer.alloc(0)
    return
  }
  if (body === res.bytes) return
  if (Buffer.isBuffer(body)) res.bytes = body
  else if (typeof body === 'string') res.bytes = Buffer.from(body)
  else if (body instanceof Readable) res.stream = readableSource(body)
  else if (body instanceof Blob) res.stream = readableSource(webStream(body.stream()))
  else if (body instanceof Response) adoptResponse(exchange, body)
  else if (body instanceof globalThis.ReadableStream) {
    res.stream = readableSource(webStream(body))
  } else res.body = body as Json
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
