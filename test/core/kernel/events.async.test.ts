import { once } from 'node:events'
import { get } from 'node:http'
import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import type { Chunk, ChunkPatch, Hooks, Outcome, Plugin } from '#core/sdk.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { step } from '../../support/step.ts'
import { startUpstream } from '../../support/upstream.ts'

const events = ['data: 1\n\n', ': note\n\n', 'data: 2\n\n', 'data: 3\n\n', 'data: [DONE]\n\n']

/** An upstream whose answer is made by `send`, behind a pipeline of `plugins`. */
async function start(
  pipeline: string,
  plugins: readonly Plugin[],
  send: (res: ServerResponse) => unknown,
  { dialect = 'openai-chat', route = '' } = {},
) {
  const upstream = await startUpstream((req, res) => {
    req.resume()
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    void send(res)
  })
  const gateway = await startTestGateway(
    `
upstreams: { up: { dialect: ${dialect}, url: "${upstream.url}/v1" } }
routes: [{ id: all, match: { path: /v1/* }, dialect: ${dialect}, pipeline: ${pipeline}, upstream: up${route} }]
`,
    { plugins },
  )
  const ask = () => fetch(`${gateway.url}/v1/x`, { method: 'POST', body: '{}' })
  return { gateway, ask, read: async () => (await ask()).text() }
}

/** A step whose hook decides after a turn of the event loop. */
const later = (name: string, chunk: (chunk: Chunk) => ChunkPatch, more: Hooks = {}) =>
  step(name, {
    chunk: async (one) => {
      await new Promise((resolve) => setImmediate(resolve))
      return chunk(one)
    },
    ...more,
  })

test('a hook that takes its time sees one event after the other, and the order stays', async () => {
  const seen: string[] = []
  let isBusy = false
  const slow = step('slow', {
    async chunk({ data }) {
      expect(isBusy).toBe(false)
      isBusy = true
      await new Promise((resolve) => setTimeout(resolve, data === '1' ? 20 : 1))
      isBusy = false
      if (data === '2') return [{ data: '2a' }, { data: '2b' }]
      return data === '3' ? null : undefined
    },
  })
  const outer = later('outer', ({ data }) => {
    seen.push(data)
    return data === '2a' ? [{ data: 'x' }, { data: 'y' }] : undefined
  })
  const { read } = await start('[outer, slow]', [outer, slow], (res) => res.end(events.join('')))
  const parts = ['data: 1\n\n', ': note\n\n', 'data: x\n\ndata: y\n\n', 'data: 2b\n\n']
  expect(await read()).toBe(`${parts.join('')}data: [DONE]\n\n`)
  expect(seen).toEqual(['1', '2a', '2b', '[DONE]'])
})

test('what is ready goes out while a hook thinks about the next event', async () => {
  const thought = Promise.withResolvers<void>()
  const slow = step('slow', {
    chunk: ({ data }) => (data === '2' ? thought.promise.then(() => undefined) : undefined),
  })
  const { ask } = await start('[slow]', [slow], (res) => res.end(events.join('')))
  const { body } = await ask()
  const reader = body!.getReader()
  const { value } = await reader.read()
  expect(Buffer.from(value!).toString()).toBe('data: 1\n\n: note\n\n')
  thought.resolve()
  let rest = ''
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    rest += Buffer.from(part.value).toString()
  }
  expect(rest).toBe(events.slice(2).join(''))
})

test('the upstream waits while a hook thinks', async () => {
  const thought = Promise.withResolvers<void>()
  const full = Promise.withResolvers<number>()
  const block = `data: ${'x'.repeat(65_536)}\n\n`
  let written = 0
  const slow = step('slow', { chunk: () => thought.promise.then(() => null) })
  const { ask } = await start('[slow]', [slow], async (res) => {
    while (written < 1_000) {
      written++
      if (res.write(block)) continue
      const timer = setTimeout(() => full.resolve(written), 300)
      await once(res, 'drain')
      clearTimeout(timer)
    }
    res.end()
  })
  const answer = await ask()
  // Socket buffers hold a few megabytes; sixty-five would have been sent.
  expect(await full.promise).toBeLessThan(300)
  thought.resolve()
  expect(await answer.text()).toBe('')
  expect(written).toBe(1_000)
}, 20_000)

