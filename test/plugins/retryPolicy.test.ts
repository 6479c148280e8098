import { existsSync, readFileSync } from 'node:fs'
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import {
  answers,
  ask,
  chatAt,
  fails,
  resets,
  startRetrying,
  startScripted,
} from './retryPolicy.fixture.ts'

const FAST = '{ initialDelay: 1ms, jitter: false }'
const BLOCK = new URL('../../../shared/roadmap/retryPolicy.json', import.meta.url)

describe('retryPolicy', () => {
  it("takes the roadmap's block as it stands, and tries again until it is answered", async (test) => {
    if (!existsSync(BLOCK)) return test.skip('the roadmap is not beside this checkout')
    const { retryPolicy } = JSON.parse(readFileSync(BLOCK, 'utf8')) as { retryPolicy: object }
    const up = await startScripted(fails(503), resets, fails(429), answers(200))
    const options = JSON.stringify({ ...retryPolicy, initialDelay: 1 })
    const { url } = await startRetrying(options, { chat: chatAt(up.url) })
    const answer = await ask(url)
    expect(answer.status).toBe(200)
    expect(up.seen).toHaveLength(4)
    expect(new Set(up.seen.map(({ body }) => body)).size).toBe(1)
  })

  it('passes on the last failure, and tells SDKs that it was retried', async () => {
    const up = await startScripted(fails(503))
    const { url, logs } = await startRetrying(FAST, { chat: chatAt(up.url) })
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'k', maxRetries: 2 })
    const asked = client.chat.completions.create({ model: 'gpt-4o', messages: [] })
    await expect(asked).rejects.toMatchObject({ status: 503 })
    expect(up.seen).toHaveLength(3)
    expect(logs).toContainEqual(expect.objectContaining({ message: 'retries given up' }))
  })

  it('says so of its own errors too', async () => {
    const up = await startScripted(resets)
    const { url } = await startRetrying(FAST, { chat: chatAt(up.url) })
    const answer = await ask(url)
    expect(answer.status).toBe(502)
    expect(answer.headers.get('x-should-retry')).toBe('false')
    expect(up.seen).toHaveLength(3)
  })

  it.each([400, 401, 404, 422])('does not try a %i again', async (status) => {
    const up = await startScripted(fails(status))
    const { url } = await startRetrying(FAST, { chat: chatAt(up.url) })
    expect((await ask(url)).status).toBe(status)
    expect(up.seen).toHaveLength(1)
  })

  it('waits for as long as the provider asks', async () => {
    const up = await startScripted(fails(429, { 'retry-after-ms': '120' }), answers(200))
    const { url } = await startRetrying(FAST, { chat: chatAt(up.url) })
    expect((await ask(url)).status).toBe(200)
    expect(up.seen[1]!.at - up.seen[0]!.at).toBeGreaterThanOrEqual(118)
  })

  it('passes on an answer that asks to wait for too long, at once', async () => {
    const up = await startScripted(fails(429, { 'retry-after': '7200' }))
    const { url } = await startRetrying(FAST, { chat: chatAt(up.url) })
    const answer = await ask(url)
    expect(answer.status).toBe(429)
    expect(answer.headers.get('retry-after')).toBe('7200')
    expect(up.seen).toHaveLength(1)
  })

  it('begins no attempt after the deadline', async () => {
    const up = await startScripted(fails(429, { 'retry-after': '2' }))
    const { url } = await startRetrying('{ deadline: 1s }', { chat: chatAt(up.url) })
    expect((await ask(url)).status).toBe(429)
    expect(up.seen).toHaveLength(1)
  })

  it('believes a provider that says whether to retry', async () => {
    const never = await startScripted(fails(503, { 'x-should-retry': 'false' }))
    const gateway = await startRetrying(FAST, { chat: chatAt(never.url) })
    expect((await ask(gateway.url)).status).toBe(503)
    expect(never.seen).toHaveLength(1)
    const please = await startScripted(fails(409, { 'x-should-retry': 'true' }), answers(200))
    const other = await startRetrying(FAST, { chat: chatAt(please.url) })
    expect((await ask(other.url)).status).toBe(200)
  })

  it('does not wait for a quota to come back', async () => {
    const spent = {
      error: { message: 'quota', type: 'insufficient_quota', code: 'insufficient_quota' },
    }
    const up = await startScripted(answers(429, spent))
    const { url } = await startRetrying(FAST, { chat: chatAt(up.url) })
    expect((await ask(url)).status).toBe(429)
    expect(up.seen).toHaveLength(1)
  })

  it('tries again what an expression asks for', async () => {
    const long = { error: { message: 'too long', code: 'context_length_exceeded' } }
    const up = await startScripted(answers(400, long), answers(200))
    const options = '{ initialDelay: 1ms, retryWhen: { eq: [$vars.failure.kind, contextLength] } }'
    const { url } = await startRetrying(options, { chat: chatAt(up.url) })
    expect((await ask(url)).status).toBe(200)
  })

  it('gives up a slow attempt for another', async () => {
    const up = await startScripted(() => undefined, answers(200))
    const options = '{ initialDelay: 1ms, attemptTimeout: 60ms }'
    const { url } = await startRetrying(options, { chat: chatAt(up.url) })
    expect((await ask(url)).status).toBe(200)
    expect(up.seen).toHaveLength(2)
  })

  it('stops when the client leaves while it waits', async () => {
    const up = await startScripted(fails(429, { 'retry-after': '30' }))
    const { url, logs } = await startRetrying(FAST, { chat: chatAt(up.url) })
    const client = new AbortController()
    const asked = ask(url, {}, { signal: client.signal })
    await expect.poll(() => logs.some(({ message }) => message === 'upstream retried')).toBe(true)
    client.abort()
    await expect(asked).rejects.toThrow('abort')
    expect(up.seen).toHaveLength(1)
  })

  it('does not keep a large body for another attempt', async () => {
    const up = await startScripted(fails(503), answers(200))
    const { url } = await startRetrying(FAST, { chat: chatAt(up.url) })
    const answer = await ask(url, { padding: 'x'.repeat(1024 * 1024) })
    expect(answer.status).toBe(503)
    expect(up.seen).toHaveLength(1)
  })
})

