import { request } from 'node:http'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { Outcome } from '#core/sdk.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { step } from '../../support/step.ts'
import { startUpstream } from '../../support/upstream.ts'

/** A sequence of numbers below `n` that is the same in each run. */
function dice(seed: number) {
  let state = seed
  return (n: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    // The low bits of such a sequence repeat themselves.
    return (state >> 12) % n
  }
}

const later = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

test('clients and upstreams that leave at any moment leave nothing behind', async () => {
  const unhandled: unknown[] = []
  const keep = (cause: unknown) => unhandled.push(cause)
  process.on('unhandledRejection', keep).on('uncaughtException', keep)
  onTestFinished(() => void process.off('unhandledRejection', keep).off('uncaughtException', keep))
  const roll = dice(7)
  const upstream = await startUpstream((req, res) => {
    const kind = roll(7)
    res.on('error', () => {})
    req.on('error', () => {})
    if (kind === 0) return req.socket.destroy()
    if (kind === 1) return setTimeout(() => res.destroy(), roll(15))
    req.resume()
    if (kind === 2) return setTimeout(() => res.writeHead(500).end('whole'), roll(10))
    res.writeHead(kind === 3 ? 503 : 200, {
      'content-type': kind % 2 ? 'text/event-stream' : 'application/json',
    })
    res.write('data: {"a":1}\n\n')
    return setTimeout(() => (kind === 6 ? res.destroy() : res.end('data: [DONE]\n\n')), roll(15))
  })
  const ends: Outcome[] = []
  const started: number[] = []
  const plugins = [
    step('watch', {
      request: () => void started.push(1),
      done: (_, outcome) => void ends.push(outcome),
    }),
    step(
      'again',
      {
        async handle(ctx, next) {
          for (let attempt = 0; attempt < 3; attempt++) {
            await next().catch((cause: unknown) => {
              if (attempt === 2) throw cause
            })
            if (ctx.status < 500) return
            await later(roll(5))
          }
        },
      },
      { stage: 'observe', attempts: () => 3 },
    ),
    step('think', {
      request: () => (roll(2) ? later(roll(8)) : undefined),
      response: () => (roll(2) ? later(roll(8)) : undefined),
      chunk: () => undefined,
    }),
    step('reader', { request: () => undefined }, { reads: ['request.body'] }),
  ]
  const gateway = await startTestGateway(
    `
upstreams: { up: { dialect: openai-chat, url: "${upstream.url}/v1" } }
routes:
  - { id: a, match: { path: /v1/a* }, dialect: openai-chat, pipeline: [watch, again, think], upstream: up }
  - { id: b, match: { path: /v1/b* }, dialect: openai-chat, pipeline: [watch, think, reader], upstream: up }
`.replaceAll('*', '/*'),
    { plugins },
  )
  const { port } = new URL(gateway.url)

  async function visit(): Promise<void> {
    const path = `/v1/${roll(2) ? 'a' : 'b'}/x`
    if (roll(4) === 0) {
      // Half a request, then silence or a reset.
      const socket = connect(Number(port), '127.0.0.1')
      socket.on('error', () => {}).resume()
      socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 20\r\n\r\n{"a":`)
      await later(roll(15))
      if (roll(2)) socket.resetAndDestroy()
      else socket.destroy()
      return
    }
    await new Promise<void>((resolve) => {
      const req = request({ port, path, host: '127.0.0.1', method: 'POST', agent: false })
      req.on('error', () => {}).on('close', resolve)
      req.on('response', (res) => res.on('error', () => {}).resume())
      req.end('{"model":"m"}')
      if (roll(3)) setTimeout(() => req.destroy(), roll(25))
    })
  }

  for (let round = 0; round < 12; round++) {
    await Promise.all(Array.from({ length: 25 }, visit))
  }
  // A request whose client has left may still be on its way in.
  const isOver = () => gateway.generation.exchanges === 0 && ends.length === started.length
  await expect.poll(isOver, { timeout: 5_000 }).toBe(true)
  await later(20)
  expect(unhandled).toEqual([])
  expect(ends.map(({ end }) => end)).toEqual(
    expect.arrayContaining(['completed', 'client-closed', 'error']),
  )
  expect(gateway.logs.filter(({ level }) => level === 'error')).toEqual([])
  // What is kept open to the upstream is idle, not leaked by those who left.
  const open = await new Promise<number>((resolve) =>
    upstream.server.getConnections((_, count) => resolve(count)),
  )
  expect(open).toBeLessThan(60)
}, 30_000)
