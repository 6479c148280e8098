import { describe, expect, it } from 'vitest'
import { catalog } from '#core/cli/catalog.ts'
import { loadConfig } from '#core/config/load.ts'
import {
  answers,
  ask,
  chatAt,
  fails,
  resets,
  startRetrying,
  startScripted,
} from './retryPolicy.fixture.ts'

describe('a fallback', () => {
  it('is asked at once where the first upstream fails', async () => {
    const first = await startScripted(resets)
    const second = await startScripted(answers(200))
    const { url } = await startRetrying('{ initialDelay: 30s, fallback: [second] }', {
      first: chatAt(first.url),
      second: chatAt(second.url),
    })
    expect((await ask(url)).status).toBe(200)
    expect([first.seen.length, second.seen.length]).toEqual([1, 1])
  })

  it('is asked at once where no credential for the first can be had', async () => {
    const first = await startScripted(answers(200))
    const second = await startScripted(answers(200))
    const auth =
      '{ type: oauth2-client-credentials, tokenUrl: "http://127.0.0.1:1/token", clientId: me, clientSecret: s }'
    const { url } = await startRetrying('{ initialDelay: 30s, fallback: [second] }', {
      first: `{ dialect: openai-chat, url: "${first.url}/v1", auth: ${auth} }`,
      second: chatAt(second.url),
    })
    expect((await ask(url)).status).toBe(200)
    expect([first.seen.length, second.seen.length]).toEqual([0, 1])
  })

  it('may be another model, in the words of the upstream', async () => {
    const up = await startScripted(fails(404), answers(200))
    const { url } = await startRetrying('{ fallback: [{ model: gpt-4o-mini }] }', {
      chat: chatAt(up.url),
    })
    expect((await ask(url)).status).toBe(200)
    expect(up.seen.map(({ body }) => (JSON.parse(body) as { model: string }).model)).toEqual([
      'gpt-4o',
      'gpt-4o-mini',
    ])
  })

  it('waits for its turn, and the attempts go on there', async () => {
    const first = await startScripted(fails(500))
    const second = await startScripted(fails(500), answers(200))
    const { url } = await startRetrying(
      '{ initialDelay: 1ms, maxRetries: 3, fallbackAfter: 2, fallback: [second] }',
      { first: chatAt(first.url), second: chatAt(second.url) },
    )
    expect((await ask(url)).status).toBe(200)
    expect([first.seen.length, second.seen.length]).toEqual([2, 2])
  })

  it('is not asked to mend the fault of a client', async () => {
    const first = await startScripted(fails(400))
    const second = await startScripted(answers(200))
    const { url } = await startRetrying('{ fallback: [second] }', {
      first: chatAt(first.url),
      second: chatAt(second.url),
    })
    expect((await ask(url)).status).toBe(400)
    expect(second.seen).toEqual([])
  })

  it('is asked for what its expression says', async () => {
    const long = { error: { message: 'too long', code: 'context_length_exceeded' } }
    const first = await startScripted(answers(400, long))
    const skipped = await startScripted(answers(200))
    const second = await startScripted(answers(200))
    const { url } = await startRetrying(
      `
        maxRetries: 2
        fallback:
          - { upstream: skipped, when: { eq: [$vars.failure.kind, rateLimit] } }
          - { upstream: second, when: { eq: [$vars.failure.kind, contextLength] } }`,
      { first: chatAt(first.url), skipped: chatAt(skipped.url), second: chatAt(second.url) },
    )
    expect((await ask(url)).status).toBe(200)
    expect([skipped.seen.length, second.seen.length]).toEqual([0, 1])
  })

  it('takes over where the provider asks to wait for too long', async () => {
    const first = await startScripted(fails(429, { 'retry-after': '7200' }))
    const second = await startScripted(answers(200))
    const { url } = await startRetrying('{ fallbackAfter: 3, fallback: [second] }', {
      first: chatAt(first.url),
      second: chatAt(second.url),
    })
    expect((await ask(url)).status).toBe(200)
  })
})

describe('check', () => {
  async function problemsOf(options: string): Promise<string[]> {
    const text = `version: 1
upstreams: { chat: { dialect: demo } }
routes:
  - id: chat
    match: { api: llm }
    upstream: chat
    pipeline:
      - retryPolicy: ${options}
`
    const { problems } = await loadConfig('gateway.yaml', { text, env: {}, catalog })
    return problems.map(({ path, message, hint }) => `${path}: ${message} (${hint ?? ''})`)
  }

  it.each([
    ['{ fallback: [chta] }', 'fallback[0]: there is no upstream "chta" (did you mean chat?)'],
    ['{ fallback: [{ upstream: x }] }', 'fallback[0].upstream: there is no upstream "x"'],
    ['{ fallback: [{}] }', 'fallback[0]: names neither an upstream nor a model'],
    ['{ maxRetries: 1, fallback: [chat, chat] }', 'fallback[1]: never reached: 1 retries'],
    ['{ retryableErrors: [Oops!] }', 'retryableErrors[0]: no failure is called "Oops!"'],
  ])('tells what is wrong with %s', async (options, expected) => {
    expect((await problemsOf(options)).join('\n')).toContain(expected)
  })
})
