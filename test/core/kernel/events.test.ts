import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Chunk, ChunkPatch, Hooks, Outcome, Plugin } from '#core/sdk.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { step } from '../../support/step.ts'
import { startUpstream } from '../../support/upstream.ts'

const events = [
  ': hello\n\n',
  'data: {"text":"one"}\n\n',
  'event: odd\nid: 7\ndata: a\ndata: b\r\n\r\n',
  ': keep-alive\n\n',
  'data: {"text":"two"}\n\n',
  'data: [DONE]\n\n',
]

/** An upstream that sends the pieces it is told to, each in a packet of its own; `cut` breaks off after them. */
async function start(pipeline: string, plugins: readonly Plugin[], dialect = 'openai-chat') {
  const script: { pieces: (string | Buffer)[]; cut: boolean } = { pieces: events, cut: false }
  const closed: boolean[] = []
  const upstream = await startUpstream(async (req, res) => {
    req.resume()
    res.on('close', () => closed.push(res.writableFinished))
    res.writeHead(200, { 'content-type': 'text/event-stream', 'content-length-was': 'x' })
    for (const piece of script.pieces) {
      res.write(piece)
      await new Promise((resolve) => setImmediate(resolve))
    }
    if (script.cut) setTimeout(() => res.destroy(), 10)
    else res.end()
  })
  const gateway = await startTestGateway(
    `
upstreams: { up: { dialect: ${dialect}, url: "${upstream.url}/v1" } }
routes: [{ id: all, match: { path: /v1/* }, pipeline: ${pipeline}, upstream: up }]
`,
    { plugins },
  )
  const ask = () => fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', body: '{}' })
  return { gateway, script, closed, ask, read: async () => (await ask()).text() }
}

const chunker = (name: string, chunk: (chunk: Chunk) => ChunkPatch, more: Hooks = {}) =>
  step(name, { chunk, ...more })

test('hooks see the events, innermost first, and neither comments nor anything else', async () => {
  const seen: string[] = []
  const look = (name: string) =>
    chunker(name, (chunk) => void seen.push(`${name} ${chunk.event} ${chunk.data}`))
  const { read } = await start('[outer, inner]', [look('outer'), look('inner')])
  expect(await read()).toBe(events.join(''))
  expect(seen.slice(0, 4)).toEqual([
    'inner message {"text":"one"}',
    'outer message {"text":"one"}',
    'inner odd a\nb',
    'outer odd a\nb',
  ])
  expect(seen).toHaveLength(8)
})

test('hooks drop, replace and multiply events, hold some back, and the outer ones see what comes out', async () => {
  const seen: string[] = []
  const outer = chunker('outer', ({ event, data }) => void seen.push(`${event}:${data}`))
  const inner = chunker(
    'inner',
    (chunk) => {
      if (chunk.event === 'odd') return null
      if (chunk.data === '[DONE]') return [{ event: 'end', data: 'x\ny' }, { data: '[DONE]' }]
      return { json: { was: (chunk.json as { text: string }).text } }
    },
    { flush: () => [{ data: 'held back' }] },
  )
  const { read } = await start('[outer, inner]', [outer, inner])
  expect(await read()).toBe(
    ': hello\n\ndata: {"was":"one"}\n\n: keep-alive\n\ndata: {"was":"two"}\n\n' +
      'data: held back\n\nevent: end\ndata: x\ndata: y\n\ndata: [DONE]\n\n',
  )
  expect(seen).toEqual([
    'message:{"was":"one"}',
    'message:{"was":"two"}',
    'message:held back',
    'end:x\ny',
    'message:[DONE]',
  ])
})

test('an event that the upstream did not end with a blank line passes the hooks too', async () => {
  const hide = chunker('hide', ({ data }) =>
    data.includes('secret') ? { data: '***' } : undefined,
  )
  const { read, script } = await start('[hide]', [hide], 'http')
  script.pieces = ['data: 1\n\n', 'data: secret']
  expect(await read()).toBe('data: 1\n\ndata: ***\n\n')
  script.pieces = ['data: 1\n\n', 'data: open']
  expect(await read()).toBe('data: 1\n\ndata: open')
})

