import { describe, expect, it } from 'vitest'
import type { JsonObject } from '#core/kit/json.ts'
import { testPlugin } from '#core/testing.ts'
import auth from '#plugins/auth/auth.ts'
import { startTestGateway } from '../support/gateway.ts'
import { step } from '../support/step.ts'
import { AUDIENCE, CLIENT, OPAQUE, startIssuer, type TestIssuer } from './auth.oauth2-fixture.ts'

/** A gateway on a clock that can be moved, which keeps the consumers that come through. */
async function startGateway(options: JsonObject) {
  const clock = { ahead: 0 }
  const consumers: JsonObject[] = []
  const keep = step('keep', { request: ({ consumer }) => void consumers.push({ ...consumer }) })
  const gateway = await startTestGateway(
    `
upstreams: { demo: { dialect: demo } }
pipelines: { main: [ { auth: ${JSON.stringify(options)} }, keep ] }
routes: [{ id: all, pipeline: main, upstream: demo }]
`,
    { plugins: [keep], now: () => Date.now() + clock.ahead },
  )
  async function ask(token: string): Promise<number> {
    const headers = { authorization: `Bearer ${token}` }
    const answer = await fetch(`${gateway.url}/v1/models`, { headers })
    await answer.body?.cancel()
    return answer.status
  }
  return { ask, clock, consumers, gateway }
}

const byJwt = ({ url }: TestIssuer): JsonObject => ({
  methods: ['jwt'],
  jwt: { issuers: [{ issuer: url, audience: [AUDIENCE], claims: { id: 'sub', roles: 'scope' } }] },
})

const byIntrospection = ({ url }: TestIssuer, more: JsonObject = {}): JsonObject => ({
  methods: ['oauth2'],
  oauth2: {
    introspection: `${url}/token/introspection`,
    clientId: CLIENT.id,
    clientSecret: CLIENT.secret,
    claims: { id: 'sub', roles: 'scope' },
    ...more,
  },
})

const introspections = ({ asked }: TestIssuer) =>
  asked.filter((path) => path.endsWith('/introspection')).length

