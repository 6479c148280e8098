import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { PERSONAL_DATA } from '#core/kit/personal-data.ts'
import { Redactor } from '#core/kit/redactor.ts'
import type { Message, MessagePatch, Outcome, Plugin } from '#core/sdk.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { step } from '../../support/step.ts'

/** A WebSocket upstream behind a pipeline of `plugins`, and how its sessions have ended. */
async function start(plugins: readonly Plugin[], onSocket: (socket: WebSocket) => void, more = '') {
  const http = createServer()
  const server = new WebSocketServer({ server: http })
  server.on('connection', onSocket)
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    for (const client of server.clients) client.terminate()
    await new Promise((resolve) => http.close(resolve))
  })
  const outcome = Promise.withResolvers<Outcome>()
  const watch = step('watch', { done: (_, end) => outcome.resolve(end) })
  const names = ['watch', ...plugins.map(({ name }) => name)].join(', ')
  const gateway = await startTestGateway(
    `
${more}
upstreams: { live: { dialect: http, url: "ws://127.0.0.1:${(http.address() as AddressInfo).port}" } }
routes:
  - { id: live, match: { path: /live, protocol: websocket }, pipeline: [${names}], upstream: live }
`,
    { plugins: [watch, ...plugins] },
  )
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/live`)
  onTestFinished(() => socket.terminate())
  const messages: (string | Buffer)[] = []
  socket.on('message', (data: Buffer, isBinary) => messages.push(isBinary ? data : String(data)))
  await once(socket, 'open')
  const closed = once(socket, 'close').then(([code, reason]) => [code, String(reason)])
  return { socket, messages, closed, outcome: outcome.promise, server }
}

const echo = (socket: WebSocket) =>
  void socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))

const hook = (message: (one: Message) => MessagePatch | Promise<MessagePatch>) =>
  step('hook', { message })

test('a hook that takes its time keeps the order in each direction, and the close comes last', async () => {
  let isBusy = false
  const slow = hook(async ({ from, data }) => {
    if (from === 'upstream') return undefined
    expect(isBusy).toBe(false)
    isBusy = true
    await new Promise((resolve) => setTimeout(resolve, data === '1' ? 20 : 1))
    isBusy = false
    return data === '2' ? [{ data: '2a' }, { data: '2b' }] : undefined
  })
  const got: string[] = []
  const gone = Promise.withResolvers<unknown>()
  const { socket, outcome } = await start([slow], (upstream) => {
    upstream.on('message', (data: Buffer) => got.push(String(data)))
    upstream.on('close', (code) => gone.resolve(code))
  })
  for (const text of ['1', '2', '3']) socket.send(text)
  socket.close(4000, 'bye')
  expect(await gone.promise).toBe(4000)
  expect(got).toEqual(['1', '2a', '2b', '3'])
  expect(await outcome).toMatchObject({ end: 'completed', error: undefined })
})

test('what a client has sent before its connection is gone reaches the upstream', async () => {
  const thought = Promise.withResolvers<void>()
  const began = Promise.withResolvers<void>()
  const slow = hook(() => (began.resolve(), thought.promise.then(() => undefined)))
  const got = Promise.withResolvers<string>()
  const { socket, outcome } = await start([slow], (upstream) =>
    upstream.on('message', (data: Buffer) => got.resolve(String(data))),
  )
  socket.send('last words')
  await began.promise
  socket.terminate()
  setTimeout(() => thought.resolve(), 50)
  expect(await got.promise).toBe('last words')
  expect(await outcome).toMatchObject({ end: 'client-closed', error: { code: 'CLIENT_CLOSED' } })
})

test('a sender waits while a hook thinks', async () => {
  const thought = Promise.withResolvers<void>()
  let seen = 0
  const slow = hook(({ from }) => {
    if (from === 'client') seen++
    return thought.promise.then(() => null)
  })
  const { socket } = await start([slow], () => {})
  const block = Buffer.alloc(65_536)
  for (let count = 0; count < 500; count++) socket.send(block)
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(seen).toBe(1)
  // Socket buffers hold a few megabytes of the thirty-two.
  expect(socket.bufferedAmount).toBeGreaterThan(16 * 1024 * 1024)
  thought.resolve()
  await expect.poll(() => seen, { timeout: 5_000 }).toBe(500)
}, 20_000)

test('a client that does not take its replies is not listened to any further', async () => {
  let replies = 0
  const talker = hook(({ from }) => {
    if (from === 'upstream') return undefined
    replies++
    return { reply: 'x'.repeat(65_536) }
  })
  const { socket, messages } = await start(
    [talker],
    () => {},
    'server: { websocket: { messagesPerSecond: 100000 } }',
  )
  socket.pause()
  for (let count = 0; count < 2_000; count++) socket.send('more')
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(replies).toBeLessThan(1_000)
  socket.resume()
  await expect.poll(() => messages.length, { timeout: 10_000 }).toBe(2_000)
}, 20_000)

test('binary messages are seen as base64, changed, and answered', async () => {
  const swap = hook(({ from, isBinary, data }) => {
    if (from === 'upstream') return undefined
    if (!isBinary)
      return { reply: { data: Buffer.from([9]).toString('base64'), isBinary: true }, data }
    const bytes = Buffer.from(data, 'base64')
    return { data: Buffer.from(bytes.map((byte) => byte + 1)).toString('base64') }
  })
  const { socket, messages } = await start([swap], echo)
  socket.send(Buffer.from([1, 2]))
  socket.send('text')
  await expect.poll(() => messages.length).toBe(3)
  expect(messages).toEqual(expect.arrayContaining([Buffer.from([2, 3]), Buffer.from([9]), 'text']))
})

test.each<[string, MessagePatch, [number, string], object]>([
  [
    'a close code',
    { close: { code: 4003, reason: 'enough' } },
    [4003, 'enough'],
    { end: 'error', error: { code: 'DENIED', message: 'enough' } },
  ],
  [
    'a good end',
    { reply: 'bye', close: { code: 1000 } },
    [1000, ''],
    { end: 'completed', error: undefined },
  ],
  [
    'a refusal',
    { deny: { message: 'no prompts here' } },
    [1008, 'no prompts here'],
    { end: 'error', error: { code: 'DENIED' } },
  ],
  [
    'a code that is never sent',
    { close: { code: 1005 } },
    [1011, 'the gateway failed to pass a message on'],
    { end: 'error', error: { code: 'PLUGIN_FAILED' } },
  ],
])('a hook ends the session with %s', async (_, patch, expected, end) => {
  for (const wrap of [(one: MessagePatch) => one, async (one: MessagePatch) => one]) {
    const plugin = hook(({ from }) => (from === 'client' ? wrap(patch) : undefined))
    const { socket, messages, closed, outcome } = await start([plugin], echo)
    socket.send('hi')
    expect(await closed).toEqual(expected)
    expect(await outcome).toMatchObject({ status: 101, ...end })
    expect(messages).toEqual(patch && 'reply' in patch ? ['bye'] : [])
  }
})

test.each([
  ['a promise that is rejected', () => Promise.reject(new Error('inner words'))],
  [
    'a throw',
    () => {
      throw new Error('inner words')
    },
  ],
])('%s is a broken step', async (_, message) => {
  const { socket, closed, outcome } = await start([hook(message)], echo)
  socket.send('hi')
  expect(await closed).toEqual([1011, 'the gateway failed to pass a message on'])
  expect(await outcome).toMatchObject({ end: 'error', error: { code: 'PLUGIN_FAILED' } })
})

test('a step that takes too long over a message is at fault, not the peer', async () => {
  const never = hook(() => new Promise<never>(() => {}))
  const { socket, closed, outcome } = await start(
    [never],
    echo,
    'server: { timeouts: { write: 300ms } }',
  )
  socket.send('hi')
  expect((await closed)[0]).toBe(1011)
  expect(await outcome).toMatchObject({
    end: 'error',
    error: { code: 'PLUGIN_FAILED', message: 'a step took too long over a message' },
  })
})

test.each<[string, (socket: WebSocket, server: WebSocketServer) => void, object]>([
  [
    'an upstream that vanishes',
    (_, server) => [...server.clients][0]!.terminate(),
    { end: 'upstream-cut', error: { code: 'UPSTREAM_CUT' } },
  ],
  [
    'a client that vanishes',
    (socket) => socket.terminate(),
    { end: 'client-closed', error: { code: 'CLIENT_CLOSED' } },
  ],
  [
    'a message that is too big',
    (socket) => socket.send('x'.repeat(2_000)),
    { end: 'error', error: { code: 'BODY_TOO_LARGE' } },
  ],
  [
    'too many messages',
    (socket) => {
      for (let n = 0; n < 200; n++) socket.send('x')
    },
    { end: 'error', error: { code: 'RATE_LIMITED' } },
  ],
  [
    'too many messages at once',
    (socket) => {
      // One write, so that they come in one piece.
      const { _socket: connection } = socket as unknown as { _socket: Socket }
      connection.cork()
      for (let n = 0; n < 60; n++) socket.send('x')
      connection.uncork()
    },
    { end: 'error', error: { code: 'RATE_LIMITED' } },
  ],
])('the outcome says why: %s', async (_, act, expected) => {
  const more = 'server: { websocket: { maxPayload: 1kb, messagesPerSecond: 50 } }'
  for (const plugins of [[], [hook(() => undefined)]]) {
    const { socket, server, outcome } = await start(plugins, () => {}, more)
    act(socket, server)
    expect(await outcome).toMatchObject(expected)
  }
})

test('a text that events of the Realtime API tell in pieces is one text, its repeats agree, and frames do not matter', async () => {
  const redactor = new Redactor(PERSONAL_DATA)
  const redact = hook(({ texts }) =>
    texts.length === 0 ? undefined : { texts: texts.map((text) => redactor.redact(text)) },
  )
  const at = { response_id: 'r1', item_id: 'i1', output_index: 0, content_index: 0 }
  const name = 'response.output_audio_transcript'
  const card = '4111 1111 1111 1111'
  const item = { id: 'i1', type: 'message', content: [{ type: 'output_audio', transcript: card }] }
  const events = [
    ...card.split('').map((delta) => ({ type: `${name}.delta`, ...at, delta })),
    { type: `${name}.done`, ...at, transcript: card },
    { type: 'response.output_item.done', response_id: 'r1', output_index: 0, item },
    { type: 'response.done', response: { id: 'r1', object: 'realtime.response', output: [item] } },
  ]
  const got = Promise.withResolvers<string>()
  const { socket, messages } = await start([redact], (upstream) => {
    upstream.on('message', (data: Buffer) => got.resolve(String(data)))
    for (const event of events) upstream.send(JSON.stringify(event))
  })
  await expect.poll(() => messages.some((one) => String(one).includes('response.done'))).toBe(true)
  const received = messages.map((one) => JSON.parse(String(one)) as { delta?: string })
  expect(received.map(({ delta = '' }) => delta).join('')).toBe('[card]')
  expect(JSON.stringify(received)).not.toContain('4111')
  expect(JSON.stringify(received.slice(-3)).match(/\[card\]/g)).toHaveLength(3)
  for (const character of `my card is ${card}!`) socket.send(character, { fin: character === '!' })
  expect(await got.promise).toBe('my card is [card]!')
})
