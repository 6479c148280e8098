import { PassThrough } from 'node:stream'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { ClientDialect } from '#core/dialects/dialect.ts'
import { DIALECTS } from '#core/dialects/index.ts'
import { GatewayError } from '#core/errors.ts'
import type { ByteSource } from '#core/kit/byte-source.ts'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { type Frame, SseParser } from '#core/kit/sse.ts'
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '#core/upstream/upstream.ts'
import { openDemo, requestOf } from './serve.ts'

const opened: Upstream[] = []

afterEach(async () => {
  vi.useRealTimers()
  // Resolves only when every attempt is over: a leak would make this time out.
  await Promise.all(opened.splice(0).map((upstream) => upstream.close()))
})

function open(...given: Parameters<typeof openDemo>): Upstream {
  const upstream = openDemo(...given)
  opened.push(upstream)
  return upstream
}

const CHAT = { model: 'm', messages: [{ role: 'user', content: 'a few words to say again' }] }

function asking(body: Json, changes: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return requestOf({ body: Buffer.from(JSON.stringify(body)), ...changes })
}

const streaming = asking({ ...CHAT, stream: true })

function json({ body }: UpstreamAnswer): JsonObject {
  return JSON.parse((body as Buffer).toString()) as JsonObject
}

interface Heard {
  readonly text: string
  readonly pieces: number
  readonly error: Error | undefined
}

/** Pipes a source to its end; `take` answers for the sink. */
function hear(source: ByteSource, take: (pieces: number) => boolean = () => true): Promise<Heard> {
  return new Promise((resolve) => {
    let text = ''
    let pieces = 0
    source.pipe({
      data(chunk) {
        text += chunk.toString()
        return take(++pieces)
      },
      end: () => resolve({ text, pieces, error: undefined }),
      error: (error) => resolve({ text, pieces, error }),
    })
  })
}

async function stream(upstream: Upstream, request = streaming): Promise<Heard> {
  return hear((await upstream.send(request).answer).body as ByteSource)
}

describe('errors on demand', () => {
  it.each([
    ['openai-chat', '/v1/chat/completions', 503, { error: { type: 'server_error' } }],
    ['openai-responses', '/v1/responses', 503, { error: { type: 'server_error' } }],
    ['anthropic', '/v1/messages', 529, { type: 'error', error: { type: 'overloaded_error' } }],
    ['gemini', '/v1/models/m:generateContent', 503, { error: { status: 'UNAVAILABLE' } }],
    ['http', '/anything', 503, { code: 'OVERLOADED' }],
  ] as const)('come as %s sends them', async (dialect, path, status, shape) => {
    const answer = await open({ fail: {} }).send(asking(CHAT, { dialect, path })).answer
    expect(answer.status).toBe(status)
    expect(json(answer)).toMatchObject(shape)
    expect(answer.headers[DIALECTS[dialect].requestIdHeader]).toBe('req_1')
  })

  it('come every so often, and say when to come back', async () => {
    const upstream = open({ fail: { status: 429, every: 3 }, retryAfter: '1500ms' })
    const answers: UpstreamAnswer[] = []
    for (let index = 0; index < 6; index++) answers.push(await upstream.send(asking(CHAT)).answer)
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429, 200, 200, 429])
    expect(answers.map(({ headers }) => headers['retry-after'])[2]).toBe('2')
    expect(json(answers[2]!)).toMatchObject({ error: { code: 'rate_limit_exceeded' } })
  })

  it('come by header only where that is allowed', async () => {
    const headers = { 'x-demo-fail': '418', 'x-demo-cut': '2', 'x-demo-delay': 'soon' }
    const asked = asking(CHAT, { headers })
    expect((await open().send(asked).answer).status).toBe(200)
    const upstream = open({ allowControl: true })
    expect((await upstream.send(asked).answer).status).toBe(418)
    const cut = { ...streaming, headers: { 'x-demo-cut': '2' } }
    expect(await stream(upstream, cut)).toMatchObject({
      pieces: 2,
      error: { code: 'UPSTREAM_CUT' },
    })
  })

  it('are answers too where the body is not what the API wants', async () => {
    const upstream = open()
    const statusOf = async (body: string, changes: Partial<UpstreamRequest> = {}) =>
      (await upstream.send(requestOf({ body: Buffer.from(body), ...changes })).answer).status
    expect(await statusOf('{')).toBe(400)
    expect(await statusOf('7')).toBe(400)
    expect(await statusOf('{"messages":{}}')).toBe(400)
    expect(await statusOf(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)).toBe(400)
    expect(await statusOf(`{"messages":${'['.repeat(9_999)}${']'.repeat(9_999)}}`)).toBe(400)
    expect(await statusOf('', { headers: { 'content-encoding': 'gzip' } })).toBe(415)
    expect(await statusOf('{}', { path: '/v1/images/generations' })).toBe(404)
  })
})

