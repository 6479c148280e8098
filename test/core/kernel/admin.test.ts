import { request } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { GatewayError } from '#core/errors.ts'
import { type Admin, type AdminAction, createAdmin } from '#core/kernel/admin.ts'
import { Secret } from '#core/kit/secret.ts'
import type { AdminRequest, AdminRoute } from '#core/sdk.ts'
import { rawClient, serverConfig, silentLog } from './listener-fixture.ts'

const TOKEN = 'correct horse battery staple'.replaceAll(' ', '-')
let admin: Admin | undefined

afterEach(() => admin?.close(0))

function route(
  method: AdminRoute['method'],
  path: string,
  handle: AdminRoute['handle'],
): AdminRoute {
  return { method, path, summary: '', handle }
}

const echo = (asked: AdminRequest) => ({
  body: { params: { ...asked.params }, query: { ...asked.query }, body: asked.body ?? null },
})

interface Setup {
  readonly token?: string
  readonly host?: string
  readonly isReady?: () => boolean
}

/** What was told of operators' deeds. */
let actions: AdminAction[] = []

async function start(routes: readonly AdminRoute[], setup: Setup = {}): Promise<number> {
  const { token, host = '127.0.0.1', isReady = () => true } = setup
  actions = []
  const secret = token === undefined ? undefined : new Secret(token)
  const config = serverConfig({ admin: { host, port: 0, token: secret } })
  admin = createAdmin(config, routes, {
    log: silentLog,
    isReady,
    onAction: (action) => actions.push(action),
  })
  return (await admin.listen()).port
}

interface Answer {
  readonly status: number
  readonly headers: Record<string, unknown>
  readonly text: string
}

/** Not fetch: it would not let us say another Host or Origin. */
function call(
  port: number,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, method, path, headers, agent: false })
      .on('error', reject)
      .on('response', (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => (text += chunk.toString()))
        response.on('end', () => {
          resolve({ status: response.statusCode!, headers: response.headers, text })
        })
      })
      .end(body)
  })
}

describe('the routes of an admin listener', () => {
  it('get parameters, query and JSON body, and answer JSON', async () => {
    const port = await start([route('PUT', '/admin/keys/{id}', echo)])
    const headers = { 'content-type': 'application/json; charset=utf-8' }
    const answer = await call(port, 'PUT', '/admin/keys/a%20%2Fb?x=1&y=%20', headers, '{"on":true}')
    expect(answer).toMatchObject({
      status: 200,
      headers: {
        'content-type': 'application/json',
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
      },
    })
    expect(JSON.parse(answer.text)).toEqual({
      params: { id: 'a /b' },
      query: { x: '1', y: ' ' },
      body: { on: true },
    })
  })

  it('get a config in YAML as text', async () => {
    const port = await start([route('PUT', '/admin/config', echo)])
    const headers = { 'content-type': 'application/yaml' }
    const { text } = await call(port, 'PUT', '/admin/config', headers, 'version: 1\n')
    expect(JSON.parse(text)).toMatchObject({ body: 'version: 1\n' })
  })

  it('may answer text, a status of their own, or nothing', async () => {
    const port = await start([
      route('GET', '/metrics', () => ({ headers: { 'content-type': 'text/x' }, body: 'up 1\n' })),
      route('POST', '/made', () => ({ status: 201, body: null })),
      route('DELETE', '/gone', async () => ({})),
    ])
    expect(await call(port, 'GET', '/metrics')).toMatchObject({
      status: 200,
      headers: { 'content-type': 'text/x' },
      text: 'up 1\n',
    })
    expect(await call(port, 'HEAD', '/metrics')).toMatchObject({ status: 200, text: '' })
    expect(await call(port, 'POST', '/made')).toMatchObject({ status: 201, text: 'null\n' })
    const gone = await call(port, 'DELETE', '/gone')
    expect(gone).toMatchObject({ status: 204, text: '' })
    expect(gone.headers).not.toHaveProperty('content-length')
  })

  it('can be replaced while it listens', async () => {
    const port = await start([route('GET', '/old', () => ({ body: 1 }))])
    admin!.setRoutes([route('GET', '/new', () => ({ body: 2 }))])
    expect(await call(port, 'GET', '/old')).toMatchObject({ status: 404 })
    expect(await call(port, 'GET', '/new')).toMatchObject({ status: 200, text: '2\n' })
  })

  it('are told apart by path and method', async () => {
    const port = await start([
      route('GET', '/admin/a', () => ({ body: 1 })),
      route('DELETE', '/admin/{name}', () => ({ body: 2 })),
    ])
    expect(await call(port, 'DELETE', '/admin/a')).toMatchObject({ text: '2\n' })
    expect(await call(port, 'PUT', '/admin/a')).toMatchObject({
      status: 405,
      headers: { allow: 'GET, DELETE', 'content-type': 'application/problem+json' },
    })
    const missing = await call(port, 'GET', '/nowhere')
    expect(missing.status).toBe(404)
    expect(JSON.parse(missing.text)).toMatchObject({
      code: 'ROUTE_NOT_FOUND',
      detail: 'nothing is served at "/nowhere"',
    })
  })

  it('show their errors, and of a bug only that there is one', async () => {
    const events: string[] = []
    const log = { ...silentLog, error: (message: string) => void events.push(message) }
    const config = serverConfig({ admin: { host: '127.0.0.1', port: 0, token: undefined } })
    const failing = [
      route('GET', '/known', () => {
        throw new GatewayError('DENIED', 'not today')
      }),
      route('GET', '/bug', async () => {
        throw new Error('secret sk-123 in a stack')
      }),
    ]
    admin = createAdmin(config, failing, { log, isReady: () => true, onAction: () => undefined })
    const { port } = await admin.listen()
    expect(await call(port, 'GET', '/known')).toMatchObject({ status: 403 })
    const bug = await call(port, 'GET', '/bug')
    expect(bug.status).toBe(500)
    expect(bug.text).not.toMatch('sk-123')
    expect(events).toEqual(['admin route broke'])
  })

  it('take no body that is broken, too large or a form', async () => {
    const port = await start([route('POST', '/x', echo)])
    const json = { 'content-type': 'application/json' }
    expect(await call(port, 'POST', '/x', json, '{')).toMatchObject({ status: 400 })
    expect(await call(port, 'POST', '/x', json, `"${'a'.repeat(1_048_576)}"`)).toMatchObject({
      status: 413,
    })
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    expect(await call(port, 'POST', '/x', form, 'a=1')).toMatchObject({ status: 415 })
    expect(await call(port, 'POST', '/x', { 'content-type': 'text/plain' }, '{}')).toMatchObject({
      status: 415,
    })
  })
})

