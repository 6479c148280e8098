import fc from 'fast-check'
import { type JWK } from 'jose'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '#core/kit/json.ts'
import { checkOptions } from '#core/testing/options.ts'
import { type TestedPlugin, testPlugin } from '#core/testing.ts'
import auth from '#plugins/auth/auth.ts'
import { hasDuplicateMembers } from '#plugins/auth/json-members.ts'
import { ATTACKS } from './auth.jwt-attacks.ts'
import {
  AUDIENCE,
  byEc,
  byHmac,
  byRsa,
  EC,
  goodClaims,
  ISSUER,
  jwkOf,
  present,
  RS256,
  RSA,
  SECRET,
  STRANGER,
  tokenOf,
  verifier,
} from './auth.jwt-fixture.ts'

describe('a JWT', () => {
  it.each<[string, JsonObject, (now: number) => string]>([
    ['RS256', {}, (now) => tokenOf(RS256, goodClaims(now), byRsa())],
    ['ES256', {}, (now) => tokenOf({ alg: 'ES256', kid: 'ec' }, goodClaims(now), byEc)],
    ['at+jwt', {}, (now) => tokenOf({ ...RS256, typ: 'at+jwt' }, goodClaims(now), byRsa())],
    ['no typ and no kid', {}, (now) => tokenOf({ alg: 'RS256' }, goodClaims(now), byRsa())],
    [
      'a list of audiences',
      {},
      (now) => tokenOf(RS256, { ...goodClaims(now), aud: ['a', AUDIENCE] }, byRsa()),
    ],
    [
      'a fraction',
      {},
      (now) => tokenOf(RS256, { ...goodClaims(now), exp: now / 1_000 + 0.5 }, byRsa()),
    ],
    [
      'expired for less than the skew',
      {},
      (now) => tokenOf(RS256, { ...goodClaims(now), exp: now / 1_000 - 29 }, byRsa()),
    ],
    [
      'HS256',
      {},
      (now) =>
        tokenOf({ alg: 'HS256' }, { ...goodClaims(now), iss: 'https://hmac.test' }, byHmac(SECRET)),
    ],
    [
      'the typ that is asked for',
      { type: 'at+jwt' },
      (now) => tokenOf({ ...RS256, typ: 'application/AT+JWT' }, goodClaims(now), byRsa()),
    ],
    [
      'no audience, where none is asked for',
      { audience: false },
      (now) => tokenOf(RS256, { ...goodClaims(now), aud: 'x' }, byRsa()),
    ],
  ])('is accepted: %s', async (_, more, token) => {
    const tested = await verifier(more)
    expect(await present(tested, token(tested.clock.now))).toMatchObject({ status: 200 })
  })

  it('is understood in the headers of all APIs, but not in the query', async () => {
    const tested = await verifier()
    const token = tokenOf(RS256, goodClaims(tested.clock.now), byRsa())
    for (const name of ['x-api-key', 'api-key', 'x-goog-api-key']) {
      expect((await present(tested, token, name)).status).toBe(200)
    }
    const open = await testPlugin(auth, {
      methods: ['jwt', 'api-key'],
      events: 'all',
      apiKeys: { query: true },
      jwt: { issuers: [{ issuer: ISSUER, audience: [AUDIENCE], secret: SECRET }] },
    })
    const byKey = tokenOf({ alg: 'HS256' }, goodClaims(open.clock.now), byHmac(SECRET))
    expect((await present(open, byKey)).status).toBe(200)
    expect((await open.request({ path: `/v1/models?key=${byKey}` })).status).toBe(401)
    const both = { authorization: `Bearer ${byKey}` }
    const other = tokenOf(
      { alg: 'HS256' },
      { ...goodClaims(open.clock.now), sub: 'b' },
      byHmac(SECRET),
    )
    expect((await open.request({ path: `/v1/models?key=${other}`, headers: both })).status).toBe(
      401,
    )
  })

  it('becomes a consumer by its claims', async () => {
    const claims = {
      id: 'email',
      roles: 'realm_access.roles',
      team: 'groups.0',
      tier: 'https://example.com/tier',
      rateLimit: 'level',
    }
    const tested = await verifier({ claims, roles: ['user'], idPrefix: 'acme:' })
    const token = tokenOf(
      RS256,
      {
        ...goodClaims(tested.clock.now),
        email: 'ada@acme.test',
        realm_access: { roles: ['admin', 'user', 7] },
        groups: ['core', 'ops'],
        'https://example.com/tier': 'gold',
        level: 'special',
      },
      byRsa(),
    )
    const exchange = {
      req: {
        headers: { authorization: `Bearer ${token}` },
        query: {},
        ip: '::1',
        protocol: 'http',
      },
      now: tested.clock.now,
    }
    expect(await tested.hooks.request!(exchange as never)).toEqual({
      consumer: {
        id: 'acme:ada@acme.test',
        method: 'jwt',
        roles: ['admin', 'user'],
        permissions: [],
        rateLimit: 'special',
        team: 'core',
        tier: 'gold',
      },
    })
    // And now it is known.
    expect(tested.hooks.request!(exchange as never)).not.toBeInstanceOf(Promise)
  })

  it('is not believed past its end because it was believed before', async () => {
    const tested = await verifier()
    const token = tokenOf(RS256, goodClaims(tested.clock.now), byRsa())
    expect((await present(tested, token)).status).toBe(200)
    await tested.clock.advance(329_000)
    expect((await present(tested, token)).status).toBe(200)
    await tested.clock.advance(1_000)
    expect(await present(tested, token)).toMatchObject({ status: 401, told: { reason: 'expired' } })
  })

  it('of nobody we know is left to other methods', async () => {
    const tested = await verifier()
    for (const token of ['opaque', 'a.b.c', 'é.x.y']) {
      expect((await present(tested, token)).told['reason']).toBe('unknown')
    }
  })
})