test('a client that leaves ends the exchange, and the upstream, while a hook thinks', async () => {
  const began = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  const outcome = Promise.withResolvers<Outcome>()
  const never = step('never', {
    chunk: () => {
      began.resolve()
      return new Promise(() => {})
    },
    done: (_, end) => outcome.resolve(end),
  })
  const { gateway } = await start('[never]', [never], (res) => {
    res.on('close', () => closed.resolve())
    res.write('data: 1\n\n')
  })
  const request = get(`${gateway.url}/v1/x`).on('error', () => {})
  await began.promise
  request.destroy()
  await closed.promise
  expect((await outcome.promise).end).toBe('client-closed')
})

test('a hook that never decides is ended by the timeout of the route, also after the upstream has ended', async () => {
  const never = step('never', { chunk: () => new Promise<never>(() => {}) })
  const { read } = await start('[never]', [never], (res) => res.end(events.join('')), {
    route: ', timeout: 300ms',
  })
  expect(await read()).toContain('"code":"exchange_timeout"')
})

test.each([
  ['closed', /plugin_failed/],
  ['open', /^data: 1\n\n: note\n\ndata: 2\n\ndata: 3\n\ndata: \[DONE\]\n\n$/],
])('a promise that is rejected is a broken step (%s)', async (onError, expected) => {
  const odd = later('odd', ({ data }) => {
    if (data === '2') throw new Error('inner words')
    return undefined
  })
  const { read, gateway } = await start(`[odd: { onError: ${onError} }]`, [odd], (res) =>
    res.end(events.join('')),
  )
  const text = await read()
  expect(text).toMatch(expected)
  expect(text.startsWith('data: 1\n\n')).toBe(true)
  expect(text).not.toContain('inner words')
  expect(gateway.logs.some(({ message }) => message === 'step failed')).toBe(true)
})

test('what the upstream sent before it broke off goes first, however long the hooks take', async () => {
  const cut = Promise.withResolvers<void>()
  const slow = step('slow', { chunk: () => cut.promise.then(() => undefined) })
  const { read } = await start('[slow]', [slow], (res) => {
    res.write(events[0]! + events[2]!, () => res.destroy())
    res.on('close', () => setTimeout(() => cut.resolve(), 30))
  })
  const text = await read()
  expect(text.startsWith('data: 1\n\ndata: 2\n\n')).toBe(true)
  expect(text).toContain('"code":"upstream_cut"')
})

test('a refusal ends the stream with an error event of the dialect, and is the outcome', async () => {
  const outcome = Promise.withResolvers<Outcome>()
  const guard = step('guard', {
    chunk: ({ data }) => (data === '2' ? { deny: { message: 'not this' } } : undefined),
    done: (_, end) => outcome.resolve(end),
  })
  const { read } = await start('[guard]', [guard], (res) => res.end(events.join('')))
  const text = await read()
  expect(text.startsWith('data: 1\n\n: note\n\n')).toBe(true)
  expect(text).toContain('"message":"not this"')
  expect(text).not.toContain('data: 3')
  expect(await outcome.promise).toMatchObject({ end: 'error', error: { code: 'DENIED' } })
})

test.each([
  ['openai-chat', 'data: [DONE]\n\n'],
  ['openai-responses', 'event: response.completed\ndata: {"type":"response.completed"}\n\n'],
  ['openai-responses', 'data: {"type":"response.incomplete"}\n\n'],
  ['anthropic', 'event: message_stop\ndata: {"type":"message_stop"}\n\n'],
  ['anthropic', 'data: {"type":"message_stop"}\n\n'],
  ['gemini', ''],
  ['http', ''],
])(
  'what was held back comes before the event that ends the stream: %s %s',
  async (dialect, last) => {
    const held: string[] = []
    const hold = later(
      'hold',
      ({ data }) => (data.startsWith('"') ? (held.push(data), null) : undefined),
      {
        flush: async () => held.map((data) => ({ data: `${data} held` })),
      },
    )
    const outer = later('outer', ({ data }) =>
      data.includes('held') ? { data: data.toUpperCase() } : undefined,
    )
    const { read } = await start(
      '[outer, hold]',
      [outer, hold],
      (res) => res.end(`data: "a"\n\ndata: 1\n\n${last}`),
      { dialect },
    )
    expect(await read()).toBe(`data: 1\n\ndata: "A" HELD\n\n${last}`)
  },
)

test('nothing is flushed where the upstream tells of an error', async () => {
  const hold = step('hold', { chunk: () => undefined, flush: () => ({ data: 'held' }) })
  const failed = 'event: error\ndata: {"type":"error"}\n\n'
  const { read } = await start('[hold]', [hold], (res) => res.end(failed), { dialect: 'anthropic' })
  expect(await read()).toBe(failed)
})
