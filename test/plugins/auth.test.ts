import { hash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { JsonObject } from '#core/kit/json.ts'
import { type TestedPlugin, testPlugin } from '#core/testing.ts'
import auth from '#plugins/auth/auth.ts'
import { startTestGateway } from '../support/gateway.ts'
import { step } from '../support/step.ts'
import { startUpstream } from '../support/upstream.ts'

const KEY = 'a-key-of-the-config-1234'
const STATIC = { apiKeys: { static: [{ id: 'ci', key: KEY, user: 'ada', roles: ['user'] }] } }
const CHAT = { path: '/v1/chat/completions', body: { model: 'gpt-4o', messages: [] } }
const withKey = (key = KEY) => ({ ...CHAT, headers: { authorization: `Bearer ${key}` } })

/** Reasons that were told to operators. */
function reasons({ emitted }: TestedPlugin): unknown[] {
  return emitted.filter(({ name }) => name === 'auth').map(({ data }) => data['reason'])
}

/** A gateway that echoes the consumer, in front of an upstream that keeps what it was sent. */
async function startEcho(options: string, dialect = 'openai-chat') {
  const seen: JsonObject[] = []
  const upstream = await startUpstream((req, res) => {
    req.resume()
    seen.push({ url: req.url!, headers: req.headersDistinct as JsonObject })
    res.setHeader('content-type', 'application/json').end('{}')
  })
  const consumers: unknown[] = []
  const keep = step('keep', { request: ({ consumer }) => void consumers.push(consumer) })
  const gateway = await startTestGateway(
    `
upstreams: { up: { dialect: ${dialect}, url: "${upstream.url}", keys: ["upstream-key"] } }
pipelines: { main: [ { auth: ${options} }, keep ] }
routes: [{ id: all, pipeline: main, upstream: up }]
`,
    { plugins: [keep] },
  )
  return { gateway, seen, consumers }
}

describe('auth', () => {
  it('lets a known key pass and says who it is', async () => {
    const tested = await testPlugin(auth, STATIC)
    const passed = await tested.request(withKey())
    expect(passed.status).toBe(200)
    const refused = await tested.request(withKey('another-key-that-nobody-knows'))
    expect(refused.status).toBe(401)
    expect(refused.attempts).toEqual([])
  })

  it('hands on a consumer without anything secret', async () => {
    const { gateway, consumers } = await startEcho(
      `{ apiKeys: { static: [{ id: ci, key: ${KEY}, user: ada, team: core, roles: [user] }] } }`,
    )
    await fetch(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${KEY}` } })
    expect(consumers).toEqual([
      {
        id: 'ci',
        method: 'api-key',
        keyId: 'ci',
        user: 'ada',
        team: 'core',
        roles: ['user'],
        permissions: [],
      },
    ])
    expect(Object.isFrozen(consumers[0])).toBe(true)
  })

  it.each([
    ['authorization', `bearer ${KEY}`],
    ['x-api-key', KEY],
    ['api-key', KEY],
    ['x-goog-api-key', KEY],
  ])('finds a key in %s', async (name, value) => {
    const tested = await testPlugin(auth, STATIC)
    expect((await tested.request({ ...CHAT, headers: { [name]: value } })).status).toBe(200)
  })

  it('finds a key in the query only where that is accepted', async () => {
    const closed = await testPlugin(auth, STATIC)
    expect((await closed.request({ ...CHAT, path: `/x?key=${KEY}` })).status).toBe(401)
    const open = await testPlugin(auth, { apiKeys: { ...STATIC.apiKeys, query: true } })
    const passed = await open.request({ ...CHAT, path: `/x?key=${KEY}&alt=sse` })
    expect(passed.status).toBe(200)
    expect(passed.upstream?.query).toEqual({ alt: 'sse' })
  })

  it('finds a key among the protocols of a WebSocket', async () => {
    const tested = await testPlugin(auth, STATIC)
    const protocols = { 'sec-websocket-protocol': `realtime, openai-insecure-api-key.${KEY}` }
    const socket = { path: '/v1/realtime', headers: protocols, protocol: 'websocket' } as const
    expect((await tested.request(socket)).status).toBe(200)
    expect((await tested.request({ ...socket, protocol: 'http' })).status).toBe(401)
  })

  it('does not choose between two credentials', async () => {
    const tested = await testPlugin(auth, { apiKeys: { ...STATIC.apiKeys, query: true } })
    const two = { authorization: `Bearer ${KEY}`, 'x-api-key': 'another-key' }
    const refused = await tested.request({ ...CHAT, headers: two })
    expect(refused.status).toBe(401)
    expect(refused.error?.message).toContain('two different credentials')
    const same = { authorization: `Bearer ${KEY}`, 'x-api-key': KEY }
    expect((await tested.request({ ...CHAT, headers: same })).status).toBe(200)
    const inQuery = { ...withKey(), path: '/x?key=other' }
    expect((await tested.request(inQuery)).status).toBe(401)
  })

  it.each(['Digest abc', 'AWS4-HMAC-SHA256 Credential=x', 'abc', `Bearer ${'x'.repeat(8_193)}`])(
    'refuses an authorization that is none of its own: %.30s',
    async (authorization) => {
      const tested = await testPlugin(auth, { ...STATIC, anonymous: true })
      expect((await tested.request({ ...CHAT, headers: { authorization } })).status).toBe(401)
      expect(reasons(tested)).toEqual(['malformed'])
    },
  )

  it('says the same of every credential that is wrong, and how to sign in', async () => {
    const tested = await testPlugin(auth, { ...STATIC, realm: 'models' })
    const answers = await Promise.all(
      ['short', 'sluice_0000000000000000000000000000000000000', 'é', 'x'.repeat(300)].map((key) =>
        tested.request(withKey(key)),
      ),
    )
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1)
    expect(answers[0]!.headers['www-authenticate']).toBe(
      'Bearer realm="models", error="invalid_token"',
    )
    const missing = await tested.request(CHAT)
    expect(missing.headers['www-authenticate']).toBe('Bearer realm="models"')
  })

  it('lets guests in where there are some, each network for itself', async () => {
    const { gateway, consumers } = await startEcho('{ anonymous: true }')
    expect((await fetch(`${gateway.url}/v1/models`)).status).toBe(200)
    expect(consumers).toEqual([
      {
        id: expect.stringMatching(/^anonymous-[0-9a-f]{12}$/) as unknown,
        method: 'anonymous',
        roles: ['guest'],
        permissions: [],
      },
    ])
    const options = { anonymous: { roles: ['visitor'], rateLimit: 'slow' }, events: 'all' }
    const tested = await testPlugin(auth, options)
    for (const ip of ['192.0.2.1', '2001:db8::1', '2001:db8::2']) {
      await tested.request({ ...CHAT, ip })
    }
    const ids = tested.emitted.map(({ data }) => data['consumer'])
    expect(ids[1]).toBe(ids[2])
    expect(new Set(ids).size).toBe(2)
  })

  it('does not take somebody with a wrong key for a guest', async () => {
    const tested = await testPlugin(auth, { anonymous: true })
    expect((await tested.request(withKey('wrong-key'))).status).toBe(401)
  })

  it('takes a bearer token from where tokens stand, and no key for one', async () => {
    const options = { methods: ['bearer'], bearer: { tokens: [{ id: 'cron', token: KEY }] } }
    const tested = await testPlugin(auth, options)
    expect((await tested.request(withKey())).status).toBe(200)
    expect((await tested.request({ ...CHAT, path: `/x?key=${KEY}` })).status).toBe(401)
  })

  it('accepts a key by its digest', async () => {
    const digest = `sha256:${hash('sha256', KEY, 'hex')}`
    const tested = await testPlugin(auth, { apiKeys: { static: [{ id: 'a', digest }] } })
    expect((await tested.request(withKey())).status).toBe(200)
    expect((await tested.request(withKey(digest))).status).toBe(401)
    await expect(
      testPlugin(auth, { apiKeys: { static: [{ id: 'a', digest, key: KEY }] } }),
    ).rejects.toThrow('apiKeys.static[0]: has key and digest')
    await expect(testPlugin(auth, { apiKeys: { static: [{ id: 'a' }] } })).rejects.toThrow(
      'has neither key nor digest',
    )
  })

  it('makes no promise for somebody who was here before', async () => {
    const tested = await testPlugin(auth, STATIC)
    const exchange = {
      req: { headers: { 'x-api-key': KEY }, query: {}, ip: '192.0.2.1', protocol: 'http' },
      now: tested.clock.now,
    }
    const patch = tested.hooks.request!(exchange as never)
    expect(patch).not.toBeInstanceOf(Promise)
    expect(tested.hooks.request!(exchange as never)).toBe(patch)
  })
})

describe('the official SDKs', () => {
  it('are let in with their own way of presenting a key, which goes no further', async () => {
    const options = `{ apiKeys: { static: [{ id: ci, key: ${KEY} }] } }`
    const openai = await startEcho(options)
    await new OpenAI({ apiKey: KEY, baseURL: `${openai.gateway.url}/v1` }).models.list()
    const anthropic = await startEcho(options, 'anthropic')
    const client = new Anthropic({ apiKey: KEY, authToken: null, baseURL: anthropic.gateway.url })
    await client.messages.create({ model: 'claude', max_tokens: 1, messages: [] })
    const gemini = await startEcho(options, 'gemini')
    const httpOptions = { baseUrl: gemini.gateway.url }
    await new GoogleGenAI({ apiKey: KEY, httpOptions }).models.generateContent({
      model: 'gemini-2.5-flash',
      contents: 'hi',
    })
    for (const { seen } of [openai, anthropic, gemini]) {
      expect(seen).toHaveLength(1)
      expect(JSON.stringify(seen)).not.toContain(KEY)
      expect(JSON.stringify(seen)).toContain('upstream-key')
    }
  })

  it('understand a refusal as the one that it is', async () => {
    const { gateway } = await startEcho('{}')
    const wrong = { apiKey: 'wrong', maxRetries: 0 }
    const openai = new OpenAI({ ...wrong, baseURL: `${gateway.url}/v1` })
    await expect(openai.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError)
    const anthropic = new Anthropic({ ...wrong, authToken: null, baseURL: gateway.url })
    await expect(
      anthropic.messages.create({ model: 'claude', max_tokens: 1, messages: [] }),
    ).rejects.toBeInstanceOf(Anthropic.AuthenticationError)
  })
})

describe('a WebSocket', () => {
  it('is opened with a key among its protocols, which the upstream never sees', async () => {
    const offered: string[][] = []
    const server = new WebSocketServer({
      port: 0,
      host: '127.0.0.1',
      handleProtocols: (protocols) => {
        offered.push([...protocols])
        return 'realtime'
      },
    })
    onTestFinished(() => server.close())
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const gateway = await startTestGateway(`
upstreams: { up: { dialect: http, url: "ws://127.0.0.1:${port}" } }
pipelines: { main: [ { auth: { apiKeys: { static: [{ id: ci, key: ${KEY} }] } } } ] }
routes: [{ id: live, match: { path: /live, protocol: websocket }, pipeline: main, upstream: up }]
`)
    const url = `${gateway.url.replace('http', 'ws')}/live`
    const socket = new WebSocket(url, ['realtime', `openai-insecure-api-key.${KEY}`, 'beta.v1'])
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    expect(socket.protocol).toBe('realtime')
    expect(offered).toEqual([['realtime', 'beta.v1']])
    socket.terminate()
    for (const client of server.clients) client.terminate()
    const refused = new WebSocket(url, ['realtime'])
    const [, answer] = await new Promise<[unknown, IncomingMessage]>((resolve) =>
      refused
        .once('unexpected-response', (...args) => resolve(args))
        .once('error', () => undefined),
    )
    expect(answer.statusCode).toBe(401)
    refused.on('error', () => undefined).terminate()
  })
})

describe('guessing', () => {
  it('is refused before anything is compared, for the network that guesses', async () => {
    const tested = await testPlugin(auth, { ...STATIC, failures: { limit: 3, window: '1m' } })
    const from = (ip: string, key?: string) => tested.request({ ...withKey(key), ip })
    for (let guess = 0; guess < 3; guess++) {
      expect((await from('2001:db8::1', `guess-${guess}`)).status).toBe(401)
    }
    const blocked = await from('2001:db8::2')
    expect(blocked.status).toBe(429)
    expect(blocked.headers['retry-after']).toBe('60')
    expect((await from('2001:db8:0:1::1')).status).toBe(200)
    await tested.clock.advance(60_000)
    expect((await from('2001:db8::2')).status).toBe(200)
    expect(reasons(tested)).toEqual(['unknown', 'unknown', 'unknown', 'blocked'])
    expect(tested.metric('auth_requests_total', { method: '', result: 'unknown' })).toBe(3)
  })

  it('does not lock out those behind the same address who are known already', async () => {
    const tested = await testPlugin(auth, { ...STATIC, failures: { limit: 1 } })
    expect((await tested.request(withKey())).status).toBe(200)
    expect((await tested.request(withKey('a-wrong-guess'))).status).toBe(401)
    expect((await tested.request(withKey())).status).toBe(200)
    expect((await tested.request(withKey('another-guess'))).status).toBe(429)
  })

  it('is not what somebody does whose key was revoked', async () => {
    const tested = await testPlugin(auth, { ...STATIC, failures: { limit: 1 } })
    const { body } = await tested.admin('POST', '/keys', { name: 'old' })
    const { key, id } = body as { key: string; id: string }
    await tested.admin('DELETE', `/keys/${id}`)
    for (let at = 0; at < 3; at++) expect((await tested.request(withKey(key))).status).toBe(401)
    expect((await tested.request(withKey())).status).toBe(200)
  })

  it('remembers so many addresses and no more', async () => {
    const failures = { limit: 1, maxAddresses: 2 }
    const tested = await testPlugin(auth, { failures })
    for (const ip of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) {
      await tested.request({ ...withKey('wrong'), ip })
    }
    expect((await tested.request({ ...withKey('wrong'), ip: '192.0.2.3' })).status).toBe(429)
    expect((await tested.request({ ...withKey('wrong'), ip: '192.0.2.1' })).status).toBe(401)
  })
})

describe('what operators hear', () => {
  it('is who was refused and why, never the credential', async () => {
    const tested = await testPlugin(auth, STATIC)
    await tested.request(withKey('canary-credential'))
    expect(tested.emitted).toEqual([
      {
        name: 'auth',
        data: {
          id: 'test-1',
          route: 'test',
          ip: '192.0.2.1',
          result: 'refused',
          reason: 'unknown',
        },
      },
    ])
    expect(JSON.stringify([tested.emitted, tested.log])).not.toContain('canary')
  })

  it('is also who was let in, where they ask for all', async () => {
    const tested = await testPlugin(auth, { ...STATIC, events: 'all' })
    await tested.request(withKey())
    expect(tested.emitted[0]?.data).toMatchObject({ result: 'passed', consumer: 'ci', key: 'ci' })
    expect(JSON.stringify(tested.emitted)).not.toContain(KEY)
  })
})
