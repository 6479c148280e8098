import { Secret } from '#core/kit/secret.ts'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { describe as about, expect, onTestFinished, test } from 'vitest'
import { aRequest, openAt, outcome } from './ask.ts'
import { rawServer } from './raw-server.ts'

type Overrides = Parameters<typeof openAt>[1]

/** What the upstream got: the request line, its fields by name, and the body. */
async function sent(
  request: Parameters<typeof aRequest>[0],
  overrides: Overrides & { base?: string } = {},
) {
  const server = await rawServer((socket) => socket.write('HTTP/1.1 204 No Content\r\n\r\n'))
  const { base = '', ...config } = overrides
  const result = await outcome(openAt(server.url + base, config), aRequest(request))
  if (result !== '204 ') throw new Error(result)
  const [head, body] = server.requests[0]!.split('\r\n\r\n')
  const [line, ...lines] = head!.split('\r\n')
  const fields = Object.fromEntries(
    lines.map((field) => [field.split(': ', 1)[0]!, field.slice(field.indexOf(': ') + 2)]),
  )
  return { line, fields, body, lines, host: server.url.slice('http://'.length) }
}

about('what goes upstream', () => {
  test('has the method, the path behind the base and the query as they came', async () => {
    const { line } = await sent(
      { method: 'PATCH', path: '/a%20b/c', query: 'x=1&y=%2F&z' },
      { base: '/base/' },
    )

    expect(line).toBe('PATCH /base/a%20b/c?x=1&y=%2F&z HTTP/1.1')
  })

  test('has the host of the endpoint, and says who the client was', async () => {
    const { fields, host } = await sent({ headers: { host: 'gateway.test' } })

    expect(fields).toEqual({
      host,
      connection: 'keep-alive',
      via: '1.1 sluice',
      'x-forwarded-for': '192.0.2.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'gateway.test',
    })
  })

  test('does not tell model providers who their users are', async () => {
    const { fields } = await sent(
      { dialect: 'openai-chat', headers: { 'x-forwarded-for': '10.0.0.1' } },
      { dialects: ['openai-chat'] },
    )

    expect(Object.keys(fields).filter((name) => name.startsWith('x-forwarded'))).toEqual([])
  })

  test('keeps what is end to end, lists included', async () => {
    const { fields, lines } = await sent({
      headers: {
        accept: 'text/html',
        'accept-encoding': 'gzip, br',
        'x-custom': 'é',
        range: 'bytes=0-1',
        'x-list': ['a', 'b'],
      },
    })

    expect(fields).toMatchObject({
      accept: 'text/html',
      'accept-encoding': 'gzip, br',
      'x-custom': 'é',
      range: 'bytes=0-1',
    })
    expect(lines.filter((field) => field.startsWith('x-list'))).toEqual(['x-list: a', 'x-list: b'])
  })

  test.for([
    'connection',
    'keep-alive',
    'proxy-connection',
    'proxy-authorization',
    'proxy-authenticate',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
    'http2-settings',
    'expect',
    'forwarded',
    'x-real-ip',
    'x-forwarded-port',
    'x-forwarded-prefix',
    'x-sluice-anything',
    'authorization',
    'cookie',
    'x-api-key',
    'api-key',
    'x-goog-api-key',
  ])('never has the %s that the client sent', async (name) => {
    const { lines } = await sent({ headers: { [name]: 'evil' } })

    expect(lines.join('\n')).not.toContain('evil')
  })

  test('lacks what Connection names, but Connection cannot name what matters', async () => {
    const { fields } = await sent(
      {
        method: 'POST',
        body: Readable.from([Buffer.from('abc')]),
        headers: {
          connection:
            'close, X-Hop, host, content-length, authorization, x-forwarded-for, content-type',
          'x-hop': '1',
          'content-length': '3',
          'content-type': 'text/plain',
          authorization: 'Bearer mine',
        },
      },
      { forwardCredentials: true },
    )

    expect(fields).toMatchObject({
      connection: 'keep-alive',
      'content-length': '3',
      'content-type': 'text/plain',
      authorization: 'Bearer mine',
      'x-forwarded-for': '192.0.2.1',
    })
    expect(fields).not.toHaveProperty('x-hop')
  })

  test('adds itself to the way that Via tells, and breaks a circle', async () => {
    const { fields } = await sent({ headers: { via: '1.0 fred, 1.1 sluice' } })
    expect(fields['via']).toBe('1.0 fred, 1.1 sluice, 1.1 sluice')

    const via = Array.from({ length: 8 }, () => '1.1 sluice').join(', ')
    await expect(sent({ headers: { via } })).rejects.toThrow(
      'UPSTREAM_REFUSED: the request has passed through a gateway 8 times',
    )
  })

  test('carries the credential of the upstream in the place of the client’s', async () => {
    const openai = await sent(
      { dialect: 'openai-chat', path: '/v1/models', headers: { authorization: 'Bearer mine' } },
      { dialects: ['openai-chat'], keys: [new Secret('sk-up')], base: '/v1' },
    )
    expect(openai.line).toBe('GET /v1/models HTTP/1.1')
    expect(openai.fields['authorization']).toBe('Bearer sk-up')

    const anthropic = await sent(
      { dialect: 'anthropic', path: '/v1/messages', headers: { 'x-api-key': 'mine' } },
      { dialects: ['anthropic'], keys: [new Secret('sk-ant')] },
    )
    expect(anthropic.fields['x-api-key']).toBe('sk-ant')
  })

  test.each([
    ['', undefined, 'POST /openai/v1/chat/completions HTTP/1.1'],
    ['/openai/v1', undefined, 'POST /openai/v1/chat/completions HTTP/1.1'],
    ['/openai/v1/', 'preview', 'POST /openai/v1/chat/completions?api-version=preview HTTP/1.1'],
    [
      '/openai',
      '2024-10-21',
      'POST /openai/deployments/gpt%204/chat/completions?api-version=2024-10-21 HTTP/1.1',
    ],
    [
      '/openai/deployments/mine',
      '2024-10-21',
      'POST /openai/deployments/mine/chat/completions?api-version=2024-10-21 HTTP/1.1',
    ],
  ])(
    'asks Azure in each of its forms: under %j, version %j',
    async (base, apiVersion, expected) => {
      const { fields, line } = await sent(
        {
          method: 'POST',
          dialect: 'openai-chat',
          path: '/v1/chat/completions',
          model: 'gpt 4',
          headers: { authorization: 'Bearer mine' },
        },
        { dialects: ['azure-openai'], keys: [new Secret('azure')], base, apiVersion },
      )

      expect(line).toBe(expected)
      expect(fields['api-key']).toBe('azure')
      expect(fields['authorization']).toBeUndefined()
    },
  )

  test('asks Azure for what belongs to no deployment without one', async () => {
    const azure = { dialects: ['azure-openai'], apiVersion: 'v' } as const
    const asked = { dialect: 'openai-responses', path: '/v1/responses/r1', query: 'x=1' } as const
    expect((await sent(asked, azure)).line).toBe(
      'GET /openai/responses/r1?api-version=v&x=1 HTTP/1.1',
    )

    await expect(sent({ dialect: 'openai-chat', path: '/v1/embeddings' }, azure)).rejects.toThrow(
      'BAD_REQUEST: the request names no model',
    )
  })

  test.each([
    ['bedrock', '', '/model/a%3A0/converse', 'GET /model/a%3A0/converse HTTP/1.1'],
    ['cohere', '/v2', '/v2/chat', 'GET /v2/chat HTTP/1.1'],
    ['mistral', '/v1', '/v1/chat/completions', 'GET /v1/chat/completions HTTP/1.1'],
    ['ollama', '/api', '/api/chat', 'GET /api/chat HTTP/1.1'],
  ] as const)('asks %s with a bearer key, under %j', async (dialect, base, path, expected) => {
    const overrides = { dialects: [dialect], keys: [new Secret('sk')], base }
    const { fields, line } = await sent({ dialect, path }, overrides)

    expect(line).toBe(expected)
    expect(fields['authorization']).toBe('Bearer sk')
  })

  test('has no credential in its query either', async () => {
    const { line } = await sent(
      { dialect: 'gemini', path: '/v1beta/models', query: 'alt=sse&key=mine&k%65y=mine&x=key' },
      { dialects: ['gemini'] },
    )

    expect(line).toBe('GET /v1beta/models?alt=sse&x=key HTTP/1.1')
  })

  test('keeps a parameter named key where that is no credential', async () => {
    const { line } = await sent({ query: 'key=1' })

    expect(line).toBe('GET /?key=1 HTTP/1.1')
  })

  test('uses keys in turn, or the one that is asked for', async () => {
    const server = await rawServer((socket) => socket.write('HTTP/1.1 204 No Content\r\n\r\n'))
    const upstream = openAt(server.url, { keys: [new Secret('k0'), new Secret('k1')] })
    for (const key of [undefined, undefined, undefined, 1]) {
      const answer = await upstream.send(aRequest({ key })).answer
      expect(server.requests.at(-1)).toContain(`authorization: Bearer k${answer.key}\r\n`)
    }

    const used = server.requests.map((request) => /Bearer (k\d)/.exec(request)![1])
    expect(used).toEqual(['k0', 'k1', 'k0', 'k1'])
  })

  test('has the fields of the config over the client’s, and lacks what the config removes', async () => {
    const { fields } = await sent(
      { headers: { 'user-agent': 'client', 'x-a': 'client', accept: '*/*' } },
      { headers: { 'user-agent': 'gateway', 'X-A': null, 'x-secret': new Secret('shh') } },
    )

    expect(fields).toMatchObject({ 'user-agent': 'gateway', 'x-secret': 'shh', accept: '*/*' })
    expect(fields).not.toHaveProperty('x-a')
  })

  test('asks for a plain answer where a step reads it', async () => {
    const { lines } = await sent({
      mustBuffer: true,
      headers: { 'accept-encoding': 'gzip, deflate, br' },
    })

    expect(lines.filter((field) => field.startsWith('accept-encoding'))).toEqual([
      'accept-encoding: identity',
    ])
  })

  test('has the length of a buffer, whatever the client said', async () => {
    const { fields, body } = await sent({
      method: 'POST',
      body: Buffer.from('abc'),
      headers: { 'content-length': '99' },
    })

    expect(fields['content-length']).toBe('3')
    expect(body).toBe('abc')
  })

  test('streams a body of unknown length in chunks', async () => {
    const server = http.createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        response.end(`${request.headers['transfer-encoding']} ${Buffer.concat(chunks).toString()}`)
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const body = Readable.from([Buffer.from('abc'), Buffer.from('defg')])
    const upstream = openAt(`http://127.0.0.1:${port}`)

    expect(await outcome(upstream, aRequest({ method: 'POST', body }))).toBe('200 chunked abcdefg')
  })

  test.for(['/a b', '/a\nb', 'no-slash', '/ü\u0100'])(
    'is never a broken request line: %j is refused',
    async (path) => {
      await expect(sent({ path })).rejects.toThrow(/^BAD_REQUEST: /)
    },
  )

  test.for([{ 'x-a': 'b\r\nc: d' }, { 'x a': 'b' }, { 'x-a': '\0' }])(
    'is never a broken field: %j is refused',
    async (headers) => {
      await expect(sent({ headers: headers as unknown as Record<string, string> })).rejects.toThrow(
        /^BAD_REQUEST: /,
      )
    },
  )
})