describe('on routes of plain HTTP', () => {
  function post(url: string, headers: Record<string, string> = {}) {
    return fetch(`${url}/orders`, { method: 'POST', headers, body: 'one' })
  }

  it('does not repeat what may have been done already', async () => {
    const up = await startScripted(fails(500))
    const { url } = await startRetrying(FAST, { shop: `{ dialect: http, url: "${up.url}" }` })
    expect((await post(url)).status).toBe(500)
    expect(up.seen).toHaveLength(1)
    expect((await fetch(`${url}/orders`)).status).toBe(500)
    expect(up.seen).toHaveLength(4)
  })

  it.each([
    ['was turned away at the door', fails(503), {}, '{ initialDelay: 1ms }'],
    ['has an idempotency key', fails(500), { 'idempotency-key': '1' }, '{ initialDelay: 1ms }'],
    ['is said to be idempotent', fails(500), {}, '{ initialDelay: 1ms, idempotent: true }'],
  ])('repeats what %s', async (_, failure, headers, options) => {
    const up = await startScripted(failure, answers(201))
    const { url } = await startRetrying(options, { shop: `{ dialect: http, url: "${up.url}" }` })
    expect((await post(url, headers)).status).toBe(201)
    expect(up.seen[1]!.body).toBe('one')
  })
})

describe('the next attempt', () => {
  it('goes to another endpoint, without a wait', async () => {
    const bad = await startScripted(fails(500))
    const good = await startScripted(answers(200))
    const upstream = `{ dialect: openai-chat, endpoints: [{ url: "${bad.url}/v1" }, { url: "${good.url}/v1" }] }`
    const { url } = await startRetrying(
      '{ initialDelay: 30s, maxDelay: 30s, budget: { min: 8 } }',
      { chat: upstream },
    )
    const statuses = await Promise.all(
      Array.from({ length: 8 }, async () => (await ask(url)).status),
    )
    expect(statuses).toEqual(Array.from({ length: 8 }, () => 200))
  })

  it('uses another key where one is refused for its rate', async () => {
    const up = await startScripted((res, req) =>
      (req.headers.authorization === 'Bearer a' ? fails(429) : answers(200))(res, req),
    )
    const upstream = `{ dialect: openai-chat, url: "${up.url}/v1", keys: [a, b] }`
    const { url } = await startRetrying('{ initialDelay: 30s, maxDelay: 30s }', { chat: upstream })
    for (let i = 0; i < 4; i++) expect((await ask(url)).status).toBe(200)
  })
})