describe('an attack', () => {
  it('is refused, each of a long table', async () => {
    const tested = await verifier()
    const { now } = tested.clock
    const accepted: string[] = []
    for (const [name, token] of ATTACKS) {
      const { status } = await present(tested, token(now))
      if (status !== 401) accepted.push(`${name}: ${status}`)
    }
    expect(accepted).toEqual([])
    expect(ATTACKS.length).toBeGreaterThan(100)
    // The table is made of tokens that would pass, but for the one thing that is wrong with each.
    const good = tokenOf(RS256, goodClaims(now), byRsa())
    expect((await present(tested, good)).status).toBe(200)
  })

  it('is refused where the typ is pinned', async () => {
    const tested = await verifier({ type: 'at+jwt' })
    const token = tokenOf(RS256, goodClaims(tested.clock.now), byRsa())
    expect((await present(tested, token)).status).toBe(401)
  })

  it('is refused whatever bytes of a token are changed', async () => {
    const tested = await verifier()
    const good = tokenOf(RS256, goodClaims(tested.clock.now), byRsa())
    const alphabet = fc.constantFrom(...Array.from('AZaz09-_.=+ %é'))
    let refused = 0
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), alphabet, async (at, letter) => {
        const changed = good.slice(0, at) + letter + good.slice(at + 1)
        const { status } = await present(tested, changed)
        if (status === 401) refused++
        // The last letter of a signature holds two bits that do not count.
        return changed === good || at === good.length - 1 || status === 401
      }),
      { numRuns: 200 },
    )
    expect(refused).toBeGreaterThan(150)
  })
})

describe('members of JSON', () => {
  it('are found where they are there twice, and nowhere else', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => !hasDuplicateMembers(JSON.stringify(value))))
    for (const text of ['{"a":1,"a":1}', '[{"b":{"c":"}","c":[]}}]', '{"a\\"":1,"a\\u0022":2}']) {
      expect(hasDuplicateMembers(text)).toBe(true)
    }
    expect(hasDuplicateMembers('{"a":{"a":["a","a"]},"b":"a"}')).toBe(false)
  })
})

