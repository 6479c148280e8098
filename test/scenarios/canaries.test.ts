import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../core/store/temporary.ts'
import { startTestGateway } from '../support/gateway.ts'
import { bodyOf, startUpstream } from '../support/upstream.ts'

/**
 * A canary in every place where a secret or personal data can be, every way to fail driven, and then: not one of them
 * in anything that leaves the gateway by another door than the one it is for, as it is or encoded.
 */
const CANARIES = {
  upstreamKey: 'sk-canary-upstream-7f3a91c2e4',
  clientKey: 'canary-client-key-51d0b8aa93',
  adminToken: 'canary-admin-token-c0ffee1234',
  staticKey: 'canary-static-key-99e1d7c3b5',
  collectorToken: 'canary-collector-token-ab12cd34',
  pepper: 'canary-pepper-of-keys-3f9d2b7a',
  jwt: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.Y2FuYXJ5LXNpZ25hdHVyZS1vZi1hLWp3dA',
  cookie: 'session=canary-cookie-0a1b2c3d4e',
  queryKey: 'canary-query-key-77aa55cc33',
  email: 'canary.person@example.com',
  card: '4111111111111111',
  ssn: '078-05-1120',
}

/** As a canary may be written: as it is, in Base64 at any offset, in a URL, in hexadecimal. */
function formsOf(value: string): string[] {
  const inner = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), Buffer.from(value)]).toString('base64')
    // Without the characters that the neighbours have a part in.
    return text.slice(4, -4)
  })
  return [value, encodeURIComponent(value), Buffer.from(value).toString('hex'), ...inner]
}

function leaksIn(text: string): string[] {
  return Object.entries(CANARIES).flatMap(([name, value]) =>
    formsOf(value).some((form) => text.includes(form)) ? [name] : [],
  )
}

const config = (upstream: string, collector: string, folder: string) => `
store: "sqlite:${folder}/store.db"
server: { admin: { host: 127.0.0.1, port: 0, token: "\${ADMIN_TOKEN}" }, limits: { body: 64kb } }
upstreams:
  openai: { dialect: openai-chat, url: "${upstream}/v1", keys: ["\${UPSTREAM_KEY}"], timeouts: { firstByte: 300ms } }
  claude: { dialect: anthropic, url: "${upstream}", keys: ["\${UPSTREAM_KEY}"], timeouts: { firstByte: 300ms } }
  gone: { dialect: openai-chat, url: "http://127.0.0.1:1/v1", keys: ["\${UPSTREAM_KEY}"] }
pipelines:
  chat:
    - logging:
        level: debug
        requests: { logBody: true, logHeaders: true, logMetadata: true }
        responses: { logBody: true, logHeaders: true }
        audit: { enabled: true }
        destination: ["${folder}/lines.log", { url: "${collector}", headers: { authorization: "Bearer \${COLLECTOR_TOKEN}" }, flush: 20ms }]
    - auth:
        events: all
        apiKeys: { pepper: "\${PEPPER}", static: [{ id: ada, key: "\${STATIC_KEY}", roles: [user] }] }
        rbac: { roles: { user: { permissions: [read, write] } } }
    - rateLimiting: { limits: { perUser: { requests: 40, window: 1h, strategy: fixed-window } } }
    - filter: { deny: { eq: [$req.body.model, forbidden] } }
    - transformers: { input: [{ type: validateSchema, schema: openai-chat }] }
    - retryPolicy: { maxRetries: 1, initialDelay: 1ms, budget: { min: 100 } }
routes:
  - { id: gone, match: { path: /v1/chat/completions, headers: { x-to: gone } }, pipeline: chat, upstream: gone }
  - { id: claude, match: { path: /v1/chat/completions, headers: { x-to: claude } }, pipeline: chat, upstream: claude }
  - { id: chat, match: { api: openai-chat }, pipeline: chat, upstream: openai }
`

/** A provider that fails as the request asks it to, and repeats the key that it was given. */
async function startProvider() {
  return startUpstream((req, res) => {
    const told = JSON.stringify(req.headers)
    const how = String(req.headers['x-fail'] ?? '')
    void bodyOf(req).then(() => {
      if (how === 'reset') return res.socket!.resetAndDestroy()
      if (how === 'silent') return undefined
      if (how === 'cut') {
        res.writeHead(200, { 'content-type': 'text/event-stream' })
        res.write('data: {"choices":[{"delta":{"content":"a"}}]}\n\n')
        return setImmediate(() => res.socket!.resetAndDestroy())
      }
      if (how === 'garbage') {
        return res.writeHead(200, { 'content-type': 'application/json' }).end('{')
      }
      const status = Number(how) || 200
      const error = { message: `no: ${told}`, type: 'x', code: CANARIES.upstreamKey }
      const body = status < 400 ? { choices: [], usage: { prompt_tokens: 1 } } : { error }
      res.writeHead(status, { 'content-type': 'application/json' })
      return res.end(JSON.stringify(body))
    })
  })
}

/** One raw request, so that anything at all can be sent; what came back, head and body. */
function send(
  url: string,
  {
    method = 'POST',
    headers = {},
    body = '',
  }: { method?: string; headers?: object; body?: string },
): Promise<string> {
  return new Promise((resolve) => {
    const fields = { 'content-type': 'application/json', cookie: CANARIES.cookie, ...headers }
    const sent = request(url, { method, headers: fields }, (res) => {
      let text = `${res.statusCode} ${JSON.stringify(res.headers)}\n`
      res.on('data', (chunk: Buffer) => (text += String(chunk)))
      res.on('close', () => resolve(text))
    })
    sent.on('error', (cause) => resolve(String(cause)))
    sent.end(body)
  })
}

