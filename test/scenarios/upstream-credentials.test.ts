import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import OpenAI from 'openai'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  AUDIENCE,
  CLIENT,
  OPAQUE,
  startIssuer,
  type TestIssuer,
} from '../plugins/auth.oauth2-fixture.ts'
import { startTestGateway } from '../support/gateway.ts'

/** An LLM API that lets in who `admits` says, and remembers the tokens. */
async function startApi(admits: (token: string) => Promise<boolean>) {
  const tokens: string[] = []
  const server = http.createServer((req, res) => void serve(req, res))
  async function serve(req: http.IncomingMessage, res: http.ServerResponse) {
    req.resume()
    await once(req, 'end')
    const token = /^Bearer (.+)$/.exec(req.headers.authorization ?? '')?.[1] ?? ''
    tokens.push(token)
    const isIn = await admits(token)
    const body = isIn
      ? {
          id: 'c1',
          object: 'chat.completion',
          choices: [{ message: { role: 'assistant', content: 'Hi' } }],
        }
      : { error: { message: 'who are you?', type: 'authentication_error' } }
    res
      .writeHead(isIn ? 200 : 401, { 'content-type': 'application/json' })
      .end(JSON.stringify(body))
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return { tokens, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

async function ask(gateway: string) {
  const client = new OpenAI({ apiKey: 'of-the-client', baseURL: `${gateway}/v1`, maxRetries: 0 })
  const messages = [{ role: 'user' as const, content: 'Hi' }]
  return await client.chat.completions.create({ model: 'm', messages })
}

function config(api: string, issuer: TestIssuer, resource: string, secret = CLIENT.secret): string {
  return `
upstreams:
  api:
    dialect: openai-chat
    url: ${api}/v1
    auth:
      type: oauth2-client-credentials
      tokenUrl: ${issuer.url}/token
      clientId: ${CLIENT.id}
      clientSecret: ${secret}
      scope: chat
      parameters: { resource: "${resource}" }
routes: [{ id: llm, match: { api: llm }, upstream: api }]
`
}

describe('an upstream that wants tokens of a real authorization server', () => {
  it('gets one that it can verify, the same for all clients', async () => {
    const issuer = await startIssuer()
    const keys = createRemoteJWKSet(new URL(`${issuer.url}/jwks`))
    const api = await startApi(async (token) => {
      const verified = await jwtVerify(token, keys, {
        issuer: issuer.url,
        audience: AUDIENCE,
      }).catch(() => undefined)
      return verified?.payload['scope'] === 'chat'
    })
    const { url } = await startTestGateway(config(api.url, issuer, AUDIENCE))
    const answers = await Promise.all([ask(url), ask(url), ask(url)])
    expect(answers.map(({ choices }) => choices[0]?.message.content)).toEqual(['Hi', 'Hi', 'Hi'])
    expect(new Set(api.tokens).size).toBe(1)
    expect(issuer.asked.filter((path) => path === '/token')).toHaveLength(1)
  })

  it('gets another where one was revoked, and the client notices nothing', async () => {
    const clock = { now: Date.now() }
    const issuer = await startIssuer()
    const api = await startApi(async (token) => {
      const form = new URLSearchParams({ token })
      const basic = Buffer.from(`${CLIENT.id}:${CLIENT.secret}`).toString('base64')
      const answer = await fetch(`${issuer.url}/token/introspection`, {
        method: 'POST',
        headers: { authorization: `Basic ${basic}` },
        body: form,
      })
      return ((await answer.json()) as { active: boolean }).active
    })
    const options = { now: () => clock.now }
    const { url } = await startTestGateway(config(api.url, issuer, OPAQUE), options)
    await ask(url)
    await issuer.revoke(api.tokens[0]!)
    clock.now += 10_000
    expect((await ask(url)).choices[0]?.message.content).toBe('Hi')
    expect(api.tokens).toHaveLength(3)
    expect(api.tokens[1]).toBe(api.tokens[0])
    expect(api.tokens[2]).not.toBe(api.tokens[0])
  })

  it('is not asked where none is given, and the client hears why without the secret', async () => {
    const issuer = await startIssuer()
    const api = await startApi(() => Promise.resolve(true))
    const secret = 'a-wrong-secret-canary'
    const gateway = await startTestGateway(config(api.url, issuer, AUDIENCE, secret))
    const failure: unknown = await ask(gateway.url).catch((cause: unknown) => cause)
    expect(failure).toMatchObject({
      status: 502,
      code: 'upstream_credentials',
      message: '502 the token endpoint answered 401 (invalid_client)',
    })
    expect(api.tokens).toEqual([])
    expect(JSON.stringify([failure, gateway.logs])).not.toContain(secret)
  })
})