/** An issuer whose published keys can be exchanged, on a clock that moves when it is told to. */
async function withIssuer(options: JsonObject = { jwks: `${ISSUER}/keys` }) {
  const issuer = { keys: [] as JWK[], isDown: false, asked: [] as string[], body: '' }
  const tested = await testPlugin(
    auth,
    {
      methods: ['jwt'],
      failures: { limit: 100_000 },
      jwt: {
        issuers: [{ issuer: ISSUER, audience: [AUDIENCE], ...options }],
      },
    },
    {
      fetch: (url) => {
        issuer.asked.push(url)
        if (issuer.isDown) throw new Error('connection refused')
        const body = url.endsWith('/keys')
          ? issuer.body || JSON.stringify({ keys: issuer.keys })
          : JSON.stringify({ issuer: ISSUER, jwks_uri: `${ISSUER}/keys` })
        return { status: 200, headers: {}, body: Buffer.from(body) }
      },
    },
  )
  return { tested, issuer }
}

/** The status of a token that was signed with the key, as the key id that it names. */
async function statusOf(tested: TestedPlugin, kid: string): Promise<number> {
  const token = tokenOf({ ...RS256, kid }, goodClaims(tested.clock.now), byRsa())
  const headers = { authorization: `Bearer ${token}` }
  return (await tested.request({ path: '/v1/models', headers })).status
}

describe('the keys of an issuer', () => {
  it('are asked for once, when the first token comes', async () => {
    const { tested, issuer } = await withIssuer()
    issuer.keys = [await jwkOf(RSA.publicKey, 'a')]
    expect(issuer.asked).toEqual([])
    const statuses = await Promise.all(Array.from({ length: 20 }, () => statusOf(tested, 'a')))
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(issuer.asked).toEqual([`${ISSUER}/keys`])
  })

  it('are found by discovery where only the issuer is named', async () => {
    const { tested, issuer } = await withIssuer({})
    issuer.keys = [await jwkOf(RSA.publicKey, 'a')]
    expect(await statusOf(tested, 'a')).toBe(200)
    expect(issuer.asked).toEqual([`${ISSUER}/.well-known/openid-configuration`, `${ISSUER}/keys`])
  })

  it('are asked for at most once in 30 s, whatever key ids are made up', async () => {
    const { tested, issuer } = await withIssuer()
    issuer.keys = [await jwkOf(RSA.publicKey, 'a')]
    expect(await statusOf(tested, 'a')).toBe(200)
    for (let round = 0; round < 3; round++) {
      const before = issuer.asked.length
      await tested.clock.advance(round === 0 ? 30_000 : 1_000)
      const flood = Array.from({ length: 100 }, (_, at) =>
        statusOf(tested, `made-up-${round}-${at}`),
      )
      expect(new Set(await Promise.all(flood))).toEqual(new Set([401]))
      for (let second = 0; second < 30; second++) {
        expect(await statusOf(tested, `made-up-${round}-${second}-later`)).toBe(401)
        if (second < 29) await tested.clock.advance(1_000)
      }
      expect(issuer.asked.length - before).toBe(1)
    }
  })

  it('are exchanged without a request that fails', async () => {
    const { tested, issuer } = await withIssuer()
    issuer.keys = [await jwkOf(RSA.publicKey, 'old')]
    expect(await statusOf(tested, 'old')).toBe(200)
    await tested.clock.advance(60_000)
    issuer.keys = [await jwkOf(RSA.publicKey, 'old'), await jwkOf(STRANGER.publicKey, 'new')]
    const tokens = (kid: string, key = RSA.privateKey) =>
      tokenOf({ ...RS256, kid }, { ...goodClaims(tested.clock.now), jti: kid }, byRsa(key))
    const get = async (token: string) =>
      (await tested.request({ path: '/', headers: { authorization: `Bearer ${token}` } })).status
    const answers = await Promise.all([
      get(tokens('new', STRANGER.privateKey)),
      get(tokens('old')),
      get(tokens('new', STRANGER.privateKey)),
    ])
    expect(answers).toEqual([200, 200, 200])
    // The old key is withdrawn: a token that was believed is so no more once that is known.
    issuer.keys = [await jwkOf(STRANGER.publicKey, 'new')]
    await tested.clock.advance(700_000)
    await get(tokens('new', STRANGER.privateKey))
    await new Promise((resolve) => setImmediate(resolve))
    expect(await get(tokens('old'))).toBe(401)
    expect(await get(tokens('new', STRANGER.privateKey))).toBe(200)
  })

  it('go on for a day while the issuer is away, and then no longer', async () => {
    const { tested, issuer } = await withIssuer()
    issuer.keys = [await jwkOf(RSA.publicKey, 'a')]
    expect(await statusOf(tested, 'a')).toBe(200)
    issuer.isDown = true
    await tested.clock.advance(86_400_000)
    expect(await statusOf(tested, 'a')).toBe(200)
    await tested.clock.advance(1_000)
    expect(await statusOf(tested, 'a')).toBe(503)
    issuer.isDown = false
    await tested.clock.advance(1_000)
    expect(await statusOf(tested, 'a')).toBe(200)
  })

  it('that were never there are a reason to try again, not to let in or refuse for good', async () => {
    const { tested, issuer } = await withIssuer()
    issuer.isDown = true
    expect(await statusOf(tested, 'a')).toBe(503)
    expect(await statusOf(tested, 'a')).toBe(503)
    expect(issuer.asked).toHaveLength(1)
    expect(tested.metric('auth_requests_total', { method: '', result: 'unavailable' })).toBe(2)
    expect(tested.log.map(({ message }) => message)).toEqual(['keys of an issuer not read'])
  })

  it.each(['', '[]', '{"keys":7}', `{"keys":[${'{},'.repeat(100)}{}]}`])(
    'are not read from %.20j',
    async (body) => {
      const { tested, issuer } = await withIssuer()
      issuer.body = body || 'no JSON'
      expect(await statusOf(tested, 'a')).toBe(503)
    },
  )

  it('are public ones: a secret that was published by mistake signs nothing', async () => {
    const { tested, issuer } = await withIssuer()
    const { d, p, q, dp, dq, qi } = RSA.privateKey.export({ format: 'jwk' })
    issuer.keys = [{ ...(await jwkOf(RSA.publicKey, 'a')), d, p, q, dp, dq, qi } as JWK]
    expect(await statusOf(tested, 'a')).toBe(401)
  })
})