describe('time', () => {
  it('passes before the first byte as long as it was told to', async () => {
    const began = performance.now()
    await open({ delay: '40ms' }).send(asking(CHAT)).answer
    expect(performance.now() - began).toBeGreaterThanOrEqual(39)
  })

  it('runs out at the first byte, in a silence and over all', async () => {
    const limits = { connectMs: 1, firstByteMs: 20, idleMs: 20, totalMs: 5_000 }
    const late = { code: 'UPSTREAM_TIMEOUT' }
    const slow = open({ delay: '5s' }, { timeouts: limits })
    await expect(slow.send(asking(CHAT)).answer).rejects.toMatchObject(late)
    const silent = open({ chunkDelay: '5s' }, { timeouts: limits })
    expect(await stream(silent)).toMatchObject({ pieces: 1, error: late })
    const long = open({ chunkDelay: '5ms' }, { timeouts: { ...limits, totalMs: 30 } })
    expect(await stream(long)).toMatchObject({ error: late })
    const request = { ...asking(CHAT), deadline: Date.now() - 1 }
    await expect(open().send(request).answer).rejects.toMatchObject(late)
  })
})

describe('a stream', () => {
  it('is broken off after so many events, with an error and not with an end', async () => {
    expect(await stream(open({ cutAfter: 0 }))).toMatchObject({ text: '', pieces: 0 })
    const { pieces, error, text } = await stream(open({ cutAfter: 3 }))
    expect(pieces).toBe(3)
    expect(error).toBeInstanceOf(GatewayError)
    expect(text).not.toContain('[DONE]')
  })

  it('is cut into as many pieces as were asked for, and none of them breaks a letter', async () => {
    const text = '🎉'.repeat(10)
    const { text: events } = await stream(open({ text, chunks: 7 }))
    const frames: Frame[] = []
    const parser = new SseParser((frame) => frames.push(frame))
    parser.push(Buffer.from(events))
    const deltas = frames.flatMap(({ data }) => /"content":"([^"]+)"/.exec(data)?.[1] ?? [])
    expect(deltas.join('')).toBe(text)
    expect(deltas).toHaveLength(5)
    expect(deltas.every((delta) => delta.isWellFormed())).toBe(true)
  })

  it('stops while its reader is full, and goes on when asked, also from within', async () => {
    const { body } = await open({ chunks: 500, text: 'x'.repeat(500) }).send(streaming).answer
    const source = body as ByteSource
    let isFull = false
    const heard = await hear(source, (pieces) => {
      expect(isFull).toBe(false)
      if (pieces % 3 === 0) {
        source.resume()
        return true
      }
      isFull = true
      setImmediate(() => {
        isFull = false
        source.resume()
      })
      return false
    })
    expect(heard.error).toBeUndefined()
    expect(heard.pieces).toBe(503)
    expect(heard.text.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  it('stops at once when it is aborted: before it is read, in a pause, and in between', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const reason = new Error('the client left')
    const upstream = open({ chunkDelay: '10s' })
    const early = (await upstream.send(streaming).answer).body as ByteSource
    early.abort(reason)
    expect(await hear(early)).toEqual({ text: '', pieces: 0, error: reason })
    const attempt = upstream.send(streaming)
    const waiting = hear((await attempt.answer).body as ByteSource)
    attempt.abort(reason)
    attempt.abort(new Error('again'))
    expect(await waiting).toMatchObject({ pieces: 1, error: reason })
    expect(vi.getTimerCount()).toBe(0)
    const source = (await open().send(streaming).answer).body as ByteSource
    const within = await hear(source, () => {
      source.abort(reason)
      return true
    })
    expect(within).toMatchObject({ pieces: 1, error: reason })
  })
})

describe('an attempt', () => {
  it('can be given up before its answer', async () => {
    const attempt = open({ delay: '10s' }).send(asking(CHAT))
    attempt.abort(new Error('no longer wanted'))
    await expect(attempt.answer).rejects.toThrow('no longer wanted')
  })

  it('reads a body that is still arriving, and gives up one that breaks off', async () => {
    const upstream = open()
    const body = new PassThrough()
    const { answer } = upstream.send(requestOf({ body }))
    const bytes = JSON.stringify(CHAT)
    body.write(bytes.slice(0, 20))
    body.end(bytes.slice(20))
    expect((await answer).status).toBe(200)
    const broken = new PassThrough()
    const attempt = upstream.send(requestOf({ body: broken }))
    broken.write('{')
    broken.destroy()
    await expect(attempt.answer).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
  })

  it('is refused once the upstream is being closed, which waits for those under way', async () => {
    const upstream = open({ chunkDelay: '1ms' })
    // One that is over stays over, whoever gives it up.
    const over = upstream.send(asking(CHAT))
    await over.answer
    over.abort(new Error('too late'))
    const source = (await upstream.send(streaming).answer).body as ByteSource
    let isClosed = false
    const closing = upstream.close().then(() => (isClosed = true))
    await expect(upstream.send(streaming).answer).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
    expect(isClosed).toBe(false)
    await hear(source)
    await closing
    expect(isClosed).toBe(true)
  })

  it('answers the same question with the same bytes', async () => {
    const now = () => 1_700_000_000_000
    const bytes = async () => {
      const upstream = open()
      const [answer, heard] = [await upstream.send(asking(CHAT)).answer, await stream(upstream)]
      const created = /"created":\d+/g
      return [json(answer)['choices'], heard.text.replaceAll(created, String(now()))]
    }
    expect(await bytes()).toEqual(await bytes())
  })
})

describe('the http dialect', () => {
  const plain = {
    dialect: 'http' as ClientDialect,
    method: 'PUT',
    path: '/a/b',
    query: 'q=1&r=%20',
  }

  it('echoes the request, without its credentials', async () => {
    const headers = { authorization: 'Bearer k', 'x-api-key': 'k', cookie: 'c', accept: '*/*' }
    const answer = await open().send(asking({ hi: 1 }, { ...plain, headers })).answer
    expect(json(answer)).toEqual({
      method: 'PUT',
      path: '/a/b',
      query: { q: '1', r: ' ' },
      headers: { accept: '*/*' },
      body: { hi: 1 },
    })
  })

  it('answers with the status in the path', async () => {
    const upstream = open()
    const status = async (path: string) => await upstream.send(requestOf({ ...plain, path })).answer
    expect((await status('/status/404')).status).toBe(404)
    expect((await status('/status/099')).status).toBe(200)
    const empty = await status('/status/204')
    expect(empty).toMatchObject({ status: 204, body: Buffer.alloc(0) })
    expect(empty.headers).not.toHaveProperty('content-type')
    const text = await upstream.send(requestOf({ ...plain, body: Buffer.from('no json') })).answer
    expect(json(text)['body']).toBe('no json')
  })
})

describe('bodies that must be read whole', () => {
  it('are put together where a stream is no event stream, within the bound', async () => {
    const path = '/v1/models/m:streamGenerateContent'
    const body = { contents: [{ parts: [{ text: 'hi' }] }] }
    const asked = asking(body, { dialect: 'gemini', path, mustBuffer: true })
    const upstream = open()
    const { body: whole } = await upstream.send(asked).answer
    expect(JSON.parse((whole as Buffer).toString())).toBeInstanceOf(Array)
    const small = { ...asked, bufferUpTo: 10 }
    await expect(upstream.send(small).answer).rejects.toMatchObject({ code: 'ANSWER_TOO_LARGE' })
  })
})
