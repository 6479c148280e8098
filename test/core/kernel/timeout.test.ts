import { expect, test } from 'vitest'
import type { Outcome } from '#core/sdk.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { step } from '../../support/step.ts'

const config = (more = '') => `
upstreams: { demo: { dialect: demo, demo: { chunkDelay: 50ms, chunks: 100 } } }
routes:
  - { id: chat, match: { api: openai-chat }, timeout: 200ms, pipeline: [probe], upstream: demo${more} }
`

const ask = (url: string, body: object) =>
  fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }], ...body }),
  })

test('a step that never comes back is answered for when the route allows no more', async () => {
  const outcomes: Outcome[] = []
  let reason: unknown
  const { url, generation } = await startTestGateway(config(), {
    plugins: [
      step('probe', {
        handle: (ctx) =>
          new Promise<void>(() => {
            const { signal } = ctx.exchange
            signal.addEventListener('abort', () => (reason = signal.reason))
          }),
        done: (_, outcome) => void outcomes.push(outcome),
      }),
    ],
  })
  const answer = await ask(url, {})
  expect(answer.status).toBe(504)
  expect(await answer.json()).toMatchObject({
    error: { message: 'not done within 200ms (timeout of the route)' },
  })
  expect(reason).toMatchObject({ code: 'EXCHANGE_TIMEOUT' })
  await expect.poll(() => outcomes).toMatchObject([{ end: 'timeout', status: 504 }])
  expect(generation.exchanges).toBe(0)
})

test('a stream that goes on longer than the route allows ends with an error event', async () => {
  const { url } = await startTestGateway(config(), { plugins: [step('probe', {})] })
  const answer = await ask(url, { stream: true })
  expect(answer.status).toBe(200)
  const text = await answer.text()
  expect(text).toContain('"type":"timeout"')
  expect(text).not.toContain('[DONE]')
})

test('an answer that a step gives after that time is dropped', async () => {
  const late = Promise.withResolvers<void>()
  const { url, logs } = await startTestGateway(config(), {
    plugins: [
      step('probe', {
        async handle(ctx) {
          await late.promise
          ctx.body = 'too late'
        },
      }),
    ],
  })
  const answer = await ask(url, {})
  expect(answer.status).toBe(504)
  late.resolve()
  expect((await ask(url, { stream: false })).status).toBe(200)
  expect(logs).toEqual([])
})
