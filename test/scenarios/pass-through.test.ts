import { once } from 'node:events'
import { request } from 'node:http'
import { expect, test } from 'vitest'
import { startTestGateway } from '../support/gateway.ts'
import { bodyOf, startUpstream } from '../support/upstream.ts'

const chat = (url: string, pipeline = '[]') => `
upstreams:
  model: { dialect: openai-chat, url: "${url}/v1", keys: [secret-key] }
  files: { dialect: http, url: "${url}/base" }
routes:
  - { id: chat, match: { api: openai-chat }, pipeline: ${pipeline}, upstream: model }
  - { id: files, match: { path: /files/* }, pipeline: ${pipeline}, upstream: files }
`

const events = [
  ': hello\n\n',
  'data: {"id":"1","choices":[{"index":0,"delta":{"role":"assistant","content":"Grüße"}}]}\n\n',
  'data: {"id":"1","choices":[{"index":0,"delta":{"content":", 世界 🌍"}}]}\r\n\r\n',
  'event: odd\nid: 7\nretry: 10\ndata: a\ndata: b\n\n',
  'data: {"id":"1","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n\n',
  'data: [DONE]\n\n',
].join('')

test('a stream reaches the client byte for byte, wherever the upstream cuts it', async () => {
  const bytes = Buffer.from(events)
  const upstream = await startUpstream(async (req, res) => {
    const { cut } = JSON.parse((await bodyOf(req)).toString()) as { cut: number }
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.write(bytes.subarray(0, cut))
    // The rest in another packet.
    setImmediate(() => res.end(bytes.subarray(cut)))
  })
  const { url } = await startTestGateway(
    chat(upstream.url, '[logging: { destination: /dev/null }]'),
  )
  for (let cut = 1; cut < bytes.length; cut++) {
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ cut }),
    })
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes), `cut at ${cut}`).toBe(true)
  }
})

