import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { startTestGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

const LIMIT = 10_000

/** Asks for 1,000 tokens of answer. */
const ASK = { model: 'm', messages: [{ role: 'user', content: 'hi' }], max_tokens: 1_000 }

/** What a stream of Chat Completions says. */
const chunk = (content: string) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`

/** A gateway that limits tokens, before an upstream that does as told; and how many tokens are left in the end. */
async function start(answer: (res: ServerResponse) => void, pipeline = '') {
  const upstream = await startUpstream((req, res) => {
    req.resume().once('end', () => answer(res))
  })
  const gateway = await startTestGateway(`
upstreams: { up: { dialect: openai-chat, url: "${upstream.url}/v1" } }
pipelines:
  chat:
    - rateLimiting: { limits: { perIP: { tokens: ${LIMIT}, window: 1d, strategy: fixed-window } } }
${pipeline}
routes:
  - { id: chat, match: { path: /v1/chat/completions }, dialect: openai-chat, pipeline: chat, upstream: up }
`)
  const ask = (body: object, signal?: AbortSignal) =>
    fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      ...(signal && { signal }),
    })
  const spent = async () => {
    const state = await fetch(`${gateway.adminUrl}/admin/rateLimiting/limits/perIP?key=127.0.0.1`)
    const { states } = (await state.json()) as { states: { remaining: number }[] }
    return LIMIT - states[0]!.remaining
  }
  return { upstream, ask, spent }
}

const head = (res: ServerResponse) => res.writeHead(200, { 'content-type': 'text/event-stream' })

describe('tokens are charged', () => {
  it('as reported, where a stream ends well', async () => {
    const usage = { prompt_tokens: 20, completion_tokens: 80, total_tokens: 100 }
    const { ask, spent } = await start((res) => {
      head(res).write(chunk('hello'))
      res.write(`data: ${JSON.stringify({ choices: [{ finish_reason: 'stop' }], usage })}\n\n`)
      res.end('data: [DONE]\n\n')
    })
    await (await ask({ ...ASK, stream: true })).text()
    await expect.poll(spent).toBe(100)
  })

  it('for the prompt and the text that was delivered, where the upstream cuts a stream', async () => {
    const { ask, spent } = await start((res) => {
      head(res)
      for (let times = 0; times < 100; times++) res.write(chunk('six by'))
      setImmediate(() => res.destroy())
    })
    await (await ask({ ...ASK, stream: true })).text().catch(() => undefined)
    // 600 bytes delivered: about 200 tokens, and a prompt of less than 200.
    await expect.poll(spent).toBeLessThan(400)
    expect(await spent()).toBeGreaterThan(200)
  })

  it('for what was delivered, where the client leaves a stream', async () => {
    const { ask, spent } = await start((res) => {
      head(res)
      for (let times = 0; times < 100; times++) res.write(chunk('six by'))
    })
    const answer = await ask({ ...ASK, stream: true })
    const reader = answer.body!.getReader()
    let size = 0
    while (size < 5_000) size += (await reader.read()).value?.length ?? 0
    await reader.cancel()
    await expect.poll(spent).toBeLessThan(400)
    expect(await spent()).toBeGreaterThan(200)
  })

  it('as reserved, where the client leaves before its answer begins', async () => {
    const arrived = Promise.withResolvers<ServerResponse>()
    const { ask, spent } = await start((res) => arrived.resolve(res))
    const controller = new AbortController()
    const asked = ask(ASK, controller.signal).catch(() => undefined)
    const res = await arrived.promise
    const reserved = await spent()
    expect(reserved).toBeGreaterThan(1_000)
    const left = once(res, 'close')
    controller.abort()
    await Promise.all([asked, left])
    expect(await spent()).toBe(reserved)
  })

  it.each([500, 429, 400])('not at all, where the upstream answers %i', async (status) => {
    const { ask, spent } = await start((res) => res.writeHead(status).end('{}'))
    await (await ask(ASK)).text()
    await expect.poll(spent).toBe(0)
  })

  it('not at all, where the upstream cannot be reached', async () => {
    const { upstream, ask, spent } = await start(() => undefined)
    upstream.server.closeAllConnections()
    upstream.server.close()
    expect((await ask(ASK)).status).toBe(502)
    await expect.poll(spent).toBe(0)
  })

  it('not at all, where a step below refuses', async () => {
    const { ask, spent } = await start(() => undefined, '    - filter: { deny: true }')
    expect((await ask(ASK)).status).toBe(403)
    await expect.poll(spent).toBe(0)
  })

  it('for all attempts, as far as they have told', async () => {
    let tries = 0
    const usage = { prompt_tokens: 20, completion_tokens: 80, total_tokens: 100 }
    const { ask, spent } = await start((res) => {
      res.setHeader('content-type', 'application/json')
      const error = ++tries < 3 ? { error: { message: 'broke off' } } : {}
      const body = JSON.stringify({ ...error, usage })
      res.writeHead(tries < 3 ? 500 : 200, { 'content-length': body.length }).end(body)
    }, '    - retryPolicy: { maxRetries: 3, initialDelay: 1ms }')
    expect((await ask(ASK)).status).toBe(200)
    await expect.poll(spent).toBe(300)
  })

  it('once, where a request is tried again', async () => {
    let tries = 0
    const usage = { prompt_tokens: 20, completion_tokens: 80, total_tokens: 100 }
    const { ask, spent } = await start((res) => {
      if (++tries < 3) res.writeHead(500).end('{}')
      else res.setHeader('content-type', 'application/json').end(JSON.stringify({ usage }))
    }, '    - retryPolicy: { maxRetries: 3, initialDelay: 1ms }')
    expect((await ask(ASK)).status).toBe(200)
    expect(tries).toBe(3)
    await expect.poll(spent).toBe(100)
  })
})