const isLast = (chunk: Chunk) => chunk.data === '[DONE]'

test('a hook that breaks in the middle of a stream ends it with an error event, after what was ready', async () => {
  const outcome = Promise.withResolvers<Outcome>()
  const odd = chunker(
    'odd',
    (chunk) => {
      if (isLast(chunk)) throw new Error('inner words')
      return undefined
    },
    { done: (_, end) => outcome.resolve(end) },
  )
  const { read, script } = await start('[odd: { onError: closed }]', [odd])
  script.pieces = [events.join('')]
  const text = await read()
  expect(text.startsWith(events.slice(0, 5).join(''))).toBe(true)
  expect(text).toContain('"code":"plugin_failed"')
  expect(text).not.toContain('inner words')
  expect(await outcome.promise).toMatchObject({ end: 'error', error: { code: 'PLUGIN_FAILED' } })
})

test('an open hook that breaks leaves the event as it was', async () => {
  const odd = chunker('odd', () => {
    throw new Error('broke')
  })
  const { read } = await start('[odd: { onError: open }]', [odd])
  expect(await read()).toBe(events.join(''))
})

test('flush does not run where the upstream breaks off, and the stream ends with an error event', async () => {
  const outcome = Promise.withResolvers<Outcome>()
  const hold = chunker('hold', () => null, {
    flush: () => ({ data: 'flushed' }),
    done: (_, end) => outcome.resolve(end),
  })
  const { read, script } = await start('[hold]', [hold])
  script.pieces = ['data: 1\n\n', 'data: ha']
  script.cut = true
  const text = await read()
  expect(text).not.toContain('flushed')
  expect(text).toContain('"code":"upstream_cut"')
  expect((await outcome.promise).end).toBe('upstream-cut')
})

test('the usage of a stream is known when it is done', async () => {
  const usage = Promise.withResolvers<unknown>()
  const top = step('top', { done: (exchange) => usage.resolve(exchange.usage) })
  const { read, script } = await start('[top]', [top])
  const counted =
    'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n\n'
  script.pieces = [counted.slice(0, 30), counted.slice(30), 'data: [DONE]\n\n']
  expect(await read()).toBe(script.pieces.join(''))
  expect(await usage.promise).toMatchObject({ inputTokens: 1, outputTokens: 2, totalTokens: 3 })
})

test('bytes in are bytes out, wherever the stream is cut, where no hook changes anything', async () => {
  const look = chunker('look', (chunk) => void chunk.json)
  const { ask, script } = await start(
    '[look, look2]',
    [look, step('look2', { chunk: () => undefined })],
    'http',
  )
  const text = fc.string({ unit: fc.constantFrom('a', 'ü', '🌍', ' ', ':', '"', '\\', '{', '}') })
  const line = fc.oneof(
    text.map((value) => `data: ${value}`),
    text.map((value) => `data:${value}`),
    text.map((value) => `: ${value}`),
    fc.constantFrom('event: x', 'id: 1', 'retry: 5', 'data', 'junk'),
  )
  const end = fc.constantFrom('\n', '\r\n', '\r')
  const frame = fc
    .tuple(fc.array(line, { maxLength: 3 }), end, end)
    .map(([lines, first, last]) => lines.map((one) => one + first).join('') + last)
  await fc.assert(
    fc.asyncProperty(
      fc.array(frame, { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 6 }),
      fc.boolean(),
      async (frames, cuts, isOpen) => {
        const bytes = Buffer.from(frames.join('') + (isOpen ? 'data: open' : ''))
        const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length]
        at.sort((a, b) => a - b)
        script.pieces = at.slice(1).map((to, index) => bytes.subarray(at[index], to))
        const got = Buffer.from(await (await ask()).arrayBuffer())
        expect(got.toString()).toBe(bytes.toString())
        expect(got.equals(bytes)).toBe(true)
      },
    ),
    { numRuns: 150, interruptAfterTimeLimit: 8_000 },
  )
}, 20_000)
