import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { Json } from '#core/kit/json.ts'
import { checkOptions } from '#core/testing/options.ts'
import { testPlugin } from '#core/testing.ts'
import filter from '#plugins/filter/filter.ts'
import { startTestGateway } from '../support/gateway.ts'

const CHAT = { path: '/v1/chat/completions', body: { model: 'gpt-4o', messages: [] } }
const delta = (content: string) => JSON.stringify({ choices: [{ index: 0, delta: { content } }] })
const SECRET = { in: ['falcon', { default: ['$chunk.text', ''] }] }

describe('filter on answers', () => {
  it('refuses an answer by its head or its body', async () => {
    const tested = await testPlugin(filter, {
      on: 'response',
      deny: { eq: ['$res.body.model', 'old'] },
      status: 502,
      message: 'not from this model',
    })
    const refused = await tested.request(CHAT, { body: { model: 'old' } })
    expect(refused.status).toBe(502)
    expect(refused.body).toMatchObject({ error: { message: 'not from this model' } })
    expect((await tested.request(CHAT, { body: { model: 'new' } })).body).toEqual({ model: 'new' })
  })

  it('ends a stream with an error in the dialect of the client', async () => {
    const tested = await testPlugin(filter, { on: 'chunk', deny: SECRET, message: 'no secrets' })
    const answer = await tested.request(CHAT, {
      chunks: [delta('one'), delta('falcon'), delta('two')],
    })
    expect(answer.error).toMatchObject({ code: 'DENIED', message: 'no secrets' })
    expect(answer.chunks.map(({ json }) => json)).toEqual([
      JSON.parse(delta('one')),
      { error: expect.objectContaining({ message: 'no secrets' }) },
    ])
  })

  it('drops an event, and nothing else', async () => {
    const tested = await testPlugin(filter, { on: 'chunk', deny: SECRET, action: 'drop' })
    const answer = await tested.request(CHAT, {
      chunks: [delta('one'), delta('falcon'), delta('two'), '[DONE]'],
    })
    expect(answer.chunks.map(({ data }) => data)).toEqual([delta('one'), delta('two'), '[DONE]'])
  })

  it.each(['refuse', 'drop'])(
    'refuses a plain answer, of which nothing would be left (%s)',
    async (action) => {
      const tested = await testPlugin(filter, { on: 'chunk', deny: SECRET, action, status: 451 })
      const body = { choices: [{ index: 0, message: { content: 'project falcon' } }] }
      expect((await tested.request(CHAT, { body })).status).toBe(451)
    },
  )
})

describe('filter on messages', () => {
  async function start(options: string) {
    const http = createServer()
    const server = new WebSocketServer({ server: http })
    server.on('connection', (socket) =>
      socket.on('message', (data: Buffer) => socket.send(String(data))),
    )
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    onTestFinished(async () => {
      for (const client of server.clients) client.terminate()
      await new Promise((resolve) => http.close(resolve))
    })
    const gateway = await startTestGateway(`
upstreams: { live: { dialect: http, url: "ws://127.0.0.1:${(http.address() as AddressInfo).port}" } }
pipelines: { live: [{ filter: ${options} }] }
routes: [{ id: live, match: { path: /live, protocol: websocket }, pipeline: live, upstream: live }]
`)
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/live`)
    onTestFinished(() => socket.terminate())
    const messages: string[] = []
    socket.on('message', (data: Buffer) => messages.push(String(data)))
    await once(socket, 'open')
    return { socket, messages }
  }

  it('closes the session with the code and the words of the operator', async () => {
    const { socket, messages } = await start(
      '{ on: message, deny: { in: [falcon, $msg.data] }, code: 4001, message: no secrets }',
    )
    socket.send('hello')
    socket.send('falcon')
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer]
    expect([code, String(reason)]).toEqual([4001, 'no secrets'])
    expect(messages).not.toContain('falcon')
  })

  it('drops messages, of one side where the expression says so', async () => {
    const { socket, messages } = await start(
      '{ on: message, action: drop, deny: { and: [{ eq: [$msg.from, client] }, { eq: [$msg.json.type, debug] }] } }',
    )
    socket.send('{"type":"debug"}')
    socket.send('{"type":"chat"}')
    await expect.poll(() => messages).toEqual(['{"type":"chat"}'])
  })
})

describe('the check of a filter', () => {
  it.each<[Json, string]>([
    [{ deny: '$chunk.text' }, 'deny: $chunk is not available in request'],
    [{ on: 'response', deny: '$msg.data' }, 'deny: $msg is not available in response'],
    [{ on: 'message', allow: '$res.status' }, 'allow: $res is not available in message'],
    [
      { on: 'request', deny: true, action: 'drop' },
      'action: drop is for on: chunk and on: message, not for on: request',
    ],
    [
      { on: 'message', deny: '$msg.isBinary', code: 1005 },
      'code: expected 1000 to 1003, 1007 to 1014 or 3000 to 4999, got 1005',
    ],
    [
      { on: 'header', deny: true },
      'on: expected one of "request", "response", "chunk", "message", got "header"',
    ],
  ])('refuses %j', (options, message) => {
    expect(() => checkOptions(filter, options)).toThrow(message)
  })

  it('takes the roots of the hook that it is for', () => {
    const scopes = { response: '$res.status', chunk: '$chunk.text', message: '$msg.text' }
    for (const [on, deny] of Object.entries(scopes)) {
      expect(checkOptions(filter, { on, deny }).warnings).toEqual([])
    }
  })
})