describe('the probes', () => {
  it('say whether the process lives and whether it is ready', async () => {
    let isReady = false
    const port = await start([], { isReady: () => isReady })
    expect(await call(port, 'GET', '/livez')).toMatchObject({ status: 200, text: 'ok\n' })
    expect(await call(port, 'GET', '/readyz')).toMatchObject({ status: 503, text: 'not ready\n' })
    isReady = true
    expect(await call(port, 'GET', '/readyz')).toMatchObject({ status: 200, text: 'ready\n' })
  })

  it('need no token and no particular host', async () => {
    const port = await start([], { token: TOKEN })
    expect(await call(port, 'GET', '/livez', { host: 'pod.example' })).toMatchObject({
      status: 200,
    })
    expect(await call(port, 'GET', '/readyz')).toMatchObject({ status: 200 })
  })
})

describe('an admin listener with a token', () => {
  const routes = [route('GET', '/x', () => ({ body: 1 }))]

  it('serves those who hold it, wherever they come from', async () => {
    const port = await start(routes, { token: TOKEN })
    const headers = { authorization: `bearer ${TOKEN}`, host: 'gateway.example' }
    expect(await call(port, 'GET', '/x', headers)).toMatchObject({ status: 200 })
  })

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(0, -1)}`,
    `Basic ${TOKEN}`,
    TOKEN,
    `Bearer ${'x'.repeat(5_000)}`,
  ])('refuses %j', async (authorization) => {
    const port = await start(routes, { token: TOKEN })
    const headers = authorization === undefined ? {} : { authorization }
    const answer = await call(port, 'GET', '/x', headers)
    expect(answer).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer' } })
    expect(answer.text).not.toMatch(TOKEN)
  })

  it('tells a stranger nothing of its routes', async () => {
    const port = await start(routes, { token: TOKEN })
    expect(await call(port, 'GET', '/nowhere')).toMatchObject({ status: 401 })
    expect(await call(port, 'DELETE', '/x')).toMatchObject({ status: 401 })
  })
})

describe('an admin listener without a token', () => {
  const routes = [route('POST', '/x', () => ({ body: 1 }))]

  it.each(['0.0.0.0', '::', '192.0.2.1', 'gateway.example', '127.0.0.1.example'])(
    'is refused on %s',
    (host) => {
      const config = serverConfig({ admin: { host, port: 0, token: undefined } })
      const make = () =>
        createAdmin(config, [], {
          log: silentLog,
          isReady: () => true,
          onAction: () => undefined,
        })
      expect(make).toThrow('a token is needed on')
    },
  )

  it.each([{}, { host: 'localhost:8081' }, { host: '[::1]:8081' }, { host: 'LOCALHOST' }])(
    'serves local callers: %j',
    async (headers) => {
      const port = await start(routes)
      expect(await call(port, 'POST', '/x', headers)).toMatchObject({ status: 200 })
    },
  )

  it('serves a page of its own', async () => {
    const port = await start(routes)
    const own = { origin: `http://127.0.0.1:${port}`, 'sec-fetch-site': 'same-origin' }
    expect(await call(port, 'POST', '/x', own)).toMatchObject({ status: 200 })
  })

  it.each([
    { host: 'evil.example' },
    { host: 'localhost.evil.example' },
    { host: '127.0.0.1.evil.example:80' },
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: 'http://127.0.0.1:1' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ])('refuses what another page may have sent: %j', async (headers) => {
    const port = await start(routes)
    const answer = await call(port, 'POST', '/x', headers)
    expect(answer.status).toBe(403)
  })

  it('speaks no WebSocket', async () => {
    const client = rawClient(await start(routes))
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\n')
    client.write('Upgrade: websocket\r\n\r\n')
    expect(await client.closed).toMatch(/^HTTP\/1\.1 400 /)
  })
})
