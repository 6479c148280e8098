import Anthropic from '@anthropic-ai/sdk'
import { existsSync, readFileSync } from 'node:fs'
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { startTestGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

const ROADMAP = new URL('../../../shared/roadmap/rateLimiting.json', import.meta.url)

/** A gateway whose one step limits, in front of a demo upstream. */
const start = (limits: string, more = '') =>
  startTestGateway(`
upstreams: { demo: { dialect: demo } }
pipelines:
  chat:
    - rateLimiting: { limits: ${limits} ${more} }
routes: [{ id: chat, match: { api: llm }, pipeline: chat, upstream: demo }]
`)

const ASK = { model: 'demo', messages: [{ role: 'user' as const, content: 'hi' }] }

describe('the block of the roadmap', () => {
  it.skipIf(!existsSync(ROADMAP))('loads as it stands, and limits as it says', async () => {
    const block = JSON.stringify(JSON.parse(readFileSync(ROADMAP, 'utf8')))
    const { url } = await startTestGateway(`
upstreams: { demo: { dialect: demo } }
pipelines:
  chat:
    - ${block}
routes: [{ id: chat, match: { api: llm }, pipeline: chat, upstream: demo }]
`)
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'sk-a', maxRetries: 0 })
    const { response } = await client.chat.completions.create(ASK).withResponse()
    expect(response.headers.get('ratelimit-policy')).toBe(
      '"perUser-requests";q=150;w=90, "perUser-tokens";q=75000;qu="tokens";w=90, "perIP-requests";q=1500;w=5400, "perAPIKey-requests";q=7500;w=129600, "perAPIKey-tokens";q=750000;qu="tokens";w=129600',
    )
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('149')
  })
})

describe("an SDK's client", () => {
  it('of OpenAI comes back when it is told to', async () => {
    const { url } = await start('{ perIP: { requests: 20, window: 4s, burstAllowance: 1 } }')
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'k', maxRetries: 5 })
    const started = performance.now()
    const asked = Array.from({ length: 23 }, () => client.chat.completions.create(ASK))
    const answers = await Promise.all(asked)
    expect(answers).toHaveLength(23)
    // Three more than the bucket held: it refills five a second.
    expect(performance.now() - started).toBeGreaterThan(150)
  })

  it('of OpenAI gets its own error, with where it stands', async () => {
    const { url } = await start('{ perIP: { requests: 1, window: 1h, strategy: fixed-window } }')
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'k' })
    await client.chat.completions.create(ASK)
    // One hour is more than the SDK would wait: it is told not to try, and so fails at once.
    const error = await client.chat.completions.create(ASK).catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(OpenAI.RateLimitError)
    const { code, headers, message } = error as InstanceType<typeof OpenAI.RateLimitError>
    expect(code).toBe('rate_limit_exceeded')
    expect(message).toMatch(/over the limit of 1 request per 1h \(perIP\), try again in \d+[sm]/)
    expect(headers.get('x-ratelimit-remaining-requests')).toBe('0')
    expect(headers.get('x-ratelimit-reset-requests')).toMatch(/^(\d+m)?\d+s$/)
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    expect(headers.get('x-should-retry')).toBe('false')
  })

  it('of Anthropic gets its own error, with resets as points in time', async () => {
    const { url } = await start('{ perIP: { requests: 1, tokens: 9000, window: 1h } }')
    const client = new Anthropic({ baseURL: url, apiKey: 'k' })
    const ask = { ...ASK, max_tokens: 100 }
    const { response } = await client.messages.create(ask).withResponse()
    expect(response.headers.get('anthropic-ratelimit-tokens-limit')).toBe('9000')
    expect(response.headers.get('anthropic-ratelimit-requests-remaining')).toBe('0')
    const error = await client.messages.create(ask).catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(Anthropic.RateLimitError)
    const { headers, type } = error as InstanceType<typeof Anthropic.RateLimitError>
    expect(type).toBe('rate_limit_error')
    const reset = headers.get('anthropic-ratelimit-requests-reset')
    expect(reset).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    expect(Date.parse(reset!)).toBeGreaterThan(Date.now())
  })
})

describe('many requests at once', () => {
  it('never take more than the limit, of requests or of tokens', async () => {
    let running = 0
    let accepted = 0
    const upstream = await startUpstream((req, res) => {
      running++
      accepted++
      req.resume().on('end', () => {
        const usage = { prompt_tokens: 10, completion_tokens: 90, total_tokens: 100 }
        res.setHeader('content-type', 'application/json').end(JSON.stringify({ usage }))
        running--
      })
    })
    const { url } = await startTestGateway(`
upstreams: { up: { dialect: openai-chat, url: "${upstream.url}/v1" } }
pipelines:
  chat:
    - rateLimiting:
        limits:
          perIP: { requests: 150, tokens: 10000, window: 1h, strategy: fixed-window }
routes: [{ id: chat, match: { api: openai-chat }, pipeline: chat, upstream: up }]
`)
    const ask = () =>
      fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...ASK, max_tokens: 90 }),
      })
    for (let round = 0; round < 8; round++) {
      const answers = await Promise.all(Array.from({ length: 40 }, ask))
      for (const answer of answers) await answer.body?.cancel()
    }
    expect(running).toBe(0)
    // 100 tokens each: the tokens run out before the requests do.
    expect(accepted).toBeLessThanOrEqual(100)
    expect(accepted).toBeGreaterThan(97)
  })
})
