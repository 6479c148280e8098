import { request } from 'node:http'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { startTestGateway } from '../../support/gateway.ts'
import { step } from '../../support/step.ts'
import { bodyOf, startUpstream } from '../../support/upstream.ts'

/** Says which route was taken, and with which params. */
const tell = step('tell', {
  request: ({ route, req }) => ({ answer: { body: { route, params: { ...req.params } } } }),
})

async function start(routes: string, more = '') {
  const upstream = await startUpstream(async (req, res) => {
    const body = (await bodyOf(req)).toString()
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify({ url: req.url, body }))
  })
  const { url } = await startTestGateway(
    `
upstreams:
  up: { dialect: [openai-chat, anthropic, http], url: "${upstream.url}" }
  other: { dialect: http, url: "${upstream.url}/other" }
${more}
routes:
${routes.trimEnd()}
`,
    { plugins: [tell] },
  )
  const ask = async (path: string, init: RequestInit & { host?: string } = {}) => {
    const { method = 'GET', headers, host } = init
    const req = request(url + path, {
      method,
      headers: { ...(headers as Record<string, string>), ...(host ? { host } : {}) },
    })
    req.end()
    const [res] = await once(req, 'response')
    const text = (await bodyOf(res)).toString()
    return { status: res.statusCode as number, headers: res.headers, text }
  }
  const route = async (...of: Parameters<typeof ask>) => {
    const { text, status } = await ask(...of)
    const { route: name, params } = JSON.parse(text) as { route?: string; params: unknown }
    return name === undefined
      ? status
      : Object.keys(params as object).length
        ? [name, params]
        : name
  }
  return { url, ask, route }
}

test('the first route that matches in everything is taken', async () => {
  const { route } = await start(`
  - { id: host, match: { path: /a, host: "*.example.com" }, pipeline: [tell], upstream: up }
  - { id: exact, match: { path: /a, host: EXAMPLE.com }, pipeline: [tell], upstream: up }
  - { id: header, match: { path: /a, headers: { X-Kind: big } }, pipeline: [tell], upstream: up }
  - { id: present, match: { path: /a, headers: { x-kind: "*" } }, pipeline: [tell], upstream: up }
  - { id: query, match: { path: /a, query: { v: "2" } }, pipeline: [tell], upstream: up }
  - { id: when, match: { path: /a, when: { eq: [$req.query.w, "1"] } }, pipeline: [tell], upstream: up }
  - { id: method, match: { path: /a, method: [PUT, PATCH] }, pipeline: [tell], upstream: up }
  - { id: rest, match: { path: "/a/*" }, pipeline: [tell], upstream: up }
`)
  expect(await route('/a', { host: 'www.Example.com:8080' })).toBe('host')
  expect(await route('/a', { host: 'example.com' })).toBe('exact')
  expect(await route('/a', { host: 'notexample.com', method: 'PUT' })).toBe('method')
  expect(await route('/a', { headers: { 'x-kind': 'big' } })).toBe('header')
  expect(await route('/a', { headers: { 'x-kind': 'small' } })).toBe('present')
  expect(await route('/a?v=2&v=3')).toBe('query')
  expect(await route('/a?w=1')).toBe('when')
  expect(await route('/a/b')).toEqual(['rest', { '*': expect.any(String) as string }])
})

test('params are those of the route that was taken, and its own when sees them', async () => {
  const { route } = await start(`
  - { id: first, match: { path: "/x/{one}", headers: { x-a: b } }, pipeline: [tell], upstream: up }
  - { id: when, match: { path: "/x/{two}", when: { eq: [$req.params.two, me] } }, pipeline: [tell], upstream: up }
  - { id: rest, match: { path: "/x/*" }, pipeline: [tell], upstream: up }
  - { id: models, match: { path: "/v1/{what}", headers: { x-a: b } }, pipeline: [tell], upstream: up }
  - { id: api, match: { api: anthropic }, pipeline: [tell], upstream: up }
`)
  expect(await route('/x/me')).toEqual(['when', { two: 'me' }])
  expect(await route('/x/you')).toEqual(['rest', { '*': expect.any(String) as string }])
  expect(await route('/v1/messages', { method: 'POST' })).toBe('api')
})

test('a wrong method is 405 with what is allowed, an unknown path 404, each in its dialect', async () => {
  const { ask } = await start(`
  - { id: get, match: { path: /a, method: GET }, pipeline: [tell], upstream: up }
  - { id: put, match: { path: /a, method: [PUT, PATCH] }, pipeline: [tell], upstream: up }
`)
  const wrong = await ask('/a', { method: 'DELETE' })
  expect([wrong.status, wrong.headers['allow']]).toEqual([405, 'GET, PUT, PATCH'])
  expect(JSON.parse(wrong.text)).toMatchObject({ code: 'METHOD_NOT_ALLOWED' })
  const unknown = await ask('/b')
  expect(unknown.status).toBe(404)
  expect(unknown.headers['content-type']).toBe('application/problem+json')
})

test('a prefix is stripped whole segments at a time', async () => {
  const { ask } = await start(`
  - { id: a, match: { path: "/files/*" }, stripPrefix: /files, upstream: up }
  - { id: b, match: { path: "/filesystem/*" }, stripPrefix: /filesystem, upstream: up }
`)
  expect(JSON.parse((await ask('/files/x/y?q=1')).text)).toMatchObject({ url: '/x/y?q=1' })
  expect(JSON.parse((await ask('/files/')).text)).toMatchObject({ url: '/' })
  expect(JSON.parse((await ask('/filesystem/x')).text)).toMatchObject({ url: '/x' })
})

test('the routing rule sees the request, and one that comes to nothing is an error of the config', async () => {
  const { ask } = await start(`
  - { id: a, match: { path: /a }, upstream: { if: [{ eq: [$req.query.to, other] }, other, { if: [{ eq: [$req.query.to, up] }, up, null] }] } }
`)
  expect(JSON.parse((await ask('/a?to=other')).text)).toMatchObject({ url: '/other/a?to=other' })
  expect(JSON.parse((await ask('/a?to=up')).text)).toMatchObject({ url: '/a?to=up' })
  const none = await ask('/a')
  expect(none.status).toBe(502)
  expect(JSON.parse(none.text)).toMatchObject({ code: 'UPSTREAM_UNDEFINED' })
})

test('a rule that looks at the model, and finds nobody, tells the client that there is no such model', async () => {
  const gateway = await startTestGateway(`
upstreams:
  a: { dialect: demo, models: [gpt-4o] }
routes:
  - { id: gem, match: { path: "/gem/*" }, stripPrefix: /gem, dialect: gemini, upstream: { byModel: [] } }
  - { id: all, match: { api: llm }, upstream: { byModel: [] } }
`)
  const post = (path: string, body: object) =>
    fetch(`${gateway.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const chat = await post('/v1/chat/completions', { model: 'gpt-2', messages: [] })
  expect(chat.status).toBe(404)
  expect(await chat.json()).toMatchObject({ error: { message: 'there is no model "gpt-2" here' } })
  // Also where the model stands in a path with a prefix.
  expect((await post('/gem/v1beta/models/gpt-4o:generateContent', { contents: [] })).status).toBe(
    200,
  )
  expect((await post('/gem/v1beta/models/gpt-2:generateContent', { contents: [] })).status).toBe(
    404,
  )
})