describe('against a real authorization server', () => {
  it('a client by its credentials, and a user by code and PKCE, are let in with JWTs', async () => {
    const issuer = await startIssuer()
    const { ask, consumers } = await startGateway(byJwt(issuer))
    expect(await ask(await issuer.clientToken())).toBe(200)
    expect(await ask(await issuer.userToken('ada'))).toBe(200)
    expect(consumers).toMatchObject([
      { id: CLIENT.id, method: 'jwt', roles: ['chat'] },
      { id: 'ada', method: 'jwt', roles: ['chat'] },
    ])
  })

  it('the same with opaque tokens, which are introspected', async () => {
    const issuer = await startIssuer()
    const options = byIntrospection(issuer, { scopes: ['chat'], issuer: issuer.url })
    const { ask, consumers } = await startGateway(options)
    expect(await ask(await issuer.clientToken(OPAQUE))).toBe(200)
    expect(await ask(await issuer.userToken('ada', OPAQUE))).toBe(200)
    expect(consumers).toMatchObject([
      { id: `client:${CLIENT.id}`, method: 'oauth2', roles: ['chat'] },
      { id: 'ada', method: 'oauth2' },
    ])
  })

  it('keys are exchanged without a request that fails', async () => {
    const issuer = await startIssuer()
    const { ask, clock, gateway } = await startGateway(byJwt(issuer))
    const old = await issuer.clientToken()
    expect(await ask(old)).toBe(200)
    for (let round = 0; round < 3; round++) {
      await issuer.rotate()
      clock.ahead += 31_000
      const fresh = await Promise.all(Array.from({ length: 5 }, () => issuer.clientToken()))
      const statuses = await Promise.all([...fresh, old, ...fresh].map(ask))
      expect(statuses.filter((status) => status !== 200)).toEqual([])
    }
    expect(gateway.logs.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('a token that was revoked is no good after a minute', async () => {
    const issuer = await startIssuer()
    const { ask, clock } = await startGateway(byIntrospection(issuer))
    const token = await issuer.clientToken(OPAQUE)
    expect(await ask(token)).toBe(200)
    await issuer.revoke(token)
    clock.ahead = 59_000
    expect(await ask(token)).toBe(200)
    expect(introspections(issuer)).toBe(1)
    clock.ahead = 61_000
    expect(await ask(token)).toBe(401)
    expect(introspections(issuer)).toBe(2)
  })

  it('is asked once about a token that many present at once, and rarely about a bad one', async () => {
    const issuer = await startIssuer()
    const { ask, clock } = await startGateway(byIntrospection(issuer))
    const token = await issuer.clientToken(OPAQUE)
    const statuses = await Promise.all(Array.from({ length: 20 }, () => ask(token)))
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(introspections(issuer)).toBe(1)
    for (let round = 0; round < 5; round++) expect(await ask('made-up')).toBe(401)
    expect(introspections(issuer)).toBe(2)
    clock.ahead = 5_100
    expect(await ask('made-up')).toBe(401)
    expect(introspections(issuer)).toBe(3)
  })

  it('lets nobody new in while the server is away', async () => {
    const issuer = await startIssuer()
    const { ask, gateway } = await startGateway(byIntrospection(issuer))
    const known = await issuer.clientToken(OPAQUE)
    const other = await issuer.clientToken(OPAQUE)
    expect(await ask(known)).toBe(200)
    issuer.isDown = true
    expect(await ask(other)).toBe(503)
    expect(await ask(known)).toBe(200)
    expect(JSON.stringify(gateway.logs)).not.toContain(other)
    issuer.isDown = false
    expect(await ask(other)).toBe(200)
  })

  it('never shows it a key of our own', async () => {
    const issuer = await startIssuer()
    const options = { ...byIntrospection(issuer), methods: ['api-key', 'oauth2'] }
    const { ask } = await startGateway(options)
    expect(await ask('sluice_0123456789012345678901234567890123456789')).toBe(401)
    expect(introspections(issuer)).toBe(0)
  })

  it('refuses tokens without the scope or the audience that is asked for', async () => {
    const issuer = await startIssuer()
    const token = await issuer.clientToken(OPAQUE)
    const scoped = await startGateway(byIntrospection(issuer, { scopes: ['admin'] }))
    expect(await scoped.ask(token)).toBe(401)
    const meant = await startGateway(byIntrospection(issuer, { audience: ['urn:other'] }))
    expect(await meant.ask(token)).toBe(401)
    const right = await startGateway(byIntrospection(issuer, { audience: [AUDIENCE] }))
    expect(await right.ask(token)).toBe(200)
    const ours = await startGateway(byIntrospection(issuer, { issuer: 'https://other.test' }))
    expect(await ours.ask(token)).toBe(401)
  })
})

describe('an answer about a token', () => {
  const ask = async (answer: object, status = 200) => {
    const tested = await testPlugin(
      auth,
      {
        methods: ['oauth2'],
        oauth2: {
          introspection: 'https://login.test/i',
          clientId: 'a',
          clientSecret: 'b',
          authentication: 'post',
        },
      },
      {
        fetch: (_, options) => {
          expect(options?.body).toContain('client_secret=b')
          const body = Buffer.from(JSON.stringify(answer))
          return { status, headers: { 'content-type': 'application/json' }, body }
        },
      },
    )
    const headers = { authorization: 'Bearer opaque' }
    return (await tested.request({ path: '/v1/models', headers })).status
  }

  it.each<[number, object, number?]>([
    [200, { active: true, sub: 'ada' }],
    [200, { active: true, sub: 'ada', exp: 4_000_000_000 }],
    [401, { active: false, sub: 'ada' }],
    [401, { active: true }],
    [401, { active: true, sub: 'ada', exp: 1 }],
    [401, { active: true, sub: 'ada', exp: '4000000000' }],
    [401, { active: true, sub: 'ada', cnf: { jkt: 'x' } }],
    [503, { active: 'true', sub: 'ada' }],
    [503, { sub: 'ada' }],
    [503, { active: true, sub: 'ada' }, 401],
    [503, { active: true, sub: 'ada' }, 302],
  ])('comes to %i: %j', async (status, answer, code) => {
    expect(await ask(answer, code)).toBe(status)
  })
})