test('a request body reaches the upstream byte for byte, with the upstream key in place of the client credential', async () => {
  const seen: { headers: Record<string, unknown>; url: string; body: string }[] = []
  const upstream = await startUpstream(async (req, res) => {
    seen.push({ headers: req.headers, url: req.url!, body: (await bodyOf(req)).toString() })
    res.setHeader('content-type', 'application/json').end('{"choices":[]}')
  })
  const { url } = await startTestGateway(chat(upstream.url))
  const body = '{ "model":"m",  "n": 12345678901234567890, "messages":[] }'
  const answer = await fetch(`${url}/v1/chat/completions?trace=1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer client', cookie: 'a=b' },
    body,
  })
  expect(await answer.text()).toBe('{"choices":[]}')
  expect(seen[0]).toMatchObject({ url: '/v1/chat/completions?trace=1', body })
  expect(seen[0]?.headers).toMatchObject({ authorization: 'Bearer secret-key' })
  expect(seen[0]?.headers).not.toHaveProperty('cookie')
})

test('any API passes: method, path below the base, large bodies both ways', async () => {
  const upstream = await startUpstream((req, res) => {
    res.writeHead(201, { 'x-path': req.url!, 'x-method': req.method! })
    req.pipe(res)
  })
  const { url } = await startTestGateway(chat(upstream.url))
  const body = Buffer.alloc(3_000_000, 'sluice')
  const answer = await fetch(`${url}/files/a%20b?x=1`, { method: 'PUT', body })
  expect(answer.status).toBe(201)
  expect(answer.headers.get('x-method')).toBe('PUT')
  expect(answer.headers.get('x-path')).toBe('/base/files/a%20b?x=1')
  expect(Buffer.from(await answer.arrayBuffer()).equals(body)).toBe(true)
})

test('a client that leaves ends the request at the upstream', async () => {
  const left = Promise.withResolvers<void>()
  const began = Promise.withResolvers<void>()
  const upstream = await startUpstream((req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.write('data: {}\n\n')
    res.on('close', () => left.resolve())
    req.resume()
    began.resolve()
  })
  const { url, generation } = await startTestGateway(chat(upstream.url))
  const req = request(`${url}/v1/chat/completions`, { method: 'POST' })
  req.on('error', () => {})
  req.end('{}')
  const [response] = await once(req, 'response')
  await began.promise
  response.destroy()
  await left.promise
  await expect.poll(() => generation.exchanges).toBe(0)
})

test('a client that leaves before the answer ends the request at the upstream', async () => {
  const left = Promise.withResolvers<void>()
  const began = Promise.withResolvers<void>()
  const upstream = await startUpstream((req, res) => {
    res.on('close', () => left.resolve())
    req.resume().on('end', () => began.resolve())
  })
  const { url, generation } = await startTestGateway(chat(upstream.url))
  const req = request(`${url}/v1/chat/completions`, { method: 'POST' })
  req.on('error', () => {})
  req.end('{}')
  await began.promise
  req.destroy()
  await left.promise
  await expect.poll(() => generation.exchanges).toBe(0)
})

test('a stream that the upstream cuts ends with an error event of the dialect', async () => {
  const upstream = await startUpstream((_, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.write('data: {"id":"1","choices":[{"index":0,"delta":{"content":"half"}}]}\n\ndata: {"id":')
    setTimeout(() => res.destroy(), 20)
  })
  const { url } = await startTestGateway(chat(upstream.url))
  const answer = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body: '{}' })
  const text = await answer.text()
  const frames = text.trim().split('\n\n')
  expect(frames).toHaveLength(2)
  expect(JSON.parse(frames[1]!.slice('data: '.length))).toMatchObject({
    error: { code: 'upstream_cut' },
  })
})

test('a plain answer that the upstream cuts never looks whole', async () => {
  const upstream = await startUpstream((_, res) => {
    res.writeHead(200, { 'content-type': 'application/octet-stream' })
    res.write(Buffer.alloc(200_000))
    setTimeout(() => res.destroy(), 20)
  })
  const { url } = await startTestGateway(chat(upstream.url))
  const answer = await fetch(`${url}/files/big`)
  await expect(answer.arrayBuffer()).rejects.toThrow('terminated')
})

/** How many bytes an upstream gets rid of while the client reads none of them. */
async function sentToNobody(buffered: string): Promise<number> {
  let sent = 0
  const upstream = await startUpstream((_, res) => {
    res.writeHead(200, { 'content-type': 'application/octet-stream' })
    const piece = Buffer.alloc(65_536)
    const write = (): void => {
      while (sent < 200_000_000 && !res.destroyed) {
        sent += piece.length
        if (!res.write(piece)) return void res.once('drain', write)
      }
      res.end()
    }
    write()
  })
  const server = `server: { limits: { buffered: ${buffered} } }\n`
  const { url } = await startTestGateway(server + chat(upstream.url))
  const req = request(`${url}/files/endless`)
  req.on('error', () => {})
  req.end()
  const [response] = await once(req, 'response')
  response.pause()
  let before = -1
  const stands = () => {
    const isStill = sent === before
    before = sent
    return isStill
  }
  await expect.poll(stands, { interval: 200, timeout: 10_000 }).toBe(true)
  response.destroy()
  return sent
}

test('a slow client makes the upstream wait; server.limits.buffered says how soon', async () => {
  const few = await sentToNobody('64kb')
  const many = await sentToNobody('24mb')
  // The rest is what fits into the sockets of three connections, on any kernel.
  expect(few).toBeLessThan(40_000_000)
  expect(many - few).toBeGreaterThan(12_000_000)
})

test('an error before the route is answered in the dialect that the path speaks', async () => {
  const { url } = await startTestGateway(`
upstreams: { demo: { dialect: demo } }
routes:
  - { id: one, match: { path: /only }, upstream: demo }
`)
  const anthropic = await fetch(`${url}/v1/messages`, { method: 'POST', body: '{}' })
  expect(anthropic.status).toBe(404)
  expect(await anthropic.json()).toMatchObject({
    type: 'error',
    error: { type: 'not_found_error' },
  })
  const plain = await fetch(`${url}/else`)
  expect(plain.headers.get('content-type')).toBe('application/problem+json')
  expect(await plain.json()).toMatchObject({
    code: 'ROUTE_NOT_FOUND',
    requestId: plain.headers.get('x-request-id'),
  })
})
