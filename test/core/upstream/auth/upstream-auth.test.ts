import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { exportSPKI, importSPKI, jwtVerify } from 'jose'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { UpstreamAuth } from '#core/config/model.ts'
import { Secret } from '#core/kit/secret.ts'
import { aRequest, openAt, outcome } from '../ask.ts'

interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** A server of the test: what it was asked, and an answer for each. */
async function serve(
  answer: (request: Seen, index: number) => { status?: number; body?: object | string } | undefined,
) {
  const seen: Seen[] = []
  const server = http.createServer((req, res) => {
    const pieces: Buffer[] = []
    req.on('data', (piece: Buffer) => pieces.push(piece))
    req.on('end', () => {
      const one = {
        method: req.method!,
        url: req.url!,
        headers: req.headers,
        body: Buffer.concat(pieces).toString(),
      }
      seen.push(one)
      const given = answer(one, seen.length - 1)
      // Undefined: never answered.
      if (given === undefined) return
      const { status = 200, body = {} } = given
      res.writeHead(status, { 'content-type': 'application/json' })
      res.end(typeof body === 'string' ? body : JSON.stringify(body))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return { seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const SECRET = 's3cr+t/ä:x'

const client = (tokenUrl: string, more: object = {}): UpstreamAuth => ({
  type: 'oauth2-client-credentials',
  tokenUrl,
  clientId: 'the gateway',
  clientSecret: new Secret(SECRET),
  clientAuth: 'basic',
  parameters: {},
  ...more,
})

let count = 0
const tokens = () =>
  serve(() => ({ body: { access_token: `t${++count}`, token_type: 'Bearer', expires_in: 3600 } }))

const post = (body: Buffer | Readable = Buffer.from('{}'), more: object = {}) =>
  aRequest({ method: 'POST', dialect: 'openai-chat', path: '/v1/x', body, ...more })

describe('a token of an OAuth2 server', () => {
  it('is fetched at the first request, presented, and kept', async () => {
    const endpoint = await tokens()
    const api = await serve(() => ({ body: { ok: true } }))
    const upstream = openAt(api.url, {
      dialects: ['openai-chat'],
      auth: client(`${endpoint.url}/token?tenant=a`, {
        scope: 'read write',
        parameters: { audience: 'x' },
      }),
    })
    const headers = { authorization: 'Bearer of-the-client', cookie: 'a=b' }
    expect(await outcome(upstream, post(undefined, { headers }))).toBe('200 {"ok":true}')
    expect(await outcome(upstream, post())).toBe('200 {"ok":true}')

    expect(endpoint.seen).toHaveLength(1)
    const [{ body, headers: asked, url }] = endpoint.seen as [Seen]
    expect(url).toBe('/token?tenant=a')
    expect(Object.fromEntries(new URLSearchParams(body))).toEqual({
      grant_type: 'client_credentials',
      scope: 'read write',
      audience: 'x',
    })
    const basic = Buffer.from(asked.authorization!.replace('Basic ', ''), 'base64').toString()
    expect(basic).toBe('the+gateway:s3cr%2Bt%2F%C3%A4%3Ax')
    const presented = api.seen.map((one) => one.headers.authorization)
    expect(presented[0]).toMatch(/^Bearer t\d+$/)
    expect(presented[1]).toBe(presented[0])
    expect(api.seen[0]!.headers.cookie).toBeUndefined()
  })

  it('is asked for with the secret in the body, where the server wants that', async () => {
    const endpoint = await tokens()
    const api = await serve(() => ({}))
    const auth = client(endpoint.url, { clientAuth: 'post' })
    await outcome(openAt(api.url, { auth }), aRequest())
    const form = new URLSearchParams(endpoint.seen[0]!.body)
    expect([form.get('client_id'), form.get('client_secret')]).toEqual(['the gateway', SECRET])
    expect(endpoint.seen[0]!.headers.authorization).toBeUndefined()
  })

  it('is fetched once for many requests at the same time', async () => {
    const endpoint = await tokens()
    const api = await serve(() => ({}))
    const upstream = openAt(api.url, { auth: client(endpoint.url) })
    await Promise.all(Array.from({ length: 20 }, () => outcome(upstream, post())))
    expect(endpoint.seen).toHaveLength(1)
    expect(api.seen).toHaveLength(20)
  })

  it('that has gone stale is renewed once, and the request sent again', async () => {
    const clock = { now: Date.now() }
    const endpoint = await tokens()
    const revoked = new Set<string>()
    const api = await serve(({ headers }) => {
      if (revoked.has(headers.authorization!)) return { status: 401, body: { error: 'stale' } }
      return { body: { ok: true } }
    })
    const upstream = openAt(api.url, { auth: client(endpoint.url) }, { now: () => clock.now })
    await outcome(upstream, post())
    revoked.add(api.seen[0]!.headers.authorization!)
    clock.now += 60_000
    const request = { deadline: clock.now + 60_000 }
    expect(await outcome(upstream, post(Buffer.from('{"a":1}'), request))).toBe('200 {"ok":true}')
    expect(api.seen.map(({ body }) => body)).toEqual(['{}', '{"a":1}', '{"a":1}'])
    expect(endpoint.seen).toHaveLength(2)
    // A body that streamed by cannot be sent again: the client hears of the 401.
    revoked.add(api.seen[2]!.headers.authorization!)
    clock.now += 60_000
    const stream = post(Readable.from([Buffer.from('{}')]), { deadline: clock.now + 60_000 })
    expect(await outcome(upstream, stream)).toMatch(/^401 /)
  })

  it('that is fresh and refused is not asked for again: the client hears of the 401', async () => {
    const endpoint = await tokens()
    const api = await serve(() => ({ status: 401, body: { error: 'no' } }))
    const upstream = openAt(api.url, { auth: client(endpoint.url) })
    expect(await outcome(upstream, post())).toBe('401 {"error":"no"}')
    expect(await outcome(upstream, post())).toBe('401 {"error":"no"}')
    expect([endpoint.seen.length, api.seen.length]).toEqual([1, 2])
  })

  it.each([
    [400, { error: 'invalid_scope' }, 'the token endpoint answered 400 (invalid_scope)'],
    [
      401,
      { error: 'invalid_client', error_description: SECRET },
      'the token endpoint answered 401 (invalid_client)',
    ],
    [403, { error: SECRET }, 'the token endpoint answered 403'],
    [200, { token_type: 'bearer' }, 'the token endpoint gave no token'],
    [200, { access_token: 'a\r\nb: c' }, 'the token endpoint gave no token'],
    [200, { access_token: 'a', token_type: 'DPoP' }, 'the token endpoint gave no bearer token'],
    [200, '<html>', 'the token endpoint gave no token'],
    [302, '', 'the token endpoint answered 302'],
  ])('that is not given says why, without the secret: %d %j', async (status, body, expected) => {
    const endpoint = await serve(() => ({ status, body }))
    const api = await serve(() => ({}))
    const upstream = openAt(api.url, { auth: client(endpoint.url) })
    expect(await outcome(upstream, post())).toBe(`UPSTREAM_CREDENTIALS: ${expected}`)
    expect(api.seen).toEqual([])
  })

  it('is waited for no longer than the attempt may take', async () => {
    const endpoint = await serve(() => undefined)
    const api = await serve(() => ({}))
    const upstream = openAt(api.url, { auth: client(endpoint.url) })
    expect(await outcome(upstream, post(undefined, { deadline: Date.now() + 50 }))).toMatch(
      /^UPSTREAM_TIMEOUT: no credential for the upstream within \d+ms$/,
    )
  })

  it('is not waited for by an attempt that was given up', async () => {
    const endpoint = await serve(() => undefined)
    const api = await serve(() => ({}))
    const attempt = openAt(api.url, { auth: client(endpoint.url) }).send(post())
    attempt.abort(new Error('the client left'))
    await expect(attempt.answer).rejects.toThrow('the client left')
    expect(api.seen).toEqual([])
  })

  it('cannot be had from an endpoint that nobody serves', async () => {
    const api = await serve(() => ({}))
    const upstream = openAt(api.url, { auth: client('http://127.0.0.1:1/token') })
    expect(await outcome(upstream, post())).toBe(
      'UPSTREAM_CREDENTIALS: the token endpoint cannot be asked: connecting failed: connection refused',
    )
  })

  it('is presented in the handshake of a WebSocket too', async () => {
    const endpoint = await tokens()
    const api = await serve(({ headers }) => ({
      status: 426,
      body: { asked: headers.authorization },
    }))
    const upstream = openAt(api.url, { auth: client(endpoint.url) })
    const { body, status } = await upstream.connect!(aRequest()).answer
    expect(status).toBe(426)
    expect(body.toString()).toMatch(/"asked":"Bearer t\d+"/)
  })
})

describe('a token of Google', () => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const privateKey = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

  it('is given for a statement that the account has signed', async () => {
    const endpoint = await tokens()
    const api = await serve(() => ({}))
    const key = {
      type: 'service_account',
      client_email: 'gateway@project.iam.gserviceaccount.com',
      private_key: privateKey,
      private_key_id: 'k1',
      token_uri: `${endpoint.url}/token`,
    }
    const auth: UpstreamAuth = {
      type: 'google-service-account',
      key: new Secret(JSON.stringify(key)),
      scope: 'https://www.googleapis.com/auth/cloud-platform',
    }
    expect(await outcome(openAt(api.url, { auth }), post())).toBe('200 {}')
    const form = new URLSearchParams(endpoint.seen[0]!.body)
    expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
    const publicKey = await importSPKI(await exportSPKI(pair.publicKey), 'RS256')
    const { payload, protectedHeader } = await jwtVerify(form.get('assertion')!, publicKey, {
      issuer: key.client_email,
      audience: key.token_uri,
      maxTokenAge: '1h',
    })
    expect(protectedHeader).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'k1' })
    expect(payload['scope']).toBe(auth.scope)
    expect(payload.exp! - payload.iat!).toBe(3600)
    expect(api.seen[0]!.headers.authorization).toMatch(/^Bearer t\d+$/)
  })

  it.each([
    ['is not set', '', 'auth.key of the upstream is not set'],
    [
      'is broken',
      JSON.stringify({ client_email: 'a', private_key: 'x' }),
      'auth.key of the upstream is no usable key',
    ],
  ])('cannot be had with a key that %s', async (_name, key, expected) => {
    const auth: UpstreamAuth = { type: 'google-service-account', key: new Secret(key), scope: 's' }
    const api = await serve(() => ({}))
    expect(await outcome(openAt(api.url, { auth }), post())).toBe(
      `UPSTREAM_CREDENTIALS: ${expected}`,
    )
  })
})

describe('a signature of AWS', () => {
  const auth: UpstreamAuth = {
    type: 'aws-sigv4',
    accessKeyId: new Secret('AKID'),
    secretAccessKey: new Secret('secret'),
    sessionToken: new Secret('session'),
    region: 'us-east-1',
    service: 'bedrock',
  }

  it('goes with the request, over a body that came in pieces as well', async () => {
    const api = await serve(() => ({}))
    const upstream = openAt(api.url, { dialects: ['bedrock'], auth })
    const pieces = Readable.from([Buffer.from('{"a"'), Buffer.from(':1}')])
    const bedrock = {
      dialect: 'bedrock',
      path: '/model/a%3A0/converse',
      headers: { authorization: 'Bearer mine' },
    }
    expect(await outcome(upstream, post(pieces, bedrock))).toBe('200 {}')
    expect(await outcome(upstream, post(Buffer.from('{"a":1}'), bedrock))).toBe('200 {}')
    const [first, second] = api.seen as [Seen, Seen]
    expect(first.body).toBe('{"a":1}')
    expect(first.url).toBe('/model/a%3A0/converse')
    expect(first.headers['x-amz-security-token']).toBe('session')
    expect(first.headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/us-east-1\/bedrock\/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=[0-9a-f]{64}$/,
    )
    if (first.headers['x-amz-date'] === second.headers['x-amz-date']) {
      expect(second.headers.authorization).toBe(first.headers.authorization)
    }
  })

  it('is not made anew where it was refused', async () => {
    const api = await serve(() => ({ status: 401 }))
    expect(await outcome(openAt(api.url, { auth }), post())).toBe('401 {}')
    expect(api.seen).toHaveLength(1)
  })
})