describe('sluice check', () => {
  const issuer = { issuer: ISSUER, audience: [AUDIENCE] }
  const check = (...issuers: JsonObject[]) =>
    checkOptions(auth, { methods: ['jwt'], jwt: { issuers } }).warnings.join('\n')

  it.each<[JsonObject[], string]>([
    [[{ issuer: ISSUER }], 'audience'],
    [[{ ...issuer, jwks: 'https://a.test/k', secret: SECRET }], 'has jwks and secret'],
    [[{ ...issuer, algorithms: ['HS256'] }], 'HS256 does not go with public keys'],
    [
      [{ ...issuer, secret: SECRET, algorithms: ['HS256', 'RS256'] }],
      'RS256 does not go with a secret',
    ],
    [[{ ...issuer, secret: 'x'.repeat(31) }], 'secret'],
    [[{ ...issuer, algorithms: ['none'] }], 'algorithms'],
    [[{ ...issuer, issuer: 'acme' }], 'is no URL, so its keys cannot be found'],
    [[issuer, issuer], 'is there twice'],
    [[issuer, { ...issuer, issuer: 'https://b.test' }], 'idPrefix: is that of another issuer'],
    [
      [{ ...issuer, keys: [RSA.privateKey.export({ format: 'jwk' }) as JsonObject] }],
      'is not a public key',
    ],
    [[{ ...issuer, claims: { id: 'sub', method: 'amr' } }], 'is set by auth itself'],
    [[{ ...issuer, claims: { id: 'a..b' } }], 'empty segment'],
  ])('refuses %j', (issuers, message) => {
    expect(() => check(...issuers)).toThrow(message)
  })

  it('warns of what is weak', () => {
    expect(check({ ...issuer, audience: false })).toContain(
      'tokens for other services are accepted',
    )
    expect(check({ ...issuer, jwks: 'http://keys.test/k' })).toContain('without encryption')
    expect(check({ ...issuer, jwks: 'http://127.0.0.1/k' })).toBe('')
    expect(EC.publicKey.type).toBe('public')
  })
})