it('no secret and no personal data leave by another door than their own', async () => {
  const folder = await temporaryFolder()
  const provider = await startProvider()
  const lines: string[] = []
  const collector = await startUpstream((req, res) => {
    void bodyOf(req).then((body) => res.end(void lines.push(String(body))))
  })
  const gateway = await startTestGateway(config(provider.url, collector.url, folder), {
    env: {
      ADMIN_TOKEN: CANARIES.adminToken,
      UPSTREAM_KEY: CANARIES.upstreamKey,
      STATIC_KEY: CANARIES.staticKey,
      PEPPER: CANARIES.pepper,
      COLLECTOR_TOKEN: CANARIES.collectorToken,
    },
  })
  const chat = `${gateway.url}/v1/chat/completions`
  const good = { authorization: `Bearer ${CANARIES.staticKey}` }
  const prompt = `I am ${CANARIES.email}, my card is ${CANARIES.card}, my number ${CANARIES.ssn}`
  const body = JSON.stringify({
    model: 'gpt-4o',
    messages: [{ role: 'user', content: prompt }],
    user: CANARIES.email,
  })
  const answers: string[] = []
  const ask = async (url: string, headers: object, sent = body, method = 'POST') => {
    answers.push(await send(url, { method, headers, body: sent }))
  }

  // Who is refused at the door.
  await ask(chat, {})
  await ask(chat, { authorization: `Bearer ${CANARIES.clientKey}` })
  await ask(chat, { authorization: `Bearer ${CANARIES.jwt}` })
  await ask(chat, { authorization: `Basic ${btoa(`ada:${CANARIES.clientKey}`)}` })
  await ask(chat, { 'x-api-key': CANARIES.clientKey, ...good })
  await ask(`${chat}?key=${CANARIES.queryKey}&q=${encodeURIComponent(CANARIES.email)}`, {})
  // What is refused on the way.
  await ask(chat, good, `{"model": "${CANARIES.email}", `)
  await ask(chat, good, JSON.stringify({ model: 'gpt-4o', messages: prompt, n: CANARIES.email }))
  await ask(chat, good, JSON.stringify({ model: 'forbidden', messages: [], user: prompt }))
  await ask(chat, good, 'x'.repeat(70_000))
  await ask(`${gateway.url}/nowhere?token=${CANARIES.queryKey}&of=${CANARIES.email}`, good)
  await ask(chat, { ...good, expect: 'nonsense' })
  // What fails behind.
  for (const how of [
    '401',
    '403',
    '404',
    '429',
    '500',
    '503',
    'reset',
    'silent',
    'garbage',
    'cut',
  ]) {
    await ask(chat, { ...good, 'x-fail': how })
    await ask(chat, { ...good, 'x-fail': how, 'x-to': 'claude' })
  }
  await ask(chat, { ...good, 'x-to': 'gone' })
  await ask(chat, good)
  for (let count = 0; count < 12; count++) await ask(chat, good, body)

  // What operators do, rightly and wrongly.
  const admin = { authorization: `Bearer ${CANARIES.adminToken}` }
  for (const path of [
    '/admin/config',
    '/admin/routes',
    '/admin/auth/keys',
    '/metrics',
    '/admin/logging/audit',
  ]) {
    answers.push(await send(`${gateway.adminUrl}${path}`, { method: 'GET', headers: admin }))
  }
  const wrong = { authorization: `Bearer ${CANARIES.clientKey}` }
  answers.push(await send(`${gateway.adminUrl}/admin/config`, { method: 'PUT', headers: wrong }))
  await gateway.change(`upstreams: { x: { keys: ["\${UPSTREAM_KEY}"], url: "\${UPSTREAM_KEY}" } }`)
  answers.push(await send(`${gateway.adminUrl}/admin/config`, { method: 'PUT', headers: admin }))
  await gateway.close({ delayMs: 0 })

  // It was driven: every status that was meant is there, and the lines and rows are.
  const statuses = new Set(answers.map((answer) => answer.slice(0, 3)))
  expect([...statuses].sort()).toEqual(
    expect.arrayContaining([
      '200',
      '400',
      '401',
      '403',
      '404',
      '413',
      '429',
      '500',
      '502',
      '503',
      '504',
    ]),
  )
  const log = readFileSync(`${folder}/lines.log`, 'utf8')
  const store = readFileSync(`${folder}/store.db`, 'latin1')
  expect(log.split('\n').length).toBeGreaterThan(30)
  expect(lines.join('')).toContain('"msg":"exchange"')
  expect(store).toContain('"event":"auth"')

  expect(leaksIn(answers.join('\n')), 'in answers').toEqual([])
  expect(leaksIn(log), 'in lines of the log').toEqual([])
  expect(leaksIn(lines.join('')), 'at the collector').toEqual([])
  expect(leaksIn(store), 'in the store').toEqual([])
  expect(leaksIn(JSON.stringify(gateway.logs, withErrors)), "in the gateway's own log").toEqual([])
})

/** Errors as the log writes them. */
function withErrors(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value
  const { message, stack, cause } = value
  return { message, stack, cause }
}

it('finds what is there to be found', () => {
  expect(leaksIn(`x ${CANARIES.card} y`)).toEqual(['card'])
  expect(leaksIn(Buffer.from(`user:${CANARIES.clientKey}`).toString('base64'))).toEqual([
    'clientKey',
  ])
})
